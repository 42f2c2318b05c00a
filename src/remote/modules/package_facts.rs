//! `package_facts`: which packages are installed, as facts.

use serde_json::json;

use crate::{
    options,
    protocol::{Json, Map},
    remote::{Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::apt::Installed;

options! {
    /// Lists the installed packages; in check mode with those that earlier tasks are predicted to install.
    ///
    /// ## Example
    /// ```yaml
    /// - package_facts:
    /// ```
    ///
    /// ## Returns
    /// `ansible_facts.packages`: for each name a list of `name`, `version`, `arch`, `source` and more.
    pub struct PackageFacts {
        /// Which managers to ask; `auto` finds out.
        manager: Vec<String> = vec!["auto".to_owned()],
        /// Accepted for Ansible's sake; there is one manager on a host.
        strategy: String = "first",
    }
}

const RPM: &str = "%{NAME}\t%{VERSION}\t%{RELEASE}\t%{EPOCH}\t%{ARCH}\n";

impl Module for PackageFacts {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let asked = |name: &str| self.manager.iter().any(|wanted| wanted == "auto" || wanted == name);
        let mut packages = Map::new();
        if asked("apt") && probe.program("dpkg-query")?.is_some() {
            for package in Installed::read(probe)?.packages().iter().filter(|package| package.installed) {
                let value = json!({
                    "name": package.name, "version": package.version, "arch": package.architecture, "source": "apt",
                });
                add(&mut packages, &package.name, value);
            }
        } else if asked("rpm") && probe.program("rpm")?.is_some() {
            read_rpm(probe, &mut packages)?;
        } else if asked("apk") && probe.program("apk")?.is_some() {
            for line in probe.query(&["apk", "info", "-v"])?.stdout.lines() {
                // name-1.2.3-r0: the version starts behind the second hyphen from the end.
                let mut parts = line.rsplitn(3, '-');
                if let (Some(release), Some(version), Some(name)) = (parts.next(), parts.next(), parts.next()) {
                    let value = json!({"name": name, "version": version, "release": release, "source": "apk"});
                    add(&mut packages, name, value);
                }
            }
        } else if asked("pacman") && probe.program("pacman")?.is_some() {
            for line in probe.query(&["pacman", "-Q"])?.stdout.lines() {
                if let Some((name, version)) = line.split_once(' ') {
                    add(&mut packages, name, json!({"name": name, "version": version, "source": "pacman"}));
                }
            }
        } else {
            return Err(Stop::failed("could not detect a supported package manager on this host"));
        }
        let mut plan = Plan::new();
        plan.set("ansible_facts", json!({"packages": packages}));
        Ok(plan)
    }
}

fn read_rpm(probe: &Probe<'_>, packages: &mut Map) -> Found<()> {
    for line in probe.query(&["rpm", "-qa", "--qf", RPM])?.stdout.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let [name, version, release, epoch, arch] = fields.as_slice() {
            let epoch = epoch.parse::<u64>().ok();
            let value = json!({
                "name": name, "version": version, "release": release, "epoch": epoch, "arch": arch, "source": "rpm",
            });
            add(packages, name, value);
        }
    }
    Ok(())
}

fn add(packages: &mut Map, name: &str, value: Json) {
    let list = packages.entry(name).or_insert_with(|| Json::Array(Vec::new()));
    if let Json::Array(list) = list {
        list.push(value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::remote::{
        machine::fake::Fake,
        modules::trial::{Trial, failure},
    };

    #[test]
    fn installed_and_predicted_packages_are_listed() {
        let host = Fake::new()
            .program("/usr/bin/apt-get")
            .program("/usr/bin/dpkg-query")
            .command(&["dpkg-query"], 0, "git\tamd64\t1:2.39\tinstalled\t\nold\tall\t1\tconfig-files\t\n")
            .command(&["apt-cache"], 0, "")
            .command(&["apt-get"], 100, "");
        let mut trial = Trial::new(host);
        trial.check("apt", json!({"name": "curl", "update_cache": true}));
        let outcome = trial.check("package_facts", json!({}));
        let packages = &outcome.result["ansible_facts"]["packages"];
        assert_eq!(packages["git"][0]["version"], "1:2.39");
        assert_eq!(packages["curl"][0]["name"], "curl");
        assert!(packages.get("old").is_none());
    }

    #[test]
    fn a_host_without_a_known_manager_is_an_error() {
        assert!(failure(&Trial::new(Fake::new()).apply("package_facts", json!({}))).contains("package manager"));
    }
}
