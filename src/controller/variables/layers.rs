//! Levels of precedence, weakest first, as Ansible documents them.

use std::{collections::BTreeMap, sync::Arc};

use super::{Layer, Scope};

/// Where a variable was set. The order of the variants is the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// What follows from the connection where nothing is said: `ansible_host` is the host's name.
    Connection,
    /// `defaults/` of a role.
    RoleDefaults,
    /// Groups in an inventory file, `all` first, nearer groups later.
    InventoryGroups,
    /// `group_vars/all` beside the inventory.
    InventoryGroupVarsAll,
    /// `group_vars/all` beside the playbook.
    PlaybookGroupVarsAll,
    /// `group_vars/*` beside the inventory.
    InventoryGroupVars,
    /// `group_vars/*` beside the playbook.
    PlaybookGroupVars,
    /// Hosts in an inventory file.
    InventoryHosts,
    /// `host_vars/*` beside the inventory.
    InventoryHostVars,
    /// `host_vars/*` beside the playbook.
    PlaybookHostVars,
    /// Gathered facts, and `set_fact` with `cacheable`.
    Facts,
    /// `vars` of a play.
    PlayVars,
    /// `vars_prompt`.
    PlayPrompt,
    /// `vars_files`.
    PlayFiles,
    /// `vars/` of a role.
    RoleVars,
    /// `vars` of a block.
    BlockVars,
    /// `vars` of a task.
    TaskVars,
    /// `include_vars`.
    IncludeVars,
    /// `set_fact` and `register`.
    SetFacts,
    /// Parameters of a role.
    RoleParameters,
    /// Parameters of an include.
    IncludeParameters,
    /// Magic variables, which nobody can set.
    Magic,
    /// `-e` on the command line.
    ExtraVars,
}

/// Layers under construction.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    levels: BTreeMap<Level, Vec<Arc<Layer>>>,
}

impl Layers {
    /// Adds a layer; within a level a later one is stronger.
    pub fn add(&mut self, level: Level, layer: Arc<Layer>) {
        if !layer.is_empty() {
            self.levels.entry(level).or_default().push(layer);
        }
    }

    /// The scope, strongest layer first.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::new(self.levels.values().rev().flat_map(|layers| layers.iter().rev().cloned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::variables::Var;

    fn layer(value: &str) -> Arc<Layer> {
        Arc::new(Layer::from_iter([(Arc::from("x"), Var::data(value))]))
    }

    fn seen(layers: &Layers) -> String {
        match layers.scope().get("x") {
            Some(Var::Data(value)) => value.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stronger_level_wins_whatever_the_order_of_adding() {
        let mut layers = Layers::default();
        layers.add(Level::TaskVars, layer("task"));
        layers.add(Level::RoleDefaults, layer("default"));
        assert_eq!(seen(&layers), "task");
        layers.add(Level::ExtraVars, layer("extra"));
        assert_eq!(seen(&layers), "extra");
    }

    #[test]
    fn within_a_level_the_later_one_wins() {
        let mut layers = Layers::default();
        layers.add(Level::BlockVars, layer("outer"));
        layers.add(Level::BlockVars, layer("inner"));
        assert_eq!(seen(&layers), "inner");
    }
}
