//! Events as JSON lines, for machines.

use super::{Renderer, Screen};
use crate::controller::event::Event;

/// One JSON object per line; the field `event` says what happened.
pub struct JsonLines {
    screen: Screen,
}

impl JsonLines {
    /// Lines on a screen.
    #[must_use]
    pub const fn new(screen: Screen) -> Self {
        Self { screen }
    }
}

impl Renderer for JsonLines {
    fn event(&mut self, event: &Event) {
        let line = serde_json::to_value(event).and_then(|mut line| {
            // Results hold what `register` keeps; what went wrong and what to do is said beside them.
            if let Event::Ended { report, .. } | Event::Item { report, .. } = event
                && let Some(failure) = &report.failure
            {
                line["report"]["failure"] = serde_json::to_value(failure)?;
            }
            Ok(line)
        });
        match line {
            Ok(line) => self.screen.line(&line.to_string()),
            Err(error) => tracing::error!(%error, ?event, "an event cannot be written as JSON"),
        }
    }

    fn finish(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        controller::{
            event::{Report, Status, TaskInfo},
            report::screen::Shown,
        },
        protocol::{Failure, Json},
    };
    use std::sync::Arc;

    #[test]
    fn failures_say_what_to_do() {
        let (screen, shown) = Shown::screen();
        let task = TaskInfo {
            id: 1,
            name: "Ping".to_owned(),
            module: "ping".to_owned(),
            role: None,
            place: "site.yml:1:1".to_owned(),
            handler: false,
        };
        let failure = Some(Failure::new("boom").hint("do not crash"));
        let (reason, diffs, warnings) = (None, Vec::new(), Vec::new());
        let report = Report { status: Status::Failed, reason, failure, result: Json::Null, diffs, warnings };
        let (host, task, report) = ("web1".to_owned(), Arc::new(task), Arc::new(report));
        JsonLines::new(screen).event(&Event::Ended { host, task, delegated_to: None, looped: false, report });
        let line: Json = serde_json::from_str(&shown.text()).unwrap();
        assert_eq!((&line["event"], &line["report"]["status"]), (&Json::from("ended"), &Json::from("failed")));
        assert_eq!(line["report"]["failure"], serde_json::json!({"message": "boom", "hint": "do not crash"}));
    }

    #[test]
    fn every_event_is_a_line() {
        let (screen, shown) = Shown::screen();
        let mut json = JsonLines::new(screen);
        json.event(&Event::Warning { text: "two\nlines".to_owned() });
        json.event(&Event::NoHosts { name: "all".to_owned() });
        json.finish();
        assert_eq!(
            shown.text(),
            "{\"event\":\"warning\",\"text\":\"two\\nlines\"}\n{\"event\":\"no_hosts\",\"name\":\"all\"}\n"
        );
    }
}
