//! What starts services here.

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["service_mgr"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let first = facts.line("/proc/1/comm").unwrap_or_default();
    let offline = || {
        let init = facts.probe.read_link("/sbin/init".as_ref());
        init.is_ok_and(|target| target.to_string_lossy().ends_with("systemd"))
    };
    let manager = if facts.exists("/run/systemd/system") {
        "systemd"
    } else if facts.exists("/sbin/openrc") {
        "openrc"
    } else if first == "runit-init" {
        "runit"
    } else if !(first.is_empty() || first == "init" || first == "systemd" || first.ends_with("sh")) {
        // A container or sandbox whose first program is no init at all: the name says as much.
        &first
    } else if first == "init" && facts.exists("/etc/init.d") || offline() {
        if offline() { "systemd" } else { "sysvinit" }
    } else if facts.exists("/etc/init.d") {
        "sysvinit"
    } else {
        "service"
    };
    facts.set("service_mgr", manager);
}
