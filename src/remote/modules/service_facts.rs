//! `service_facts`: which services there are and how they are, as facts.

use std::path::Path;

use serde_json::json;

use crate::{
    options,
    protocol::Map,
    remote::{Module, Plan, Planned, Probe, machine::probe::Found},
};

use super::systemd::unit;

options! {
    /// Lists the services of systemd, or the init scripts where it does not run.
    ///
    /// ## Example
    /// ```yaml
    /// - service_facts:
    /// ```
    ///
    /// ## Returns
    /// `ansible_facts.services`: for each name `name`, `state`, `status` and `source`.
    pub struct ServiceFacts {
    }
}

impl Module for ServiceFacts {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let mut services = Map::new();
        if unit::is_running(probe)? {
            read_systemd(probe, &mut services)?;
        } else {
            read_scripts(probe, &mut services)?;
        }
        for (name, value) in probe.all_assumed("unit").filter(|(_, value)| !value.is_null()) {
            let state = if value["active"] == true { "running" } else { "stopped" };
            let status = if value["enabled"] == true { "enabled" } else { "disabled" };
            services
                .insert(name.to_owned(), json!({"name": name, "state": state, "status": status, "source": "systemd"}));
        }
        let mut plan = Plan::new();
        plan.set("ansible_facts", json!({"services": services}));
        Ok(plan)
    }
}

/// Words of systemd for a service that something is wrong with.
const BAD: &[&str] = &["not-found", "masked", "failed"];

fn read_systemd(probe: &Probe<'_>, services: &mut Map) -> Found<()> {
    let flags = ["--no-pager", "--no-legend", "--type", "service", "--all", "--plain"];
    let mut files = vec!["systemctl", "list-unit-files"];
    files.extend(flags);
    for line in probe.query(&files)?.stdout.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(status)) = (words.next(), words.next()) {
            // What is not loaded does not run; a template is no service by itself.
            let state = if name.contains("@.") { "unknown" } else { "inactive" };
            let value = json!({"name": name, "state": state, "status": status, "source": "systemd"});
            services.insert(name.to_owned(), value);
        }
    }
    let mut units = vec!["systemctl", "list-units"];
    units.extend(flags);
    for line in probe.query(&units)?.stdout.lines() {
        let words: Vec<&str> = line.trim_start_matches(['●', '*', ' ']).split_whitespace().collect();
        let [name, load, active, sub, ..] = words.as_slice() else { continue };
        let state = if *sub == "running" { "running" } else { "stopped" };
        let bad = [load, active, sub].into_iter().find(|word| BAD.contains(word));
        let file = || services.get(*name).map_or_else(|| json!(active), |known| known["status"].clone());
        let status = bad.map_or_else(file, |word| json!(word));
        services
            .insert((*name).to_owned(), json!({"name": name, "state": state, "status": status, "source": "systemd"}));
    }
    Ok(())
}

fn read_scripts(probe: &Probe<'_>, services: &mut Map) -> Found<()> {
    if !probe.exists(Path::new("/etc/init.d"))? || probe.program("service")?.is_none() {
        return Ok(());
    }
    for line in probe.query(&["service", "--status-all"])?.stdout.lines() {
        // " [ + ]  cron"
        let Some((mark, name)) = line.split_once(']') else { continue };
        let state = if mark.contains('+') { "running" } else { "stopped" };
        let name = name.trim();
        services.insert(name.to_owned(), json!({"name": name, "state": state, "source": "sysv"}));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::remote::{machine::fake::Fake, modules::trial::Trial};

    #[test]
    fn units_and_their_files_are_brought_together() {
        let host = Fake::new()
            .file("/run/systemd/system/x", "")
            .command(&["systemctl", "list-unit-files"], 0, "ssh.service enabled enabled\nold.service disabled enabled\n")
            .command(
                &["systemctl", "list-units"],
                0,
                "  ssh.service loaded active running OpenBSD Secure Shell server\n● bad.service loaded failed failed Bad\n",
            );
        let outcome = Trial::new(host).check("service_facts", json!({}));
        let services = &outcome.result["ansible_facts"]["services"];
        assert_eq!(
            services["ssh.service"],
            json!({
                "name": "ssh.service", "state": "running", "status": "enabled", "source": "systemd",
            })
        );
        assert_eq!(services["old.service"]["state"], "inactive");
        let bad = &services["bad.service"];
        assert_eq!((&bad["state"], &bad["status"]), (&json!("stopped"), &json!("failed")));
    }

    #[test]
    fn init_scripts_are_listed_where_systemd_does_not_run() {
        let host = Fake::new().file("/etc/init.d/cron", "").program("/usr/sbin/service").command(
            &["service", "--status-all"],
            0,
            " [ + ]  cron\n [ - ]  ssh\n",
        );
        let outcome = Trial::new(host).check("service_facts", json!({}));
        let services = &outcome.result["ansible_facts"]["services"];
        assert_eq!(services["cron"]["state"], "running");
        assert_eq!(services["ssh"]["state"], "stopped");
    }
}
