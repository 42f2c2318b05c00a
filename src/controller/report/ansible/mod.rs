//! The output of a run in the format of Ansible's default callback, for programs and eyes that read it by habit.

mod results;

#[cfg(test)]
mod tests;

use std::{collections::HashSet, sync::Arc};

use indexmap::IndexMap;

use super::{Renderer, Screen, difference, paint::clean};
use crate::{
    controller::event::{Event, Report, Status, Tally, TaskInfo},
    protocol::Json,
};

/// Columns of a heading with its stars, as Ansible fills them where there is no terminal.
const COLUMNS: usize = 79;
/// The least of stars.
const STARS_MIN: usize = 3;
/// Columns of a host's name in the recap.
const NAME_COLUMNS: usize = 26;

/// The renderer in Ansible's format (ansible-core 2.19, `ansible.builtin.default`).
pub struct Ansible {
    screen: Screen,
    verbosity: u8,
    /// The task whose heading was shown last.
    task: Option<Arc<TaskInfo>>,
    /// Hosts and tasks whose loop items were shown.
    looped: HashSet<(String, u64)>,
    /// Warnings already shown; each is shown once.
    warned: HashSet<String>,
}

impl Ansible {
    /// A renderer on a screen; `verbosity` counts the `-v`.
    #[must_use]
    pub fn new(screen: Screen, verbosity: u8) -> Self {
        Self { screen, verbosity, task: None, looped: HashSet::new(), warned: HashSet::new() }
    }

    fn banner(&self, title: &str) {
        let stars = COLUMNS.saturating_sub(unicode_width::UnicodeWidthStr::width(title)).max(STARS_MIN);
        self.screen.line(&format!("\n{title} {}", "*".repeat(stars)));
    }

    fn play(&mut self, name: &str) {
        self.task = None;
        self.banner(&if name.is_empty() { "PLAY".to_owned() } else { format!("PLAY [{}]", clean(name)) });
    }

    fn begin(&mut self, task: &Arc<TaskInfo>) {
        if self.task.as_ref().is_some_and(|shown| shown.id == task.id) {
            return;
        }
        let kind = if task.handler { "RUNNING HANDLER" } else { "TASK" };
        self.banner(&format!("{kind} [{}]", clean(&task.title())));
        if self.verbosity > 1 {
            self.screen.line(&format!("task path: {}", place(task)));
        }
        self.task = Some(Arc::clone(task));
    }

    /// Warnings go to standard error, so that what reads the output is not disturbed.
    fn warn(&mut self, text: &str) {
        if self.warned.insert(text.to_owned()) {
            self.screen.warning(&clean(text));
        }
    }

    fn line(&self, status: Status, text: &str) {
        self.screen.line(&self.screen.paint().status(status, &clean(text)));
    }

    /// What comes above the line of a result.
    fn above(&mut self, report: &Report) {
        for warning in &report.warnings {
            self.warn(warning);
        }
        let shown: String = report.diffs.iter().map(|diff| difference::text(diff, self.screen.paint())).collect();
        if !shown.is_empty() {
            self.screen.line(&shown);
        }
    }

    fn error(&self, task: &TaskInfo, report: &Report) {
        if let Some(message) = results::message(report) {
            let text = format!("[ERROR]: Task failed: {message}\nOrigin: {}\n", task.place);
            self.line(Status::Failed, &text);
        }
    }

    fn item(&mut self, host: &str, task: &Arc<TaskInfo>, label: &str, report: &Report) {
        self.begin(task);
        self.looped.insert((host.to_owned(), task.id));
        self.above(report);
        let label = format!("(item={label})");
        let more = results::shown(task, report, self.verbosity);
        let text = match report.status {
            Status::Failed | Status::Ignored | Status::Unreachable => {
                self.error(task, report);
                format!("failed: [{host}] {label} => {}", results::whole(report, self.verbosity))
            }
            Status::Skipped => format!("skipping: [{host}] => {label} {}", more.unwrap_or_default()),
            status => format!("{}: [{host}] => {label}{}", word(status), more.unwrap_or_default()),
        };
        self.line(report.status, &text);
    }

