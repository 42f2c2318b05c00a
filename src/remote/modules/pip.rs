//! `pip`: Python packages, in a virtual environment or for the whole host.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    choices, options,
    protocol::{Change, Effect, Run},
    remote::{Applied, Choice, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

options! {
    /// Installs and removes Python packages with pip, making the virtual environment first where it is missing.
    ///
    /// ## Example
    /// ```yaml
    /// - pip:
    ///     requirements: /srv/rates/requirements.txt
    ///     virtualenv: /srv/rates/venv
    ///     virtualenv_command: python3 -m venv
    /// ```
    ///
    /// ## Returns
    /// `name`, `version`, `state`, `requirements`, `virtualenv`; `cmd`, `stdout` and `stderr` of pip when it ran.
    pub struct Pip {
        /// Packages, with versions as pip takes them.
        name: Vec<String>,
        /// The version of the only package.
        version: Option<String>,
        /// A file of requirements on the host.
        requirements: Option<String>,
        /// What they should be.
        state: State = State::Present,
        /// The virtual environment to install into.
        virtualenv: Option<PathBuf>,
        /// What makes it; `python3 -m venv` is used where `virtualenv` is not on the host.
        virtualenv_command: String = "virtualenv",
        /// The Python for it.
        virtualenv_python: Option<String>,
        /// Let it see the host's packages.
        virtualenv_site_packages: bool = false,
        /// More words for pip.
        extra_args: Option<String>,
        /// Install from a source tree that stays where it is.
        editable: bool = false,
        /// The directory to work in.
        chdir: Option<PathBuf>,
        /// Another pip.
        executable: Option<String>,
        /// Umask while pip works, octal.
        umask: Option<String>,
        /// Install where the host's packages are managed by somebody else.
        break_system_packages: bool = false,
        /// The Python that the host's variables name, put here by the controller.
        interpreter: Option<String> [_python],
    }
}

choices! {
    /// What packages should be.
    pub enum State {
        /// Installed.
        Present = "present",
        /// Gone.
        Absent = "absent",
        /// Installed in the newest version there is.
        Latest = "latest",
        /// Installed anew.
        Forcereinstall = "forcereinstall",
    }
}

impl Module for Pip {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        self.validate()?;
        let mut plan = Plan::new();
        plan.set("name", self.name.clone());
        plan.set("version", self.version.clone());
        plan.set("state", self.state.word());
        plan.set("requirements", self.requirements.clone());
        plan.set("virtualenv", self.virtualenv.as_ref().map(|path| path.display().to_string()));
        let mut fresh = false;
        if let Some(directory) = self.environment() {
            let pip = directory.join("bin/pip");
            if !probe.exists(&directory.join("bin/activate"))? && !probe.exists(&pip)? {
                if self.state == State::Absent {
                    return Ok(plan);
                }
                fresh = true;
                let run = self.make_environment(probe, &directory)?;
                plan.push(Change::Run(run.effect(Effect::new("file", &pip.to_string_lossy(), "file".into()))));
            } else if probe.predicting() && probe.assumed("venv", &directory.to_string_lossy()).is_some() {
                fresh = true;
            }
        }
        let pip = self.pip(probe)?;
        let wanted = self.wanted();
        let domain = format!("pip {}", pip.join(" "));
        let all_assumed = !wanted.is_empty() && wanted.iter().all(|name| probe.assumed(&domain, name).is_some());
        let present = if fresh || all_assumed { BTreeMap::new() } else { self.installed(probe, &pip)? };
        if self.state == State::Absent {
            let gone: Vec<&str> =
                wanted.iter().map(|name| bare(name)).filter(|name| present.contains_key(&normal(name))).collect();
            if !gone.is_empty() {
                let mut words = vec!["uninstall", "-y"];
                words.extend(gone);
                plan.push(Change::Run(self.run(&pip, &words)));
            }
            return Ok(plan);
        }
        let missing: Vec<&String> = wanted.iter().filter(|name| !satisfied(name, &present)).collect();
        let sure = self.state == State::Present && self.requirements.is_none() && !self.editable;
        if all_assumed || sure && missing.is_empty() && !wanted.is_empty() {
            return Ok(plan);
        }
        let words = self.install_words(&wanted);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // Only pip itself knows what a file of requirements or a range of versions comes to.
        if probe.predicting() && !fresh && self.would_stay(probe, &pip, &words)? {
            return Ok(plan);
        }
        let mut run = self.run(&pip, &words);
        run.effects = wanted.iter().map(|name| Effect::new(&domain, name, true.into())).collect();
        if let Some(directory) = self.environment() {
            run.effects.push(Effect::new("venv", &directory.to_string_lossy(), true.into()));
        }
        plan.diff("packages", "", wanted.join("\n") + "\n");
        plan.push(Change::Run(run));
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        let (Some(Change::Run(run)), Some(last)) = (plan.changes.last(), applied.last()) else { return Ok(()) };
        let (cmd, changed) = (run.argv.join(" "), last.stdout.contains("Successfully "));
        plan.changed = Some(changed || plan.changes.len() > 1);
        plan.set("cmd", cmd);
        plan.set("stdout", last.stdout.as_str());
        plan.set("stderr", last.stderr.as_str());
        Ok(())
    }
}

