//! Everything that can happen in a run. Renderers, tests and machines see nothing else of it.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::Serialize;

use crate::protocol::{Diff, Failure, Json};

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A play begins (once for each batch of `serial`).
    PlayStarted {
        /// Its name, or its host pattern.
        name: String,
        /// The hosts of this batch.
        hosts: Vec<String>,
    },
    /// A play matched no host.
    NoHosts {
        /// Its name, or its host pattern.
        name: String,
    },
    /// A task begins on the first of its hosts.
    TaskStarted {
        /// The task.
        task: Arc<TaskInfo>,
    },
    /// One item of a loop ended on a host.
    Item {
        /// The host.
        host: String,
        /// The task.
        task: Arc<TaskInfo>,
        /// The item, for people.
        label: String,
        /// How it ended.
        report: Arc<Report>,
    },
    /// A task with `until` did not hold yet and is tried again.
    Retry {
        /// The host.
        host: String,
        /// The task.
        task: Arc<TaskInfo>,
        /// Tries that are left.
        left: u64,
    },
    /// A task ended on a host.
    Ended {
        /// The host.
        host: String,
        /// The task.
        task: Arc<TaskInfo>,
        /// Where it ran instead, for a delegated task.
        delegated_to: Option<String>,
        /// Whether it was a loop, whose items were reported one by one.
        looped: bool,
        /// How it ended.
        report: Arc<Report>,
    },
    /// Something worth showing while a task runs on a host.
    Progress {
        /// The host.
        host: String,
        /// The task.
        task: Arc<TaskInfo>,
        /// One line.
        text: String,
        /// Done and total in the same unit, where known.
        amount: Option<(u64, u64)>,
    },
    /// A host-wide piece of news: connected, helper sent, connection lost.
    Host {
        /// The host.
        host: String,
        /// One line.
        text: String,
    },
    /// Something the user should know.
    Warning {
        /// One sentence.
        text: String,
    },
    /// The end of the run.
    Recap {
        /// What happened on each host, in the order the hosts came into play.
        hosts: IndexMap<String, Tally>,
        /// Whether nothing was really changed.
        check: bool,
        /// How long it took.
        seconds: f64,
        /// What `set_stats` has set; key `_run` holds what is not per host.
        custom: IndexMap<String, Json>,
    },
}

/// What is known of a task when it begins.
#[derive(Clone, Debug, Serialize)]
pub struct TaskInfo {
    /// Unique in the run.
    pub id: u64,
    /// Its name, rendered where that is possible, or its module.
    pub name: String,
    /// The module.
    pub module: String,
    /// The role it belongs to.
    pub role: Option<String>,
    /// `file:line:column`.
    pub place: String,
    /// Whether it is a handler.
    pub handler: bool,
}

impl TaskInfo {
    /// What the task is called in headings: with its role in front.
    #[must_use]
    pub fn title(&self) -> String {
        self.role.as_ref().map_or_else(|| self.name.clone(), |role| format!("{role} : {}", self.name))
    }
}

/// How a task or an item ended on a host.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// In one word.
    pub status: Status,
    /// Why it was skipped, or why it is not known what it would do.
    pub reason: Option<String>,
    /// What failed and what to do.
    #[serde(skip)]
    pub failure: Option<Failure>,
    /// Return values as `register` keeps them; secrets are masked, and under `no_log` nothing is left.
    pub result: Json,
    /// What differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diffs: Vec<Diff>,
    /// Sentences the user should see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The end of a task in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As described already.
    Ok,
    /// Changed, or would be.
    Changed,
    /// Not looked at.
    Skipped,
    /// Check mode cannot know.
    Unknown,
    /// Did not work.
    Failed,
    /// Did not work, and the playbook says to go on.
    Ignored,
    /// The host could not be reached.
    Unreachable,
}

/// What happened on one host in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Tasks that ended well, changed ones included.
    pub ok: u32,
    /// Tasks that changed something.
    pub changed: u32,
    /// Times the host could not be reached.
    pub unreachable: u32,
    /// Tasks that failed.
    pub failed: u32,
    /// Tasks that were skipped.
    pub skipped: u32,
    /// Failures that a `rescue` caught.
    pub rescued: u32,
    /// Failures that were ignored.
    pub ignored: u32,
    /// Tasks of which check mode cannot know what they would do.
    pub unknown: u32,
}

impl Tally {
    /// Whether something went wrong on the host.
    #[must_use]
    pub const fn bad(&self) -> bool {
        self.failed > 0 || self.unreachable > 0
    }

    /// All of it in one word: the worst counts.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            tally if tally.bad() => Status::Failed,
            tally if tally.changed > 0 => Status::Changed,
            _ => Status::Ok,
        }
    }
}

/// Where events go. Cheap to clone.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    /// Sends every event to a function.
    pub fn new(sink: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Something happened.
    pub fn emit(&self, event: Event) {
        (self.0)(event);
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}
