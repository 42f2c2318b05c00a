//! The environment that commands run in.

use crate::protocol::{Json, Map};

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["env"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    // Without a question for one language: the variables shall be as they are.
    let Ok(output) = facts.probe.query(&["env", "-0"]) else { return };
    let variables: Map = output
        .stdout
        .split('\0')
        .filter_map(|entry| entry.split_once('='))
        // How the helper was started says nothing about the host, and says it at length.
        .filter(|(name, _)| *name != "SUDO_COMMAND")
        .map(|(name, value)| (name.to_owned(), Json::from(value)))
        .collect();
    facts.set("env", variables);
}
