//! `setup` and `gather_facts`: asks a host for its facts and keeps them.

use crate::{
    controller::{
        executor::{Done, Turn},
        playbook::reading::Reading,
        template,
        variables::{Layer, scope::FACTS},
    },
    protocol::{Failure, Json, Map, Outcome, Verdict},
    remote::{OptionSpec, modules},
};

/// The manual page.
pub const DOC: &str = "\
Asks a host for its facts and keeps them as variables. Also known as `gather_facts`.

At the beginning of a play only those facts are gathered that the files of the run may read; `gather_subset: all` in the play, or this
task, asks for all of them.

## Example
```yaml
- setup:
    gather_subset: [min, network]
```

## Returns
`ansible_facts`.
";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("setup")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let mut options = match turn.json_options() {
        Ok(options) => options,
        Err(error) => return Done::failed(error.message),
    };
    let modules = modules_asked(turn);
    let subset = subset_read(turn).filter(|_| options.is_empty() && modules.iter().all(|name| is_setup(name)));
    let partial = subset.is_some();
    options.extend(subset.map(|subset| ("gather_subset".to_owned(), subset.into())));
    let outcome = if modules.iter().all(|name| is_setup(name)) {
        turn.module("setup", options, &[]).await
    } else {
        Box::pin(together(turn, &modules, &options)).await
    };
    if !matches!(outcome.verdict, Verdict::Failed(_))
        && let Some(Json::Object(facts)) = outcome.result.get("ansible_facts")
    {
        turn.run.add_facts(turn.facts_host(), facts);
        turn.run.with_host(&turn.host, |state| state.fresh_facts = true);
        turn.run.with_host(turn.facts_host(), |state| state.partial_facts = partial);
    }
    outcome.into()
}

/// What a play without a word about it gathers: what the files of the run read, if that is known. Facts that are kept for other runs
/// are all there are.
fn subset_read(turn: &Turn) -> Option<Vec<String>> {
    let implied = turn.task.module == "setup" && turn.info.name == "Gathering Facts";
    let reading = turn.run.reading.get().filter(|_| implied && turn.run.settings.fact_cache.is_none())?;
    reading.subset()
}

/// Asks for the facts that nobody seemed to read, where a file that comes to light only now may read them. Gives what the turn does not
/// see yet.
///
/// # Errors
/// When the host does not tell them.
pub async fn complete(turn: &Turn, unread: impl FnOnce(&Reading) -> bool) -> Result<Layer, Failure> {
    let partial = turn.run.with_host(turn.facts_host(), |state| state.partial_facts);
    if !partial || !turn.run.reading.get().is_some_and(unread) {
        return Ok(Layer::new());
    }
    if turn.lane.is_ahead() {
        turn.lane.give_way();
        return Err(Failure::new("not carried out"));
    }
    let outcome = turn.module("setup", Map::new(), &[]).await;
    match outcome.verdict {
        Verdict::Failed(failure) => Err(failure),
        _ => {
            turn.run.keep_facts(turn.facts_host(), &outcome);
            let facts = turn.run.with_host(turn.facts_host(), |state| {
                state.partial_facts = false;
                state.facts.clone()
            });
            let new = |name: &str| name == FACTS || turn.scope.get(name).is_none();
            Ok(facts.iter().filter(|(name, _)| new(name)).map(|(name, fact)| (name.clone(), fact.clone())).collect())
        }
    }
}

/// Which modules tell facts here: `ansible_facts_modules`, `facts_modules` of the settings, else `setup` alone.
fn modules_asked(turn: &Turn) -> Vec<String> {
    let gathers = turn.task.module == "gather_facts" || turn.info.name == "Gathering Facts";
    if !gathers {
        return Vec::new();
    }
    let variable = turn.context.get_attr("ansible_facts_modules").ok();
    let variable = variable.and_then(|value| template::resolve(&value).ok()).filter(|value| !value.is_undefined());
    match variable {
        Some(value) => match value.as_str() {
            Some(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
            None => value.try_iter().map(|names| names.map(|name| name.to_string()).collect()).unwrap_or_default(),
        },
        None => turn.run.settings.facts_modules.clone(),
    }
}

fn is_setup(name: &str) -> bool {
    matches!(modules::short_name(name), "smart" | "setup")
}

/// Asks several modules and puts what they tell together.
async fn together(turn: &Turn, names: &[String], options: &Map) -> Outcome {
    let mut facts = Map::new();
    for name in names {
        let outcome = match turn.own_module(name) {
            _ if is_setup(name) => turn.module("setup", options.clone(), &[]).await,
            Some(path) => match turn.custom(&path, None).await {
                Ok(done) => done.outcome,
                Err(_) => return Outcome::failed(format!("{name} could not be carried out")),
            },
            None if modules::find(name).is_some() => turn.module(modules::short_name(name), Map::new(), &[]).await,
            None => return Outcome::failed(format!("The module {name} was not found in configured module paths.")),
        };
        if let Verdict::Failed(failure) = &outcome.verdict {
            let message = format!("The following modules failed to execute: {name}. {}", failure.message);
            return Outcome::failed(message);
        }
        if let Some(Json::Object(told)) = outcome.result.get("ansible_facts") {
            merge(&mut facts, told);
        }
    }
    facts.insert("_ansible_facts_gathered".to_owned(), Json::Bool(true));
    let mut outcome = Outcome::new(Verdict::Unchanged);
    outcome.result.insert("ansible_facts".to_owned(), Json::Object(facts));
    outcome
}

/// What comes later wins; mappings are merged, and lists get what they do not hold yet.
fn merge(facts: &mut Map, told: &Map) {
    for (name, value) in told {
        match (facts.get_mut(name), value) {
            (Some(Json::Object(before)), Json::Object(after)) => merge(before, after),
            (Some(Json::Array(before)), Json::Array(after)) => {
                before.retain(|item| !after.contains(item));
                before.extend(after.iter().cloned());
            }
            _ => {
                facts.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_of_several_modules_are_merged_and_the_last_word_counts() {
        let map = |value: Json| value.as_object().cloned().unwrap_or_default();
        let mut facts = map(json!({"a": 1, "d": {"x": 1, "y": 1}, "l": ["one", "three", "five"]}));
        merge(&mut facts, &map(json!({"a": 2, "d": {"y": 2}, "l": ["one", "two"]})));
        assert_eq!(Json::Object(facts), json!({"a": 2, "d": {"x": 1, "y": 2}, "l": ["three", "five", "one", "two"]}));
    }
}
