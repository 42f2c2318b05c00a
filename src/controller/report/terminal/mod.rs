//! The screen of a run, as an Ansible user expects it: headings, a line per host and result, a recap.

mod failure;
mod lines;
mod progress;
mod recap;
mod value;

#[cfg(test)]
mod tests;

use std::{collections::HashSet, sync::Arc, time::Instant};

use super::{Renderer, Screen, paint::clean};
use crate::controller::event::{Event, Report, Status, TaskInfo};
use lines::{Block, Held};
use progress::Progress;
use recap::Trouble;

/// With more hosts than this in a play, equal lines of a task are shown as one.
const AGGREGATE_ABOVE: usize = 10;

/// The renderer for people.
pub struct Terminal {
    screen: Screen,
    verbosity: u8,
    /// Hosts of the running play.
    hosts: Vec<String>,
    /// The task whose heading was shown last.
    task: Option<Arc<TaskInfo>>,
    held: Held,
    /// Hosts and tasks whose loop items were shown.
    looped: HashSet<(String, u64)>,
    /// Warnings already shown; each is shown once.
    warned: HashSet<String>,
    troubles: Vec<Trouble>,
    /// Tasks that changed something anywhere, by number.
    changed: HashSet<u64>,
    /// Tasks of which check mode cannot know what they would do.
    unknown: HashSet<u64>,
    progress: Progress,
    /// Whether a blank line separates the next heading from what is above.
    begun: bool,
}

impl Terminal {
    /// A renderer on a screen; `verbosity` counts the `-v`.
    #[must_use]
    pub fn new(screen: Screen, verbosity: u8) -> Self {
        let start = Instant::now();
        Self::with_clock(screen, verbosity, Box::new(move || start.elapsed().as_secs_f64()))
    }

    fn with_clock(screen: Screen, verbosity: u8, clock: progress::Clock) -> Self {
        Self {
            progress: Progress::new(screen.clone(), clock),
            screen,
            verbosity,
            hosts: Vec::new(),
            task: None,
            held: Held::default(),
            looped: HashSet::new(),
            warned: HashSet::new(),
            troubles: Vec::new(),
            changed: HashSet::new(),
            unknown: HashSet::new(),
            begun: false,
        }
    }

    fn heading(&mut self, title: &str) {
        self.flush();
        let gap = if self.begun { "\n" } else { "" };
        self.begun = true;
        let stars = self.screen.columns().saturating_sub(unicode_width::UnicodeWidthStr::width(title) + 1).max(3);
        self.screen.line(&format!("{gap}{} {}", self.screen.paint().heading(title), "*".repeat(stars)));
    }

    /// Shows the heading of a task unless it is the one shown last. Hosts run apart under `free`, so it may come again.
    fn begin(&mut self, task: &Arc<TaskInfo>) {
        if self.task.as_ref().is_some_and(|shown| shown.id == task.id) {
            return;
        }
        let kind = if task.handler { "RUNNING HANDLER" } else { "TASK" };
        self.heading(&format!("{kind} [{}]", clean(&task.title())));
        if self.verbosity > 0 {
            self.screen.line(&self.screen.paint().dim(&format!("task path: {}", task.place)));
        }
        self.task = Some(Arc::clone(task));
        self.progress.task(task, self.hosts.len());
    }

    fn flush(&mut self) {
        let blocks = self.held.take(&self.hosts);
        for block in blocks {
            self.screen.line(&block);
        }
    }

    fn warn(&mut self, text: &str) {
        if self.warned.insert(text.to_owned()) {
            self.screen.warning(&clean(text));
        }
    }

    fn item(&mut self, host: &str, task: &Arc<TaskInfo>, label: &str, report: &Report) {
        self.begin(task);
        self.looped.insert((host.to_owned(), task.id));
        let label = format!("(item={})", clean(label));
        self.result(&Block { host, delegated_to: None, task, item: Some(&label), report });
    }

    fn ended(&mut self, host: &str, task: &Arc<TaskInfo>, delegated_to: Option<&str>, looped: bool, report: &Report) {
        self.begin(task);
        self.progress.ended(host, task);
        let itemised = self.looped.remove(&(host.to_owned(), task.id)) && looped;
        match report.status {
            Status::Failed | Status::Unreachable => self.troubles.push(Trouble::new(host, task, report)),
            Status::Changed => drop(self.changed.insert(task.id)),
            Status::Unknown => drop(self.unknown.insert(task.id)),
            _ => {}
        }
        match report.status {
            // Its items have said it all.
            Status::Ok | Status::Changed | Status::Failed | Status::Unknown if itemised => self.warnings(report),
            Status::Ignored if itemised => {
                self.flush();
                self.screen.line(&self.screen.paint().skipped("...ignoring"));
            }
            _ => self.result(&Block { host, delegated_to, task, item: None, report }),
        }
    }

    fn warnings(&mut self, report: &Report) {
        for warning in &report.warnings {
            self.warn(warning);
        }
    }

    fn result(&mut self, block: &Block<'_>) {
        self.warnings(block.report);
        let failed = matches!(block.report.status, Status::Failed | Status::Ignored | Status::Unreachable);
        if self.verbosity == 0 && self.hosts.len() > AGGREGATE_ABOVE {
            if !failed {
                self.held.add(block, self.screen.paint());
                return;
            }
            if self.held.repeats(block, self.screen.paint()) {
                return;
            }
        }
        let text = block.text(self.screen.paint(), self.verbosity);
        self.screen.line(&text);
    }
}

impl Renderer for Terminal {
    fn event(&mut self, event: &Event) {
        match event {
            Event::PlayStarted { name, hosts } => {
                self.task = None;
                self.flush();
                self.hosts.clone_from(hosts);
                self.heading(&format!("PLAY [{}]", clean(name)));
            }
            Event::NoHosts { name } => {
                self.task = None;
                self.heading(&format!("PLAY [{}]", clean(name)));
                self.screen.line(&self.screen.paint().skipped("skipping: no hosts matched"));
            }
            Event::TaskStarted { task } => self.begin(task),
            Event::Item { host, task, label, report } => self.item(host, task, label, report),
            Event::Retry { host, task, left } => {
                self.begin(task);
                self.flush();
                let tries = if *left == 1 { "retry" } else { "retries" };
                let line = format!("FAILED - RETRYING: [{host}]: {} ({left} {tries} left).", clean(&task.title()));
                self.screen.line(&self.screen.paint().dim(&line));
            }
            Event::Ended { host, task, delegated_to, looped, report } => {
                self.ended(host, task, delegated_to.as_deref(), *looped, report);
            }
            Event::Progress { host, task, text, amount } => self.progress.show(host, task, &clean(text), *amount),
            Event::Host { host, text } => {
                if self.verbosity > 1 {
                    self.screen.line(&self.screen.paint().dim(&format!("<{host}> {}", clean(text))));
                }
                self.progress.show_live(host, &clean(text), None);
            }
            Event::Warning { text } => self.warn(text),
            Event::Recap { hosts, check, seconds, custom } => {
                self.progress.clear();
                self.task = None;
                self.heading("PLAY RECAP");
                let recap = recap::Recap {
                    hosts,
                    check: *check,
                    seconds: *seconds,
                    custom,
                    troubles: &self.troubles,
                    changed: self.changed.len(),
                    unknown: self.unknown.len(),
                };
                self.screen.line(&recap.text(self.screen.paint()));
            }
        }
    }

    fn finish(&mut self) {
        self.progress.clear();
        self.flush();
    }
}
