//! Levels of precedence, weakest first, as Ansible documents them.

use std::{collections::BTreeMap, sync::Arc};

use super::{Layer, Scope, Var};
use crate::controller::source::{Node, Shape, Span};

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
    merge: bool,
}

impl Layers {
    /// No layers; mappings of several layers are merged instead of hiding each other, if that is asked for.
    #[must_use]
    pub fn merging(merge: bool) -> Self {
        Self { merge, ..Self::default() }
    }

    /// Adds a layer; within a level a later one is stronger.
    pub fn add(&mut self, level: Level, layer: Arc<Layer>) {
        if !layer.is_empty() {
            self.levels.entry(level).or_default().push(layer);
        }
    }

    /// The scope, strongest layer first.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let scope = Scope::new(self.levels.values().rev().flat_map(|layers| layers.iter().rev().cloned()).collect());
        if self.merge { scope.over(self.merged()) } else { scope }
    }
}

impl Layers {
    /// The mappings that several layers have, each as one.
    fn merged(&self) -> Layer {
        let mut found: indexmap::IndexMap<Arc<str>, Vec<&Var>> = indexmap::IndexMap::new();
        for (name, value) in self.levels.values().flatten().flat_map(|layer| layer.iter()) {
            found.entry(name.clone()).or_default().push(value);
        }
        let several =
            found.into_iter().filter(|(_, values)| values.len() > 1 && values.last().is_some_and(|last| last.is_map()));
        several
            .map(|(name, values)| {
                let mut nodes = values.iter().map(|value| value.to_node());
                let first = nodes.next().unwrap_or(Node { span: Span::synthetic("data", ""), shape: Shape::Null });
                (name, Var::Node(nodes.fold(first, |under, over| under.merged(&over))))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::source::composer::Marks;

    fn node(json: &serde_json::Value) -> Var {
        let marks = Marks { trusted: false, secret: false };
        Var::Node(Node::from_json(json, &Span::synthetic("test", ""), marks))
    }

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
    fn mappings_are_merged_where_that_is_asked_for() {
        let map = |json: serde_json::Value| Arc::new(Layer::from_iter([(Arc::from("x"), node(&json))]));
        let mut layers = Layers::merging(true);
        layers.add(Level::RoleDefaults, map(serde_json::json!({"a": 1, "b": {"c": 1}})));
        layers.add(Level::ExtraVars, map(serde_json::json!({"b": {"d": 2}})));
        let merged = layers.scope().get("x").map(|value| value.to_node().to_json());
        assert_eq!(merged, Some(serde_json::json!({"a": 1, "b": {"c": 1, "d": 2}})));
    }

    #[test]
    fn within_a_level_the_later_one_wins() {
        let mut layers = Layers::default();
        layers.add(Level::BlockVars, layer("outer"));
        layers.add(Level::BlockVars, layer("inner"));
        assert_eq!(seen(&layers), "inner");
    }
}
