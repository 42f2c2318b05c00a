//! Playbooks and plays.

use std::{path::PathBuf, sync::Arc};

use super::{Item, Keywords, RoleUse};
use crate::controller::source::{Node, Span};

/// A file of plays, with the plays of the playbooks it imports.
#[derive(Debug)]
pub struct Playbook {
    /// The file.
    pub path: PathBuf,
    /// In the order they run.
    pub plays: Vec<Arc<Play>>,
}

/// Tasks for some hosts.
#[derive(Debug)]
pub struct Play {
    /// Its name, a template.
    pub name: Option<Node>,
    /// A host pattern or a list of them, possibly templates.
    pub hosts: Node,
    /// What is said for all of it.
    pub keywords: Arc<Keywords>,
    /// What only plays say, by name.
    pub said: Vec<(String, Node)>,
    /// Tasks before the roles.
    pub pre_tasks: Vec<Item>,
    /// Roles.
    pub roles: Vec<RoleUse>,
    /// Tasks.
    pub tasks: Vec<Item>,
    /// Tasks at the end.
    pub post_tasks: Vec<Item>,
    /// Handlers of the play, then of its roles.
    pub handlers: Vec<Item>,
    /// Conditions, tags and variables of the `import_playbook` it came from.
    pub imported: Vec<Arc<Keywords>>,
    /// Folder of its file: where files, roles and variables are looked for.
    pub folder: PathBuf,
    /// Where it stands.
    pub span: Span,
}

impl Play {
    /// What the play says under a name that only plays have.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.said.iter().find(|(known, _)| known == name).map(|(_, node)| node)
    }

    /// Its name as written, or its host pattern.
    #[must_use]
    pub fn title(&self) -> String {
        match (self.name.as_ref().and_then(Node::as_str), self.hosts.as_str(), self.hosts.as_list()) {
            (Some(name), _, _) => name.to_owned(),
            (_, Some(hosts), _) => hosts.to_owned(),
            (_, _, Some(list)) => list.iter().filter_map(Node::as_str).collect::<Vec<_>>().join(","),
            _ => String::new(),
        }
    }
}
