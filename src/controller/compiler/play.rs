//! A play as it runs: its sections as one list of items, its handlers, its hosts.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use crate::controller::{
    playbook::{Arguments, Item, Keywords, Play, Role, Task},
    source::{Node, Shape},
    variables::Layer,
};

/// A play with what is worked out once for all its hosts.
pub struct PlayRun {
    /// As written.
    pub play: Arc<Play>,
    /// Its name, rendered.
    pub name: String,
    /// Sections in order, with a flush of handlers behind each.
    pub items: Arc<Vec<Item>>,
    /// Handlers.
    pub handlers: Arc<Vec<Item>>,
    /// The roles of `roles:`.
    pub roles: Vec<Arc<Role>>,
    /// Roles whose defaults and variables the whole play sees: those, imported ones, and public ones once included.
    exposed: RwLock<Vec<Arc<Role>>>,
    /// `vars`.
    pub vars: Arc<Layer>,
    /// `vars_prompt`.
    pub prompted: Arc<Layer>,
    /// All hosts of the play, before `serial` divides them.
    pub hosts: Vec<String>,
}

impl PlayRun {
    /// Works a play out.
    #[must_use]
    pub fn new(play: Arc<Play>, name: String, hosts: Vec<String>, gather: bool, prompted: Layer) -> Self {
        let flush = || meta(&play, "flush_handlers");
        let mut items = Vec::new();
        if gather {
            items.push(gather_facts(&play));
        }
        items.extend(play.pre_tasks.iter().cloned());
        items.push(flush());
        for used in &play.roles {
            items.extend(used.items.iter().cloned());
        }
        items.extend(play.tasks.iter().cloned());
        items.push(flush());
        items.extend(play.post_tasks.iter().cloned());
        items.push(flush());
        let mut vars = Layer::new();
        for level in play.imported.iter().chain([&play.keywords]) {
            vars.extend(crate::controller::playbook::role::layer(level.vars.as_ref()));
        }
        let mut roles: Vec<Arc<Role>> = Vec::new();
        for used in &play.roles {
            for role in used.role.all_dependencies().into_iter().chain([used.role.clone()]) {
                if !roles.iter().any(|known| Arc::ptr_eq(known, &role)) {
                    roles.push(role);
                }
            }
        }
        let mut exposed = roles.clone();
        let more = play.pre_tasks.iter().chain(play.roles.iter().flat_map(|used| &used.items));
        more.chain(&play.tasks).chain(&play.post_tasks).for_each(|item| imported(item, &mut exposed));
        Self {
            exposed: RwLock::new(exposed),
            name,
            items: Arc::new(items),
            handlers: Arc::new(play.handlers.clone()),
            roles,
            vars: Arc::new(vars),
            prompted: Arc::new(prompted),
            hosts,
            play,
        }
    }
}

impl PlayRun {
    /// The roles whose defaults and variables the whole play sees, by now.
    #[must_use]
    pub fn exposed(&self) -> Vec<Arc<Role>> {
        self.exposed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the whole play see the defaults and variables of a role.
    pub fn expose(&self, role: &Arc<Role>) {
        let mut exposed = self.exposed.write().unwrap_or_else(PoisonError::into_inner);
        for role in role.all_dependencies().into_iter().chain([role.clone()]) {
            if !exposed.iter().any(|known| known.key == role.key) {
                exposed.push(role);
            }
        }
    }
}

/// The roles that tasks were imported from.
fn imported(item: &Item, found: &mut Vec<Arc<Role>>) {
    match item {
        Item::Task(task) => {
            if let Some(role) = task.role.as_ref().filter(|role| role.public)
                && !found.iter().any(|known| Arc::ptr_eq(known, role))
            {
                found.push(role.clone());
            }
        }
        Item::Block(block) => {
            block.body.iter().chain(&*block.rescue).chain(&*block.always).for_each(|item| imported(item, found));
        }
    }
}

fn implicit(play: &Play, module: &str, name: Option<&str>, free_form: Option<&str>, tags: &str) -> Item {
    let node = |text: &str| Node::text(play.span.clone(), text);
    let mut own = Keywords::default();
    own.tags = Some(tags).filter(|tags| !tags.is_empty()).map(node);
    if let Some(connection) = play.keywords.get("connection") {
        own.set("connection", connection.clone());
    }
    let arguments = Arguments { free_form: free_form.map(node), ..Arguments::default() };
    let mut levels: Vec<Arc<Keywords>> = vec![play.keywords.clone()];
    levels.push(Arc::new(own));
    Item::Task(Arc::new(Task {
        name: name.map(node),
        module: module.to_owned(),
        written: module.to_owned(),
        module_span: play.span.clone(),
        custom: None,
        arguments,
        levels,
        each: None,
        register: None,
        notify: None,
        listen: None,
        until: None,
        retries: None,
        delay: None,
        changed_when: None,
        failed_when: None,
        asynchronous: None,
        poll: None,
        role: None,
        span: play.span.clone(),
        folder: PathBuf::from(&play.folder),
        handler: false,
    }))
}

fn meta(play: &Play, action: &str) -> Item {
    implicit(play, "meta", None, Some(action), "always")
}

fn gather_facts(play: &Play) -> Item {
    // Facts are always gathered, unless the play has tags of its own that are not asked for.
    let tags = if play.keywords.tags.is_none() { "always" } else { "" };
    let mut item = implicit(play, "setup", Some("Gathering Facts"), None, tags);
    let every_host = Node { span: play.span.clone(), shape: Shape::Bool(false) };
    if let Item::Task(task) = &mut item
        && let Some(task) = Arc::get_mut(task)
    {
        // Whatever a play does once, every host of it has facts.
        if let Some(own) = task.levels.last_mut().and_then(Arc::get_mut) {
            own.set("run_once", every_host);
        }
        for name in ["gather_subset", "gather_timeout", "fact_path"] {
            if let Some(value) = play.get(name) {
                task.arguments.options.push((Node::text(value.span.clone(), name), value.clone()));
            }
        }
    }
    item
}
