//! `service`: starts, stops and enables services, whatever starts them on the host.

use crate::{
    options,
    protocol::{Change, Run},
    remote::{Applied, Choice, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

pub use super::systemd::State;
use super::systemd::{Systemd, missing, unit};

mod script;

use script::Init;

options! {
    /// Brings a service to a state, at once and at boot: through systemd where it runs, else through init scripts or `OpenRC`.
    ///
    /// In check mode a service that is not there counts as brought by a package that an earlier task is predicted to install.
    ///
    /// ## Example
    /// ```yaml
    /// - service:
    ///     name: docker
    ///     state: started
    ///     enabled: true
    /// ```
    ///
    /// ## Returns
    /// `name`, `state`, `enabled`; with systemd also `status`.
    pub struct Service {
        /// The service; systemd alone can do without, to read its unit files again.
        name: String = "",
        /// What it should be now.
        state: Option<State>,
        /// Whether it starts at boot.
        enabled: Option<bool>,
        /// Seconds between stop and start when it is restarted (init scripts).
        sleep: Option<i64>,
        /// Text in the command line of a process that shows the service runs, for scripts without `status`.
        pattern: Option<String>,
        /// The runlevel to enable it in (`OpenRC`).
        runlevel: String = "default",
        /// More words for the script.
        arguments: String [args] = "",
        /// Have systemd read its unit files again first; other managers have none.
        daemon_reload: bool = false,
        /// Accepted for Ansible's sake; what starts services is found out.
        r#use: String = "auto",
        /// Runlevels to enable it in; accepted for `sysvinit`, whose scripts name theirs themselves.
        runlevels: Vec<String>,
        /// Accepted for `sysvinit`: what is started outlives the helper.
        daemonize: bool = false,
    }
}

impl Module for Service {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let reloads = self.daemon_reload && unit::is_running(probe)?;
        if self.name.is_empty() && !(reloads && self.state.is_none() && self.enabled.is_none()) {
            return Err(Stop::failed("missing required arguments: name"));
        }
        if self.state.is_none() && self.enabled.is_none() && !reloads {
            return Err(Stop::failed("one of the following is required: state, enabled"));
        }
        if unit::is_running(probe)? || self.only_links(probe)? {
            return self.systemd().plan(probe);
        }
        let init = Init::of(probe)?;
        let mut unit = init.look(probe, self)?.ok_or_else(|| missing(&self.name))?;
        let mut plan = Plan::new();
        plan.set("name", self.name.as_str());
        if let Some(enabled) = self.enabled {
            if enabled != unit.enabled {
                unit.enabled = enabled;
                plan.push(Change::Run(init.enable(probe, self, enabled)?.effect(unit.effect(&self.name))));
            }
            plan.set("enabled", enabled);
        }
        if let Some(state) = self.state {
            let verbs = script::verbs(state, unit, self.sleep);
            if !verbs.is_empty() {
                let from = if unit.active { "started" } else { "stopped" };
                plan.diff(self.name.as_str(), format!("{from}\n"), format!("{}\n", state.word()));
                unit.active = state != State::Stopped;
            }
            for verb in verbs {
                let run = match verb {
                    "sleep" => Run::new(["sleep".to_owned(), self.sleep.unwrap_or_default().to_string()]),
                    verb => init.verb(self, verb),
                };
                plan.push(Change::Run(run.effect(unit.effect(&self.name))));
            }
            plan.set("state", if state == State::Stopped { "stopped" } else { "started" });
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if unit::is_running(probe)? || self.only_links(probe)? {
            return self.systemd().report(plan, applied, probe);
        }
        Ok(())
    }
}

impl Service {
    /// Whether a unit is only to be enabled, which needs no systemd that runs.
    fn only_links(&self, probe: &Probe<'_>) -> Found<bool> {
        Ok(self.state.is_none()
            && probe.program("systemctl")?.is_some()
            && !probe.exists(&script::path(&self.name))?
            && unit::file(probe, &self.name, false)?.is_some())
    }

    fn systemd(&self) -> Systemd {
        let plain = Systemd::plain(&self.name, self.state, self.enabled);
        let name = plain.name.clone().filter(|name| !name.is_empty());
        Systemd { name, daemon_reload: self.daemon_reload, ..plain }
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

    /// Debian as an image for containers has it: no package lists, no Docker.
    fn bare() -> Fake {
        Fake::new()
            .program("/usr/bin/apt-get")
            .program("/usr/bin/systemctl")
            .command(&["dpkg-query"], 0, "bash\tamd64\t5.2\tinstalled\t\n")
            .command(&["apt-cache"], 0, "")
            .command(&["apt-get", "-s"], 100, "")
            .command(&["systemctl", "show"], 0, "LoadState=not-found\nActiveState=inactive\n")
    }

    fn docker(trial: &mut Trial) -> (Verdict, Verdict) {
        let options = json!({"name": "docker.io", "update_cache": true, "cache_valid_time": 3600});
        let package = trial.check("apt", options).verdict;
        let service = trial.check("service", json!({"name": "docker", "state": "started", "enabled": true})).verdict;
        (package, service)
    }

    #[test]
    fn a_predicted_package_brings_its_service_up_where_systemd_runs() {
        let mut trial = Trial::new(bare().file("/run/systemd/system/x", ""));
        assert_eq!(docker(&mut trial), (Verdict::Changed, Verdict::Unchanged));
    }

    #[test]
    fn a_predicted_package_starts_nothing_where_policy_forbids_it() {
        let host = bare().file("/run/systemd/system/x", "").file("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");
        let mut trial = Trial::new(host);
        assert_eq!(docker(&mut trial), (Verdict::Changed, Verdict::Changed));
        let again = trial.check("service", json!({"name": "docker", "state": "started", "enabled": true}));
        assert_eq!(again.verdict, Verdict::Unchanged);
    }

    #[test]
    fn a_predicted_package_starts_nothing_without_systemd() {
        let mut trial = Trial::new(bare());
        assert_eq!(docker(&mut trial), (Verdict::Changed, Verdict::Changed));
        let enabled = trial.check("service", json!({"name": "docker", "enabled": true}));
        assert_eq!(enabled.verdict, Verdict::Unchanged);
    }

    #[test]
    fn a_service_that_nothing_brings_is_an_error() {
        let mut trial = Trial::new(bare().file("/run/systemd/system/x", ""));
        let outcome = trial.check("service", json!({"name": "nosuch", "state": "started"}));
        assert!(failure(&outcome).contains("Could not find the requested service nosuch"));
    }

    #[test]
    fn systemd_reads_its_files_again_without_a_name() {
        let host = Fake::new().program("/usr/bin/systemctl").file("/run/systemd/system/x", "").command(
            &["systemctl", "daemon-reload"],
            0,
            "",
        );
        let mut trial = Trial::new(host);
        assert_eq!(trial.apply("service", json!({"daemon_reload": true})).verdict, Verdict::Unchanged);
        assert_eq!(trial.commands(), ["systemctl daemon-reload"]);
        let nameless = trial.apply("service", json!({"daemon_reload": true, "state": "started"}));
        assert!(failure(&nameless).contains("missing required arguments: name"));
    }

    #[test]
    fn an_init_script_is_started_and_linked() {
        let host = Fake::new()
            .file("/etc/init.d/cron", "")
            .command(&["service", "cron", "status"], 3, "cron is not running ... failed!\n")
            .command(&["service", "cron", "start"], 0, "")
            .command(&["sh", "-c"], 0, "");
        let mut trial = Trial::new(host);
        let outcome = trial.apply("service", json!({"name": "cron", "state": "started", "enabled": "yes"}));
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(trial.commands().last().unwrap(), "service cron start");
    }

    #[test]
    fn a_running_enabled_unit_is_left_alone() {
        let host = Fake::new()
            .program("/usr/bin/systemctl")
            .file("/run/systemd/system/x", "")
            .command(&["systemctl", "show"], 0, "LoadState=loaded\nActiveState=active\n")
            .command(&["systemctl", "is-enabled"], 0, "enabled\n");
        let mut trial = Trial::new(host);
        let outcome = trial.apply("service", json!({"name": "docker", "state": "started", "enabled": true}));
        assert_eq!(outcome.verdict, Verdict::Unchanged);
        assert_eq!(outcome.result["status"]["ActiveState"], "active");
    }

    #[test]
    fn a_unit_that_does_not_start_shows_the_end_of_its_log() {
        let host = Fake::new()
            .program("/usr/bin/systemctl")
            .file("/run/systemd/system/x", "")
            .command(&["systemctl", "show"], 0, "LoadState=loaded\nActiveState=inactive\n")
            .command(&["systemctl", "start"], 1, "")
            .command(&["journalctl"], 0, "address in use\n");
        let mut trial = Trial::new(host);
        let outcome = trial.apply("service", json!({"name": "web", "state": "started"}));
        let Verdict::Failed(failure) = outcome.verdict else { panic!("not a failure") };
        assert!(failure.message.contains("unable to start web"));
        assert!(failure.hint.unwrap().contains("address in use"));
    }
}
