//! `include_tasks`: reads tasks while the play runs.

use std::sync::Arc;

use serde_json::json;

use super::setup;
use crate::{
    controller::{
        executor::{Done, Effect, Turn},
        playbook::{
            Keywords,
            load::{Surroundings, find_task_file},
        },
        source::{Diagnostics, Node, Severity},
    },
    protocol::{Failure, Outcome, Verdict},
    remote::OptionSpec,
};

/// The manual page.
pub const DOC: &str = "\
Reads a file of tasks while the play runs, so that its name may come from facts and loops.

## Example
```yaml
- include_tasks: \"{{ ansible_facts.os_family }}.yaml\"
```

## Returns
`include`: the file.
";

/// The file stands behind its name, or in `file`; `apply` gives keywords to what is included.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Vec::new()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let Some(name) = turn.text("_raw_params").or_else(|| turn.text("file")) else {
        return Done::failed("include_tasks does not say which file");
    };
    let Some(path) = find_task_file(&name, &turn.task.folder, turn.task.role.as_deref())
        .or_else(|| find_task_file(&name, &turn.batch.play.play.folder, None))
    else {
        let failure = Failure::new(format!("there is no task file {name}"));
        return Outcome::new(Verdict::Failed(
            failure.hint(format!("looked beside the including file, in {}", turn.task.folder.display())),
        ))
        .into();
    };
    if let Err(failure) = setup::complete(turn, |reading| !reading.knows(&path)).await {
        return Outcome::new(Verdict::Failed(failure)).into();
    }
    let mut diagnostics = Diagnostics::default();
    let around = surroundings(turn);
    let items = turn.run.loader.task_file(&path, &around, &mut diagnostics);
    if let Some(done) = problems(diagnostics) {
        return done;
    }
    let mut outcome = Outcome::new(Verdict::Unchanged);
    outcome.result.insert("include".to_owned(), json!(path.display().to_string()));
    let handlers = around.take_handlers();
    let effect =
        Effect::Include { items: Arc::new(items), handlers, key: format!("{} {}", path.display(), item(turn)) };
    Done::with(outcome, effect)
}

/// What is around the included: the levels around the include, its variables and what it applies, the current loop item.
pub(super) fn surroundings(turn: &Turn) -> Surroundings {
    let task = &turn.task;
    let mut levels = task.levels.clone();
    levels.pop();
    let own = task.own();
    // All an include says but its variables is about the include itself.
    if let Some(item) = loop_variables(turn) {
        levels.push(Arc::new(item));
    }
    levels.push(Arc::new(Keywords::passed(own.vars.clone())));
    if let Some(apply) = task.arguments.get("apply").and_then(Node::as_map) {
        levels.push(Arc::new(Keywords::of(apply)));
    }
    Surroundings {
        levels,
        folder: task.folder.clone(),
        base: turn.batch.play.play.folder.clone(),
        role: task.role.clone(),
        handler: task.handler,
        in_block: false,
        tolerant: true,
        handlers: Arc::default(),
    }
}

/// The current loop item as text, to tell what is included for it from what is included for others.
pub(super) fn item(turn: &Turn) -> String {
    loop_variables(turn).and_then(|level| level.vars.map(|vars| vars.to_json().to_string())).unwrap_or_default()
}

/// The loop's variables as a level, so that what is included sees the item it is included for.
fn loop_variables(turn: &Turn) -> Option<Keywords> {
    turn.task.each.as_ref()?;
    let name = turn.scope.get("ansible_loop_var").map(data)?.to_string();
    let index = turn.scope.get("ansible_index_var").map(data).map(|index| index.to_string());
    let mut entries = Vec::new();
    for name in [
        Some(name),
        index,
        Some("ansible_loop".to_owned()),
        Some("ansible_loop_var".to_owned()),
        Some("ansible_index_var".to_owned()),
    ]
    .into_iter()
    .flatten()
    {
        if let Some(value) = turn.scope.get(&name).map(data) {
            let json = crate::controller::template::to_json(&value).ok()?;
            let marks = crate::controller::source::composer::Marks { trusted: false, secret: false };
            entries.push((Node::text(turn.task.span.clone(), &name), Node::from_json(&json, &turn.task.span, marks)));
        }
    }
    let map = crate::controller::source::Mapping { entries };
    let shape = crate::controller::source::Shape::Map(Arc::new(map));
    Some(Keywords::passed(Some(Node { span: turn.task.span.clone(), shape })))
}

fn data(variable: &crate::controller::variables::Var) -> minijinja::Value {
    match variable {
        crate::controller::variables::Var::Data(value) => value.clone(),
        crate::controller::variables::Var::Node(node) => node.to_value(),
    }
}

/// What is wrong with included files: the failure of the include if something is not there, the end of the run if what is
/// there is wrong.
pub(super) fn problems(diagnostics: Diagnostics) -> Option<Done> {
    let first = diagnostics.found.iter().find(|found| found.severity == Severity::Error)?;
    let absent = first.absence;
    let outcome = Outcome::new(Verdict::Failed(failure(&diagnostics)));
    Some(if absent { outcome.into() } else { Done::with(outcome, Effect::Abort(diagnostics)) })
}

/// What is wrong with files, as a failure.
pub(super) fn failure(diagnostics: &Diagnostics) -> Failure {
    let lines: Vec<String> = diagnostics
        .found
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .map(|found| {
            let place = found.span.as_ref().map_or_else(String::new, |span| format!("{span}: "));
            let hints: String = found.hints.iter().map(|hint| format!(" ({hint})")).collect();
            format!("{place}{}{hints}", found.message)
        })
        .collect();
    Failure::new(lines.join("\n"))
}