impl Pip {
    fn validate(&self) -> Result<(), Stop> {
        let wrong = match (self.name.is_empty(), &self.requirements) {
            (true, None) => "one of the following is required: name, requirements",
            (false, Some(_)) => "options are mutually exclusive: name|requirements",
            _ if self.executable.is_some() && self.virtualenv.is_some() => {
                "options are mutually exclusive: executable|virtualenv"
            }
            _ if self.version.is_some() && self.name.len() > 1 => {
                "'version' argument is ambiguous when installing multiple package distributions"
            }
            _ if self.version.is_some() && self.state == State::Latest => "version is incompatible with state=latest",
            _ => return Ok(()),
        };
        Err(Stop::failed(wrong))
    }

    fn environment(&self) -> Option<PathBuf> {
        let directory = self.virtualenv.as_ref()?;
        Some(self.chdir.as_ref().map_or_else(|| directory.clone(), |chdir| chdir.join(directory)))
    }

    fn wanted(&self) -> Vec<String> {
        let mut wanted: Vec<String> = Vec::new();
        for name in self.name.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
            // `a>=1,<2` reaches us as two items where it was written as text.
            match wanted.last_mut() {
                Some(last) if name.starts_with(['<', '>', '=', '!', '~']) => {
                    last.push(',');
                    last.push_str(name);
                }
                _ => wanted.push(name.to_owned()),
            }
        }
        if let (Some(version), [only]) = (&self.version, wanted.as_mut_slice()) {
            let operator = if version.starts_with(['<', '>', '=', '!', '~']) { "" } else { "==" };
            only.push_str(operator);
            only.push_str(version);
        }
        wanted
    }

    fn make_environment(&self, probe: &Probe<'_>, directory: &Path) -> Found<Run> {
        let mut words: Vec<&str> = self.virtualenv_command.split_whitespace().collect();
        let known = match words.first() {
            Some(program) => probe.program(program)?.is_some(),
            None => false,
        };
        if !known && self.virtualenv_command == "virtualenv" {
            words = vec![self.virtualenv_python.as_deref().unwrap_or("python3"), "-m", "venv"];
        } else if let Some(python) = &self.virtualenv_python {
            words.extend(["-p", python]);
        }
        if self.virtualenv_site_packages {
            words.push("--system-site-packages");
        }
        let directory = directory.to_string_lossy();
        words.push(&directory);
        Ok(self.prepared(Run::new(words)))
    }

    fn pip(&self, probe: &Probe<'_>) -> Found<Vec<String>> {
        if let Some(directory) = self.environment() {
            return Ok(vec![directory.join("bin/pip").display().to_string()]);
        }
        if let Some(executable) = &self.executable {
            return Ok(vec![executable.clone()]);
        }
        if let Some(python) = &self.interpreter
            && probe.program(python)?.is_some()
            && probe.query(&[python, "-m", "pip", "--version"]).is_ok_and(|output| output.success())
        {
            return Ok(vec![python.clone(), "-m".to_owned(), "pip".to_owned()]);
        }
        for name in ["pip3", "pip"] {
            if probe.program(name)?.is_some() {
                return Ok(vec![name.to_owned()]);
            }
        }
        if probe.program("python3")?.is_some()
            && probe.query(&["python3", "-m", "pip", "--version"]).is_ok_and(|output| output.success())
        {
            return Ok(["python3", "-m", "pip"].map(str::to_owned).to_vec());
        }
        if probe.predicting() && probe.all_assumed("package").next().is_some() {
            return Err(Stop::Unknown("pip comes with a package that is installed earlier".to_owned()));
        }
        Err(Stop::failed("pip is not on this host").hint("install python3-pip, or use a virtualenv"))
    }

    fn installed(&self, probe: &Probe<'_>, pip: &[String]) -> Found<BTreeMap<String, String>> {
        let words = ["list", "--format=freeze", "--disable-pip-version-check"];
        let output = probe.query_run(&self.prepared(Run::new(pip.iter().map(String::as_str).chain(words))))?;
        if !output.success() {
            return Err(Stop::failed(format!("pip cannot list its packages: {}", output.stderr.trim())));
        }
        let pairs = output.stdout.lines().filter_map(|line| line.split_once("=="));
        Ok(pairs.map(|(name, version)| (normal(name), version.trim().to_owned())).collect())
    }

    /// `extra_args` as a shell would read them.
    fn more_words(&self) -> Vec<String> {
        let more = self.extra_args.as_deref().unwrap_or_default();
        super::words::split(more).unwrap_or_else(|_| more.split_whitespace().map(str::to_owned).collect())
    }

    fn install_words(&self, wanted: &[String]) -> Vec<String> {
        let mut words = vec!["install".to_owned()];
        match self.state {
            State::Latest => words.push("-U".to_owned()),
            State::Forcereinstall => words.extend(["-U", "--force-reinstall"].map(str::to_owned)),
            State::Present | State::Absent => {}
        }
        if self.break_system_packages {
            words.push("--break-system-packages".to_owned());
        }
        words.extend(self.more_words());
        for name in wanted {
            words.extend(self.editable.then(|| "-e".to_owned()));
            words.push(name.clone());
        }
        if let Some(file) = &self.requirements {
            words.extend(["-r".to_owned(), file.clone()]);
        }
        words
    }

    fn would_stay(&self, probe: &Probe<'_>, pip: &[String], words: &[&str]) -> Found<bool> {
        let mut run = self.run(pip, words);
        run.argv.extend(["--dry-run".to_owned(), "--quiet".to_owned(), "--report".to_owned(), "-".to_owned()]);
        let output = probe.query_run(&run)?;
        if !output.success() {
            // An old pip has no dry run; then a change is the honest answer.
            return Ok(false);
        }
        let report: serde_json::Value = serde_json::from_str(&output.stdout).unwrap_or_default();
        Ok(report["install"].as_array().is_some_and(Vec::is_empty))
    }

    fn run(&self, pip: &[String], words: &[&str]) -> Run {
        let mut run = Run::new(pip.iter().map(String::as_str).chain(words.iter().copied()));
        run.environment.insert("PIP_NO_INPUT".to_owned(), "1".to_owned());
        run.environment.insert("PIP_DISABLE_PIP_VERSION_CHECK".to_owned(), "1".to_owned());
        run.progress = true;
        self.prepared(run)
    }

    fn prepared(&self, mut run: Run) -> Run {
        run.directory.clone_from(&self.chdir);
        run.umask = self.umask.as_deref().and_then(|umask| u32::from_str_radix(umask, 8).ok());
        run.environment.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
        run
    }
}

