//! `systemd`: starts, stops, enables and masks units.

use crate::{
    choices, options,
    protocol::{Change, Failure, Map, Run},
    remote::{Applied, Choice, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

pub mod unit;

use unit::Unit;

options! {
    /// Brings a unit of systemd to a state, at once and at boot.
    ///
    /// In check mode a unit that no earlier task can see yet counts as there when a package is predicted to be installed:
    /// by Debian's convention packages enable and start what they bring.
    ///
    /// ## Example
    /// ```yaml
    /// - systemd:
    ///     name: docker
    ///     state: started
    ///     enabled: true
    ///     daemon_reload: true
    /// ```
    ///
    /// ## Returns
    /// `name`, `state`, `enabled` and `status`, a mapping of everything `systemctl show` says.
    pub struct Systemd {
        /// The unit; `.service` may be left out.
        name: Option<String> [service unit],
        /// What it should be now.
        state: Option<State>,
        /// Whether it starts at boot.
        enabled: Option<bool>,
        /// Overwrite links that are in the way.
        force: bool = false,
        /// Whether nothing may start it.
        masked: Option<bool>,
        /// Have systemd read its files again first; no change by itself.
        daemon_reload: bool = false,
        /// Have systemd start itself anew first; no change by itself.
        daemon_reexec: bool = false,
        /// The system's manager, the user's, or all users' (only `enabled` and `masked`).
        scope: Scope = Scope::System,
        /// Do not wait until the unit has started or stopped.
        no_block: bool = false,
    }
}

choices! {
    /// What a unit or service should be now.
    pub enum State {
        /// Running.
        Started = "started",
        /// Not running.
        Stopped = "stopped",
        /// Started anew, always.
        Restarted = "restarted",
        /// Has read its configuration again, always.
        Reloaded = "reloaded",
    }
}

choices! {
    /// Whose manager.
    pub enum Scope {
        /// The system's.
        System = "system",
        /// The user's.
        User = "user",
        /// Every user's.
        Global = "global",
    }
}

impl Module for Systemd {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        if probe.program("systemctl")?.is_none() && Unit::packaged(probe, "")?.is_none() {
            return Err(Stop::failed("systemctl is not on this host").hint("use `service` where hosts differ"));
        }
        if self.name.is_none() && (self.state.is_some() || self.enabled.is_some() || self.masked.is_some()) {
            return Err(Stop::failed("state, enabled and masked need a name"));
        }
        let mut plan = Plan::new();
        for (wanted, verb) in [(self.daemon_reload, "daemon-reload"), (self.daemon_reexec, "daemon-reexec")] {
            if wanted {
                let mut run = self.systemctl(&[verb]);
                if !unit::is_running(probe)? {
                    // Nobody is there to read anything again, which is as good.
                    run.success = vec![Run::ANY_CODE];
                }
                plan.push(Change::Run(run));
            }
        }
        plan.changed = Some(false);
        let Some(name) = &self.name else { return Ok(plan) };
        if name.contains(['*', '?', '[']) {
            return Err(Stop::failed(format!(
                "patterns are not supported, found one in the name of the service: {name}"
            )));
        }
        plan.set("name", name.as_str());
        let before = plan.changes.len();
        let (mut unit, status) = self.look(probe, name)?;
        plan.set("status", status);
        if let Some(masked) = self.masked.filter(|masked| *masked != unit.masked) {
            unit.masked = masked;
            self.push(&mut plan, if masked { "mask" } else { "unmask" }, unit, name);
        }
        if let Some(enabled) = self.enabled {
            if enabled != unit.enabled {
                unit.enabled = enabled;
                self.push(&mut plan, if enabled { "enable" } else { "disable" }, unit, name);
            }
            plan.set("enabled", enabled);
        }
        if let Some(state) = self.state {
            let verb = match state {
                State::Started if unit.active => None,
                State::Stopped if unit.active || unit.stopping => Some("stop"),
                State::Stopped => None,
                State::Reloaded if unit.active => Some("reload"),
                State::Restarted => Some("restart"),
                State::Started | State::Reloaded => Some("start"),
            };
            let from = if unit.active { "started" } else { "stopped" };
            if let Some(verb) = verb {
                unit.active = state != State::Stopped;
                self.push(&mut plan, verb, unit, name);
                plan.diff(name.as_str(), format!("{from}\n"), format!("{}\n", state.word()));
            }
            plan.set("state", if state == State::Stopped { "stopped" } else { "started" });
        }
        plan.changed = Some(plan.changes.len() > before);
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        let Some(name) = &self.name else { return Ok(()) };
        if let (Some(Change::Run(run)), Some(last)) = (plan.changes.last(), applied.last())
            && last.code != 0
            && !run.argv.iter().any(|word| word.starts_with("daemon-"))
        {
            return Err(self.explain(probe, run, last, name));
        }
        if plan.changed == Some(true) && self.scope != Scope::Global {
            plan.set("status", self.show(probe, name)?);
        }
        Ok(())
    }
}

impl Systemd {
    /// A plain start, stop and enable, as `service` needs it.
    pub(super) fn plain(name: &str, state: Option<State>, enabled: Option<bool>) -> Self {
        Self {
            name: Some(name.to_owned()),
            state,
            enabled,
            force: false,
            masked: None,
            daemon_reload: false,
            daemon_reexec: false,
            scope: Scope::System,
            no_block: false,
        }
    }

    fn systemctl(&self, words: &[&str]) -> Run {
        let mut run = Run::new(["systemctl"]);
        let flags = [
            (self.scope != Scope::System, format!("--{}", self.scope.word())),
            (self.no_block, "--no-block".to_owned()),
            (self.force, "--force".to_owned()),
        ];
        run.argv.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag));
        run.argv.extend(words.iter().map(|word| (*word).to_owned()));
        run
    }

    /// The user's manager is found through this variable, which non-interactive sessions lack.
    fn with_runtime(&self, mut run: Run, probe: &Probe<'_>) -> Run {
        if self.scope == Scope::User && probe.variable("XDG_RUNTIME_DIR").is_none() {
            run.environment.insert("XDG_RUNTIME_DIR".to_owned(), format!("/run/user/{}", probe.uid()));
        }
        run
    }

    fn push(&self, plan: &mut Plan, verb: &str, unit: Unit, name: &str) {
        let mut run = self.systemctl(&[verb, name]);
        run.effects.push(unit.effect(name));
        if matches!(verb, "start" | "stop" | "restart" | "reload") {
            run.success = vec![Run::ANY_CODE];
        }
        plan.push(Change::Run(run));
    }

    fn show(&self, probe: &Probe<'_>, name: &str) -> Found<Map> {
        let run = self.with_runtime(self.systemctl(&["show", name]), probe);
        Ok(unit::properties(&probe.query_run(&run)?.stdout))
    }

    fn look(&self, probe: &Probe<'_>, name: &str) -> Found<(Unit, Map)> {
        if let Some(unit) = Unit::assumed(probe, name) {
            return Ok((unit, Map::new()));
        }
        let status =
            if probe.program("systemctl")?.is_some() { self.show(probe, name).unwrap_or_default() } else { Map::new() };
        let is = |key: &str, words: &[&str]| {
            status.get(key).and_then(|value| value.as_str()).is_some_and(|value| words.contains(&value))
        };
        let found = is("LoadState", &["loaded", "masked"])
            || unit::file(probe, name, self.scope != Scope::System)?.is_some()
            || probe.exists(&std::path::Path::new("/etc/init.d").join(name.trim_end_matches(".service")))?;
        if !found {
            if probe.predicting()
                && let Some(unit) = Unit::packaged(probe, name)?
            {
                return Ok((unit, status));
            }
            return Err(missing(name));
        }
        let mut unit = Unit {
            active: is("ActiveState", &["active", "activating", "reloading"]),
            stopping: is("ActiveState", &["deactivating"]),
            masked: is("LoadState", &["masked"]),
            enabled: false,
        };
        if self.enabled.is_some() || self.masked.is_some() {
            let run = self.with_runtime(self.systemctl(&["is-enabled", name, "-l"]), probe);
            let output = probe.query_run(&run)?;
            let word = output.stdout.trim();
            unit.masked |= word.starts_with("masked");
            // None of these words alone is a link of the unit's own that is still there after the next boot; an indirect unit behind
            // which links are listed is enabled: taking them away is a change.
            unit.enabled = output.success() && !matches!(word, "enabled-runtime" | "indirect" | "alias");
        }
        Ok((unit, status))
    }

    fn explain(&self, probe: &Probe<'_>, run: &Run, applied: &Applied, name: &str) -> Stop {
        let verb = run.argv.iter().rev().nth(1).map_or("change", String::as_str);
        let said = [&applied.stderr, &applied.stdout].into_iter().map(|text| text.trim()).find(|text| !text.is_empty());
        let mut failure = Failure::new(format!("unable to {verb} {name}: {}", said.unwrap_or("no reason given")));
        let mut journal = vec!["journalctl", "--no-pager", "-o", "cat", "-n", "5", "-u", name];
        if self.scope == Scope::User {
            journal.push("--user");
        }
        let log = probe.query(&journal).map(|output| output.stdout).unwrap_or_default();
        if !log.trim().is_empty() {
            failure = failure.hint(format!("its log ends with:\n{}", log.trim_end()));
        }
        let mut result = Map::new();
        result.insert("rc".to_owned(), applied.code.into());
        result.insert("stderr".to_owned(), applied.stderr.as_str().into());
        Stop::Failed(failure, result)
    }
}

