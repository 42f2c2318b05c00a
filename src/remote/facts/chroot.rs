//! Whether the modules see another root than the host's first process.

use std::path::Path;

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["is_chroot"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let own = facts.probe.stat(Path::new("/")).ok().flatten();
    let first = facts.probe.stat(Path::new("/proc/1/root/.")).ok().flatten();
    let differs = match (own, first) {
        (Some(own), Some(first)) => own.inode != first.inode || own.device != first.device,
        _ => facts.probe.variable("debian_chroot").is_some(),
    };
    facts.set("is_chroot", differs);
}
