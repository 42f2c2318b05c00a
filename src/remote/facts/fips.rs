//! Whether the kernel keeps to FIPS.

use super::Gathering;

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let on = facts.line("/proc/sys/crypto/fips_enabled").is_some_and(|value| value == "1");
    facts.set("fips", on);
}
