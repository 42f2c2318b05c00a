//! Hosts and groups, and the links between them.

use std::{path::PathBuf, sync::Arc};

use indexmap::{IndexMap, IndexSet};

use crate::controller::source::{Node, Shape, Span};

/// The name of a host or group. Cheap to clone.
pub type Name = Arc<str>;
/// The name of a host.
pub type HostName = Name;
/// Variables of one layer, in the order written.
pub type Vars = IndexMap<Name, Node>;

/// One host. Its layers of variables stay apart, because other layers come between them.
#[derive(Clone, Debug)]
pub struct Host {
    /// As the inventory names it.
    pub name: HostName,
    /// Where it was first named.
    pub span: Span,
    /// What the inventory source says of it.
    pub vars: Vars,
    /// What `host_vars/` beside the inventory says of it.
    pub file_vars: Vars,
    /// The source that first named it (a path; nothing for a list on the command line).
    pub source: Option<PathBuf>,
    /// Whether nobody named it: `localhost`, used without being in the inventory.
    pub implicit: bool,
    /// The groups that name it, by index.
    pub(super) groups: IndexSet<usize>,
}

/// One group.
#[derive(Clone, Debug)]
pub struct Group {
    /// As the inventory names it.
    pub name: Name,
    /// Where it was first named.
    pub span: Span,
    /// What the inventory source says of it.
    pub vars: Vars,
    /// What `group_vars/` beside the inventory says of it.
    pub file_vars: Vars,
    /// `ansible_group_priority`: of groups equally deep, the higher one's variables win.
    pub priority: i128,
    /// Steps from `all`, along the longest way.
    pub depth: usize,
    /// The hosts it names itself, by index.
    pub(super) hosts: IndexSet<usize>,
    /// By index.
    pub(super) children: IndexSet<usize>,
    /// By index.
    pub(super) parents: IndexSet<usize>,
}

impl Host {
    pub(super) fn new(name: Name, span: Span) -> Self {
        let (vars, file_vars, groups) = (Vars::new(), Vars::new(), IndexSet::new());
        Self { name, span, vars, file_vars, source: None, implicit: false, groups }
    }

    /// The host that is there without being named, reached without a connection.
    pub(super) fn localhost(name: &str) -> Self {
        let span = Span::synthetic("implicit localhost", name);
        let local = Node::text(span.clone(), "local");
        let mut host = Self::new(name.into(), span);
        host.implicit = true;
        host.vars.insert("ansible_python_interpreter".into(), Node::text(host.span.clone(), &python()));
        host.vars.insert("ansible_connection".into(), local);
        host
    }
}

/// A Python of this machine, for playbooks that start one; nothing here needs it.
#[must_use]
pub fn python() -> String {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join("python3")).find(|path| path.is_file());
    found.map_or_else(|| "/usr/bin/python3".to_owned(), |path| path.display().to_string())
}

impl Group {
    pub(super) fn new(name: Name, span: Span) -> Self {
        let (vars, file_vars) = (Vars::new(), Vars::new());
        let (hosts, children, parents) = (IndexSet::new(), IndexSet::new(), IndexSet::new());
        Self { name, span, vars, file_vars, priority: 1, depth: 0, hosts, children, parents }
    }

    /// Sets a variable as an inventory source does, which is the only place where the priority can be set.
    pub(super) fn set(&mut self, name: &str, value: Node) {
        if name == "ansible_group_priority" {
            match &value.shape {
                Shape::Int(priority) => self.priority = *priority,
                Shape::Str(text) => self.priority = text.value.trim().parse().unwrap_or(self.priority),
                _ => {}
            }
            return;
        }
        self.vars.insert(name.into(), value);
    }
}
