//! What the kernel was started with.

use crate::protocol::{Json, Map};

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["cmdline", "proc_cmdline"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let Some(line) = facts.line("/proc/cmdline") else { return };
    let (mut last, mut all) = (Map::new(), Map::new());
    for word in line.split_whitespace() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Json::from(value.trim_matches('"'))),
            None => (word, Json::Bool(true)),
        };
        last.insert(name.to_owned(), value.clone());
        // A word that is given again becomes a list here.
        let merged = match all.remove(name) {
            None => value,
            Some(Json::Array(mut values)) => {
                values.push(value);
                Json::Array(values)
            }
            Some(first) => Json::Array(vec![first, value]),
        };
        all.insert(name.to_owned(), merged);
    }
    facts.set("cmdline", last);
    facts.set("proc_cmdline", all);
}
