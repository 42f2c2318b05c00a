//! What is told of a rollout: how each host came out of it, and what would differ.

use serde_json::json;

use super::{
    member::Member,
    plan::{Set, Step},
};
use crate::protocol::{Diff, Json, Map};

/// How a host came out of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It ran what is wanted.
    Unchanged,
    /// It runs what is wanted now.
    Switched,
    /// What was left there by another run is gone.
    Mended,
    /// It runs again what it ran before.
    Back,
    /// Its turn did not come.
    Untouched,
}

impl Fate {
    /// In a word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Switched => "switched",
            Self::Mended => "mended",
            Self::Back => "back",
            Self::Untouched => "untouched",
        }
    }
}

/// In which order hosts are switched.
pub(super) fn order(batches: &[Vec<String>], service: &str) -> Diff {
    let lines = batches.iter().enumerate().map(|(at, hosts)| format!("{}. {}\n", at + 1, hosts.join(", ")));
    Diff { name: format!("{service}: the order of hosts"), before: String::new(), after: lines.collect() }
}

/// What is different for a host, without its settings: these may be secrets.
pub(super) fn diff(member: &Member, service: &str) -> Option<Diff> {
    let said = |set: &Set, image: Option<&str>| {
        let image = image.map_or_else(String::new, |image| format!(" of {image}"));
        format!("release {}{image} in {}, {} running\n", set.release, set.slot, set.running)
    };
    let image = |set: &Set| member.ledger.find(&set.release).map(|known| known.image.as_str());
    let all = |sets: &[Set]| sets.iter().map(|set| said(set, image(set))).collect::<String>();
    let (before, after) = match member.step.as_ref()? {
        Step::Stay(_) => return None,
        Step::Mend { serves, left } => {
            let kept = said(serves, image(serves));
            (format!("{kept}{}", all(left)), format!("{kept}admitted by the proxies, and nothing else runs\n"))
        }
        Step::Switch { from, slot, left } => {
            let before = from.as_ref().map_or_else(|| "absent\n".to_owned(), |set| said(set, image(set)));
            let replicas = member.want.replicas;
            let set =
                Set { release: member.want.release.clone(), slot: slot.clone(), running: replicas, names: Vec::new() };
            (format!("{before}{}", all(left)), said(&set, Some(member.image())))
        }
    };
    Some(Diff { name: format!("{service} on {}", member.host), before, after })
}

/// What is registered.
pub(super) fn result(members: &[Member], batches: &[Vec<String>], fates: &[Fate]) -> Map {
    let mut hosts = Map::new();
    for (member, fate) in members.iter().zip(fates) {
        let before = match &member.step {
            Some(Step::Stay(set) | Step::Mend { serves: set, .. } | Step::Switch { from: Some(set), .. }) => Some(set),
            _ => None,
        };
        let slot = match (&member.step, fate) {
            (Some(Step::Switch { slot, .. }), Fate::Switched) => Some(slot.clone()),
            _ => before.map(|set| set.slot.clone()),
        };
        hosts.insert(
            member.host.clone(),
            json!({
                "done": fate.word(),
                "slot": slot,
                "release_before": before.map(|set| &set.release),
                "slot_before": before.map(|set| &set.slot),
            }),
        );
    }
    let release = members.first().map_or(Json::Null, |member| json!(member.want.release));
    Map::from_iter([
        ("release".to_owned(), release),
        ("batches".to_owned(), json!(batches)),
        ("hosts".to_owned(), hosts.into()),
    ])
}
