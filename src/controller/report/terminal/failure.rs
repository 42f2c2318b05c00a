//! A failure as lines to read: what went wrong, where, what the program said, what to do.

use serde_json::Value as Json;

use super::{
    lines::{Block, indent},
    value,
};
use crate::controller::{
    event::Status,
    report::{Paint, paint::clean},
};

/// Lines of output that are shown; the end says most.
const TAIL_LINES: usize = 20;

/// The lines below `fatal: [host]: FAILED!`, without the last line feed.
pub(super) fn details(block: &Block<'_>, paint: Paint) -> String {
    let report = block.report;
    let mut lines = vec![paint.status(Status::Failed, &indent(&clean(&message(block)), "  "))];
    let mut field = |name: &str, text: &str| lines.push(format!("  {} {text}", paint.dim(&format!("{name:<8}"))));
    field("task", &clean(&block.task.title()));
    field("where", &block.task.place);
    let result = &report.result;
    if let Some(command) = result.get("cmd").and_then(command) {
        field("command", &first_line(&clean(&command)));
    }
    if let Some(code) = result.get("rc").and_then(Json::as_i64) {
        field("exit", &code.to_string());
    }
    for name in ["stdout", "stderr", "module_stdout", "module_stderr", "exception"] {
        let text = result.get(name).and_then(Json::as_str).map(clean).unwrap_or_default();
        let text = text.trim_end();
        if !text.is_empty() && text != message(block).trim_end() {
            lines.extend(output(name, text, paint));
        }
    }
    if let Some(hint) = report.failure.as_ref().and_then(|failure| failure.hint.as_deref()) {
        let hint = indent(&clean(hint), "           ");
        lines.push(format!("  {} {}", paint.heading("hint    "), hint.trim_start()));
    }
    if report.status == Status::Ignored {
        lines.push(paint.skipped("...ignoring"));
    }
    lines.join("\n")
}

/// What went wrong, for people.
pub(super) fn message(block: &Block<'_>) -> String {
    let report = block.report;
    if let Some(failure) = &report.failure
        && !failure.message.trim().is_empty()
    {
        return failure.message.clone();
    }
    match report.result.get("msg") {
        Some(Json::String(text)) if !text.trim().is_empty() => text.clone(),
        Some(other) if !other.is_null() && other.as_str().is_none() => value::yaml(other),
        _ => report.reason.clone().unwrap_or_else(|| "it failed without a message".to_owned()),
    }
}

fn output(name: &str, text: &str, paint: Paint) -> Vec<String> {
    let all: Vec<&str> = text.lines().collect();
    let skipped = all.len().saturating_sub(TAIL_LINES);
    let note = if skipped > 0 { format!(" (the last {TAIL_LINES} of {} lines)", all.len()) } else { String::new() };
    let mut lines = vec![format!("  {}", paint.dim(&format!("{name}{note}")))];
    lines.extend(all.iter().skip(skipped).map(|line| format!("    {} {line}", paint.dim("|")).trim_end().to_owned()));
    lines
}

fn command(cmd: &Json) -> Option<String> {
    match cmd {
        Json::String(text) => Some(text.clone()),
        Json::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Json::as_str).collect();
            shlex::try_join(words).ok()
        }
        _ => None,
    }
}

fn first_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    if lines.next().is_some() { format!("{first} …") } else { first.to_owned() }
}
