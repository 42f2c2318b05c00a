//! Whether the kernel keeps to FIPS.

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["fips"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let on = facts.line("/proc/sys/crypto/fips_enabled").is_some_and(|value| value == "1");
    facts.set("fips", on);
}
