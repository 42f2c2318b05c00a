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
            services.insert(
                name.to_owned(),
                json!({"name": name, "state": state, "status": status, "source": "systemd"}),
            );
        }
        let mut plan = Plan::new();
        plan.set("ansible_facts", json!({"services": services}));
        Ok(plan)
    }
}

fn read_systemd(probe: &Probe<'_>, services: &mut Map) -> Found<()> {
    let flags = ["--no-pager", "--no-legend", "--type", "service", "--all", "--plain"];
    let mut files = vec!["systemctl", "list-unit-files"];
    files.extend(flags);
    for line in probe.query(&files)?.stdout.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(status)) = (words.next(), words.next()) {
            let value = json!({"name": name, "state": "stopped", "status": status, "source": "systemd"});
            services.insert(name.to_owned(), value);
        }
    }
    let mut units = vec!["systemctl", "list-units"];
    units.extend(flags);
    for line in probe.query(&units)?.stdout.lines() {
        let words: Vec<&str> = line.trim_start_matches(['●', '*', ' ']).split_whitespace().collect();
        let [name, load, active, sub, ..] = words.as_slice() else { continue };
        let state = match (*active, *sub) {
            ("active", "running") => "running",
            ("failed", _) => "failed",
            ("active", _) => "active",
            _ => "stopped",
        };
        let status = services.get(*name).map_or_else(|| json!(load), |known| known["status"].clone());
        services.insert(
            (*name).to_owned(),
            json!({"name": name, "state": state, "status": status, "source": "systemd"}),
        );
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
