//! Reads every `-i`: files, folders of files and lists of hosts, in order, then the variable files beside them.

use std::path::{Path, PathBuf};

use super::{
    Inventory, VarsKind,
    formats::{self, Source},
    plugins::{NoTemplates, Templates},
    vars_files::{VarsFolder, load_vars},
};
use crate::controller::{
    source::{Diagnostic, Diagnostics, SourceFile},
    vault::Keyring,
};

/// Names of folders and files in an inventory folder that are no inventories.
const RESERVED: [&str; 3] = ["group_vars", "host_vars", "vars_plugins"];
/// Ends of names that are no inventories either, as in Ansible.
const IGNORED: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];
/// Folders inside one another; deeper is a circle of links.
const MAX_DEPTH: usize = 16;

impl Inventory {
    /// Reads all sources. What is wrong with them is among the diagnostics; the rest is loaded all the same, so that
    /// everything can be reported at once.
    pub fn load(sources: &[String], secrets: &Keyring, diagnostics: &mut Diagnostics) -> Self {
        Self::load_with(sources, secrets, &NoTemplates, diagnostics)
    }

    /// The same with plugins, which need templates.
    pub fn load_with(
        sources: &[String],
        secrets: &Keyring,
        templates: &dyn Templates,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut inventory = Self { merge: templates.merges(), ..Self::default() };
        let mut directories: Vec<PathBuf> = Vec::new();
        for source in sources {
            let path = Path::new(source);
            if source.contains(',') && !path.exists() {
                formats::host_list::read(source, &mut inventory, diagnostics);
                continue;
            }
            read_path(path, 0, &mut inventory, (secrets, templates), diagnostics);
            let directory = if path.is_dir() { Some(path) } else { path.parent() };
            let directory = directory.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !directories.iter().any(|known| known == directory) {
                directories.push(directory.to_owned());
            }
        }
        inventory.reconcile();
        for directory in directories {
            inventory.read_vars(&directory, secrets, diagnostics);
        }
        inventory.check_names(diagnostics);
        inventory
    }

    fn read_vars(&mut self, directory: &Path, secrets: &Keyring, diagnostics: &mut Diagnostics) {
        if let Some(folder) = VarsFolder::open(directory, VarsKind::Group) {
            for group in self.groups.values_mut() {
                group.file_vars.extend(load_vars(&folder.files(&group.name), secrets, diagnostics));
            }
        }
        if let Some(folder) = VarsFolder::open(directory, VarsKind::Host) {
            for host in self.hosts.values_mut().chain(self.implicit.values_mut()) {
                host.file_vars.extend(load_vars(&folder.files(&host.name), secrets, diagnostics));
            }
        }
    }

    fn check_names(&self, diagnostics: &mut Diagnostics) {
        for (name, group) in &self.groups {
            if let Some(host) = self.hosts.get(name) {
                let message = format!("`{name}` is the name of a host and of a group");
                let finding = Diagnostic::warning(&host.span, message);
                diagnostics.push(
                    finding
                        .hint(format!("the group stands at {}; a pattern of that name chooses the host", group.span)),
                );
            }
        }
    }
}

fn read_path(
    path: &Path,
    depth: usize,
    inventory: &mut Inventory,
    with: (&Keyring, &dyn Templates),
    diagnostics: &mut Diagnostics,
) {
    if path.is_dir() {
        let Ok(entries) = std::fs::read_dir(path) else {
            diagnostics.push(Diagnostic::bare(format!("cannot list the inventory folder {}", path.display())));
            return;
        };
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_unstable();
        for name in names {
            let ignored = IGNORED.iter().any(|end| name.ends_with(end));
            if !name.starts_with('.') && !ignored && !RESERVED.contains(&name.as_str()) && depth < MAX_DEPTH {
                read_path(&path.join(name), depth + 1, inventory, with, diagnostics);
            }
        }
        return;
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let finding = Diagnostic::bare(format!("cannot read the inventory {}: {error}", path.display()));
            diagnostics.push(finding.hint("for a list of hosts on the command line, end it with a comma: `-i host,`"));
            return;
        }
    };
    if formats::script::recognises(path, &bytes) {
        formats::script::read(path, inventory, diagnostics);
        return;
    }
    match SourceFile::from_bytes(path, bytes) {
        Ok(file) => {
            formats::read(&Source { path, file: &file, secrets: with.0, templates: with.1 }, inventory, diagnostics);
        }
        Err(finding) => diagnostics.push(finding),
    }
}
