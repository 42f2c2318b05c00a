//! The releases of services as a table.

use super::{Renderer, Screen};
use crate::{
    controller::event::{Event, Status},
    protocol::Json,
};

/// The columns, and what a release's row holds of them.
const COLUMNS: [(&str, &str); 5] =
    [("RELEASE", "release"), ("STATE", "state"), ("SLOT", "slot"), ("SINCE", "since"), ("IMAGE", "image")];

/// Collects what hosts say and shows it once, by service and host.
pub struct Table {
    screen: Screen,
    rows: Vec<Vec<String>>,
    shown: bool,
}

impl Table {
    /// A table on a screen.
    #[must_use]
    pub const fn new(screen: Screen) -> Self {
        Self { screen, rows: Vec::new(), shown: false }
    }

    fn take(&mut self, host: &str, result: &Json) {
        for (service, known) in result["services"].as_object().into_iter().flatten() {
            for release in known["releases"].as_array().into_iter().flatten() {
                let more = COLUMNS.iter().map(|(_, field)| release[*field].as_str().unwrap_or_default().to_owned());
                self.rows.push([service.clone(), host.to_owned()].into_iter().chain(more).collect());
            }
        }
    }
}

impl Renderer for Table {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Ended { host, report, .. } => match report.status {
                Status::Failed | Status::Unreachable => {
                    let why = report.failure.as_ref().map_or("it failed", |failure| &failure.message);
                    self.screen.line(&format!("{host}: {why}"));
                }
                _ => self.take(host, &report.result),
            },
            Event::Warning { text } => self.screen.line(text),
            _ => {}
        }
    }

    fn finish(&mut self) {
        if std::mem::replace(&mut self.shown, true) {
            return;
        }
        if self.rows.is_empty() {
            self.screen.line("No releases.");
            return;
        }
        // By service; the order of releases on a host is that in which they came.
        self.rows.sort_by(|one, other| one[..2].cmp(&other[..2]));
        let head = ["SERVICE", "HOST"].into_iter().chain(COLUMNS.iter().map(|(head, _)| *head)).map(str::to_owned);
        self.rows.insert(0, head.collect());
        let widths: Vec<usize> = (0..COLUMNS.len() + 2)
            .map(|column| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
            .collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            self.screen.line(cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::controller::{
        event::{Report, TaskInfo},
        report::screen::Shown,
    };

    fn ended(host: &str, release: &str, state: &str) -> Event {
        let task = TaskInfo {
            id: 1,
            name: "Look".to_owned(),
            module: "service_rollout_info".to_owned(),
            role: None,
            place: String::new(),
            handler: false,
        };
        let row =
            json!({"release": release, "state": state, "slot": "blue", "since": "2026-01-01T00:00:00Z", "image": "i"});
        let report = Report {
            status: Status::Ok,
            reason: None,
            failure: None,
            result: json!({"services": {"rates": {"active": release, "releases": [row]}}}),
            diffs: Vec::new(),
            warnings: Vec::new(),
        };
        let (host, task, report) = (host.to_owned(), Arc::new(task), Arc::new(report));
        Event::Ended { host, task, delegated_to: None, looped: false, report }
    }

    #[test]
    fn hosts_stand_in_order_whichever_answers_first() {
        let (screen, shown) = Shown::screen();
        let mut table = Table::new(screen);
        table.event(&ended("b", "r2", "active"));
        table.event(&ended("a", "release1", "kept"));
        table.finish();
        table.finish();
        assert_eq!(
            shown.text(),
            "SERVICE  HOST  RELEASE   STATE   SLOT  SINCE                 IMAGE\n\
             rates    a     release1  kept    blue  2026-01-01T00:00:00Z  i\n\
             rates    b     r2        active  blue  2026-01-01T00:00:00Z  i\n"
        );
    }

    #[test]
    fn nothing_is_said_in_words() {
        let (screen, shown) = Shown::screen();
        Table::new(screen).finish();
        assert_eq!(shown.text(), "No releases.\n");
    }
}
