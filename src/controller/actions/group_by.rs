//! `group_by`: puts a host into a group that a template names.

use serde_json::json;

use crate::{
    controller::executor::{Done, Effect, Turn},
    options,
    protocol::{Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Puts every host into a group that a template names.
    ///
    /// ## Example
    /// ```yaml
    /// - group_by:
    ///     key: os_{{ ansible_facts.distribution }}
    /// ```
    ///
    /// ## Returns
    /// `add_group`, `parent_groups`.
    pub struct GroupBy {
        /// The group; blanks become `-`.
        key: String,
        /// Its parents.
        parents: Vec<String>,
    }
}

/// The manual page.
pub const DOC: &str = GroupBy::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    GroupBy::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let Some(key) = turn.text("key") else { return Done::failed("the 'key' param is required when using group_by") };
    let group = key.replace(' ', "-");
    let mut parents: Vec<String> = match turn.options.get("parents") {
        Some(value) if value.as_str().is_some() => vec![value.to_string()],
        Some(value) => value.try_iter().into_iter().flatten().map(|parent| parent.to_string()).collect(),
        None => Vec::new(),
    };
    parents.iter_mut().for_each(|parent| *parent = parent.replace(' ', "-"));
    if parents.is_empty() {
        parents.push("all".to_owned());
    }
    let inventory = turn.run.inventory.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let known = inventory.hosts_of(&group).iter().any(|host| *host.name == *turn.host);
    let known = known && parents.iter().all(|parent| inventory.groups.contains_key(parent.as_str()));
    drop(inventory);
    let mut outcome = Outcome::new(if known { Verdict::Unchanged } else { Verdict::Changed });
    outcome.result.insert("add_group".to_owned(), json!(group));
    outcome.result.insert("parent_groups".to_owned(), json!(parents));
    Done::with(outcome, Effect::JoinGroup { group, parents })
}
