//! Layers that many tasks and hosts see alike, put together once: they hold until the inventory or the playbook changes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Layer, layers::Layers};

/// What was put together so far.
#[derive(Debug, Default)]
pub struct Shared(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    hosts: HashMap<String, Layers>,
    everyone: Option<Arc<Layer>>,
    /// How often something has changed: what was begun before a change is not kept behind it.
    changes: u64,
}

impl Shared {
    /// What a host has from the inventory and beside the playbook.
    pub fn of_host(&self, host: &str, make: impl FnOnce() -> Layers) -> Layers {
        let changes = {
            let known = open(&self.0);
            if let Some(layers) = known.hosts.get(host) {
                return layers.clone();
            }
            known.changes
        };
        // Not under the lock: to make one host's layers may need another's.
        let made = make();
        let mut known = open(&self.0);
        if known.changes == changes {
            known.hosts.insert(host.to_owned(), made.clone());
        }
        made
    }

    /// What is the same for all hosts.
    pub fn of_everyone(&self, make: impl FnOnce() -> Layer) -> Arc<Layer> {
        let changes = {
            let known = open(&self.0);
            if let Some(layer) = &known.everyone {
                return layer.clone();
            }
            known.changes
        };
        let made = Arc::new(make());
        let mut known = open(&self.0);
        if known.changes == changes {
            known.everyone = Some(made.clone());
        }
        made
    }

    /// Something they were made of has changed.
    pub fn forget(&self) {
        let mut known = open(&self.0);
        *known = Known { changes: known.changes + 1, ..Known::default() };
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
        shared.of_host("b", || {
            // Made of what is out of date by the time it is made.
            shared.forget();
            Layers::default()
        });
        shared.of_host("b", || {
            made += 1;
            Layers::default()
        });
        assert_eq!(made, 3);
        let first = shared.of_everyone(Layer::new);
        assert!(Arc::ptr_eq(&first, &shared.of_everyone(Layer::new)));
    }
}
