//! The end of the screen: numbers per host, then what happened and what to do next.

use indexmap::IndexMap;

use super::{
    failure,
    lines::{Block, indent, names},
    value,
};
use crate::{
    controller::{
        event::{Report, Status, Tally, TaskInfo},
        report::{Paint, paint::clean},
    },
    protocol::Json,
};

/// Columns of host names, as in Ansible.
const NAME_COLUMNS: usize = 26;
/// Failures named in the last words; the others are above.
const TROUBLES_SHOWN: usize = 5;
/// What commands that fail have for a message; their last words say more.
const NO_MESSAGE: &str = "non-zero return code";
/// `set_stats` without `per_host`.
const RUN: &str = "_run";

/// A failure, remembered for the last words.
pub(super) struct Trouble {
    host: String,
    task: String,
    place: String,
    message: String,
}

impl Trouble {
    pub(super) fn new(host: &str, task: &TaskInfo, report: &Report) -> Self {
        let block = Block { host, delegated_to: None, task, item: None, report };
        let message = clean(&failure::message(&block));
        let mut message = message.lines().next().unwrap_or_default().to_owned();
        let stderr = report.result.get("stderr").and_then(Json::as_str).map(clean).unwrap_or_default();
        let last = stderr.lines().rfind(|line| !line.trim().is_empty());
        if let Some(last) = last.filter(|_| message == NO_MESSAGE) {
            message = format!("{message}: {}", last.trim());
        }
        Self { host: host.to_owned(), task: clean(&task.title()), place: task.place.clone(), message }
    }
}

pub(super) struct Recap<'a> {
    pub(super) hosts: &'a IndexMap<String, Tally>,
    pub(super) check: bool,
    pub(super) seconds: f64,
    pub(super) custom: &'a IndexMap<String, Json>,
    pub(super) troubles: &'a [Trouble],
    /// Tasks that changed something on any host.
    pub(super) changed: usize,
    /// Tasks that are unknown on any host.
    pub(super) unknown: usize,
}

impl Recap<'_> {
    /// All of it, without the last line feed.
    pub(super) fn text(&self, paint: Paint) -> String {
        let width = self.hosts.keys().map(|host| host.chars().count()).max().unwrap_or(0).max(NAME_COLUMNS);
        let mut lines: Vec<String> =
            self.hosts.iter().map(|(host, tally)| numbers(host, width, tally, paint)).collect();
        let custom = self.custom();
        if !custom.is_empty() {
            lines.push(String::new());
            lines.push(custom);
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(self.last_words(paint));
        lines.join("\n")
    }

    fn custom(&self) -> String {
        let mut all = serde_json::Map::new();
        for (host, values) in self.custom {
            match values {
                Json::Object(values) if host == RUN => all.extend(values.clone()),
                values => drop(all.insert(host.clone(), values.clone())),
            }
        }
        if all.is_empty() { String::new() } else { clean(&value::yaml(&Json::Object(all))) }
    }

    fn last_words(&self, paint: Paint) -> String {
        let (time, hosts) = (elapsed(self.seconds), count(self.hosts.len(), "host"));
        let on = |of: fn(&Tally) -> u32| self.hosts.values().filter(|tally| of(tally) > 0).count();
        let lost: Vec<String> =
            self.hosts.iter().filter(|(_, tally)| tally.bad()).map(|(host, _)| host.clone()).collect();
        if !lost.is_empty() {
            let of =
                if self.hosts.len() > lost.len() { format!(" ({} of {hosts})", lost.len()) } else { String::new() };
            let mut lines =
                vec![paint.status(Status::Failed, &format!("Failed after {time} on {}{of}:", names(&lost)))];
            // Hosts that failed the same way stand together, in the order of the recap.
            let mut real: IndexMap<(&str, &str, &str), Vec<String>> = IndexMap::new();
            for host in &lost {
                for trouble in self.troubles.iter().filter(|trouble| trouble.host == *host) {
                    let what = (trouble.task.as_str(), trouble.place.as_str(), trouble.message.as_str());
                    real.entry(what).or_default().push(host.clone());
                }
            }
            for ((task, place, message), hosts) in real.iter().take(TROUBLES_SHOWN) {
                lines.push(format!("  {}: {task} ({})", names(hosts), paint.dim(place)));
                lines.push(indent(message, "    "));
            }
            if real.len() > TROUBLES_SHOWN {
                lines.push(format!("  and {} more, see above", real.len() - TROUBLES_SHOWN));
            }
            lines.push(
                "Once that is put right, run the same command again: what is done already stays as it is.".to_owned(),
            );
            return lines.join("\n");
        }
        let (changed, unknown) = (self.changed, self.unknown);
        let mut text = match (self.check, changed) {
            _ if self.hosts.is_empty() => format!("Nothing was done: no host took part ({time})."),
            (false, 0) => format!("Nothing to change: {hosts} already as described ({time})."),
            (false, _) => {
                format!("{} changed on {} in {time}.", count(changed, "task"), count(on(|t| t.changed), "host"))
            }
            (true, 0) if unknown == 0 => {
                format!("Checked {hosts} in {time}: nothing would change.")
            }
            (true, _) => {
                let would = format!("{} would change on {}", count(changed, "task"), count(on(|t| t.changed), "host"));
                format!("Checked in {time}, nothing was touched: {would}; run without --check to apply.")
            }
        };
        if unknown > 0 {
            let verb = if unknown == 1 { "depends" } else { "depend" };
            let more = format!(" {} {verb} on what only a real run brings about.", count(unknown, "task"));
            text.push_str(&more);
        }
        text
    }
}

fn numbers(host: &str, width: usize, tally: &Tally, paint: Paint) -> String {
    let field = |name: &str, number: u32, status: Status| paint.number(name, number, status);
    let mut fields = vec![
        field("ok", tally.ok, Status::Ok),
        field("changed", tally.changed, Status::Changed),
        field("unreachable", tally.unreachable, Status::Unreachable),
        field("failed", tally.failed, Status::Failed),
        field("skipped", tally.skipped, Status::Skipped),
        field("rescued", tally.rescued, Status::Ok),
        field("ignored", tally.ignored, Status::Skipped),
    ];
    if tally.unknown > 0 {
        fields.push(field("unknown", tally.unknown, Status::Unknown));
    }
    format!("{} : {}", paint.status(tally.status(), &format!("{host:<width$}")), fields.join(" ")).trim_end().to_owned()
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration is positive and short")]
fn elapsed(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}
