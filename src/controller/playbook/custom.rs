//! Modules of the user: files in `library` folders beside the playbook and in roles, in configured folders and in collections.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::Role;

/// Endings of files that lie in such folders and are no modules.
const NO_MODULES: &[&str] = &["pyc", "pyo", "swp", "bak", "rpm", "md", "txt", "rst", "yaml", "yml", "ini", "json"];

/// Collections whose names mean what is built in.
const BUILT_IN: &[&str] = &["ansible.builtin.", "ansible.legacy."];

/// Where the user's modules are looked for.
#[derive(Debug, Default)]
pub struct Library {
    /// Folders that settings name, strongest first.
    folders: Vec<PathBuf>,
    /// Folders with `ansible_collections`.
    collections: Vec<PathBuf>,
    /// Roles that were loaded: what they bring is there for everyone after them.
    roles: Mutex<Vec<PathBuf>>,
}

impl Library {
    /// A library of folders with modules and folders with `ansible_collections`.
    #[must_use]
    pub fn new(folders: Vec<PathBuf>, collections: Vec<PathBuf>) -> Self {
        Self { folders, collections, roles: Mutex::default() }
    }

    /// Takes in what a role brings.
    pub fn add_role(&self, path: &Path) {
        let mut roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        if (path.join("library").is_dir() || path.join("module_utils").is_dir())
            && !roles.iter().any(|known| known == path)
        {
            roles.push(path.to_owned());
        }
    }

    /// The file of the user's that `written` means, if there is one; `known` tells which names are built in.
    #[must_use]
    pub fn find(&self, written: &str, role: Option<&Role>, base: &Path, known: bool) -> Option<PathBuf> {
        if written.starts_with(BUILT_IN[0]) {
            return None;
        }
        let short = written.strip_prefix(BUILT_IN[1]).unwrap_or(written);
        if let [namespace, collection, module @ ..] = short.split('.').collect::<Vec<_>>().as_slice()
            && !module.is_empty()
        {
            // What is built in needs nothing on the host, whichever collection it stands for.
            return if known { None } else { self.in_collection(namespace, collection, module, base) };
        }
        self.folders_for(role, base, "library").iter().find_map(|folder| in_folder(folder, short))
    }

    /// The folders of that kind that count for a task of a role, strongest first.
    #[must_use]
    pub fn folders_for(&self, role: Option<&Role>, base: &Path, kind: &str) -> Vec<PathBuf> {
        let roles = role.into_iter().flat_map(|role| {
            std::iter::once(&role.path).chain(role.parents.iter().map(|outer| &outer.path)).map(|path| path.join(kind))
        });
        let own = if kind == "library" { self.folders.as_slice() } else { &[] };
        let loaded = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = loaded.iter().rev().map(|path| path.join(kind));
        roles.chain(std::iter::once(base.join(kind))).chain(loaded).chain(own.iter().cloned()).collect()
    }

    fn in_collection(&self, namespace: &str, collection: &str, module: &[&str], base: &Path) -> Option<PathBuf> {
        let beside = base.join("collections");
        let (name, folders) = module.split_last()?;
        std::iter::once(&beside).chain(&self.collections).find_map(|root| {
            let mut folder = root.join("ansible_collections").join(namespace).join(collection).join("plugins/modules");
            folder.extend(folders);
            in_folder(&folder, name)
        })
    }
}

/// The file of a module in a folder: its name, with an ending or without.
fn in_folder(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = folder.join(name);
    if plain.is_file() {
        return Some(plain);
    }
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        // An underscore in front marks what is about to go.
        (stem == name || stem.strip_prefix('_') == Some(name))
            && !NO_MODULES.contains(&ending)
            && !ending.ends_with('~')
            && path.is_file()
    });
    found.sort_by_key(|path| (path.extension().is_none_or(|ending| ending != "py"), path.clone()));
    found.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_by_its_name_and_what_is_built_in_by_its_full_one() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("library");
        let collected = folder.path().join("collections/ansible_collections/a/b/plugins/modules");
        for folder in [&library, &collected] {
            std::fs::create_dir_all(folder).unwrap();
        }
        for name in ["ping.ini", "ping.py", "tool.sh", "plain"] {
            std::fs::write(library.join(name), "").unwrap();
        }
        std::fs::write(collected.join("c.py"), "").unwrap();
        let find = |name: &str| Library::default().find(name, None, folder.path(), false);
        assert_eq!(find("ping"), Some(library.join("ping.py")));
        assert_eq!(find("ansible.legacy.ping"), Some(library.join("ping.py")));
        assert_eq!(find("ansible.builtin.ping"), None);
        assert_eq!(find("tool"), Some(library.join("tool.sh")));
        assert_eq!(find("plain"), Some(library.join("plain")));
        assert_eq!(find("a.b.c"), Some(collected.join("c.py")));
        assert_eq!(find("none"), None);
    }
}
