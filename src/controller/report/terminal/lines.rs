//! What is shown of one result on one host, and equal lines of many hosts as one.

use std::{collections::HashMap, fmt::Write};

use indexmap::IndexMap;

use super::{failure, value};
use crate::controller::{
    event::{Report, Status, TaskInfo},
    report::{Paint, difference, paint::clean},
};

/// Columns of host names in a line that stands for many hosts.
const NAMES_COLUMNS: usize = 60;

/// A result and whose it is.
pub(super) struct Block<'a> {
    pub(super) host: &'a str,
    pub(super) delegated_to: Option<&'a str>,
    pub(super) task: &'a TaskInfo,
    /// `(item=…)` of a loop.
    pub(super) item: Option<&'a str>,
    pub(super) report: &'a Report,
}

impl Block<'_> {
    /// All lines of it, without the last line feed.
    pub(super) fn text(&self, paint: Paint, verbosity: u8) -> String {
        let host = self.delegated_to.map_or_else(|| self.host.to_owned(), |other| format!("{} -> {other}", self.host));
        let parts = self.parts(paint, verbosity);
        let failed = match self.report.status {
            Status::Failed | Status::Ignored | Status::Unreachable => {
                format!("\n{}", failure::details(self, paint))
            }
            _ => String::new(),
        };
        format!("{}{}{failed}", parts.above, paint.status(self.report.status, &parts.line(&host)))
    }

    fn parts(&self, paint: Paint, verbosity: u8) -> Parts {
        let mut above: String = self.report.diffs.iter().map(|diff| difference::text(diff, paint)).collect();
        if !above.is_empty() {
            above.push('\n');
        }
        Parts { above, word: self.word(), suffix: self.suffix(verbosity) }
    }

    fn word(&self) -> &'static str {
        match self.report.status {
            Status::Ok => "ok",
            Status::Changed => "changed",
            Status::Skipped => "skipping",
            Status::Unknown => "unknown",
            Status::Failed | Status::Ignored if self.item.is_some() => "failed",
            Status::Failed | Status::Ignored | Status::Unreachable => "fatal",
        }
    }

    /// What stands behind the host's name.
    fn suffix(&self, verbosity: u8) -> String {
        let item = |arrow: &str| self.item.map(|item| format!("{arrow}{item}")).unwrap_or_default();
        let reason = self.report.reason.as_deref().map(clean);
        match self.report.status {
            Status::Failed | Status::Ignored if self.item.is_some() => item(" "),
            Status::Failed | Status::Ignored => ": FAILED!".to_owned(),
            Status::Unreachable => ": UNREACHABLE!".to_owned(),
            Status::Unknown => {
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                format!("{} (known after apply{reason})", item(" => "))
            }
            Status::Skipped => {
                let reason = reason.filter(|_| verbosity > 0).map(|reason| format!(" ({reason})"));
                format!("{}{}", item(" => "), reason.unwrap_or_default())
            }
            Status::Ok | Status::Changed => {
                let shown = if self.task.module == "debug" {
                    value::debug(&self.report.result)
                } else if verbosity > 0 {
                    value::result(&self.report.result, verbosity)
                } else {
                    None
                };
                let shown = shown.map(|text| {
                    let text = clean(&text);
                    if text.contains('\n') { format!(" =>\n{}", indent(&text, "    ")) } else { format!(" => {text}") }
                });
                format!("{}{}", item(" => "), shown.unwrap_or_default())
            }
        }
    }
}

/// Every line with something in front; empty lines stay empty.
pub(super) fn indent(text: &str, by: &str) -> String {
    let line = |line: &str| if line.is_empty() { String::new() } else { format!("{by}{line}") };
    text.trim_end_matches('\n').split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// What is equal on hosts with equal lines.
#[derive(PartialEq, Eq, Hash)]
struct Parts {
    above: String,
    word: &'static str,
    suffix: String,
}

impl Parts {
    fn line(&self, hosts: &str) -> String {
        format!("{}: [{hosts}]{}", self.word, self.suffix)
    }
}

/// Lines held back until the task is over, because other hosts may have the same.
#[derive(Default)]
pub(super) struct Held {
    groups: IndexMap<Parts, (Status, Paint, Vec<String>)>,
    /// Failures of the task that were shown in full, and of which host.
    failures: HashMap<(String, String), String>,
}

impl Held {
    pub(super) fn add(&mut self, block: &Block<'_>, paint: Paint) {
        let host =
            block.delegated_to.map_or_else(|| block.host.to_owned(), |other| format!("{} -> {other}", block.host));
        let parts = block.parts(paint, 0);
        self.groups.entry(parts).or_insert_with(|| (block.report.status, paint, Vec::new())).2.push(host);
    }

    /// Holds a failure back if the same was shown of another host already; else it is to be shown now.
    pub(super) fn repeats(&mut self, block: &Block<'_>, paint: Paint) -> bool {
        let mut parts = block.parts(paint, 0);
        let key = (parts.suffix.clone(), failure::details(block, paint));
        let Some(first) = self.failures.get(&key) else {
            self.failures.insert(key, block.host.to_owned());
            return false;
        };
        let _ = write!(parts.suffix, " the same way as {first}");
        let host = block.host.to_owned();
        self.groups.entry(parts).or_insert_with(|| (block.report.status, paint, Vec::new())).2.push(host);
        true
    }

    /// All lines held back, hosts in the order of the play; another task begins.
    pub(super) fn take(&mut self, order: &[String]) -> Vec<String> {
        self.failures.clear();
        let line = |(parts, (status, paint, mut hosts)): (Parts, (Status, Paint, Vec<String>))| {
            hosts.sort_by_cached_key(|host| order.iter().position(|name| host.split(' ').next() == Some(name)));
            format!("{}{}", parts.above, paint.status(status, &parts.line(&names(&hosts))))
        };
        std::mem::take(&mut self.groups).into_iter().map(line).collect()
    }
}

/// Host names as far as they fit, then how many there are.
pub(super) fn names(hosts: &[String]) -> String {
    let all = hosts.join(", ");
    if all.chars().count() <= NAMES_COLUMNS {
        return all;
    }
    let mut shown = String::new();
    for host in hosts {
        if !shown.is_empty() && shown.chars().count() + host.chars().count() > NAMES_COLUMNS {
            break;
        }
        if !shown.is_empty() {
            shown.push_str(", ");
        }
        shown.push_str(host);
    }
    format!("{shown} … {} hosts", hosts.len())
}
