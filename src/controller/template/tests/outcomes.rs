//! Tests of task results.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::super::filters::arguments::{Arguments, invalid, is_list, items};
use super::{Test, entry};

pub(super) const ALL: &[Test] = &[
    Test::new(&["failed", "failure"], "result", |_, args| flag(args, "failed", "failed")),
    Test::new(&["succeeded", "success", "successful"], "result", |_, args| {
        flag(args, "failed", "failed").map(|is| !is)
    }),
    Test::new(&["unreachable"], "result", |_, args| flag(args, "unreachable", "unreachable")),
    Test::new(&["reachable"], "result", |_, args| flag(args, "unreachable", "unreachable").map(|is| !is)),
    Test::new(&["skipped", "skip"], "result", |_, args| flag(args, "skipped", "skipped")),
    Test::new(&["changed", "change"], "result", |_, args| changed(args)),
    Test::new(&["timedout"], "result", |_, args| {
        let timeout = entry(result(args, "timedout")?, "timedout").filter(Value::is_true);
        Ok(timeout.and_then(|timeout| entry(&timeout, "period")).is_some_and(|period| period.is_true()))
    }),
    Test::new(&["started"], "result", |_, args| unless_said(args, "started")),
    Test::new(&["finished"], "result", |_, args| unless_said(args, "finished")),
];

fn result<'a>(args: &'a Arguments, test: &str) -> Result<&'a Value, Error> {
    let value = args.need("result")?;
    if value.kind() == ValueKind::Map {
        return Ok(value);
    }
    Err(invalid(format!("The '{test}' test expects a dictionary")))
}

fn flag(args: &Arguments, test: &str, key: &str) -> Result<bool, Error> {
    Ok(entry(result(args, test)?, key).is_some_and(|value| value.is_true()))
}

/// A task that is not asynchronous counts as started and finished.
fn unless_said(args: &Arguments, key: &str) -> Result<bool, Error> {
    Ok(entry(result(args, key)?, key).is_none_or(|value| value.is_true()))
}

fn changed(args: &Arguments) -> Result<bool, Error> {
    let value = result(args, "changed")?;
    if let Some(changed) = entry(value, "changed") {
        return Ok(changed.is_true());
    }
    let Some(results) = entry(value, "results").filter(is_list) else { return Ok(false) };
    let results = items(&results)?;
    Ok(results.first().is_some_and(|first| first.kind() == ValueKind::Map)
        && results.iter().any(|result| entry(result, "changed").is_some_and(|changed| changed.is_true())))
}
