//! `package`: packages, whatever manages them on the host.

use serde_json::json;

use crate::{
    choices, options,
    protocol::{Change, Effect, Failure, Map},
    remote::{Applied, Choice, Module, Options, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::apt::Apt;

mod managers;

use managers::{CATALOG, Manager};

options! {
    /// Installs, upgrades and removes packages with the host's own package manager.
    ///
    /// ## Example
    /// ```yaml
    /// - package:
    ///     name: git
    ///     state: present
    /// ```
    ///
    /// ## Returns
    /// `stdout` and `stderr` of the package manager when packages changed.
    pub struct Package {
        /// Packages, by the names they have on this host.
        name: Vec<String>,
        /// What they should be.
        state: State = State::Present,
        /// The package manager; found out when `auto`.
        r#use: String = "auto",
        /// Update the package lists first, where the manager has them (apt).
        update_cache: Option<bool>,
        /// Packages that must not be touched on the way (dnf and yum).
        exclude: Vec<String>,
        /// Repositories to use besides those that are on (dnf and yum).
        enablerepo: Vec<String>,
        /// Repositories not to use (dnf and yum).
        disablerepo: Vec<String>,
        /// Allow a lower version than the one that is there (apt; dnf and yum do by themselves).
        allow_downgrade: Option<bool> [allow_downgrades],
        /// Do not update lists that are at most this many seconds old (apt).
        cache_valid_time: Option<i64>,
        /// The release to prefer (apt).
        default_release: Option<String>,
        /// Install recommended packages (apt).
        install_recommends: Option<bool>,
        /// Remove configuration files too (apt).
        purge: Option<bool>,
        /// Remove dependencies that nothing needs any more (apt).
        autoremove: Option<bool>,
    }
}

choices! {
    /// What packages should be.
    pub enum State {
        /// Installed.
        Present = "present" "installed",
        /// Gone.
        Absent = "absent" "removed",
        /// Installed in the newest version there is.
        Latest = "latest",
    }
}

impl Module for Package {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        if self.uses_apt(probe)? {
            refuse("apt", &self.of_dnf())?;
            return self.apt()?.plan(probe);
        }
        let manager = self.manager(probe)?;
        let dnf = matches!(manager.name, "dnf" | "dnf5" | "yum");
        if !dnf {
            refuse(manager.name, &self.of_dnf())?;
            refuse(manager.name, &[("allow_downgrade", self.allow_downgrade.is_some())])?;
        }
        refuse(manager.name, &self.of_apt())?;
        let mut plan = Plan::new();
        let (mut install, mut upgrade, mut remove) = (Vec::new(), Vec::new(), Vec::new());
        for name in self.name.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
            let predicted = probe.assumed("package", name).map(|value| !value.is_null());
            let installed = match predicted {
                Some(installed) => installed,
                None => manager.has(probe, name)?,
            };
            match self.state {
                State::Absent if installed => remove.push(name),
                State::Present | State::Latest if !installed => install.push(name),
                State::Latest if predicted.is_none() && manager.outdated(probe, name)? => upgrade.push(name),
                _ => {}
            }
        }
        for (verb, names, value) in [
            (manager.install, install, json!({"installed": true})),
            (manager.upgrade, upgrade, json!({"installed": true})),
            (manager.remove, remove, json!(null)),
        ] {
            if names.is_empty() {
                continue;
            }
            let mut run = managers::act(verb, &names);
            for (option, values) in
                [("exclude", &self.exclude), ("enablerepo", &self.enablerepo), ("disablerepo", &self.disablerepo)]
            {
                run.argv.extend(values.iter().map(|value| format!("--{option}={value}")));
            }
            run.effects = names.iter().map(|name| Effect::new("package", name, value.clone())).collect();
            let listed = names.join("\n") + "\n";
            if value.is_null() {
                plan.diff("packages", listed, "");
            } else {
                plan.diff("packages", "", listed);
            }
            plan.push(Change::Run(run));
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if self.uses_apt(probe)? {
            return self.apt()?.report(plan, applied, probe);
        }
        let joined = |part: fn(&Applied) -> &str| applied.iter().map(part).collect::<Vec<_>>().concat();
        let (stdout, stderr) = (joined(|applied| &applied.stdout), joined(|applied| &applied.stderr));
        if let Some(bad) = applied.iter().find(|applied| applied.code != 0) {
            let said = if bad.stderr.trim().is_empty() { &bad.stdout } else { &bad.stderr };
            let mut result = Map::new();
            result.insert("rc".to_owned(), bad.code.into());
            result.insert("stdout".to_owned(), stdout.into());
            result.insert("stderr".to_owned(), stderr.into());
            let failure = Failure::new(format!("packages could not be changed: {}", said.trim()));
            return Err(Stop::Failed(failure, result));
        }
        if !applied.is_empty() {
            plan.set("stdout", stdout);
            plan.set("stderr", stderr);
        }
        Ok(())
    }
}

/// What another package manager takes is no option of this one.
fn refuse(manager: &str, options: &[(&str, bool)]) -> Result<(), Stop> {
    match options.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Stop::failed(format!("{manager}, which manages this host's packages, has no `{name}`"))),
        None => Ok(()),
    }
}

