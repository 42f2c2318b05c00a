//! One attempt at a task on a host: what an action or module gets, and what it gives.

use std::{path::PathBuf, sync::Arc};

use indexmap::IndexMap;
use minijinja::Value;

use super::{
    lane::Lane,
    reach::{Lost, Way, lost},
};
use crate::{
    controller::{
        compiler::{Batch, scope::search_path},
        connection::{
            ConnectError, Connection, Endpoint, Stream,
            helper::{SessionError, relay},
        },
        event::{Event, TaskInfo},
        playbook::{Item, Task},
        source::Diagnostics,
        state::Run,
        template::{self, TemplateError},
        variables::{Layer, Scope},
    },
    protocol::{Blob, Failure, Map, Outcome, Verdict},
    remote::Options,
};

/// One attempt at a task on a host.
pub struct Turn {
    /// The run.
    pub run: Arc<Run>,
    /// The hosts of the play.
    pub batch: Arc<Batch>,
    /// The host the task is for.
    pub host: String,
    /// The host it is delegated to, and whether facts are that host's.
    pub delegate: Option<(String, bool)>,
    /// The task.
    pub task: Arc<Task>,
    /// The task, for events.
    pub info: Arc<TaskInfo>,
    /// What the task sees, loop variables included.
    pub scope: Scope,
    /// The same for templates.
    pub context: Value,
    /// Options by their names, rendered, as native values.
    pub options: IndexMap<String, Value>,
    /// How the host (or the one delegated to) is reached.
    pub way: Way,
    /// Variables for what runs on the host.
    pub environment: IndexMap<String, String>,
    /// Predict instead of doing.
    pub check: bool,
    /// Show differences.
    pub diff: bool,
    /// Where it stands among tasks whose calls go out together.
    pub lane: Arc<Lane>,
    /// Whether the task is a module's alone, with no action before or behind it.
    pub bare: bool,
    /// Whether a failure is one to stop for.
    pub stops: bool,
    /// Why the host could not be reached, once an action has found that out.
    pub unreachable: std::sync::Mutex<Option<Failure>>,
}

/// How an attempt ended, and what it means for the play.
pub struct Done {
    /// As of a module.
    pub outcome: Outcome,
    /// What it does to the play, besides.
    pub effects: Vec<Effect>,
}

/// What an action does to the play.
#[derive(Clone, Debug)]
pub enum Effect {
    /// These items come next on this host.
    Include {
        /// What is included.
        items: Arc<Vec<Item>>,
        /// Handlers that come with it.
        handlers: Vec<Item>,
        /// Tells different inclusions apart.
        key: String,
    },
    /// What is registered.
    Set(Layer),
    /// Variables at the level of `set_fact`, of a host that is named if it is another one.
    Facts {
        /// The other host.
        host: Option<String>,
        /// The variables.
        layer: Layer,
    },
    /// Variables at the level of `include_vars`.
    IncludeVars(Layer),
    /// This host joins a group.
    JoinGroup {
        /// The group.
        group: String,
        /// Its parents.
        parents: Vec<String>,
    },
    /// `meta`.
    Meta(String),
    /// The run ends: what is included is wrong, whatever the play would do about a failure.
    Abort(Diagnostics),
}

impl From<Outcome> for Done {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, effects: Vec::new() }
    }
}

impl From<Result<Outcome, Failure>> for Done {
    fn from(ended: Result<Outcome, Failure>) -> Self {
        ended.unwrap_or_else(|failure| Outcome::new(Verdict::Failed(failure))).into()
    }
}

impl Done {
    /// A failure with a message.
    pub fn failed(message: impl Into<String>) -> Self {
        Outcome::failed(message).into()
    }

    /// An outcome with one effect.
    #[must_use]
    pub fn with(outcome: Outcome, effect: Effect) -> Self {
        Self { outcome, effects: vec![effect] }
    }
}

impl Turn {
    /// Whose facts are set here.
    #[must_use]
    pub fn facts_host(&self) -> &str {
        self.delegate.as_ref().filter(|(_, takes_facts)| *takes_facts).map_or(&*self.host, |(name, _)| name)
    }

    /// The options as JSON, `omit`ted ones gone.
    ///
    /// # Errors
    /// When one has no JSON form.
    pub fn json_options(&self) -> Result<Map, TemplateError> {
        self.options.iter().map(|(name, value)| Ok((name.clone(), template::to_json(value)?))).collect()
    }

    /// The options as the action knows them.
    ///
    /// # Errors
    /// When one has no JSON form, or is not as it is to be.
    pub fn parsed<T: Options>(&self) -> Result<T, Failure> {
        let given = self.json_options().map_err(|error| Failure::new(error.message))?;
        T::parse(&given).map_err(|problems| Failure::new(problems.join("; ")))
    }

