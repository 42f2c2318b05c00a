//! Tasks and blocks.

use std::{borrow::Cow, path::Path, sync::Arc};

use super::{Arguments, Keywords, Role};
use crate::controller::source::{Node, Span};

/// What a list of tasks holds.
#[derive(Clone, Debug)]
pub enum Item {
    /// One action.
    Task(Arc<Task>),
    /// Several items with `rescue` and `always`.
    Block(Arc<Block>),
}

impl Item {
    /// The file it is written in.
    #[must_use]
    pub fn file(&self) -> &Path {
        let span = match self {
            Self::Task(task) => &task.span,
            Self::Block(block) => &block.span,
        };
        &span.file.path
    }
}

/// Items that belong together.
#[derive(Debug)]
pub struct Block {
    /// Its name.
    pub name: Option<Node>,
    /// What is said for all of it; outermost first, its own last.
    pub levels: Vec<Arc<Keywords>>,
    /// What is done.
    pub body: Arc<Vec<Item>>,
    /// What is done when something in the body fails.
    pub rescue: Arc<Vec<Item>>,
    /// What is done at the end in any case.
    pub always: Arc<Vec<Item>>,
    /// Where it stands.
    pub span: Span,
}

/// One action with all that is said about it.
#[derive(Debug)]
pub struct Task {
    /// Its name, a template.
    pub name: Option<Node>,
    /// The module as written, without built-in collections' names.
    pub module: String,
    /// The module as written.
    pub written: String,
    /// Where the module stands.
    pub module_span: Span,
    /// The module of the user's that it names; without one it is built in.
    pub custom: Option<std::path::PathBuf>,
    /// Its options.
    pub arguments: Arguments,
    /// What is said at all levels around it, outermost (the play) first, its own last.
    pub levels: Vec<Arc<Keywords>>,
    /// `loop` or `with_*`.
    pub each: Option<Loop>,
    /// Names its result.
    pub register: Option<Node>,
    /// Handlers to notify on change.
    pub notify: Option<Node>,
    /// Topics that a handler listens to.
    pub listen: Option<Node>,
    /// Repeat until this holds.
    pub until: Option<Node>,
    /// How often at most.
    pub retries: Option<Node>,
    /// Seconds between.
    pub delay: Option<Node>,
    /// What counts as changed.
    pub changed_when: Option<Node>,
    /// What counts as failed.
    pub failed_when: Option<Node>,
    /// Seconds it may run detached.
    pub asynchronous: Option<Node>,
    /// Seconds between looks at a detached task.
    pub poll: Option<Node>,
    /// The role it belongs to.
    pub role: Option<Arc<Role>>,
    /// Where it stands.
    pub span: Span,
    /// The file's folder, for files it names.
    pub folder: std::path::PathBuf,
    /// Whether it is a handler.
    pub handler: bool,
}

/// What a task is repeated for.
#[derive(Debug)]
pub struct Loop {
    /// `None` for `loop`, the lookup's name for `with_NAME`.
    pub lookup: Option<String>,
    /// The items, as written.
    pub items: Node,
    /// `loop_control`.
    pub control: Option<Node>,
}

impl Task {
    /// What it is called, a template: its name, else the module as written, with the role where it includes one.
    #[must_use]
    pub fn title(&self) -> Cow<'_, str> {
        let name = self.name.as_ref().and_then(Node::as_str).filter(|name| !name.is_empty());
        match (name, self.module.as_str()) {
            (Some(name), _) => Cow::Borrowed(name),
            (None, "include_role") => {
                let role = ["name", "role"].iter().find_map(|option| self.arguments.get(option)?.as_str());
                role.map_or(Cow::Borrowed(&self.written), |role| Cow::Owned(format!("{} : {role}", self.written)))
            }
            (None, _) => Cow::Borrowed(&self.written),
        }
    }

    /// What the innermost level says of an inherited keyword.
    #[must_use]
    pub fn keyword(&self, name: &str) -> Option<&Node> {
        super::keywords::innermost(self.levels.iter().map(AsRef::as_ref), name)
    }

    /// What all levels say of an inherited keyword, the innermost first.
    pub fn said(&self, name: &str) -> impl Iterator<Item = &Node> {
        self.levels.iter().rev().filter_map(move |level| level.get(name))
    }

    /// Whether it reads tasks or a role while the play runs.
    #[must_use]
    pub fn is_include(&self) -> bool {
        matches!(self.module.as_str(), "include_tasks" | "include_role")
    }

    /// What the task itself says.
    #[must_use]
    pub fn own(&self) -> &Keywords {
        static NOTHING: Keywords = Keywords {
            vars: None,
            when: None,
            tags: None,
            environment: None,
            notify: None,
            module_defaults: None,
            parameters: false,
            said: Vec::new(),
        };
        self.levels.last().map_or(&NOTHING, AsRef::as_ref)
    }
}
