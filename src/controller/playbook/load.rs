//! From files to plays: static imports and roles are resolved here, everything wrong is collected.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Item, Keywords, Play, Playbook, Role,
    keywords::{ADDED, INHERITED},
    words,
};
use crate::{
    controller::{
        source::{Diagnostic, Diagnostics, Mapping, Node, Shape, Span, suggest::suggest, yaml},
        template,
        variables::{Layer, Scope, Var},
        vault::Keyring,
    },
    remote::OptionSpec,
};

mod roles;
mod search;
mod tasks;
mod validation;

pub use tasks::{Surroundings, find_task_file};

/// What modules and actions there are.
pub trait Catalog: Send + Sync {
    /// The options of a module by its name without built-in collections; `None` when there is no such module.
    fn options(&self, module: &str) -> Option<Vec<OptionSpec>>;
    /// All names, for suggestions.
    fn names(&self) -> Vec<&'static str>;
}

/// Reads playbooks, task files and roles.
pub struct Loader {
    /// Opens vaulted files and strings.
    pub keyring: Keyring,
    /// Modules and actions.
    pub catalog: Arc<dyn Catalog>,
    /// Folders with roles, besides `roles` beside the playbook.
    pub roles_path: Vec<PathBuf>,
    /// Folders with `ansible_collections`, besides `collections` beside the playbook.
    pub collections_path: Vec<PathBuf>,
    /// Modules of the user's.
    pub library: super::custom::Library,
    /// Variables that file names of static imports may use.
    pub scope: Scope,
    /// `-e`, the strongest of them.
    pub extra_vars: Arc<Layer>,
}

/// How `import_playbook` may be written.
const IMPORTS: [&str; 3] = ["import_playbook", "ansible.builtin.import_playbook", "ansible.legacy.import_playbook"];

impl Loader {
    /// Reads a playbook and all it imports.
    pub fn playbook(&self, path: &Path, diagnostics: &mut Diagnostics) -> Playbook {
        let mut playbook = Playbook { path: path.to_owned(), plays: Vec::new() };
        self.plays(path, &[], &mut playbook.plays, diagnostics, 0);
        playbook
    }

    fn plays(
        &self,
        path: &Path,
        imported: &[Arc<Keywords>],
        plays: &mut Vec<Arc<Play>>,
        diagnostics: &mut Diagnostics,
        depth: usize,
    ) {
        /// Playbooks that import each other deeper than this import each other in a circle.
        const IMPORTS_MAX: usize = 50;
        let Some(node) = yaml::load_one(path, &self.keyring, diagnostics) else { return };
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let Some(list) = node.as_list() else {
            diagnostics.push(
                Diagnostic::error(&node.span, format!("a playbook is a list of plays, not {}", node.kind()))
                    .hint("start every play with `- hosts: …`"),
            );
            return;
        };
        if list.is_empty() {
            diagnostics.push(Diagnostic::error(&node.span, "this playbook has no plays"));
        }
        for play in list {
            let Some(map) = play.as_map() else {
                diagnostics.push(Diagnostic::error(&play.span, format!("a play is a mapping, not {}", play.kind())));
                continue;
            };
            let import = IMPORTS.iter().find_map(|name| map.get(name));
            match import {
                Some(file) if depth < IMPORTS_MAX => {
                    let mut levels = imported.to_vec();
                    levels.push(Arc::new(Keywords::of(map)));
                    if let Some(path) = self.imported_playbook(file, &folder, &levels, diagnostics) {
                        self.plays(&path, &levels, plays, diagnostics, depth + 1);
                    }
                }
                Some(file) => {
                    diagnostics.push(Diagnostic::error(&file.span, "playbooks import each other in a circle"));
                }
                None => plays.extend(self.play(play, map, &folder, imported, diagnostics).map(Arc::new)),
            }
        }
    }

    fn play(
        &self,
        node: &Node,
        map: &Mapping,
        folder: &Path,
        imported: &[Arc<Keywords>],
        diagnostics: &mut Diagnostics,
    ) -> Option<Play> {
        known_words(map, &[words::PLAY, INHERITED, ADDED], "a play", diagnostics);
        let Some(hosts) = map.get("hosts") else {
            diagnostics.push(
                Diagnostic::error(&node.span, "this play does not say which hosts it is for")
                    .hint("add `hosts: all`, a group or a host"),
            );
            return None;
        };
        let keywords = Arc::new(Keywords::of(map));
        let mut levels = imported.to_vec();
        levels.push(keywords.clone());
        Self::play_words(node, map, hosts, diagnostics);
        let around = Surroundings {
            levels,
            folder: folder.to_owned(),
            base: folder.to_owned(),
            role: None,
            handler: false,
            in_block: false,
            tolerant: false,
            handlers: Arc::default(),
        };
        let (roles, role_handlers) = self.play_roles(map.get("roles"), &around, diagnostics);
        let section = |name: &str, diagnostics: &mut Diagnostics| {
            map.get(name).map(|node| self.items(node, &around, diagnostics)).unwrap_or_default()
        };
        let handlers_around = Surroundings { handler: true, ..around.clone() };
        let own = map.get("handlers").map(|node| self.items(node, &handlers_around, diagnostics)).unwrap_or_default();
        // The play's come behind those of its roles, and so win over them.
        let mut handlers = role_handlers;
        handlers.extend(own);
        let (pre_tasks, tasks, post_tasks) =
            (section("pre_tasks", diagnostics), section("tasks", diagnostics), section("post_tasks", diagnostics));
        handlers.extend(around.take_handlers());
        Some(Play {
            name: map.get("name").cloned(),
            hosts: hosts.clone(),
            keywords,
            said: words::PLAY.iter().filter_map(|&name| Some((name.to_owned(), map.get(name)?.clone()))).collect(),
            pre_tasks,
            roles,
            tasks,
            post_tasks,
            handlers,
            imported: imported.to_vec(),
            folder: folder.to_owned(),
            span: node.span.clone(),
        })
    }