    /// An option as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.options.get(name).filter(|value| !value.is_none()).map(ToString::to_string)
    }

    /// An option as a boolean.
    #[must_use]
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.options.get(name).filter(|value| !value.is_none()).map_or(default, super::reach::truthy)
    }

    /// The file a relative name means: in the role's or play's `kind` folder, else beside the tasks.
    ///
    /// # Errors
    /// Where it was looked for.
    pub fn find_file(&self, kind: &str, name: &str) -> Result<PathBuf, Failure> {
        let name = super::reach::expand_home(name);
        let folders = search_path(&self.task, &self.batch.play.play.folder, kind);
        template::files::find(&name, &folders).ok_or_else(|| {
            let looked: Vec<String> = folders.iter().map(|folder| folder.join(&name).display().to_string()).collect();
            Failure::new(format!("there is no file {name} on the controller"))
                .hint(format!("looked for {}", looked.join(", ")))
        })
    }

    /// Whether anybody reads what the task returns besides how it ended.
    #[must_use]
    pub fn is_read(&self) -> bool {
        let task = &self.task;
        let judged = [&task.register, &task.until, &task.changed_when, &task.failed_when];
        self.run.settings.shows_results || judged.iter().any(|node| node.is_some())
    }

    /// Carries out a module on the host, for an action that prepares or follows it.
    pub async fn module(&self, module: &str, options: Map, blobs: &[Blob]) -> Outcome {
        match self.call(module, options, blobs).await {
            super::module::Called::Outcome(outcome) => *outcome,
            super::module::Called::NotRun => Outcome::failed("not carried out"),
            super::module::Called::Unreachable(failure) => {
                *crate::controller::state::lock(&self.unreachable) = Some(failure.clone());
                Outcome::new(crate::protocol::Verdict::Failed(failure))
            }
        }
    }

    /// Why the host could not be reached, if an action has found that out.
    #[must_use]
    pub fn lost(&self) -> Option<Failure> {
        crate::controller::state::lock(&self.unreachable).clone()
    }

    /// Shows a line while the task runs.
    pub fn progress(&self, text: impl Into<String>, amount: Option<(u64, u64)>) {
        self.run.events.emit(Event::Progress {
            host: self.host.clone(),
            task: self.info.clone(),
            text: self.run.mask(&text.into()),
            amount,
        });
    }

    /// A stream to a socket as the host sees it: a Unix socket as the user who does things there.
    ///
    /// # Errors
    /// When the host cannot be reached or nobody listens.
    pub async fn dial(&self, endpoint: &Endpoint) -> Result<Stream, Failure> {
        let dialled = self.reach(endpoint).await;
        let lost = match &dialled {
            // A caller who tries again may get through after all.
            Ok(_) | Err(Lost::Refused(_) | Lost::NoUser(_) | Lost::NoHelper(_)) => None,
            Err(Lost::Unreachable(failure)) => Some(failure.clone()),
        };
        *crate::controller::state::lock(&self.unreachable) = lost;
        dialled.map_err(|lost| match lost {
            Lost::Unreachable(failure) | Lost::Refused(failure) | Lost::NoUser(failure) => failure,
            Lost::NoHelper(reason) => Failure::new(reason),
        })
    }

    async fn reach(&self, endpoint: &Endpoint) -> Result<Stream, Lost> {
        let link = self.run.link(&self.way.host);
        let connection = self.way.connection(&self.run, &mut *link.lock().await).await?;
        let how = self.way.escalation.as_ref();
        let socket = matches!(endpoint, Endpoint::Unix(_));
        if how.is_some() && socket {
            match relay::dial(&connection, how, endpoint).await {
                // The login user may be let in too.
                Err(SessionError::HelperRefused { .. }) => {}
                dialled => return dialled.map_err(lost),
            }
        }
        let error = match connection.dial(endpoint).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        let forbidden = match &error {
            ConnectError::Forbidden { .. } => true,
            // sshd does not tell a forbidden socket from one where nobody listens.
            ConnectError::Dial { .. } => socket && how.is_none() && matches!(connection, Connection::Ssh(_)),
            _ => false,
        };
        if forbidden {
            match relay::dial(&connection, how, endpoint).await {
                Err(SessionError::HelperRefused { .. }) => {}
                dialled => return dialled.map_err(lost),
            }
        }
        let failure = Failure { message: error.to_string(), hint: error.hint() };
        Err(if connection.is_open() { Lost::Refused(failure) } else { Lost::Unreachable(failure) })
    }

    /// A blob as the value of a module's option.
    #[must_use]
    pub fn blob(blob: &Blob) -> serde_json::Value {
        serde_json::json!({ "sha256": blob.sha256, "size": blob.size })
    }
}
