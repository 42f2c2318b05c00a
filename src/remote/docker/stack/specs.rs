//! Two specs of a service as plain lines, so that what an engine adds by itself is no difference.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    protocol::{Json, Map},
    remote::docker::compare::{is_secret, shown},
};

/// What an engine puts into a spec where nothing was said.
const ADDED: &[(&str, &str)] = &[
    ("TaskTemplate.Runtime", "container"),
    ("TaskTemplate.ContainerSpec.Isolation", "default"),
    ("TaskTemplate.ContainerSpec.StopGracePeriod", "10000000000"),
    ("TaskTemplate.RestartPolicy.Condition", "any"),
    ("TaskTemplate.RestartPolicy.Delay", "5000000000"),
    ("UpdateConfig.Parallelism", "1"),
    ("UpdateConfig.FailureAction", "pause"),
    ("UpdateConfig.Monitor", "5000000000"),
    ("UpdateConfig.Order", "stop-first"),
    ("RollbackConfig.Parallelism", "1"),
    ("RollbackConfig.FailureAction", "pause"),
    ("RollbackConfig.Monitor", "5000000000"),
    ("RollbackConfig.Order", "stop-first"),
    ("EndpointSpec.Mode", "vip"),
];

/// What is not the definition's: forced restarts, and where an image can run, which the client looks up.
const LEFT_OUT: &[&str] = &["TaskTemplate.ForceUpdate", "TaskTemplate.Placement.Platforms"];

/// What differs, by place in the spec: before and after, secrets hidden.
pub type Differences = BTreeMap<String, (String, String)>;

/// The lines of a spec.
#[must_use]
pub fn lines(spec: &Json) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    flatten(String::new(), spec, &mut lines);
    lines
}

/// What differs between two specs.
#[must_use]
pub fn differences(found: &Json, wanted: &Json) -> Differences {
    let (found, wanted) = (lines(found), lines(wanted));
    let mut told = Differences::new();
    for at in found.keys().chain(wanted.keys()) {
        let (before, after) = (found.get(at), wanted.get(at));
        if before != after {
            let hide = |value: Option<&String>, other: &str| match value {
                None => String::new(),
                Some(_) if is_secret(at.rsplit('.').next().unwrap_or_default()) => format!("********{other}"),
                Some(value) => value.clone(),
            };
            let other = if before.is_some() { " (another value)" } else { "" };
            told.insert(at.clone(), (hide(before, ""), hide(after, other)));
        }
    }
    told
}

/// Whether two templates of tasks mean the same.
#[must_use]
pub fn same_task(one: &Json, other: &Json) -> bool {
    let lines = |template| lines(&json!({"TaskTemplate": template}));
    lines(one) == lines(other)
}

/// A found spec with the names of networks instead of their ids.
#[must_use]
pub fn named(mut spec: Json, networks: &[Json]) -> Json {
    let attached = spec.pointer_mut("/TaskTemplate/Networks").and_then(Json::as_array_mut);
    for network in attached.into_iter().flatten() {
        if let Some(known) = networks.iter().find(|known| known["Id"] == network["Target"]) {
            network["Target"] = known["Name"].clone();
        }
    }
    let sorted = |list: Option<&mut Json>, key: fn(&Json) -> String| {
        if let Some(list) = list.and_then(Json::as_array_mut) {
            list.sort_by_key(key);
        }
    };
    sorted(spec.pointer_mut("/TaskTemplate/Networks"), |network| network["Target"].to_string());
    sorted(spec.pointer_mut("/TaskTemplate/ContainerSpec/Mounts"), |mount| mount["Target"].to_string());
    spec
}

fn flatten(at: String, value: &Json, lines: &mut BTreeMap<String, String>) {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match value {
        Json::Object(map) => map.iter().for_each(|(name, value)| flatten(below(name), value, lines)),
        Json::Array(items) if at.ends_with("ContainerSpec.Env") => {
            for item in items.iter().filter_map(Json::as_str) {
                let (name, value) = item.split_once('=').unwrap_or((item, ""));
                lines.insert(below(name), value.to_owned());
            }
        }
        Json::Array(items) if items.iter().all(|item| !item.is_object()) => {
            if !items.is_empty() {
                lines.insert(at, shown(value));
            }
        }
        Json::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                flatten(below(&n.to_string()), item, lines);
            }
        }
        Json::Null | Json::Bool(false) => {}
        Json::String(text) if text.is_empty() => {}
        // A service without tasks is not one of which nothing is said.
        Json::Number(number) if number.as_f64() == Some(0.0) && !at.ends_with("Replicas") => {}
        other => {
            let text = shown(other);
            if !LEFT_OUT.contains(&at.as_str()) && !ADDED.contains(&(at.as_str(), text.as_str())) {
                lines.insert(at, text);
            }
        }
    }
}

/// The differences as a return value.
#[must_use]
pub fn told(differences: &Differences) -> Json {
    let one =
        |(at, (before, after)): (&String, &(String, String))| (at.clone(), json!({"before": before, "after": after}));
    differences.iter().map(one).collect::<Map>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_adds_is_no_difference_and_what_is_left_out_is_one() {
        let wanted = json!({"TaskTemplate": {"ContainerSpec": {"Image": "a", "Env": ["A=1"], "Args": []}}, "Mode": {"Replicated": {"Replicas": 0}}});
        let mut found = json!({
            "TaskTemplate": {"ContainerSpec": {"Image": "a", "Env": ["A=1"], "Isolation": "default"}, "Runtime": "container", "ForceUpdate": 3},
            "Mode": {"Replicated": {"Replicas": 0}}, "EndpointSpec": {"Mode": "vip"},
        });
        assert_eq!(differences(&found, &wanted), Differences::new());
        found["TaskTemplate"]["ContainerSpec"]["Healthcheck"] = json!({"Test": ["NONE"]});
        found["Mode"]["Replicated"]["Replicas"] = json!(1);
        let told = differences(&found, &wanted);
        let places: Vec<&String> = told.keys().collect();
        assert_eq!(places, ["Mode.Replicated.Replicas", "TaskTemplate.ContainerSpec.Healthcheck.Test"]);
    }

    #[test]
    fn secrets_are_told_to_differ_and_not_shown() {
        let spec = |value: &str| json!({"TaskTemplate": {"ContainerSpec": {"Env": [format!("PGPASSWORD={value}")]}}});
        let told = differences(&spec("old-one"), &spec("new-one"));
        assert_eq!(
            told["TaskTemplate.ContainerSpec.Env.PGPASSWORD"],
            ("********".into(), "******** (another value)".into())
        );
    }
}
