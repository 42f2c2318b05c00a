//! `timezone`: the host's time zone.

use std::path::{Path, PathBuf};

use crate::{
    options,
    protocol::{Attributes, Change, Content},
    remote::{Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::systemd::unit;

options! {
    /// Sets the time zone of the host's local time.
    ///
    /// ## Example
    /// ```yaml
    /// - timezone:
    ///     name: Europe/Berlin
    /// ```
    ///
    /// ## Returns
    /// Nothing of its own.
    pub struct Timezone {
        /// A name of the zone database.
        name: String,
    }
}

const ZONES: &str = "/usr/share/zoneinfo";
const LINK: &str = "/etc/localtime";
const FILE: &str = "/etc/timezone";

impl Module for Timezone {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let zone = Path::new(ZONES).join(&self.name);
        let known = !self.name.starts_with('/') && !self.name.contains("..") && probe.exists(&zone)?;
        // The database may come with a package that an earlier task is predicted to install.
        let coming =
            probe.predicting() && !probe.exists(Path::new(ZONES))? && probe.assumed("package", "tzdata").is_some();
        if !known && !coming {
            return Err(Stop::failed(format!("there is no time zone {} on the host", self.name))
                .hint("names are like Europe/Berlin; the database is in the package tzdata"));
        }
        let mut plan = Plan::new();
        let linked = current(probe)?;
        let systemd = unit::is_running(probe)?;
        if linked.as_deref() != Some(self.name.as_str()) {
            // As timedatectl links it; where no systemd runs, tools expect the whole path.
            let target = if systemd { Path::new("..").join(zone.strip_prefix("/").unwrap_or(&zone)) } else { zone };
            plan.push(Change::Symlink { path: LINK.into(), target });
        }
        // Only some distributions keep the name in a file too; where it is, it must not say something else. Systemd's tools leave it
        // alone, and so does Ansible where it uses them.
        let file = Path::new(FILE);
        if !systemd && probe.exists(file)? && probe.read_text(file)?.trim() != self.name {
            plan.push(Change::Write {
                path: PathBuf::from(FILE),
                content: Content::Text(format!("{}\n", self.name)),
                attributes: Attributes::default(),
                in_place: false,
            });
        }
        if !plan.changes.is_empty() {
            plan.diff("timezone", format!("{}\n", linked.unwrap_or_default()), format!("{}\n", self.name));
        }
        Ok(plan)
    }
}

fn current(probe: &Probe<'_>) -> Found<Option<String>> {
    let link = Path::new(LINK);
    if !probe.stat(link)?.is_some_and(|stat| stat.kind == crate::remote::machine::system::FileKind::Symlink) {
        return Ok(None);
    }
    let target = probe.read_link(link)?.to_string_lossy().into_owned();
    Ok(target.split_once("zoneinfo/").map(|(_, name)| name.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{
            machine::{fake::Fake, system::System},
            modules::trial::{Trial, failure},
        },
    };

    #[test]
    fn the_link_is_relative_where_systemd_runs() {
        let zone = "/usr/share/zoneinfo/Europe/Berlin";
        for (host, target) in [
            (Fake::new(), zone),
            (Fake::new().file("/run/systemd/system/x", ""), "../usr/share/zoneinfo/Europe/Berlin"),
        ] {
            let systemd = target.starts_with("..");
            let mut trial = Trial::new(host.file(zone, "").file("/etc/timezone", "Etc/UTC\n"));
            let options = json!({"name": "Europe/Berlin"});
            assert_eq!(trial.apply("timezone", options.clone()).verdict, Verdict::Changed);
            let named = trial.host.text("/etc/timezone").unwrap();
            assert_eq!(named, if systemd { "Etc/UTC\n" } else { "Europe/Berlin\n" });
            let link = trial.host.read_link(Path::new("/etc/localtime")).unwrap();
            assert_eq!(link, Path::new(target));
            assert_eq!(trial.apply("timezone", options).verdict, Verdict::Unchanged);
        }
    }

    #[test]
    fn the_zone_is_linked_and_named_once() {
        let host = Fake::new().file("/usr/share/zoneinfo/Europe/Berlin", "").file("/etc/timezone", "Etc/UTC\n");
        let mut trial = Trial::new(host);
        let options = json!({"name": "Europe/Berlin"});
        assert_eq!(trial.check("timezone", options.clone()).verdict, Verdict::Changed);
        assert_eq!(trial.host.text("/etc/timezone").unwrap(), "Etc/UTC\n");
        let mut trial = Trial::new(trial.host);
        assert_eq!(trial.apply("timezone", options.clone()).verdict, Verdict::Changed);
        assert_eq!(trial.host.text("/etc/timezone").unwrap(), "Europe/Berlin\n");
        assert_eq!(trial.apply("timezone", options).verdict, Verdict::Unchanged);
        assert!(failure(&trial.apply("timezone", json!({"name": "Nowhere"}))).contains("Nowhere"));
    }
}
