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
    /// Its name as it is used, `namespace.collection.role` for one of a collection.
    pub name: String,
    /// `namespace.collection`, for a role of one.
    pub collection: Option<String>,
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
    /// The role whose tasks include or import it.
    pub includer: std::sync::OnceLock<Arc<Role>>,
    /// Whether it may run twice with the same parameters.
    pub allow_duplicates: bool,
    /// Whether its defaults and variables are seen by the whole play.
    pub public: bool,
    /// Tells it from other uses of roles: the same for the same role with the same parameters.
    pub key: String,
    /// The same for uses whose handlers are the same, whichever of its tasks they run.
    pub handlers_key: String,
}

/// A role that is asked for, and how.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name or path.
    pub name: String,
    /// Where it is asked for.
    pub span: Span,
    /// Which of its files.
    pub files: RoleFiles,
    /// Variables given with it.
    pub parameters: Layer,
    /// What is said about it.
    pub keywords: Arc<Keywords>,
    /// Whether it is validated what it is given, where it says what it takes.
    pub validate: bool,
    /// Whether its defaults and variables are seen by the whole play.
    pub public: bool,
    /// Whether it may run twice with the same parameters; what the role says where this says nothing.
    pub allow_duplicates: Option<bool>,
}

impl Wanted {
    /// A role with nothing special about it.
    #[must_use]
    pub fn new(name: &str, span: &Span) -> Self {
        Self {
            name: name.to_owned(),
            span: span.clone(),
            files: RoleFiles::default(),
            parameters: Layer::new(),
            keywords: Arc::default(),
            validate: true,
            public: true,
            allow_duplicates: None,
        }
    }
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
    /// Its name without its collection's.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name.rsplit(['.', '/']).next().filter(|_| self.collection.is_some()).unwrap_or(&self.name)
    }

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

/// The files of that name, or all files of the folder of that name, for variables.
#[must_use]
pub fn variable_files(folder: &Path, name: &str) -> Vec<PathBuf> {
    if let Some(file) = role_file(folder, name) {
        return vec![file];
    }
    let known = |path: &Path| {
        path.extension().is_none_or(|ending| ["yml", "yaml", "json"].iter().any(|known| ending == *known))
    };
    walkdir::WalkDir::new(folder.join(name))
        .sort_by_file_name()
        .into_iter()
        .filter_map(|entry| Some(entry.ok()?.into_path()))
        .filter(|path| path.is_file() && known(path))
        .collect()
}

/// A mapping as a layer of variables.
#[must_use]
pub fn layer(node: Option<&Node>) -> Layer {
    let entries = node.and_then(Node::as_map).into_iter().flat_map(super::super::source::node::Mapping::iter);
    entries.map(|(name, _, value)| (Arc::from(name), Var::Node(value.clone()))).collect()
}
