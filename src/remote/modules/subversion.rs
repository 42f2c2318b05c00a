//! `subversion`: a working copy or an export of a Subversion repository.

use std::path::PathBuf;

use crate::{
    options,
    protocol::{Change, Effect, Json, Run},
    remote::{Applied, Module, Plan, Planned, Probe, Stop, machine::probe::Found, machine::system::Output},
};

options! {
    /// Checks a Subversion repository out, brings a working copy to a revision, or exports it. Needs `svn` on the host.
    ///
    /// ## Example
    /// ```yaml
    /// - subversion:
    ///     repo: https://svn.example.com/app/trunk
    ///     dest: /srv/app
    ///     revision: "1234"
    /// ```
    ///
    /// ## Returns
    /// `before`, `after`: revision and address, each as `svn info` writes it.
    pub struct Subversion {
        /// Address of the repository.
        repo: String [name repository],
        /// Where to.
        dest: Option<PathBuf>,
        /// Which revision.
        revision: String [rev version] = "HEAD",
        /// Throw away what was changed in the working copy.
        force: bool = false,
        /// Who asks.
        username: Option<String>,
        /// Their password; it goes to `svn` on its standard input.
        password: Option<String>,
        /// Another `svn`.
        executable: Option<String>,
        /// Make plain files instead of a working copy.
        export: bool = false,
        /// Check out where nothing is.
        checkout: bool = true,
        /// Bring a working copy up to date.
        update: bool = true,
        /// Have a working copy follow the address when that differs.
        switch: bool = true,
        /// Check out over files that are there.
        in_place: bool = false,
        /// Insist on certificates that can be verified.
        validate_certs: bool = false,
    }
}

/// What `svn` writes in front of a file that it has changed.
const CHANGES: &str = "ABCDEGU";

impl Module for Subversion {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let program = self.executable.as_deref().unwrap_or("svn");
        if probe.program(program)?.is_none() {
            if probe.predicting() && probe.all_assumed("package").next().is_some() {
                return Err(Stop::Unknown(format!("{program} comes with a package that is installed earlier")));
            }
            return Err(Stop::failed(format!("there is no {program} on this host")).hint("install subversion first"));
        }
        let mut plan = Plan::new();
        let Some(dest) = &self.dest else {
            if self.checkout || self.update || self.export {
                return Err(Stop::failed(
                    "the destination directory must be specified unless checkout=no, update=no, and export=no",
                ));
            }
            let info = self.said(probe, &["info", &self.repo])?;
            plan.set("after", line_of(&info, "Revision").unwrap_or_else(|| "Unable to get remote revision".to_owned()));
            return Ok(plan);
        };
        let dest = dest.to_string_lossy().into_owned();
        if !self.export && !self.update && !self.checkout {
            let info = self.said(probe, &["info", &self.repo])?;
            plan.set("after", line_of(&info, "Revision").unwrap_or_else(|| "Unable to get remote revision".to_owned()));
            return Ok(plan);
        }
        if self.export || !probe.exists(dest.as_ref())? {
            plan.set("before", Json::Null);
            if self.export || self.checkout {
                self.fetch(&mut plan, &dest, self.export && self.force);
            }
            return Ok(plan);
        }
        if probe.predicting() && probe.assumed("svn", &dest).is_some() {
            return Ok(plan);
        }
        if self.ask(probe, &["info", &dest])?.success() {
            self.bring(probe, &mut plan, &dest)?;
        } else if self.in_place {
            plan.set("before", Json::Null);
            self.fetch(&mut plan, &dest, true);
            if self.force {
                plan.push(Change::Run(self.run(&["revert", "-R", &dest])));
            }
        } else {
            let message = format!("ERROR: {dest} folder already exists, but its not a subversion repository.");
            return Err(Stop::failed(message));
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        let Some(dest) = self.dest.as_ref().filter(|_| !self.export) else { return Ok(()) };
        if plan.changed == Some(false) {
            let touched = |text: &str| {
                text.lines().any(|line| {
                    let mut letters = line.chars();
                    let first = letters.next().is_some_and(|letter| CHANGES.contains(letter));
                    first && letters.next().is_some_and(char::is_whitespace)
                })
            };
            plan.changed = Some(applied.iter().any(|applied| touched(&applied.stdout)));
        }
        if !plan.changes.is_empty() {
            let state = self.state(probe, &dest.to_string_lossy())?;
            plan.set("after", state);
        }
        Ok(())
    }
}

impl Subversion {
    fn fetch(&self, plan: &mut Plan, dest: &str, force: bool) {
        let mut words = vec![if self.export { "export" } else { "checkout" }];
        words.extend(force.then_some("--force"));
        words.extend(["-r", &self.revision, &self.repo, dest]);
        let mut run = self.run(&words).effect(Effect::new("file", dest, "directory".into()));
        if !self.export {
            run = run.effect(Effect::new("svn", dest, true.into()));
        }
        plan.push(Change::Run(run));
    }

