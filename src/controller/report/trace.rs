//! The bare trace of a run, one JSON line per task and host: what the conformance harness compares with Ansible's.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use serde_json::json;

use super::Renderer;
use crate::controller::event::{Event, Status, Tally};

/// The environment variable that names the file of the trace.
pub const VARIABLE: &str = "CONF_EVENTS";

/// Appends to a file beside whatever is shown.
pub struct Trace {
    shown: Box<dyn Renderer>,
    file: File,
}

impl Trace {
    /// Traces what `shown` shows.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn append(path: &Path, shown: Box<dyn Renderer>) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { shown, file })
    }

    fn line(&mut self, line: &serde_json::Value) {
        if let Err(error) = writeln!(self.file, "{line}") {
            tracing::error!(%error, "the trace cannot be written");
        }
    }
}

impl Renderer for Trace {
    fn event(&mut self, event: &Event) {
        match event {
            Event::PlayStarted { name, .. } | Event::NoHosts { name } => {
                self.line(&json!({"e": "play", "name": name}));
            }
            Event::Ended { host, task, report, .. } => {
                let changed = report.status == Status::Changed;
                self.line(&json!({
                    "e": "task", "host": host, "name": task.title(), "action": task.module, "path": task.place,
                    "status": status(report.status), "changed": changed,
                }));
            }
            Event::Recap { hosts, .. } => {
                let hosts: serde_json::Map<_, _> =
                    hosts.iter().map(|(host, tally)| (host.clone(), stats(tally))).collect();
                self.line(&json!({"e": "stats", "hosts": hosts}));
            }
            _ => {}
        }
        self.shown.event(event);
    }

    fn finish(&mut self) {
        self.shown.finish();
    }
}

const fn status(status: Status) -> &'static str {
    match status {
        Status::Ok | Status::Changed | Status::Unknown => "ok",
        Status::Skipped => "skipped",
        Status::Failed => "failed",
        Status::Ignored => "ignored",
        Status::Unreachable => "unreachable",
    }
}

/// Ansible's names of the numbers.
fn stats(tally: &Tally) -> serde_json::Value {
    json!({
        "ok": tally.ok, "changed": tally.changed, "unreachable": tally.unreachable, "failures": tally.failed,
        "skipped": tally.skipped, "rescued": tally.rescued, "ignored": tally.ignored,
    })
}
