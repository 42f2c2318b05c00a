//! What the command line needs of the run itself.

use std::{future::Future, sync::Arc};

use crate::controller::{
    connection::Ask,
    event::Events,
    settings::Settings,
    source::{Diagnostic, Diagnostics},
};

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tasks failed on a host.
    pub failed: bool,
    /// A host could not be reached.
    pub unreachable: bool,
}

/// A play as `--list-hosts`, `--list-tasks` and `--list-tags` show it.
#[derive(Clone, Debug, Default)]
pub struct ListedPlay {
    /// Its name, or its host pattern.
    pub name: String,
    /// The hosts it would run on.
    pub hosts: Vec<String>,
    /// Names of its tasks, with their tags.
    pub tasks: Vec<(String, Vec<String>)>,
    /// Tags of the play itself.
    pub tags: Vec<String>,
}

/// Runs and lists plays.
pub trait Engine {
    /// Runs the playbooks. An error means that no host was touched.
    fn run(
        &self,
        settings: Settings,
        ask: Arc<dyn Ask>,
        events: Events,
    ) -> impl Future<Output = Result<Summary, Diagnostics>> + Send;

    /// Checks the playbooks and says what would run.
    ///
    /// # Errors
    /// What is wrong with them.
    fn list(&self, settings: Settings) -> Result<Vec<ListedPlay>, Diagnostics>;
}

/// The engine of the program. WIRING: both bodies become one call into `controller::driver`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Driver;

impl Engine for Driver {
    async fn run(&self, _settings: Settings, _ask: Arc<dyn Ask>, _events: Events) -> Result<Summary, Diagnostics> {
        Err(unwired())
    }

    fn list(&self, _settings: Settings) -> Result<Vec<ListedPlay>, Diagnostics> {
        Err(unwired())
    }
}

fn unwired() -> Diagnostics {
    Diagnostics { found: vec![Diagnostic::bare("this build cannot run playbooks")] }
}
