//! Results as `register` keeps them, and reports as people see them.

use serde_json::json;

use crate::{
    controller::{
        event::{Report, Status},
        playbook::Task,
        state::Run,
    },
    protocol::{Json, Map, Outcome, Verdict},
};

/// What is told of it, with everything secret masked.
#[must_use]
pub fn report(run: &Run, outcome: &Outcome, result: &Map, no_log: bool) -> Report {
    let (status, reason, failure) = match &outcome.verdict {
        Verdict::Unchanged => (Status::Ok, None, None),
        Verdict::Changed => (Status::Changed, None, None),
        Verdict::Skipped(reason) => (Status::Skipped, Some(reason.clone()), None),
        Verdict::Unknown(reason) => (Status::Unknown, Some(reason.clone()), None),
        Verdict::Failed(failure) => (Status::Failed, None, Some(failure.clone())),
    };
    if no_log {
        let censored = "the output has been hidden due to the fact that 'no_log: true' was specified for this result";
        let failure = failure.map(|_| crate::protocol::Failure::new(censored));
        let changed = status == Status::Changed;
        let result = json!({ "censored": censored, "changed": changed });
        return Report { status, reason: None, failure, result, diffs: Vec::new(), warnings: Vec::new() };
    }
    let mask = |text: &str| run.mask(text);
    let mut shown = Json::Object(result.clone());
    let mut diffs = outcome.diffs.clone();
    let mut failure = failure;
    mask_json(&mut shown, &mask);
    for diff in &mut diffs {
        diff.name = mask(&diff.name);
        diff.before = mask(&diff.before);
        diff.after = mask(&diff.after);
    }
    if let Some(failure) = &mut failure {
        failure.message = mask(&failure.message);
        failure.hint = failure.hint.as_deref().map(mask);
    }
    let reason = reason.as_deref().map(mask);
    let warnings = outcome.warnings.iter().map(|warning| mask(warning)).collect();
    Report { status, reason, failure, result: shown, diffs, warnings }
}

fn mask_json(value: &mut Json, mask: &impl Fn(&str) -> String) {
    match value {
        Json::String(text) => *text = mask(text),
        Json::Array(items) => items.iter_mut().for_each(|item| mask_json(item, mask)),
        Json::Object(map) => map.iter_mut().for_each(|(_, item)| mask_json(item, mask)),
        _ => {}
    }
}

/// The result of a loop, put together from its items.
#[must_use]
pub fn of_loop(items: &[(Outcome, Map)]) -> (Outcome, Map) {
    let any = |wanted: fn(&Verdict) -> bool| items.iter().any(|(outcome, _)| wanted(&outcome.verdict));
    let all_skipped =
        !items.is_empty() && items.iter().all(|(outcome, _)| matches!(outcome.verdict, Verdict::Skipped(_)));
    let failed = items.iter().find_map(|(outcome, _)| match &outcome.verdict {
        Verdict::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    let unknown = items.iter().find_map(|(outcome, _)| match &outcome.verdict {
        Verdict::Unknown(reason) => Some(reason.clone()),
        _ => None,
    });
    // A failed item may have changed something all the same.
    let changed = any(|verdict| matches!(verdict, Verdict::Changed))
        || items.iter().any(|(_, result)| result.get("changed") == Some(&json!(true)));
    let verdict = match (failed, unknown) {
        (Some(failure), _) => Verdict::Failed(failure),
        _ if changed => Verdict::Changed,
        (None, Some(reason)) => Verdict::Unknown(reason),
        _ if items.is_empty() => Verdict::Skipped("No items in the list".to_owned()),
        _ if all_skipped => Verdict::Skipped("All items skipped".to_owned()),
        _ => Verdict::Unchanged,
    };
    let mut result = Map::new();
    let results: Vec<Json> = items.iter().map(|(_, result)| Json::Object(result.clone())).collect();
    result.insert("results".to_owned(), json!(results));
    result.insert("changed".to_owned(), json!(changed));
    match &verdict {
        Verdict::Skipped(reason) => {
            result.insert("skipped".to_owned(), json!(true));
            result.insert("skipped_reason".to_owned(), json!(reason));
            result.insert("msg".to_owned(), json!(reason));
        }
        Verdict::Failed(_) => {
            result.insert("msg".to_owned(), json!("One or more items failed"));
            result.insert("failed".to_owned(), json!(true));
        }
        _ => {
            result.insert("msg".to_owned(), json!("All items completed"));
        }
    }
    if !matches!(verdict, Verdict::Failed(_)) {
        result.entry("failed").or_insert(json!(false));
    }
    let outcome = Outcome { result: result.clone(), ..Outcome::new(verdict) };
    (outcome, result)
}

/// Whether nothing of a task may be shown.
#[must_use]
pub fn is_private(task: &Task, context: &minijinja::Value) -> bool {
    task.keyword("no_log").is_some_and(|node| {
        // What cannot be rendered stays hidden: showing it would be the error that cannot be undone.
        crate::controller::template::lazy::value(node, context).map_or(true, |value| super::reach::truthy(&value))
    })
}
