//! What Ansible's default callback shows of a result: JSON as Python writes it, on one line or indented.

use serde_json::{Map, Value as Json};

use crate::controller::{
    event::{Report, TaskInfo},
    template::{
        emit::json::{Style, write},
        value::from_json,
    },
};

/// Verbosity from which nothing is left out and results are indented.
const ALL: u8 = 3;
/// One level of indentation.
const INDENT: &str = "    ";
/// Modules whose result names a file that was included.
const INCLUDES: [&str; 2] = ["include_tasks", "include_role"];

/// What stands behind the host's name, arrow included; nothing unless asked for or always shown.
pub(super) fn shown(task: &TaskInfo, report: &Report, verbosity: u8) -> Option<String> {
    let always = report.result.get("_ansible_verbose_always").and_then(Json::as_bool).unwrap_or_default();
    let debug = task.module.rsplit('.').next() == Some("debug");
    if verbosity == 0 && !always && !debug {
        return None;
    }
    let mut map = visible(report.result.as_object()?, verbosity);
    if debug {
        if let Some(message) = map.get("msg").cloned() {
            map = Map::from_iter([("msg".to_owned(), message)]);
        } else {
            map.retain(|name, _| !matches!(&**name, "changed" | "invocation" | "skip_reason"));
        }
    }
    Some(format!(" => {}", text(map, always || debug || verbosity >= ALL)))
}

/// A failed result.
pub(super) fn whole(report: &Report, verbosity: u8) -> String {
    let mut map = report.result.as_object().map(|map| visible(map, verbosity)).unwrap_or_default();
    if let Some(failure) = &report.failure {
        map.entry("msg").or_insert_with(|| Json::from(failure.message.clone()));
    }
    map.remove("failed");
    map.remove("exception");
    map.entry("changed").or_insert(Json::Bool(false));
    text(map, verbosity >= ALL)
}

/// Why something failed.
pub(super) fn message(report: &Report) -> Option<String> {
    let said = report.failure.as_ref().map(|failure| failure.message.clone());
    said.or_else(|| Some(report.result.get("msg")?.as_str()?.to_owned())).filter(|text| !text.trim().is_empty())
}

/// The file or role that a task has brought in.
pub(super) fn included<'a>(task: &TaskInfo, report: &'a Report) -> Option<&'a str> {
    if !INCLUDES.iter().any(|name| task.module.rsplit('.').next() == Some(name)) {
        return None;
    }
    report.result.get("include").and_then(Json::as_str)
}

/// One line of JSON, keys in order.
pub(super) fn compact(value: &Json) -> String {
    let style = Style { sort_keys: true, ensure_ascii: false, ..Style::default() };
    write(&from_json(value), &style).unwrap_or_else(|_| value.to_string())
}

fn text(map: Map<String, Json>, indented: bool) -> String {
    let value = Json::Object(map);
    if !indented {
        return compact(&value);
    }
    let (indent, item_separator) = (Some(INDENT.to_owned()), ",".to_owned());
    let style = Style { indent, item_separator, sort_keys: true, ensure_ascii: false, ..Style::default() };
    write(&from_json(&value), &style).unwrap_or_else(|_| value.to_string())
}

fn visible(map: &Map<String, Json>, verbosity: u8) -> Map<String, Json> {
    let keep = |name: &str| {
        !name.starts_with("_ansible")
            && !matches!(name, "warnings" | "deprecations")
            && (verbosity >= ALL || !matches!(name, "invocation" | "diff" | "exception"))
            && !matches!(name, "failed" | "skipped")
    };
    map.iter().filter(|(name, _)| keep(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}
