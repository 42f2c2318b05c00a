//! Accounts that are in no file of the host, such as those of a directory service: `getent` finds them, where there may be any.

use std::path::Path;

use crate::remote::{Probe, machine::probe::Found};

/// Where systemd puts the sockets of those who know accounts, and the accounts that services are given while they run.
const SYSTEMD_SOURCES: &str = "/run/systemd/userdb";
const SYSTEMD_SERVICES: &str = "/run/systemd/dynamic-uid";
/// The source of the latter, which is there on every host with systemd.
const SERVICES_SOCKET: &str = "io.systemd.DynamicUser";

/// The line of a name in `passwd` or `group`, from whatever the host asks besides its files.
///
/// # Errors
/// When the host cannot be asked.
pub fn line(probe: &Probe<'_>, database: &str, name: &str) -> Found<Option<String>> {
    if files_only(probe, database) || probe.program("getent")?.is_none() {
        return Ok(None);
    }
    let output = probe.query(&["getent", database, name])?;
    Ok(output.stdout.lines().next().filter(|_| output.success()).map(str::to_owned))
}

/// Whether the host looks nowhere else, as far as it says: then nobody has to be asked.
fn files_only(probe: &Probe<'_>, database: &str) -> bool {
    let Ok(text) = probe.read_text(Path::new("/etc/nsswitch.conf")) else { return false };
    let mut lines = text.lines().filter_map(|line| line.split('#').next()?.split_once(':'));
    let Some((_, sources)) = lines.find(|(name, _)| name.trim() == database) else { return false };
    sources.split_whitespace().all(|source| match source {
        "files" => true,
        "systemd" => systemd_knows_none(probe),
        _ => false,
    })
}

fn systemd_knows_none(probe: &Probe<'_>) -> bool {
    let names = |folder: &str| match probe.exists(Path::new(folder)) {
        Ok(true) => probe.read_dir(Path::new(folder)).ok(),
        Ok(false) => Some(Vec::new()),
        Err(_) => None,
    };
    let quiet = |names: Vec<String>| names.iter().all(|name| name == SERVICES_SOCKET);
    names(SYSTEMD_SOURCES).is_some_and(quiet) && names(SYSTEMD_SERVICES).is_some_and(|names| names.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rehearsal::Rehearsal;
    use crate::remote::machine::fake::Fake;

    fn asked(host: Fake) -> bool {
        let host = host.program("/usr/bin/getent").command(&["getent"], 2, "").command(&["groupadd"], 0, "");
        let mut host = Rehearsal::on(host);
        host.check("group", json!({"name": "app"}));
        host.host.ran().iter().any(|run| run.argv[0] == "getent")
    }

    #[test]
    fn getent_is_asked_where_others_than_files_may_know() {
        let debian = "# from base-files\npasswd: files systemd\ngroup:  files systemd\n";
        let host = |text: &str| Fake::new().file("/etc/nsswitch.conf", text).file("/etc/group", "");
        assert!(!asked(host(debian)));
        assert!(!asked(host(debian).file("/run/systemd/userdb/io.systemd.DynamicUser", "")));
        assert!(asked(host(debian).file("/run/systemd/userdb/io.systemd.Home", "")));
        assert!(asked(host(debian).file("/run/systemd/dynamic-uid/service", "")));
        assert!(asked(host("group: files sss\n")));
        assert!(asked(Fake::new().file("/etc/group", "")));
    }
}
