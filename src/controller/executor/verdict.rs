//! `failed_when` and `changed_when`: what a playbook makes of how a task ended.

use minijinja::Value;
use serde_json::json;

use super::Step;
use crate::{
    controller::{
        source::{Node, Shape},
        template::{self, TemplateError},
        variables::Scope,
    },
    protocol::{Failure, Json, Map, Outcome, Verdict},
};

/// What a failed task says of the trouble besides its message, and what that is called once the trouble is talked away.
pub(super) const EXCEPTION: &str = "exception";
const SUPPRESSED: &str = "failed_when_suppressed_exception";

impl Step {
    /// Overrules the verdict where the task says so. Source: Ansible, which keeps a condition that cannot be worked out as the
    /// condition's result and fails the task.
    pub(super) fn judge(
        &self,
        scope: &Scope,
        outcome: &mut Outcome,
        registered: &mut Map,
    ) -> Result<(), TemplateError> {
        if matches!(outcome.verdict, Verdict::Skipped(_) | Verdict::Unknown(_)) {
            return Ok(());
        }
        if let Verdict::Failed(failure) = &outcome.verdict {
            registered.entry(EXCEPTION).or_insert_with(|| json!(failure.message));
        }
        if let Some(node) = &self.task.failed_when {
            let seen = self.with_result(scope, registered, outcome);
            let failed = template::condition(node, &template::context(&seen))
                .map_err(|error| broken(registered, "failed_when_result", error))?;
            match (&outcome.verdict, failed) {
                (Verdict::Failed(_), false) => {
                    let changed = registered.get("changed").and_then(Json::as_bool).unwrap_or(false);
                    outcome.verdict = if changed { Verdict::Changed } else { Verdict::Unchanged };
                    if let Some(exception) = registered.shift_remove(EXCEPTION) {
                        registered.insert(SUPPRESSED.to_owned(), exception);
                    }
                }
                (Verdict::Failed(_), true) | (_, false) => {}
                (_, true) => {
                    let message = outcome.result.get("msg").and_then(Json::as_str).filter(|msg| !msg.is_empty());
                    let message = message
                        .map_or_else(|| "failed_when holds".to_owned(), |msg| format!("{msg} (failed_when holds)"));
                    registered.entry(EXCEPTION).or_insert_with(|| json!(message));
                    outcome.verdict = Verdict::Failed(Failure::new(message));
                }
            }
            registered.insert("failed_when_result".to_owned(), json!(failed));
            registered.insert("failed".to_owned(), json!(failed));
        }
        if let Some(node) = &self.task.changed_when {
            let seen = self.with_result(scope, registered, outcome);
            let changed = template::condition(node, &template::context(&seen))
                .map_err(|error| broken(registered, "changed_when_result", error))?;
            if !matches!(outcome.verdict, Verdict::Failed(_)) {
                outcome.verdict = if changed { Verdict::Changed } else { Verdict::Unchanged };
            }
            registered.insert("changed".to_owned(), json!(changed));
        }
        Ok(())
    }
}

/// Notes in the result that a condition on it cannot be worked out.
fn broken(registered: &mut Map, name: &str, error: TemplateError) -> TemplateError {
    registered.insert(name.to_owned(), json!(error.message));
    registered.insert("failed".to_owned(), json!(true));
    registered.insert("msg".to_owned(), json!(error.message));
    error
}

/// The part of a condition that does not hold, as written.
pub(super) fn false_condition(node: &Node, context: &Value) -> Json {
    match &node.shape {
        Shape::List(items) => items
            .iter()
            .find(|item| matches!(template::condition(item, context), Ok(false)))
            .map_or(Json::Null, |item| false_condition(item, context)),
        _ => node.to_json(),
    }
}

/// A template that cannot be rendered, as the failure of a task.
pub(super) fn failure(error: &TemplateError) -> Failure {
    let place = error.span.as_ref().map_or_else(String::new, |span| format!("{span}: "));
    Failure::new(format!("{place}{}", error.message))
}
