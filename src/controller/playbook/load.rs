//! From files to plays: static imports and roles are resolved here, everything wrong is collected.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Item, Keywords, Play, Playbook,
    keywords::{ADDED, INHERITED},
    words,
};
use crate::{
    controller::{
        source::{Diagnostic, Diagnostics, Mapping, Node, Shape, Span, suggest::suggest, yaml},
        template,
        variables::Scope,
        vault::Keyring,
    },
    remote::OptionSpec,
};

mod roles;
mod tasks;

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
    /// Variables that file names of static imports may use.
    pub scope: Scope,
}

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
            if !node.is_null() {
                diagnostics.push(
                    Diagnostic::error(&node.span, format!("a playbook is a list of plays, not {}", node.kind()))
                        .hint("start every play with `- hosts: …`"),
                );
            }
            return;
        };
        for play in list {
            let Some(map) = play.as_map() else {
                diagnostics.push(Diagnostic::error(&play.span, format!("a play is a mapping, not {}", play.kind())));
                continue;
            };
            let import = ["import_playbook", "ansible.builtin.import_playbook"].iter().find_map(|name| map.get(name));
            match import {
                Some(file) if depth < IMPORTS_MAX => {
                    let mut levels = imported.to_vec();
                    levels.push(Arc::new(Keywords::of(map)));
                    if let Some(file) = self.file_name(file, map.get("vars"), diagnostics) {
                        self.plays(&folder.join(file), &levels, plays, diagnostics, depth + 1);
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
        let around = Surroundings { levels, folder: folder.to_owned(), role: None, handler: false, tolerant: false };
        let (roles, mut role_handlers) = self.play_roles(map.get("roles"), &around, diagnostics);
        let section = |name: &str, diagnostics: &mut Diagnostics| {
            map.get(name).map(|node| self.items(node, &around, diagnostics)).unwrap_or_default()
        };
        let handlers_around = Surroundings { handler: true, ..around.clone() };
        let mut handlers =
            map.get("handlers").map(|node| self.items(node, &handlers_around, diagnostics)).unwrap_or_default();
        handlers.append(&mut role_handlers);
        Some(Play {
            name: map.get("name").cloned(),
            hosts: hosts.clone(),
            keywords,
            said: words::PLAY.iter().filter_map(|&name| Some((name.to_owned(), map.get(name)?.clone()))).collect(),
            pre_tasks: section("pre_tasks", diagnostics),
            roles,
            tasks: section("tasks", diagnostics),
            post_tasks: section("post_tasks", diagnostics),
            handlers,
            imported: imported.to_vec(),
            folder: folder.to_owned(),
            span: node.span.clone(),
        })
    }

    /// The file name an import gives, rendered with what is known before the run.
    fn file_name(&self, node: &Node, vars: Option<&Node>, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
        let scope = self.scope.over(super::role::layer(vars));
        match template::render(node, &scope) {
            Ok(value) => Some(PathBuf::from(value.to_string())),
            Err(error) => {
                let span = error.span.as_ref().unwrap_or(&node.span);
                diagnostics.push(
                    Diagnostic::error(span, format!("cannot work out which file this imports: {error}"))
                        .hint("imports are resolved before the run: use include_tasks or include_role for names from facts or registered variables"),
                );
                None
            }
        }
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