    fn ended(&mut self, host: &str, task: &Arc<TaskInfo>, delegated_to: Option<&str>, looped: bool, report: &Report) {
        self.begin(task);
        self.above(report);
        let itemised = self.looped.remove(&(host.to_owned(), task.id)) && looped;
        let name = delegated_to.map_or_else(|| host.to_owned(), |other| format!("{host} -> {other}"));
        let more = results::shown(task, report, self.verbosity).unwrap_or_default();
        match report.status {
            Status::Failed | Status::Ignored if itemised => {}
            Status::Failed | Status::Ignored => {
                self.error(task, report);
                let whole = results::whole(report, self.verbosity);
                self.line(report.status, &format!("fatal: [{name}]: FAILED! => {whole}"));
            }
            Status::Unreachable => {
                self.error(task, report);
                let whole = results::whole(report, self.verbosity);
                self.line(report.status, &format!("fatal: [{name}]: UNREACHABLE! => {whole}"));
            }
            Status::Skipped => self.line(report.status, &format!("skipping: [{name}]{more}")),
            _ if itemised => {}
            status => match results::included(task, report) {
                Some(file) => self.line(Status::Skipped, &format!("included: {file} for {host}")),
                None => self.line(status, &format!("{}: [{name}]{more}", word(status))),
            },
        }
        if report.status == Status::Ignored {
            self.line(Status::Skipped, "...ignoring");
        }
    }

    fn recap(&self, hosts: &IndexMap<String, Tally>, custom: &IndexMap<String, Json>) {
        self.banner("PLAY RECAP");
        let mut names: Vec<&String> = hosts.keys().collect();
        names.sort_unstable();
        for name in names {
            self.screen.line(&self.numbers(name, &hosts[name]));
        }
        self.screen.line("");
        if !custom.is_empty() {
            self.banner("CUSTOM STATS");
            for (name, value) in custom {
                let name = if name == "_run" { "RUN" } else { name.as_str() };
                self.screen.line(&format!("\t{name}: {}", clean(&results::compact(value))));
            }
            self.screen.line("");
        }
    }

    fn numbers(&self, host: &str, tally: &Tally) -> String {
        let paint = self.screen.paint();
        let number = |name: &str, count: u32, status: Status| paint.number(name, count, status);
        let numbers = [
            number("ok", tally.ok, Status::Ok),
            number("changed", tally.changed, Status::Changed),
            number("unreachable", tally.unreachable, Status::Unreachable),
            number("failed", tally.failed, Status::Failed),
            number("skipped", tally.skipped, Status::Skipped),
            number("rescued", tally.rescued, Status::Ok),
            number("ignored", tally.ignored, Status::Unreachable),
        ];
        format!("{} : {}", paint.status(tally.status(), &format!("{:<NAME_COLUMNS$}", clean(host))), numbers.join(" "))
    }
}

impl Renderer for Ansible {
    fn event(&mut self, event: &Event) {
        match event {
            Event::PlayStarted { name, .. } => self.play(name),
            Event::NoHosts { name } => {
                self.play(name);
                self.line(Status::Skipped, "skipping: no hosts matched");
            }
            Event::TaskStarted { task } => self.begin(task),
            Event::Item { host, task, label, report } => self.item(host, task, label, report),
            Event::Retry { host, task, left } => {
                self.begin(task);
                let text = format!("FAILED - RETRYING: [{host}]: {} ({left} retries left).", task.title());
                self.screen.line(&self.screen.paint().dim(&clean(&text)));
            }
            Event::Ended { host, task, delegated_to, looped, report } => {
                self.ended(host, task, delegated_to.as_deref(), *looped, report);
            }
            Event::Host { host, text } if self.verbosity > 2 => {
                self.screen.line(&self.screen.paint().dim(&format!("<{host}> {}", clean(text))));
            }
            Event::Warning { text } => self.warn(text),
            Event::Recap { hosts, custom, .. } => {
                self.task = None;
                self.recap(hosts, custom);
            }
            Event::Progress { .. } | Event::Host { .. } => {}
        }
    }

    fn finish(&mut self) {}
}

const fn word(status: Status) -> &'static str {
    if matches!(status, Status::Changed) { "changed" } else { "ok" }
}

/// `file:line`, as Ansible names a task's place.
fn place(task: &TaskInfo) -> &str {
    task.place.rsplit_once(':').map_or(task.place.as_str(), |(line, _)| line)
}