    /// What is wrong with the words of a play besides their names.
    fn play_words(node: &Node, map: &Mapping, hosts: &Node, diagnostics: &mut Diagnostics) {
        let empty = |node: &Node| match &node.shape {
            Shape::Null => true,
            Shape::Str(text) => text.value.is_empty(),
            Shape::List(items) => items.is_empty(),
            _ => false,
        };
        let nameless = |items: &[Node]| items.iter().any(empty);
        if empty(hosts) || hosts.as_list().is_some_and(nameless) {
            diagnostics
                .push(Diagnostic::error(&hosts.span, "`hosts` names no host").hint("say `all`, a group or a host"));
        } else if !matches!(hosts.shape, Shape::Str(_) | Shape::List(_)) {
            let message = format!("`hosts` is a string or a list, not {}", hosts.kind());
            diagnostics.push(Diagnostic::error(&hosts.span, message));
        }
        if map.get("user").is_some() && map.get("remote_user").is_some() {
            let finding = Diagnostic::error(&node.span, "this play says both `user` and `remote_user`");
            diagnostics.push(finding.hint("they mean the same: keep `remote_user`"));
        }
        let Some(prompts) = map.get("vars_prompt").filter(|node| !node.is_null()) else { return };
        let single = std::slice::from_ref(prompts);
        for prompt in prompts.as_list().unwrap_or(single) {
            let Some(entry) = prompt.as_map() else {
                let message = format!("an entry of vars_prompt is a mapping, not {}", prompt.kind());
                diagnostics.push(Diagnostic::error(&prompt.span, message));
                continue;
            };
            known_words(entry, &[words::PROMPT], "an entry of vars_prompt", diagnostics);
            if entry.get("name").is_none() {
                diagnostics.push(Diagnostic::error(&prompt.span, "this entry of vars_prompt names no variable"));
            }
        }
    }

    /// What templates may use that are rendered before the run: the command line, and variables of the levels around.
    pub(super) fn scope_of(&self, levels: &[Arc<Keywords>]) -> Scope {
        self.scope_within(levels, None)
    }

    /// The same inside a role: with what the role brings, and what it knows of itself.
    pub(super) fn scope_within(&self, levels: &[Arc<Keywords>], role: Option<&Role>) -> Scope {
        let mut vars = super::role::layer(None);
        if let Some(role) = role {
            let brought = [&role.defaults, &role.vars, &role.parameters];
            vars.extend(
                brought.iter().flat_map(|layer| layer.iter()).map(|(name, value)| (name.clone(), value.clone())),
            );
            let path = std::path::absolute(&role.path).unwrap_or_else(|_| role.path.clone());
            vars.insert("role_path".into(), Var::data(path.display().to_string()));
            vars.insert("role_name".into(), Var::data(role.short_name()));
        }
        for level in levels {
            vars.extend(super::role::layer(level.vars.as_ref()));
        }
        // What the command line says is stronger than what any file says.
        vars.extend(self.extra_vars.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.scope.over(vars)
    }

    /// The playbook that an import names: a file, or `namespace.collection.playbook`.
    fn imported_playbook(
        &self,
        node: &Node,
        folder: &Path,
        levels: &[Arc<Keywords>],
        diagnostics: &mut Diagnostics,
    ) -> Option<PathBuf> {
        let name = match template::render(node, &self.scope_of(levels)) {
            Ok(value) => value.to_string(),
            Err(error) => {
                let span = error.span.as_ref().unwrap_or(&node.span);
                diagnostics.push(
                    Diagnostic::error(span, format!("cannot work out which file this imports: {error}"))
                        .hint("imports are resolved before the run: use include_tasks or include_role for names from facts or registered variables"),
                );
                return None;
            }
        };
        let path = folder.join(&name);
        if !path.is_file() {
            if let [namespace, collection, playbook] = name.split('.').collect::<Vec<_>>()[..]
                && let Some(collection) = self.collection_path(&format!("{namespace}.{collection}"), folder)
            {
                let endings = ["", ".yml", ".yaml"].map(|ending| format!("{playbook}{ending}"));
                let found =
                    endings.iter().map(|file| collection.join("playbooks").join(file)).find(|path| path.is_file());
                if found.is_some() {
                    return found;
                }
            }
            diagnostics.push(Diagnostic::absent(&node.span, format!("there is no playbook {}", path.display())));
            return None;
        }
        Some(path)
    }
}

/// Reports words that nothing of this kind may say.
fn known_words(map: &Mapping, known: &[&[&'static str]], what: &str, diagnostics: &mut Diagnostics) {
    for (word, key, _) in map.iter() {
        let all = || known.iter().flat_map(|words| words.iter().copied());
        if all().any(|known| known == word) {
            continue;
        }
        let mut diagnostic = Diagnostic::error(&key.span, format!("`{word}` is nothing that {what} can say"));
        if let Some(near) = suggest(word, all()) {
            diagnostic = diagnostic.hint(format!("did you mean `{near}`?"));
        }
        diagnostics.push(diagnostic);
    }
}

fn expected_list<'n>(node: &'n Node, what: &str, diagnostics: &mut Diagnostics) -> &'n [Node] {
    match &node.shape {
        Shape::List(items) => items,
        Shape::Null => &[],
        _ => {
            let message = format!("{what} must be a list, not {}", node.kind());
            diagnostics.push(Diagnostic::error(&node.span, message));
            &[]
        }
    }
}

fn error(span: &Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(span, message)
}

/// Items in the order they run: what is imported stands where the import stood.
pub(super) type Items = Vec<Item>;
