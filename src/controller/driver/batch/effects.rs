//! What a task does to the course of a batch and to the inventory, besides its result.

use std::sync::{Arc, PoisonError};

use super::{After, Through};
use crate::controller::{
    compiler::handlers,
    inventory::Inventory,
    playbook::Item,
    scheduler::{Cursor, Ending, Position},
    source::{Diagnostic, Diagnostics, Span},
};

impl Through {
    pub(super) fn include(
        &mut self,
        host: usize,
        position: &Position,
        includes: &[(Arc<Vec<Item>>, Vec<Item>, String)],
    ) {
        let key: String = includes.iter().map(|(_, _, key)| key.as_str()).collect::<Vec<_>>().join("\n");
        let known = self.included.entry(position.clone()).or_default();
        let group = known.iter().position(|(other, _)| *other == key);
        let (group, items) = match group {
            Some(group) => (group, known[group].1.clone()),
            None => {
                let items: Vec<Item> = includes.iter().flat_map(|(items, _, _)| items.iter().cloned()).collect();
                let items = Arc::new(items);
                known.push((key, items.clone()));
                let more: Vec<Item> = includes.iter().flat_map(|(_, handlers, _)| handlers.iter().cloned()).collect();
                if !more.is_empty() {
                    let mut known = self.batch.handlers.write().unwrap_or_else(PoisonError::into_inner);
                    let mut more = handlers::flat(&more);
                    more.retain(|handler| !known.iter().any(|other| handlers::same(other, handler)));
                    Arc::make_mut(&mut known).extend(more);
                }
                (known.len() - 1, items)
            }
        };
        self.cursors[host].include(items, u32::try_from(group).unwrap_or(u32::MAX));
    }

    pub(super) fn meta(&mut self, word: &str, host: usize, everyone: &[usize]) {
        match word {
            "end_host" => self.cursors[host].end(),
            "end_play" => {
                self.cursors.iter_mut().for_each(Cursor::end);
                self.after = After::EndPlay;
            }
            "end_batch" => self.cursors.iter_mut().for_each(Cursor::end),
            "end_role" => self.end_role(host),
            "flush_handlers" if self.cursors[host].in_handlers() => {
                let span =
                    self.cursors[host].task().map_or_else(|| Span::synthetic("meta", word), |task| task.span.clone());
                self.give_up(Diagnostic::absent(&span, "flush_handlers cannot be used as a handler"));
            }
            "flush_handlers" => self.flush(host),
            "clear_facts" => {
                self.run.clear_facts(&self.batch.hosts[host]);
                self.cursors[host].advance(Ending::Passed);
            }
            "clear_host_errors" => {
                for name in &self.batch.hosts {
                    self.run.with_host(name, |state| {
                        state.failed = false;
                        state.unreachable = false;
                    });
                }
                self.forced.clear();
                self.gone.clear();
                self.cursors.iter_mut().for_each(Cursor::forgive);
                let everybody = self.batch.play.hosts.iter();
                let alive =
                    everybody.filter(|host| !self.run.with_host(host, |state| state.failed || state.unreachable));
                self.batch.set_alive(alive.cloned().collect());
                self.lost = 0;
                everyone.iter().for_each(|other| self.cursors[*other].advance(Ending::Passed));
            }
            "refresh_inventory" => {
                let mut diagnostics = Diagnostics::default();
                let settings = &self.run.settings;
                let templates = crate::controller::template::inventories::Inventories {
                    vars: (*self.run.extra_vars).clone(),
                    merge: settings.merge_hashes,
                };
                let sources = &settings.inventory;
                let fresh = Inventory::load_with(sources, &settings.keyring, &templates, &mut diagnostics);
                if !diagnostics.has_errors() {
                    self.run.change_inventory(|inventory| *inventory = fresh);
                }
                everyone.iter().for_each(|other| self.cursors[*other].advance(Ending::Passed));
            }
            _ => everyone.iter().for_each(|other| self.cursors[*other].advance(Ending::Passed)),
        }
    }

    /// Passes over what is left of the current role.
    fn end_role(&mut self, host: usize) {
        let role = self.cursors[host].task().and_then(|task| task.role.clone());
        self.cursors[host].advance(Ending::Passed);
        while let (Some(role), Some(task)) = (&role, self.cursors[host].task().cloned()) {
            if !task.role.as_ref().is_some_and(|other| Arc::ptr_eq(other, role)) {
                break;
            }
            self.cursors[host].advance(Ending::Passed);
        }
    }

    pub(super) fn join(&self, host: &str, group: &str, parents: &[String]) {
        let span = Span::synthetic("group_by", group);
        self.run.change_inventory(|inventory| {
            let index = inventory.add_group(group, &span);
            let Some(host) = inventory.adopt(host) else { return };
            inventory.add_host_to_group(host, index);
            for parent in parents {
                let parent = inventory.add_group(parent, &span);
                if let Err(diagnostic) = inventory.add_child(parent, index, &span) {
                    self.run.warn(diagnostic.message);
                }
            }
            inventory.reconcile();
        });
    }
}
