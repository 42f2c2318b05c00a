//! What has to be done, worked out from what is wanted and what is there; asks nobody.

use serde_json::json;

use super::{ledger::Ledger, options::port_of};
use crate::{
    protocol::{Json, Map},
    remote::machine::digest,
};

/// Letters of a release's name that is made of its content.
const NAME_CHARS: usize = 12;

/// A container of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// The release it belongs to.
    pub release: String,
    /// The slot it is in.
    pub slot: String,
    /// Whether it runs.
    pub running: bool,
}

/// The containers of one release in one slot of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The release.
    pub release: String,
    /// The slot.
    pub slot: String,
    /// How many of them run.
    pub running: usize,
    /// All of them, by name.
    pub names: Vec<String>,
}

/// What a host is to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// The release.
    pub release: String,
    /// What its containers are made of.
    pub digest: String,
    /// The image's id; nothing where it is not there yet.
    pub image_id: Option<String>,
    /// Containers.
    pub replicas: usize,
}

/// What a host has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing.
    Stay(Set),
    /// Only to put right what a run that was cut off has left: these are not to run.
    Mend {
        /// What serves.
        serves: Set,
        /// What does not.
        left: Vec<Set>,
    },
    /// To bring the wanted release into a slot.
    Switch {
        /// What serves until then.
        from: Option<Set>,
        /// The slot.
        slot: String,
        /// What has to leave that slot first.
        left: Vec<Set>,
    },
}

/// The running sets of a host.
#[must_use]
pub fn sets(instances: &[Instance]) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    for instance in instances {
        let known = sets.iter_mut().find(|set| set.release == instance.release && set.slot == instance.slot);
        match known {
            Some(set) => {
                set.running += usize::from(instance.running);
                set.names.push(instance.name.clone());
            }
            None => sets.push(Set {
                release: instance.release.clone(),
                slot: instance.slot.clone(),
                running: usize::from(instance.running),
                names: vec![instance.name.clone()],
            }),
        }
    }
    sets.iter_mut().for_each(|set| set.names.sort());
    sets.retain(|set| set.running > 0);
    sets
}

/// What a host has to do. `admitted` says whether the proxies send requests to what serves, and to nothing else.
#[must_use]
pub fn step(want: &Want, ledger: &Ledger, instances: &[Instance], slots: &[String], admitted: bool) -> Step {
    let mut sets = sets(instances);
    let active = ledger.serving();
    let at = active
        .and_then(|active| sets.iter().position(|set| set.release == active.release && set.slot == active.slot))
        // A run that was cut off may have come to stop the old ones without noting it.
        .or_else(|| (!sets.is_empty()).then_some(0));
    let Some(at) = at else {
        let slot = slots.first().cloned().unwrap_or_default();
        return Step::Switch { from: None, slot, left: Vec::new() };
    };
    let serves = sets.remove(at);
    let same = active.is_some_and(|active| {
        active.release == serves.release
            && active.slot == serves.slot
            && active.digest == want.digest
            && want.image_id.as_ref() == Some(&active.image_id)
    });
    if same && serves.running == want.replicas {
        return if sets.is_empty() && admitted { Step::Stay(serves) } else { Step::Mend { serves, left: sets } };
    }
    let slot = slots.iter().find(|slot| **slot != serves.slot).cloned().unwrap_or_default();
    Step::Switch { from: Some(serves), slot, left: sets }
}

/// In which order hosts are switched: one first with `canary`, then `size` at a time, a number or a share in percent.
///
/// # Errors
/// When `size` is neither.
pub fn batches(hosts: &[String], size: &str, canary: bool) -> Result<Vec<Vec<String>>, String> {
    let bad = || format!("batch must be a number of hosts or a share like 25%, not `{size}`");
    let text = size.trim();
    let width = match text.strip_suffix('%') {
        Some(share) => {
            let share: usize = share.trim().parse().map_err(|_| bad())?;
            // Rounded down: never more at once than was allowed, but always one.
            (hosts.len() * share.min(100) / 100).max(1)
        }
        None => text.parse().map_err(|_| bad())?,
    };
    if width == 0 {
        return Err(bad());
    }
    let (first, rest) = hosts.split_at(usize::from(canary && width > 1).min(hosts.len()));
    let first = (!first.is_empty()).then(|| first.to_vec());
    Ok(first.into_iter().chain(rest.chunks(width).map(<[String]>::to_vec)).collect())
}

/// The SHA-256 of what containers are made of, in whatever order it was written.
#[must_use]
pub fn fingerprint(container: &Map, more: &Json) -> String {
    let all = json!([sorted(&Json::Object(container.clone())), sorted(more)]);
    digest(all.to_string().as_bytes())
}

/// The name of a release that has none: made of what it is on all hosts.
#[must_use]
pub fn name_of(digests: &[(String, String)]) -> String {
    digest(json!(digests).to_string().as_bytes()).chars().take(NAME_CHARS).collect()
}

fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            keys.into_iter().map(|key| (key.clone(), sorted(&map[key]))).collect::<Map>().into()
        }
        Json::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// The ports of a slot, one for each replica.
///
/// # Errors
/// When there is no such slot or its ports end.
pub fn ports(slots: &Map, slot: &str, replicas: usize) -> Result<Vec<u16>, String> {
    let first = slots.get(slot).and_then(port_of).ok_or_else(|| format!("there is no slot {slot}"))?;
    let more = |at: usize| u16::try_from(at).ok().and_then(|at| first.checked_add(at));
    (0..replicas).map(|at| more(at).ok_or_else(|| format!("slot {slot} has no port for replica {}", at + 1))).collect()
}

/// What a replica's container is called; the slot is part of it, for a release may be in both.
#[must_use]
pub fn container_name(service: &str, slot: &str, release: &str, replica: usize) -> String {
    format!("{service}-{slot}-{release}-{replica}")
}

/// What the proxies call a replica in a slot.
#[must_use]
pub fn server_name(host: &str, slot: &str, replica: usize) -> String {
    format!("{host}-{slot}-{replica}")
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
