//! Lists of tasks: blocks, tasks, and the task files they import.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{Items, Loader, error, expected_list, known_words};
use crate::{
    controller::{
        playbook::{
            Arguments, Block, Item, Keywords, Loop, Role, Task,
            arguments::split,
            check,
            keywords::{ADDED, INHERITED, innermost},
            words,
        },
        source::{Diagnostic, Diagnostics, Mapping, Node, Shape, Span, suggest::suggest, yaml},
    },
    remote::modules::short_name,
};

/// What is around a list of tasks.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What is said at the levels around, outermost first.
    pub levels: Vec<Arc<Keywords>>,
    /// Folder of the file.
    pub folder: PathBuf,
    /// Folder of the playbook.
    pub base: PathBuf,
    /// The role, inside one.
    pub role: Option<Arc<Role>>,
    /// Whether these are handlers.
    pub handler: bool,
    /// Whether these stand in a block.
    pub in_block: bool,
    /// Whether the playbook deals with failures itself, so that wrong options are for the task to fail with.
    pub tolerant: bool,
    /// Handlers of roles that are imported here; they count for the whole play.
    pub handlers: Arc<Mutex<Items>>,
}

impl Surroundings {
    pub(super) fn add_handlers(&self, more: Items) {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner).extend(more);
    }

    /// Takes the handlers of imported roles out.
    #[must_use]
    pub fn take_handlers(&self) -> Items {
        std::mem::take(&mut self.handlers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same surroundings with one more level.
    #[must_use]
    pub fn with(&self, keywords: Arc<Keywords>) -> Self {
        let mut inner = self.clone();
        inner.levels.push(keywords);
        inner
    }
}

impl Loader {
    /// Reads a file of tasks.
    pub fn task_file(&self, path: &Path, around: &Surroundings, diagnostics: &mut Diagnostics) -> Items {
        let Some(node) = yaml::load_one(path, &self.keyring, diagnostics) else { return Vec::new() };
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let around = Surroundings { folder, in_block: false, ..around.clone() };
        self.items(&node, &around, diagnostics)
    }

    /// Reads a list of tasks.
    pub fn items(&self, node: &Node, around: &Surroundings, diagnostics: &mut Diagnostics) -> Items {
        let mut items = Vec::new();
        for item in expected_list(node, "tasks", diagnostics) {
            let Some(map) = item.as_map() else {
                if !item.is_null() {
                    diagnostics.push(error(&item.span, format!("a task is a mapping, not {}", item.kind())));
                }
                continue;
            };
            if map.get("block").is_some() {
                items.push(self.block(item, map, around, diagnostics));
            } else {
                self.task(item, map, around, &mut items, diagnostics);
            }
        }
        items
    }

    fn block(&self, node: &Node, map: &Mapping, around: &Surroundings, diagnostics: &mut Diagnostics) -> Item {
        if around.handler && around.in_block {
            diagnostics.push(error(&node.span, "Using a block as a handler is not supported."));
        }
        known_words(map, &[words::BLOCK, INHERITED, ADDED], "a block", diagnostics);
        let mut inner = around.with(Arc::new(Keywords::of(map)));
        inner.in_block = true;
        check::keywords(map, diagnostics);
        let mut part = |name: &str| map.get(name).map(|node| self.items(node, &inner, diagnostics)).unwrap_or_default();
        let (rescue, always) = (part("rescue"), part("always"));
        let guarded = Surroundings { tolerant: inner.tolerant || !rescue.is_empty(), ..inner.clone() };
        let body = map.get("block").map(|node| self.items(node, &guarded, diagnostics)).unwrap_or_default();
        Item::Block(Arc::new(Block {
            name: map.get("name").cloned(),
            levels: inner.levels,
            body: Arc::new(body),
            rescue: Arc::new(rescue),
            always: Arc::new(always),
            span: node.span.clone(),
        }))
    }

    fn task(
        &self,
        node: &Node,
        map: &Mapping,
        around: &Surroundings,
        items: &mut Items,
        diagnostics: &mut Diagnostics,
    ) {
        let Some((written, module_span, value)) = self.action(node, map, diagnostics) else { return };
        let module = short_name(&written).to_owned();
        let known = self.catalog.options(&module).is_some();
        let custom = self.library.find(&written, around.role.as_deref(), &around.base, known);
        let arguments = match Arguments::read(&module, &value, map.get("args")) {
            Ok(arguments) => arguments,
            Err((message, span)) => return diagnostics.push(error(&span, message)),
        };
        let own = Arc::new(Keywords::of(map));
        if !around.tolerant && map.get("ignore_errors").is_none() {
            check::keywords(map, diagnostics);
        }
        if matches!(module.as_str(), "import_role" | "include_role") {
            if around.handler {
                let message = format!("Using '{module}' as a handler is not supported.");
                return diagnostics.push(error(&module_span, message));
            }
            Self::role_words(&arguments, diagnostics);
        }
        if module == "include_tasks" && !Self::names_file(node, &arguments, diagnostics) {
            return;
        }
        match module.as_str() {
            "import_tasks" => return self.import_tasks(&arguments, map, &own, node, around, items, diagnostics),
            "import_role" => return self.import_role(&arguments, &own, node, around, items, diagnostics),
            _ => {}
        }
        let each = each(map, diagnostics);
        let mut levels = around.levels.clone();
        let mut own = own;
        if map.get("local_action").is_some() {
            let mut local = (*own).clone();
            local.said.push(("delegate_to", Node::text(module_span.clone(), "localhost")));
            own = Arc::new(local);
        }
        levels.push(own);
        let task = Task {
            name: map.get("name").cloned(),
            module,
            written,
            module_span,
            custom,
            arguments,
            levels,
            each,
            register: map.get("register").cloned(),
            notify: map.get("notify").cloned(),
            listen: map.get("listen").cloned(),
            until: map.get("until").cloned(),
            retries: map.get("retries").cloned(),
            delay: map.get("delay").cloned(),
            changed_when: map.get("changed_when").cloned(),
            failed_when: map.get("failed_when").cloned(),
            asynchronous: map.get("async").cloned(),
            poll: map.get("poll").cloned(),
            role: around.role.clone(),
            span: node.span.clone(),
            folder: around.folder.clone(),
            handler: around.handler,
        };
        check::task(&task, &*self.catalog, around.tolerant || tolerated(&task), diagnostics);
        items.push(Item::Task(Arc::new(task)));
    }

    /// The module of a task, where it stands, and what stands behind it.
    fn action(&self, node: &Node, map: &Mapping, diagnostics: &mut Diagnostics) -> Option<(String, Span, Node)> {
        for name in ["action", "local_action"] {
            let Some((_, value)) = map.entry(name) else { continue };
            return action_words(value, diagnostics);
        }
        let keyword = |word: &str| {
            [words::TASK, INHERITED, ADDED].iter().any(|words| words.contains(&word)) || word.starts_with("with_")
        };
        let mut others = map.iter().filter(|(word, _, _)| !keyword(word));
        let Some((word, key, value)) = others.next() else {
            diagnostics.push(
                error(&node.span, "this task names no module").hint("add one, for instance `ansible.builtin.debug:`"),
            );
            return None;
        };
        if let Some((second, second_key, _)) = others.next() {
            let known = |word: &str| self.catalog.options(short_name(word)).is_some();
            let (wrong, place) = if known(word) { (second, second_key) } else { (word, key) };
            let keywords = || words::TASK.iter().chain(INHERITED).chain(ADDED).copied();
            let mut diagnostic =
                error(&place.span, format!("a task has one module; `{wrong}` is a second one or no keyword"));
            if let Some(near) = suggest(wrong, keywords()) {
                diagnostic = diagnostic.hint(format!("did you mean `{near}`?"));
            }
            diagnostics.push(diagnostic);
            return None;
        }
        Some((word.to_owned(), key.span.clone(), value.clone()))
    }

    /// Whether an `include_tasks` says which file, and nothing it cannot say.
    fn names_file(node: &Node, arguments: &Arguments, diagnostics: &mut Diagnostics) -> bool {
        let stray = arguments
            .options
            .iter()
            .find(|(key, _)| key.as_str().is_some_and(|name| !matches!(name, "file" | "apply" | "_raw_params")));
        if let Some((key, _)) = stray {
            let message = format!("include_tasks has no option `{}`", key.as_str().unwrap_or_default());
            diagnostics.push(error(&key.span, message));
            return false;
        }
        let file = arguments.free_form.as_ref().or_else(|| arguments.get("file")).filter(|node| !node.is_null());
        if file.is_none() && arguments.template.is_none() {
            diagnostics.push(error(&node.span, "include_tasks does not say which file"));
            return false;
        }
        true
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; a struct would only rename them")]
    fn import_tasks(
        &self,
        arguments: &Arguments,
        map: &Mapping,
        own: &Arc<Keywords>,
        node: &Node,
        around: &Surroundings,
        items: &mut Items,
        diagnostics: &mut Diagnostics,
    ) {
        if let Some((_, key, _)) = map.iter().find(|(word, _, _)| *word == "loop" || word.starts_with("with_")) {
            diagnostics.push(error(&key.span, "import_tasks cannot be looped over").hint("use include_tasks"));
            return;
        }
        let unknown = arguments.options.iter().find(|(key, _)| key.as_str() != Some("file"));
        if let Some((key, _)) = unknown {
            let message = format!("import_tasks has no option `{}`", key.as_str().unwrap_or_default());
            return diagnostics.push(error(&key.span, message));
        }
        let file = arguments.free_form.as_ref().or_else(|| arguments.get("file")).filter(|node| !node.is_null());
        let Some(file) = file else {
            return diagnostics.push(error(&node.span, "import_tasks does not say which file"));
        };
        let scope = self.scope_within(&around.with(own.clone()).levels, around.role.as_deref());
        let name = match crate::controller::template::render(file, &scope) {
            Ok(name) => name.to_string(),
            Err(problem) => {
                let message = format!("cannot work out which file this imports: {problem}");
                let hint = "imports are resolved before the run: use include_tasks for names that are known later";
                return diagnostics.push(error(&file.span, message).hint(hint));
            }
        };
        let found = find_task_file(&name, &around.folder, around.role.as_deref());
        match found.or_else(|| find_task_file(&name, &around.base, None)) {
            Some(path) => items.extend(self.task_file(&path, &around.with(own.clone()), diagnostics)),
            None => diagnostics.push(Diagnostic::absent(&file.span, format!("there is no task file {name}"))),
        }
    }
}

/// Whether a failure of the task is something the playbook reckons with.
fn tolerated(task: &Task) -> bool {
    let ignored = innermost(task.levels.iter().map(|level| &**level), "ignore_errors");
    task.failed_when.is_some() || ignored.is_some_and(|node| !matches!(node.shape, Shape::Bool(false) | Shape::Null))
}

/// Where a task file lies: beside the including file, in the role's `tasks`, or beside the playbook.
#[must_use]
pub fn find_task_file(name: &str, folder: &Path, role: Option<&Role>) -> Option<PathBuf> {
    let in_role = role.map(|role| role.path.join("tasks").join(name));
    let beside_role = role.map(|role| role.path.join(name));
    [Some(folder.join(name)), in_role, beside_role, Some(folder.join("tasks").join(name))]
        .into_iter()
        .flatten()
        .find(|path| path.is_file())
}

/// `action: module key=value`, or a mapping with `module`.
fn action_words(value: &Node, diagnostics: &mut Diagnostics) -> Option<(String, Span, Node)> {
    if let Some(map) = value.as_map() {
        let Some(module) = map.get("module").and_then(Node::as_str) else {
            diagnostics.push(error(&value.span, "this action names no module"));
            return None;
        };
        let of = |key: &Node| !matches!(key.as_str(), Some("module" | "args"));
        let mut entries: Vec<_> = map.entries.iter().filter(|(key, _)| of(key)).cloned().collect();
        entries
            .extend(map.get("args").and_then(Node::as_map).into_iter().flat_map(|args| args.entries.iter().cloned()));
        let rest = Mapping { entries };
        let options = Node { span: value.span.clone(), shape: Shape::Map(Arc::new(rest)) };
        return Some((module.to_owned(), value.span.clone(), options));
    }
    let text = value.as_str()?.trim();
    let module = split(text).first().copied().unwrap_or_default();
    let rest = text.strip_prefix(module).unwrap_or_default();
    let options = if rest.is_empty() {
        Node { span: value.span.clone(), shape: Shape::Null }
    } else {
        Node::text(value.span.clone(), rest.trim())
    };
    Some((module.to_owned(), value.span.clone(), options))
}

fn each(map: &Mapping, diagnostics: &mut Diagnostics) -> Option<Loop> {
    let control = map.get("loop_control").cloned();
    let mut found = None;
    for (word, key, value) in map.iter() {
        let lookup = match word {
            "loop" => None,
            _ => match word.strip_prefix("with_") {
                Some(lookup) => Some(lookup.to_owned()),
                None => continue,
            },
        };
        if found.is_some() {
            diagnostics.push(error(&key.span, "a task has one loop"));
        }
        check::templates(value, diagnostics);
        found = Some(Loop { lookup, items: value.clone(), control: control.clone() });
    }
    found
}
