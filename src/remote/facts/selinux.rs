//! Whether and how `SELinux` guards the host.

use serde_json::json;

use super::{Gathering, assignments};

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["selinux_python_present", "selinux"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    facts.set("selinux_python_present", true);
    let Some(enforce) = facts.line("/sys/fs/selinux/enforce") else {
        facts.set("selinux", json!({"status": "disabled"}));
        return;
    };
    let config = facts.text("/etc/selinux/config").unwrap_or_default();
    let configured = |name: &str| {
        assignments(&config).find(|(key, _)| *key == name).map_or_else(|| "unknown".to_owned(), |(_, value)| value)
    };
    let selinux = json!({
        "status": "enabled",
        "mode": if enforce == "1" { "enforcing" } else { "permissive" },
        "config_mode": configured("SELINUX"),
        "type": configured("SELINUXTYPE"),
        "policyvers": facts.line("/sys/fs/selinux/policyvers"),
    });
    facts.set("selinux", selinux);
}