    /// A working copy at another revision or address, or with changes of its own.
    fn bring(&self, probe: &Probe<'_>, plan: &mut Plan, dest: &str) -> Result<(), Stop> {
        if !self.update {
            return Ok(());
        }
        let before = self.state(probe, dest)?;
        let own = self.said(probe, &["status", "--quiet", "--ignore-externals", dest])?;
        let own = own.lines().any(|line| !line.is_empty() && !line.starts_with(['?', 'X']));
        if own && !self.force {
            return Err(Stop::failed("ERROR: modified files exist in the repository."));
        }
        if probe.predicting() {
            let head = self.said(probe, &["info", "-r", &self.revision, dest])?;
            let after = line_of(&head, "Revision");
            let number = |line: Option<&str>| line?.rsplit(' ').next()?.parse::<u64>().ok();
            let behind = number(before.first().and_then(Json::as_str)) < number(after.as_deref());
            plan.set("before", before);
            plan.set("after", after);
            if !behind && !own {
                return Ok(());
            }
        } else {
            plan.set("before", before);
        }
        if self.switch {
            plan.push(Change::Run(self.run(&["switch", "--revision", &self.revision, &self.repo, dest])));
        }
        if own {
            plan.push(Change::Run(self.run(&["revert", "-R", dest])));
        }
        let update = self.run(&["update", "-r", &self.revision, dest]);
        plan.push(Change::Run(update.effect(Effect::new("svn", dest, true.into()))));
        // Only svn knows what there was to do; what was changed by hand and goes counts.
        plan.changed = Some(own || probe.predicting());
        Ok(())
    }

    /// Revision and address of a working copy.
    fn state(&self, probe: &Probe<'_>, dest: &str) -> Found<Vec<Json>> {
        let info = self.said(probe, &["info", dest])?;
        let line = |name: &str, otherwise: &str| line_of(&info, name).unwrap_or_else(|| otherwise.to_owned());
        Ok(vec![line("Revision", "Unable to get revision").into(), line("URL", "Unable to get URL").into()])
    }

    fn run(&self, words: &[&str]) -> Run {
        let mut run = Run::new([self.executable.as_deref().unwrap_or("svn"), "--non-interactive", "--no-auth-cache"]);
        if !self.validate_certs {
            run.argv.push("--trust-server-cert".to_owned());
        }
        if let Some(user) = &self.username {
            run.argv.extend(["--username".to_owned(), user.clone()]);
        }
        if let Some(password) = &self.password {
            run.argv.push("--password-from-stdin".to_owned());
            run.stdin = Some(format!("{password}\n"));
        }
        run.argv.extend(words.iter().map(|word| (*word).to_owned()));
        for name in ["LANG", "LC_MESSAGES", "LC_ALL"] {
            run.environment.insert(name.to_owned(), "C.UTF-8".to_owned());
        }
        run
    }

    fn ask(&self, probe: &Probe<'_>, words: &[&str]) -> Found<Output> {
        probe.query_run(&self.run(words))
    }

    fn said(&self, probe: &Probe<'_>, words: &[&str]) -> Found<String> {
        let output = self.ask(probe, words)?;
        if output.success() {
            return Ok(output.stdout);
        }
        Err(Stop::failed(format!("`svn {}` ended with {}: {}", words.join(" "), output.code, output.stderr.trim())))
    }
}

/// The line of `svn info` that begins with a name.
fn line_of(info: &str, name: &str) -> Option<String> {
    info.lines().find(|line| line.split(':').next().is_some_and(|start| start.trim_end() == name)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::{Run, Verdict},
        remote::{
            machine::{fake::Fake, system::Output},
            modules::trial::{Trial, failure},
        },
    };

    fn answer(run: &Run) -> Option<Output> {
        let word = run.argv.iter().skip(1).find(|word| !word.starts_with("--"))?;
        let said = |text: &str| Some(Output { stdout: text.to_owned(), ..Output::default() });
        match word.as_str() {
            "info" if run.argv.iter().any(|word| word == "/srv/plain") => Some(Output { code: 1, ..Output::default() }),
            "info" => said("Path: x\nURL: file:///r\nRevision: 3\n"),
            "switch" | "update" => said("Updating '.':\nU    a.txt\nUpdated to revision 3.\n"),
            "status" | "checkout" => said(""),
            _ => None,
        }
    }

    fn trial() -> Trial {
        let host = Fake::new().program("/usr/bin/svn").file("/srv/copy/a.txt", "").file("/srv/plain/x", "");
        Trial::new(host.respond(answer))
    }

    #[test]
    fn a_copy_is_made_or_brought_to_a_revision_and_nothing_else_is_touched() {
        let mut trial = trial();
        let new = trial.check("subversion", json!({"repo": "file:///r", "dest": "/srv/new"}));
        assert_eq!(new.verdict, Verdict::Changed);
        let outcome = trial.apply("subversion", json!({"repo": "file:///r", "dest": "/srv/copy", "password": "pw"}));
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(outcome.result["after"], json!(["Revision: 3", "URL: file:///r"]));
        assert!(trial.commands().iter().all(|line| !line.contains("pw")), "{:?}", trial.commands());
        let refused = trial.apply("subversion", json!({"repo": "file:///r", "dest": "/srv/plain"}));
        assert!(failure(&refused).contains("not a subversion repository"));
    }
}
