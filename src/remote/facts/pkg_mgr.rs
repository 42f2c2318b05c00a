//! What installs packages here.

use super::Gathering;

/// Programs and what Ansible calls them, in the order in which they win.
const MANAGERS: &[(&str, &str)] = &[
    ("/usr/bin/dnf5", "dnf5"),
    ("/usr/bin/dnf", "dnf"),
    ("/usr/bin/yum", "yum"),
    ("/usr/bin/zypper", "zypper"),
    ("/usr/bin/pacman", "pacman"),
    ("/sbin/apk", "apk"),
    ("/usr/bin/apk", "apk"),
    ("/usr/bin/emerge", "portage"),
    ("/usr/bin/xbps-install", "xbps"),
    ("/usr/bin/apt-get", "apt"),
];

/// The host's package manager; Debian's relatives keep apt even with another one installed.
pub(super) fn find(facts: &Gathering<'_, '_>) -> &'static str {
    if facts.exists("/etc/debian_version") && facts.exists("/usr/bin/apt-get") {
        return "apt";
    }
    MANAGERS.iter().find(|(path, _)| facts.exists(path)).map_or("unknown", |(_, name)| name)
}

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["pkg_mgr"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let manager = find(facts);
    facts.set("pkg_mgr", manager);
}