/// The name without extras and versions.
fn bare(requirement: &str) -> &str {
    requirement.split(['[', '=', '<', '>', '!', '~', ';', ' ', '@']).next().unwrap_or_default()
}

/// Names that pip takes as the same.
fn normal(name: &str) -> String {
    name.trim().to_lowercase().replace(['_', '.'], "-")
}

/// Whether a name, or a name with one exact version, is there already.
fn satisfied(requirement: &str, present: &BTreeMap<String, String>) -> bool {
    let name = bare(requirement);
    let Some(there) = present.get(&normal(name)) else { return false };
    let rest = requirement[name.len()..].trim();
    let rest = match rest.strip_prefix('[').and_then(|extras| extras.split_once(']')) {
        Some((_, rest)) => rest.trim(),
        None => rest,
    };
    rest.is_empty() || rest.strip_prefix("==").is_some_and(|version| version.trim() == there)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{machine::fake::Fake, modules::trial::Trial},
    };

    fn host() -> Fake {
        Fake::new()
            .program("/usr/bin/pip3")
            .command(&["pip3", "list"], 0, "Flask==3.0.0\npsycopg2-binary==2.9.9\n")
            .command(&["pip3", "install"], 0, "Successfully installed gunicorn-22.0\n")
            .command(&["pip3", "uninstall"], 0, "Successfully uninstalled\n")
    }

    #[test]
    fn names_and_exact_versions_are_compared() {
        let mut trial = Trial::new(host());
        let there = json!({"name": ["flask==3.0.0", "psycopg2_binary"]});
        assert_eq!(trial.apply("pip", there).verdict, Verdict::Unchanged);
        assert_eq!(trial.apply("pip", json!({"name": "gunicorn"})).verdict, Verdict::Changed);
        assert_eq!(trial.apply("pip", json!({"name": "nosuch", "state": "absent"})).verdict, Verdict::Unchanged);
        assert_eq!(trial.apply("pip", json!({"name": "flask", "state": "absent"})).verdict, Verdict::Changed);
    }

    #[test]
    fn a_missing_environment_is_made_first() {
        let mut trial =
            Trial::new(Fake::new().command(&["python3"], 0, "").command(&["/v/bin/pip"], 0, "Successfully "));
        let options = json!({"requirements": "/r.txt", "virtualenv": "/v"});
        assert_eq!(trial.check("pip", options.clone()).verdict, Verdict::Changed);
        assert!(trial.commands().is_empty());
        trial.apply("pip", options);
        assert_eq!(trial.commands().last().unwrap(), "/v/bin/pip install -r /r.txt");
    }

    #[test]
    fn what_pip_finds_satisfied_is_no_change() {
        let host = Fake::new().program("/usr/bin/pip3").command(&["pip3"], 0, "").command(
            &["pip3", "install"],
            0,
            "Requirement already satisfied: Flask>=2\n",
        );
        let outcome = Trial::new(host).apply("pip", json!({"requirements": "/r.txt"}));
        assert_eq!(outcome.verdict, Verdict::Unchanged);
    }
}
