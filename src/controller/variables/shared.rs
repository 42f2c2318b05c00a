//! Layers that many tasks and hosts see alike, put together once: they hold until the inventory or the playbook changes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Layer, layers::Layers};

/// What was put together so far.
#[derive(Debug, Default)]
pub struct Shared {
    hosts: Mutex<HashMap<String, Layers>>,
    everyone: Mutex<Option<Arc<Layer>>>,
}

impl Shared {
    /// What a host has from the inventory and beside the playbook.
    pub fn of_host(&self, host: &str, make: impl FnOnce() -> Layers) -> Layers {
        if let Some(known) = open(&self.hosts).get(host) {
            return known.clone();
        }
        // Not under the lock: to make one host's layers may need another's.
        let made = make();
        open(&self.hosts).insert(host.to_owned(), made.clone());
        made
    }

    /// What is the same for all hosts.
    pub fn of_everyone(&self, make: impl FnOnce() -> Layer) -> Arc<Layer> {
        if let Some(known) = &*open(&self.everyone) {
            return known.clone();
        }
        let made = Arc::new(make());
        *open(&self.everyone) = Some(made.clone());
        made
    }

    /// Something they were made of has changed.
    pub fn forget(&self) {
        open(&self.hosts).clear();
        *open(&self.everyone) = None;
    }
}

fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_made_once_until_they_are_forgotten() {
        let shared = Shared::default();
        let mut made = 0;
        for _ in 0..2 {
            shared.of_host("a", || {
                made += 1;
                Layers::default()
            });
        }
        assert_eq!(made, 1);
        shared.forget();
        shared.of_host("a", || {
            made += 1;
            Layers::default()
        });
        assert_eq!(made, 2);
        let first = shared.of_everyone(Layer::new);
        assert!(Arc::ptr_eq(&first, &shared.of_everyone(Layer::new)));
    }
}
