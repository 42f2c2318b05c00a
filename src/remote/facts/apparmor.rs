//! Whether `AppArmor` is there.

use serde_json::json;

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["apparmor"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let status = if facts.exists("/sys/kernel/security/apparmor") { "enabled" } else { "disabled" };
    facts.set("apparmor", json!({"status": status}));
}
