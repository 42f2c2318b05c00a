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
            if !self.exclude.is_empty() {
                return Err(Stop::failed("apt cannot exclude packages: leave `exclude` out on this host"));
            }
            return self.apt()?.plan(probe);
        }
        let manager = self.manager(probe)?;
        if !self.exclude.is_empty() && !matches!(manager.name, "dnf" | "dnf5" | "yum") {
            return Err(Stop::failed(format!("{} cannot exclude packages", manager.name)));
        }
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
            run.argv.extend(self.exclude.iter().map(|name| format!("--exclude={name}")));
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

impl Package {
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
        options.insert("update_cache".to_owned(), json!(self.update_cache));
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
        remote::{machine::fake::Fake, modules::trial::Trial},
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
