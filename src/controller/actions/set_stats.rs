//! `set_stats`: values for the end of the run.

use serde_json::json;

use crate::{
    controller::{
        executor::{Done, Turn},
        state::lock,
        template,
    },
    options,
    protocol::{Json, Map, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Keeps values that are shown with the recap.
    ///
    /// ## Example
    /// ```yaml
    /// - set_stats:
    ///     data:
    ///       url: "http://{{ inventory_hostname }}:3000"
    /// ```
    pub struct SetStats {
        /// The values.
        data: Map,
        /// Keep them for each host instead of for the run.
        per_host: Option<Json>,
        /// Add numbers, lists and mappings to what was kept before.
        aggregate: Option<Json>,
    }
}

/// The manual page.
pub const DOC: &str = SetStats::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    SetStats::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let data = match turn.options.get("data").map(template::to_json).transpose() {
        Ok(Some(Json::Object(data))) => data,
        Ok(_) => return Done::failed("The 'data' option needs to be a dictionary/hash"),
        Err(error) => return Done::failed(error.message),
    };
    if let Some(name) = data.keys().find(|name| !is_variable(name)) {
        return Done::failed(format!("Invalid variable name '{name}'."));
    }
    let per_host = turn.flag("per_host", false);
    let aggregate = turn.flag("aggregate", true);
    let key = if per_host { turn.host.clone() } else { "_run".to_owned() };
    let mut stats = lock(&turn.run.stats);
    let kept = stats.entry(key).or_insert_with(|| json!({}));
    if let Json::Object(kept) = kept {
        for (name, value) in &data {
            match kept.get_mut(name) {
                Some(known) if aggregate => add(known, value),
                _ => {
                    kept.insert(name.clone(), value.clone());
                }
            }
        }
    }
    drop(stats);
    let mut outcome = Outcome::new(Verdict::Unchanged);
    let told = json!({ "data": data, "per_host": per_host, "aggregate": aggregate });
    outcome.result.insert("ansible_stats".to_owned(), told);
    outcome.into()
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn add(known: &mut Json, value: &Json) {
    match (&mut *known, value) {
        (Json::Array(known), Json::Array(more)) => known.extend(more.iter().cloned()),
        (Json::Object(known), Json::Object(more)) => known.extend(more.clone()),
        (Json::String(known), Json::String(more)) => known.push_str(more),
        (Json::Number(a), Json::Number(b)) => {
            *known = match (a.as_i64(), b.as_i64()) {
                (Some(a), Some(b)) => json!(a + b),
                _ => json!(a.as_f64().unwrap_or_default() + b.as_f64().unwrap_or_default()),
            };
        }
        _ => *known = value.clone(),
    }
}
