//! What the command line needs of the run itself; a trait, so that tests can put their own in.

use std::{future::Future, sync::Arc};

pub use crate::controller::driver::{ListedPlay, Summary};
use crate::controller::{connection::Ask, driver, event::Events, settings::Settings, source::Diagnostics};

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

/// The engine of the program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Driver;

impl Engine for Driver {
    async fn run(&self, settings: Settings, ask: Arc<dyn Ask>, events: Events) -> Result<Summary, Diagnostics> {
        driver::run(settings, ask, events).await
    }

    fn list(&self, settings: Settings) -> Result<Vec<ListedPlay>, Diagnostics> {
        driver::list(settings)
    }
}
