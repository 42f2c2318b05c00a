//! `group_vars/` and `host_vars/`: which files speak of a name, and what they say.

use std::path::{Path, PathBuf};

use super::Vars;
use crate::controller::{
    source::{Diagnostic, Diagnostics, Node, suggest, yaml},
    vault::Keyring,
};

/// Tried in this order behind a bare name; the first that exists is taken, a directory too.
const EXTENSIONS: [&str; 4] = ["", ".yml", ".yaml", ".json"];
/// Folders inside one another under a name; deeper is a circle of links.
const MAX_DEPTH: usize = 16;

/// Of whom the files speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarsKind {
    /// `group_vars/`
    Group,
    /// `host_vars/`
    Host,
}

impl VarsKind {
    /// The folder's name.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Group => "group_vars",
            Self::Host => "host_vars",
        }
    }
}

/// The files of one name in `group_vars/` or `host_vars/` of a directory, in the order in which they are merged: one
/// file (bare, `.yml`, `.yaml`, `.json`), or all such files in a folder of that name and its subfolders, sorted.
#[must_use]
pub fn vars_files(directory: &Path, kind: VarsKind, name: &str) -> Vec<PathBuf> {
    VarsFolder::open(directory, kind).map(|folder| folder.files(name)).unwrap_or_default()
}

/// A `group_vars/` or `host_vars/` whose listing was read once, so that thousands of names cost no look at the disk.
#[derive(Debug)]
pub struct VarsFolder {
    path: PathBuf,
    names: std::collections::HashSet<String>,
}

impl VarsFolder {
    /// Lists the folder of a directory; nothing if there is none.
    #[must_use]
    pub fn open(directory: &Path, kind: VarsKind) -> Option<Self> {
        let path = directory.join(kind.folder());
        let entries = std::fs::read_dir(&path).ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        Some(Self { path, names })
    }

    /// Like [`vars_files`].
    #[must_use]
    pub fn files(&self, name: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let chosen =
            EXTENSIONS.iter().map(|extension| format!("{name}{extension}")).find(|file| self.names.contains(file));
        if let Some(file) = chosen {
            let path = self.path.join(file);
            if path.is_dir() { list(&path, 0, &mut found) } else { found.push(path) }
        }
        found
    }
}

fn list(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    for name in names {
        // Hidden files and editors' copies.
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let path = directory.join(&name);
        let extension =
            path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
        if path.is_dir() {
            if extension.is_empty() && depth < MAX_DEPTH {
                list(&path, depth + 1, found);
            }
        } else if EXTENSIONS.contains(&extension.as_str()) {
            found.push(path);
        }
    }
}

/// Reads variable files; of a name in several of them the last one counts. Empty files are fine.
pub fn load_vars(files: &[PathBuf], secrets: &Keyring, diagnostics: &mut Diagnostics) -> Vars {
    let mut vars = Vars::new();
    for file in files {
        if let Some(node) = yaml::load_one(file, secrets, diagnostics) {
            vars.extend(named_vars(&node, diagnostics));
        }
    }
    vars
}

/// The entries of a mapping of variables, with a finding for whatever cannot be one.
pub(super) fn named_vars(node: &Node, diagnostics: &mut Diagnostics) -> Vars {
    let Some(map) = node.as_map() else {
        if !node.is_null() {
            let finding =
                Diagnostic::error(&node.span, format!("variables must be a mapping, this is {}", node.kind()));
            diagnostics.push(finding.hint("write `name: value`"));
        }
        return Vars::new();
    };
    let mut vars = Vars::with_capacity(map.entries.len());
    for (key, value) in &map.entries {
        match key.as_str() {
            Some(name) => {
                vars.insert(name.into(), value.clone());
            }
            None => diagnostics.push(
                Diagnostic::error(
                    &key.span,
                    format!("the name of a variable must be a string, this is {}", key.kind()),
                )
                .hint("put it in quotes"),
            ),
        }
    }
    vars
}

/// "Did you mean" as a hint, if anything is near.
pub(super) fn with_suggestion<'a>(
    finding: Diagnostic,
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Diagnostic {
    match suggest(word, candidates) {
        Some(near) => finding.hint(format!("did you mean `{near}`?")),
        None => finding,
    }
}
