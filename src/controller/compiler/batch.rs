//! The hosts that go through a play together, and who of them is left.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use super::{PlayRun, magic};
use crate::controller::{playbook::Item, variables::Layer};

/// The hosts that do the play together.
pub struct Batch {
    /// The play.
    pub play: Arc<PlayRun>,
    /// The hosts of this batch.
    pub hosts: Vec<String>,
    /// Handlers of the play and of what its hosts have included, which comes behind.
    pub handlers: RwLock<Arc<Vec<Item>>>,
    alive: RwLock<Alive>,
}

/// Those of the play that have not failed, kept up to date.
struct Alive {
    hosts: Vec<String>,
    /// What every host knows of its play, which names them.
    magic: Option<Arc<Layer>>,
}

impl Batch {
    /// A batch that has not begun.
    #[must_use]
    pub fn new(play: Arc<PlayRun>, hosts: Vec<String>, alive: Vec<String>, handlers: Vec<Item>) -> Self {
        let alive = RwLock::new(Alive { hosts: alive, magic: None });
        Self { play, hosts, handlers: RwLock::new(Arc::new(handlers)), alive }
    }

    /// These have not failed.
    pub fn set_alive(&self, hosts: Vec<String>) {
        *self.alive.write().unwrap_or_else(PoisonError::into_inner) = Alive { hosts, magic: None };
    }

    /// That host has failed.
    pub fn lose(&self, name: &str) {
        let mut alive = self.alive.write().unwrap_or_else(PoisonError::into_inner);
        alive.hosts.retain(|host| host != name);
        alive.magic = None;
    }

    /// What every host knows of the play.
    #[must_use]
    pub fn magic(&self) -> Arc<Layer> {
        if let Some(known) = &self.alive.read().unwrap_or_else(PoisonError::into_inner).magic {
            return known.clone();
        }
        let mut alive = self.alive.write().unwrap_or_else(PoisonError::into_inner);
        let set: HashSet<&String> = alive.hosts.iter().collect();
        let in_batch = self.hosts.iter().filter(|host| set.contains(host)).cloned().collect();
        let made = Arc::new(magic::of_play(&self.play, alive.hosts.clone(), in_batch));
        alive.magic = Some(made.clone());
        made
    }
}
