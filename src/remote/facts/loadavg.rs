//! How busy the host is.

use crate::protocol::{Json, Map};

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["loadavg"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let Some(line) = facts.line("/proc/loadavg") else { return };
    let loads = line.split_whitespace().map(|word| Json::from(word.parse::<f64>().unwrap_or_default()));
    let load: Map = ["1m", "5m", "15m"].iter().map(|name| (*name).to_owned()).zip(loads).collect();
    facts.set("loadavg", load);
}
