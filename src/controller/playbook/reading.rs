//! Which facts a run reads: worked out once from the files it consists of, so that hosts are asked for no others.

use std::{
    collections::HashSet,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::{Item, Play, Task, mentions::Mentions};
use crate::{
    controller::{
        source::{Node, Shape},
        vault::MAGIC,
    },
    remote::facts,
};

/// More files than that are not looked through, nor more or larger texts: everything is gathered then.
const FILES_MAX: usize = 4000;
const BYTES_MAX: u64 = 16 << 20;
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Folders whose files are no templates unless a task says so: a task that reads one is looked at when it comes.
const APART: &[&str] = &[
    "files",
    "library",
    "molecule",
    "tests",
    "node_modules",
    "filter_plugins",
    "lookup_plugins",
    "module_utils",
    "action_plugins",
];

/// Endings of files with plays, tasks, variables and templates; in a folder `templates` any will do.
const ENDINGS: &[&str] = &["yml", "yaml", "json", "j2", "jinja", "jinja2", "toml", "ini"];

/// Variables of paths that lie where their files are.
const PLACES: &[&str] = &["{{ playbook_dir }}", "{{playbook_dir}}", "{{ role_path }}", "{{role_path}}"];

/// Words of a template that reads further ones.
const PARTS: &[&str] = &["include", "import", "extends"];

/// What the files of a run name.
#[derive(Debug, Default)]
pub struct Reading {
    mentions: Mentions,
    files: HashSet<PathBuf>,
    /// Folders and files as they were named: every task names its own.
    named: HashSet<PathBuf>,
    bytes: u64,
}

impl Reading {
    /// The `gather_subset` that gives what is read, where it is known.
    #[must_use]
    pub fn subset(&self) -> Option<Vec<String>> {
        facts::least(self.mentions.names()?.iter().map(String::as_str))
    }

    /// Whether a template reads nothing else.
    #[must_use]
    pub fn covers(&self, path: &Path, text: &str) -> bool {
        let mut mentions = Mentions::default();
        mentions.note(text);
        if !self.knows(path) && PARTS.iter().any(|word| text.contains(word)) {
            mentions.everything();
        }
        match (self.mentions.names(), mentions.names()) {
            (Some(known), Some(names)) => names.is_subset(known),
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    /// Whether a file was looked through.
    #[must_use]
    pub fn knows(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|path| self.files.contains(&path))
    }

    /// Looks through a play: its file, its folder, its roles and what it names.
    pub fn play(&mut self, play: &Play) {
        self.folder(&play.folder);
        self.text(&play.span.file.path, &play.span.file.text);
        if let Some(files) = play.get("vars_files") {
            let one = std::slice::from_ref(files);
            let names = files
                .as_list()
                .unwrap_or(one)
                .iter()
                .flat_map(|node| node.as_list().unwrap_or(std::slice::from_ref(node)));
            for name in names {
                let leads_out = |name: &str| {
                    name.starts_with(['/', '~'])
                        || name.contains("..")
                        || name.starts_with("{{") && !name.starts_with("{{ ansible_")
                };
                match name.as_str() {
                    Some(name) if !(name.contains("{{") && leads_out(name)) => {
                        self.named(name, &[&play.folder.join("vars"), &play.folder]);
                    }
                    _ => self.mentions.everything(),
                }
            }
        }
        for used in &play.roles {
            for role in used.role.all_dependencies().iter().chain([&used.role]) {
                self.folder(&role.path);
            }
            self.items(&used.items, &play.folder);
        }
        for items in [&play.pre_tasks, &play.tasks, &play.post_tasks, &play.handlers] {
            self.items(items, &play.folder);
        }
    }

    fn items(&mut self, items: &[Item], folder: &Path) {
        for item in items {
            match item {
                Item::Task(task) => self.task(task, folder),
                Item::Block(block) => {
                    [&block.body, &block.rescue, &block.always].iter().for_each(|items| self.items(items, folder));
                }
            }
        }
    }

    fn task(&mut self, task: &Task, folder: &Path) {
        if let Some(role) = &task.role {
            self.folder(&role.path);
        }
        self.text(&task.span.file.path, &task.span.file.text);
        if task.module == "template"
            && let Some(source) = task.arguments.get("src").and_then(Node::as_str)
        {
            let role = task.role.as_ref().map(|role| role.path.as_path());
            let places: Vec<PathBuf> =
                role.into_iter().chain([folder]).flat_map(|base| [base.join("templates"), base.to_owned()]).collect();
            let places: Vec<&Path> = places.iter().map(PathBuf::as_path).collect();
            self.named(source, &places);
        }
    }

    /// A text that was read already, once.
    fn text(&mut self, path: &Path, text: &str) {
        if self.named.insert(path.to_owned())
            && let Ok(path) = path.canonicalize()
            && self.files.insert(path)
        {
            self.mentions.note(text);
        }
    }

    /// A file that is named: in one of these places, or wherever its name says.
    fn named(&mut self, name: &str, places: &[&Path]) {
        let plain =
            PLACES.iter().find_map(|place| name.strip_prefix(place)).map_or(name, |rest| rest.trim_start_matches('/'));
        let Some(path) = places.iter().map(|place| place.join(plain)).find(|path| path.is_file()) else { return };
        match path.canonicalize() {
            Ok(path) => self.file(path),
            Err(_) => self.mentions.everything(),
        }
    }

    fn folder(&mut self, folder: &Path) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if !self.named.insert(folder.to_owned()) {
            return;
        }
        let Ok(folder) = folder.canonicalize() else { return self.mentions.everything() };
        let entries = WalkDir::new(&folder).into_iter().filter_entry(|entry| entry.depth() == 0 || !apart(entry));
        for entry in entries {
            if self.mentions.names().is_none() {
                return;
            }
            match entry {
                Ok(entry) if entry.file_type().is_file() => self.file(entry.into_path()),
                Ok(_) => {}
                Err(_) => self.mentions.everything(),
            }
        }
    }

    /// A file by its whole path without links, once.
    fn file(&mut self, path: PathBuf) {
        if self.files.contains(&path) {
            return;
        }
        let size = path.metadata().map_or(u64::MAX, |meta| meta.len());
        if size > FILE_BYTES_MAX {
            if matches!(path.extension().and_then(OsStr::to_str), Some("yml" | "yaml" | "json" | "j2")) {
                self.mentions.everything();
            }
            return;
        }
        self.bytes += size;
        if self.files.len() >= FILES_MAX || self.bytes > BYTES_MAX {
            return self.mentions.everything();
        }
        match std::fs::read(&path).map(String::from_utf8) {
            Ok(Ok(text)) if text.contains(MAGIC) && !beside_inventory(&path) => self.mentions.everything(),
            Ok(Ok(text)) => self.mentions.note(&text),
            // Other bytes are no template.
            Ok(Err(_)) => return,
            Err(_) => self.mentions.everything(),
        }
        self.files.insert(path);
    }

    /// Looks through a value of the inventory or of the command line.
    pub fn node(&mut self, node: &Node) {
        match &node.shape {
            Shape::Str(text) => self.mentions.note(&text.value),
            Shape::List(items) => items.iter().for_each(|item| self.node(item)),
            Shape::Map(map) => map.entries.iter().for_each(|(_, value)| self.node(value)),
            _ => {}
        }
    }
}

/// Whether a folder or file is left until a task reads it, if one does.
fn apart(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    if entry.file_type().is_dir() {
        return name.starts_with('.') || APART.contains(&name.as_ref());
    }
    let ending = entry.path().extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| !ENDINGS.contains(&ending)) && !entry.path().iter().any(|part| part == "templates")
}

/// Whether the inventory holds what is encrypted in a file, decrypted: it was looked through there.
fn beside_inventory(path: &Path) -> bool {
    path.iter().any(|part| part == "group_vars" || part == "host_vars")
}