impl Package {
    fn of_dnf(&self) -> [(&'static str, bool); 3] {
        [
            ("exclude", !self.exclude.is_empty()),
            ("enablerepo", !self.enablerepo.is_empty()),
            ("disablerepo", !self.disablerepo.is_empty()),
        ]
    }

    const fn of_apt(&self) -> [(&'static str, bool); 5] {
        [
            ("cache_valid_time", self.cache_valid_time.is_some()),
            ("default_release", self.default_release.is_some()),
            ("install_recommends", self.install_recommends.is_some()),
            ("purge", self.purge.is_some()),
            ("autoremove", self.autoremove.is_some()),
        ]
    }

    fn uses_apt(&self, probe: &Probe<'_>) -> Found<bool> {
        Ok(match self.r#use.as_str() {
            "auto" => probe.program("apt-get")?.is_some(),
            name => name == "apt",
        })
    }

    fn apt(&self) -> Result<Apt, Stop> {
        let mut options = Map::new();
        options.insert("package".to_owned(), json!(self.name));
        options.insert("state".to_owned(), self.state.word().into());
        for (name, value) in [
            ("update_cache", json!(self.update_cache)),
            ("allow_downgrade", json!(self.allow_downgrade)),
            ("cache_valid_time", json!(self.cache_valid_time)),
            ("default_release", json!(self.default_release)),
            ("install_recommends", json!(self.install_recommends)),
            ("purge", json!(self.purge)),
            ("autoremove", json!(self.autoremove)),
        ] {
            if !value.is_null() {
                options.insert(name.to_owned(), value);
            }
        }
        Apt::parse(&options).map_err(|problems| Stop::failed(problems.join("; ")))
    }

    fn manager(&self, probe: &Probe<'_>) -> Found<&'static Manager> {
        for manager in CATALOG {
            let named = self.r#use == manager.name;
            if named || self.r#use == "auto" && probe.program(manager.program)?.is_some() {
                return Ok(manager);
            }
        }
        let known: Vec<&str> = CATALOG.iter().map(|manager| manager.name).collect();
        Err(Stop::failed("no package manager was found on this host")
            .hint(format!("known are: apt, {}", known.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{
            machine::fake::Fake,
            modules::trial::{Trial, failure},
        },
    };

    #[test]
    fn alpine_gets_what_is_missing() {
        let host = Fake::new()
            .program("/sbin/apk")
            .command(&["apk", "info", "-e"], 1, "")
            .command(&["apk", "info", "-e", "git"], 0, "git\n")
            .command(&["apk", "add"], 0, "OK\n");
        let mut trial = Trial::new(host);
        let outcome = trial.apply("package", json!({"name": ["git", "curl"], "state": "present"}));
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(trial.commands().last().unwrap(), "apk add curl");
        assert_eq!(trial.apply("package", json!({"name": "git", "state": "present"})).verdict, Verdict::Unchanged);
    }

    #[test]
    fn options_go_to_the_manager_that_has_them() {
        let fedora = || Fake::new().program("/usr/bin/dnf").command(&["rpm"], 1, "").command(&["dnf"], 0, "");
        let mut trial = Trial::new(fedora());
        trial.apply("package", json!({"name": "git", "enablerepo": "epel"}));
        assert!(trial.commands().last().unwrap().contains("--enablerepo=epel"), "{:?}", trial.commands());
        let outcome = Trial::new(fedora()).apply("package", json!({"name": "git", "default_release": "x"}));
        assert!(failure(&outcome).contains("has no `default_release`"));
        let debian = Fake::new().program("/usr/bin/apt-get");
        let outcome = Trial::new(debian).apply("package", json!({"name": "git", "enablerepo": "epel"}));
        assert!(failure(&outcome).contains("has no `enablerepo`"));
    }

    #[test]
    fn debian_is_left_to_apt() {
        let host = Fake::new()
            .program("/usr/bin/apt-get")
            .command(&["dpkg-query"], 0, "git\tamd64\t2\tinstalled\t\n")
            .command(&["apt-cache"], 0, "");
        let outcome = Trial::new(host).apply("package", json!({"name": "git", "state": "present"}));
        assert_eq!(outcome.verdict, Verdict::Unchanged);
        assert_eq!(outcome.result["cache_updated"], false);
    }
}
