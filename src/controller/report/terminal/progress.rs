//! What takes long while it lasts: live lines where the screen has them, now and then a plain line elsewhere.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use indexmap::IndexMap;
use indicatif::{ProgressBar, ProgressStyle};

use crate::controller::{
    event::TaskInfo,
    report::{Screen, paint::clean},
};

/// Seconds between two plain lines of one host.
const PLAIN_EVERY: f64 = 5.0;
/// Hosts with a live line of their own; more would push everything else off the screen.
const LIVE_HOSTS: usize = 8;
/// A host of which nobody knows how far it is.
const PLAIN_LINE: &str = "{spinner} {prefix}  {wide_msg}";
/// A host of which that is known.
const BAR_LINE: &str = "{spinner} {prefix}  {bar:24} {percent:>3} %  {wide_msg}";
/// The running task.
const BOTTOM_LINE: &str = "{spinner:.dim} {wide_msg:.dim}";
/// How often spinners turn.
const TICK: Duration = Duration::from_millis(120);

/// Seconds since some moment.
pub(super) type Clock = Box<dyn Fn() -> f64 + Send>;

pub(super) struct Progress {
    screen: Screen,
    clock: Clock,
    /// When each host last had a plain line, by host and task.
    plain: HashMap<(String, u64), f64>,
    bars: IndexMap<String, ProgressBar>,
    /// The bottom line: the task, and on how many hosts it is over.
    bottom: Option<Bottom>,
}

struct Bottom {
    bar: ProgressBar,
    task: u64,
    title: String,
    hosts: usize,
    done: HashSet<String>,
}

impl Progress {
    pub(super) fn new(screen: Screen, clock: Clock) -> Self {
        Self { screen, clock, plain: HashMap::new(), bars: IndexMap::new(), bottom: None }
    }

    /// A task begins.
    pub(super) fn task(&mut self, task: &TaskInfo, hosts: usize) {
        let Some(live) = self.screen.live() else { return };
        let bar = self.bottom.take().map_or_else(
            || {
                let bar = live.add(ProgressBar::new_spinner().with_style(style(BOTTOM_LINE)));
                bar.enable_steady_tick(TICK);
                bar
            },
            |bottom| bottom.bar,
        );
        bar.reset_elapsed();
        let bottom = Bottom { bar, task: task.id, title: clean(&task.title()), hosts, done: HashSet::new() };
        bottom.say();
        self.bottom = Some(bottom);
    }

    /// A task is over on a host.
    pub(super) fn ended(&mut self, host: &str, task: &TaskInfo) {
        self.plain.remove(&(host.to_owned(), task.id));
        if let Some(bar) = self.bars.shift_remove(host) {
            bar.finish_and_clear();
        }
        if let Some(bottom) = self.bottom.as_mut().filter(|bottom| bottom.task == task.id) {
            bottom.done.insert(host.to_owned());
            bottom.say();
        }
    }

    /// Something happens on a host.
    pub(super) fn show(&mut self, host: &str, task: &TaskInfo, text: &str, amount: Option<(u64, u64)>) {
        let text = text.trim().lines().next_back().unwrap_or_default();
        if self.screen.live().is_some() {
            self.show_live(host, text, amount);
            return;
        }
        let now = (self.clock)();
        let last = self.plain.get(&(host.to_owned(), task.id));
        if text.is_empty() || last.is_some_and(|last| now - last < PLAIN_EVERY) {
            return;
        }
        self.plain.insert((host.to_owned(), task.id), now);
        let part = percent(amount).map(|percent| format!(" ({percent} %)")).unwrap_or_default();
        self.screen.line(&self.screen.paint().dim(&format!("{host}: {text}{part}")));
    }

    /// A live line of a host, where the screen has them.
    pub(super) fn show_live(&mut self, host: &str, text: &str, amount: Option<(u64, u64)>) {
        let Some(live) = self.screen.live() else { return };
        if !self.bars.contains_key(host) {
            if self.bars.len() >= LIVE_HOSTS {
                return;
            }
            let bar = ProgressBar::new_spinner().with_style(style(PLAIN_LINE));
            let bar = live.insert(self.bars.len(), bar);
            bar.enable_steady_tick(TICK);
            bar.set_prefix(host.to_owned());
            self.bars.insert(host.to_owned(), bar);
        }
        let Some(bar) = self.bars.get(host) else { return };
        if let Some((done, total)) = amount.filter(|(_, total)| *total > 0) {
            bar.set_style(style(BAR_LINE));
            bar.set_length(total);
            bar.set_position(done.min(total));
        } else {
            bar.set_style(style(PLAIN_LINE));
        }
        bar.set_message(text.to_owned());
    }

    /// Nothing moves any more.
    pub(super) fn clear(&mut self) {
        for (_, bar) in self.bars.drain(..) {
            bar.finish_and_clear();
        }
        if let Some(bottom) = self.bottom.take() {
            bottom.bar.finish_and_clear();
        }
    }
}

impl Bottom {
    fn say(&self) {
        let hosts =
            if self.hosts > 1 { format!("  {} of {} hosts", self.done.len(), self.hosts) } else { String::new() };
        self.bar.set_message(format!("{}{hosts}", self.title));
    }
}

/// The style of a live line; a template that is wrong falls back to the plain spinner.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.progress_chars("━╸─").tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}

fn percent(amount: Option<(u64, u64)>) -> Option<u64> {
    let (done, total) = amount.filter(|(_, total)| *total > 0)?;
    u64::try_from(u128::from(done.min(total)) * 100 / u128::from(total)).ok()
}
