//! `hostname`: the host's own name.

use std::path::Path;

use serde_json::json;

use crate::{
    options,
    protocol::{Attributes, Change, Content, Effect, Run},
    remote::{Module, Plan, Planned, Probe, machine::probe::Found},
};

options! {
    /// Sets the host's name, now and for the next boot. `/etc/hosts` is left alone.
    ///
    /// ## Example
    /// ```yaml
    /// - hostname:
    ///     name: db1.example.com
    /// ```
    ///
    /// ## Returns
    /// `name`, and `ansible_facts` with `ansible_hostname`, `ansible_nodename`, `ansible_fqdn` and `ansible_domain`.
    pub struct Hostname {
        /// The name.
        name: String,
        /// Accepted for Ansible's sake; how to set it is found out.
        r#use: Option<String>,
    }
}

const FILE: &str = "/etc/hostname";

impl Module for Hostname {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let mut plan = Plan::new();
        let current = line(probe, "/proc/sys/kernel/hostname")?;
        let current = match probe.assumed("hostname", "current").and_then(|name| name.as_str()) {
            Some(name) => name.to_owned(),
            None => current,
        };
        let permanent = line(probe, FILE)?;
        let effect = Effect::new("hostname", "current", self.name.as_str().into());
        // hostnamed tells the network manager too; without its bus it only fails.
        let daemon = probe.exists(Path::new("/run/systemd/system"))?
            && probe.exists(Path::new("/run/dbus/system_bus_socket"))?
            && probe.program("hostnamectl")?.is_some();
        if permanent != self.name {
            plan.push(Change::Write {
                path: FILE.into(),
                content: Content::Text(format!("{}\n", self.name)),
                attributes: Attributes { mode: Some(0o644), ..Attributes::default() },
                in_place: false,
            });
        }
        if current != self.name {
            let run = if daemon {
                Run::new(["hostnamectl", "set-hostname", &self.name])
            } else {
                Run::new(["hostname", &self.name])
            };
            plan.push(Change::Run(run.effect(effect)));
        }
        if !plan.changes.is_empty() {
            let before = if current == self.name { &permanent } else { &current };
            plan.diff("hostname", format!("hostname = {before}\n"), format!("hostname = {}\n", self.name));
        }
        let domain = self.name.split_once('.').map_or("", |(_, domain)| domain);
        plan.set("name", self.name.as_str());
        plan.set(
            "ansible_facts",
            json!({
                "ansible_hostname": self.name.split('.').next(), "ansible_nodename": self.name,
                "ansible_fqdn": self.name, "ansible_domain": domain,
            }),
        );
        Ok(plan)
    }
}

fn line(probe: &Probe<'_>, path: &str) -> Found<String> {
    let path = Path::new(path);
    if probe.exists(path)? { Ok(probe.read_text(path)?.trim().to_owned()) } else { Ok(String::new()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{machine::fake::Fake, modules::trial::Trial},
    };

    #[test]
    fn the_name_is_set_now_and_for_later() {
        let host = Fake::new().file("/proc/sys/kernel/hostname", "old\n").file("/etc/hostname", "old\n").command(
            &["hostname"],
            0,
            "",
        );
        let mut trial = Trial::new(host);
        let options = json!({"name": "db1.example.com"});
        assert_eq!(trial.check("hostname", options.clone()).verdict, Verdict::Changed);
        assert_eq!(trial.check("hostname", options.clone()).verdict, Verdict::Unchanged);
        trial.apply("hostname", json!({"name": "other"}));
        assert_eq!(trial.host.text("/etc/hostname").unwrap(), "other\n");
    }

    #[test]
    fn a_host_that_is_called_so_is_left_alone() {
        let host = Fake::new().file("/proc/sys/kernel/hostname", "db1\n").file("/etc/hostname", "db1\n");
        let outcome = Trial::new(host).apply("hostname", json!({"name": "db1"}));
        assert_eq!(outcome.verdict, Verdict::Unchanged);
        assert_eq!(outcome.result["ansible_facts"]["ansible_hostname"], "db1");
    }
}