/// The failure for a service that the host does not have.
pub(super) fn missing(name: &str) -> Stop {
    Stop::failed(format!("Could not find the requested service {name}: host"))
        .hint("is its package installed? `daemon_reload: true` makes systemd see new unit files")
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
            .program("/usr/bin/systemctl")
            .file("/run/systemd/system/x", "")
            .command(&["systemctl"], 0, "")
            .command(&["systemctl", "show"], 0, "LoadState=loaded\nActiveState=inactive\n")
            .command(&["systemctl", "is-enabled"], 1, "disabled\n")
    }

    #[test]
    fn what_is_enabled_until_the_next_boot_only_is_enabled_for_good() {
        for (word, verdict) in [
            ("enabled", Verdict::Unchanged),
            ("static", Verdict::Unchanged),
            ("enabled-runtime", Verdict::Changed),
            ("indirect", Verdict::Changed),
        ] {
            let mut trial = Trial::new(host().command(&["systemctl", "is-enabled"], 0, &format!("{word}\n")));
            assert_eq!(trial.apply("systemd", json!({"name": "web", "enabled": true})).verdict, verdict, "{word}");
        }
    }

    #[test]
    fn reading_the_files_again_is_no_change() {
        let mut trial = Trial::new(host());
        assert_eq!(trial.apply("systemd", json!({"daemon_reload": true})).verdict, Verdict::Unchanged);
        assert_eq!(trial.commands(), ["systemctl daemon-reload"]);
    }

    #[test]
    fn a_unit_is_unmasked_enabled_and_started_in_this_order() {
        let mut trial = Trial::new(host().command(&["systemctl", "is-enabled"], 1, "masked\n"));
        let options = json!({"name": "web.service", "masked": false, "enabled": true, "state": "started"});
        assert_eq!(trial.apply("systemd", options).verdict, Verdict::Changed);
        let done: Vec<String> =
            trial.commands().into_iter().filter(|line| !line.contains("show") && !line.contains("is-")).collect();
        assert_eq!(
            done,
            ["systemctl unmask web.service", "systemctl enable web.service", "systemctl start web.service"]
        );
    }

    #[test]
    fn a_predicted_unit_file_is_a_unit_that_does_not_run_yet() {
        let host = host()
            .command(&["systemctl", "show"], 0, "LoadState=not-found\n")
            .file("/etc/systemd/system/web.service", "[Service]\n");
        let mut trial = Trial::new(host);
        let options = json!({"name": "web", "enabled": true, "state": "started"});
        assert_eq!(trial.check("systemd_service", options.clone()).verdict, Verdict::Changed);
        assert_eq!(trial.check("systemd_service", options).verdict, Verdict::Unchanged);
        assert_eq!(trial.check("systemd", json!({"name": "web", "state": "restarted"})).verdict, Verdict::Changed);
        assert_eq!(trial.check("systemd", json!({"name": "web", "state": "stopped"})).verdict, Verdict::Changed);
    }
}
