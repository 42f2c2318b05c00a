//! Roles: folders of tasks, handlers, defaults and variables.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Item, Keywords};
use crate::controller::{
    source::{Node, Span},
    variables::{Layer, Var},
};

/// A role as one play uses it.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// `defaults/main`.
    pub defaults: Arc<Layer>,
    /// `vars/main`.
    pub vars: Arc<Layer>,
    /// Variables given where it is used.
    pub parameters: Arc<Layer>,
    /// `meta/main`.
    pub meta: Option<Node>,
    /// `meta/argument_specs` or what `meta/main` has of it.
    pub argument_specs: Option<Node>,
    /// The roles it depends on, in their order; their defaults and variables count in it, weaker than its own.
    pub dependencies: Vec<Arc<Role>>,
    /// The roles that use it as a dependency, nearest first; their variables count in it.
    pub parents: Vec<Arc<Role>>,
    /// Whether it may run twice with the same parameters.
    pub allow_duplicates: bool,
}

/// A role in `roles:` with what is said about it, and what it runs.
#[derive(Debug)]
pub struct RoleUse {
    /// The role.
    pub role: Arc<Role>,
    /// Dependencies first, then the role's own tasks, as one list of items.
    pub items: Vec<Item>,
    /// Handlers of dependencies and role.
    pub handlers: Vec<Item>,
    /// What is said where it is used.
    pub keywords: Arc<Keywords>,
    /// Where it is used.
    pub span: Span,
}

impl Role {
    /// The roles it depends on, and those they depend on, the farthest first.
    #[must_use]
    pub fn all_dependencies(&self) -> Vec<Arc<Self>> {
        let mut all = Vec::new();
        for role in &self.dependencies {
            all.extend(role.all_dependencies());
            all.push(role.clone());
        }
        all
    }
}

/// Which files of a role are used; `main` by default.
#[derive(Clone, Debug)]
pub struct RoleFiles {
    /// In `tasks/`.
    pub tasks: String,
    /// In `vars/`.
    pub vars: String,
    /// In `defaults/`.
    pub defaults: String,
    /// In `handlers/`.
    pub handlers: String,
}

impl Default for RoleFiles {
    fn default() -> Self {
        let main = || "main".to_owned();
        Self { tasks: main(), vars: main(), defaults: main(), handlers: main() }
    }
}

/// The file of that name in a folder of a role, with any of the endings YAML files have.
#[must_use]
pub fn role_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = folder.join(name);
    ["yml", "yaml", "json"]
        .iter()
        .map(|ending| folder.join(format!("{name}.{ending}")))
        .chain([plain])
        .find(|path| path.is_file())
}

/// A mapping as a layer of variables.
#[must_use]
pub fn layer(node: Option<&Node>) -> Layer {
    let entries = node.and_then(Node::as_map).into_iter().flat_map(super::super::source::node::Mapping::iter);
    entries.map(|(name, _, value)| (Arc::from(name), Var::Node(value.clone()))).collect()
}
