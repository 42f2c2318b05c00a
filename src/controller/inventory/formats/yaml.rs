//! Inventories in YAML: groups at the top, each with `hosts`, `vars` and `children`.

use std::path::Path;

use super::{Source, named_hosts};
use crate::controller::{
    inventory::{
        Inventory, plugins,
        vars_files::{named_vars, with_suggestion},
    },
    source::{Diagnostic, Diagnostics, Mapping, Node, Shape, yaml},
};

/// What a group may say.
const SECTIONS: [&str; 3] = ["hosts", "vars", "children"];

/// Adds the groups of a file.
pub fn read(source: &Source, inventory: &mut Inventory, diagnostics: &mut Diagnostics) {
    let documents = if crate::controller::vault::is_vault(&source.file.text) {
        yaml::load(source.path, source.secrets, diagnostics)
    } else {
        yaml::parse(source.file, source.secrets, diagnostics)
    };
    let Some(root) = documents.and_then(|documents| documents.into_iter().next()) else { return };
    let Some(map) = root.as_map().filter(|map| !map.is_empty()) else {
        let message = format!("an inventory is a mapping of groups, this is {}", root.kind());
        diagnostics.push(Diagnostic::error(&root.span, message).hint("begin with `all:` and `hosts:` below it"));
        return;
    };
    if let Some(name) = map.get("plugin") {
        return plugins::read(name, map, source.templates, inventory, diagnostics);
    }
    add_groups(source, map, inventory, diagnostics);
}

/// Adds the groups of a mapping.
pub(super) fn add_groups(source: &Source, map: &Mapping, inventory: &mut Inventory, diagnostics: &mut Diagnostics) {
    Reader { path: source.path, inventory, diagnostics }.groups(map);
}

struct Reader<'a> {
    path: &'a Path,
    inventory: &'a mut Inventory,
    diagnostics: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn groups(&mut self, map: &Mapping) -> Vec<(usize, Node)> {
        let groups = map.entries.iter().filter_map(|(key, value)| Some((self.group(key, value)?, key.clone())));
        groups.collect()
    }

    fn group(&mut self, key: &Node, value: &Node) -> Option<usize> {
        let Some(name) = key.as_str().filter(|name| !name.is_empty()) else {
            let finding =
                Diagnostic::error(&key.span, format!("the name of a group must be a string, this is {}", key.kind()));
            self.diagnostics.push(finding.hint("put it in quotes"));
            return None;
        };
        let index = self.inventory.add_group(name, &key.span);
        let empty = Mapping::default();
        let sections = match &value.shape {
            Shape::Map(map) => map,
            Shape::Null => &empty,
            _ => {
                let finding = Diagnostic::error(
                    &value.span,
                    format!("group `{name}` must be a mapping, this is {}", value.kind()),
                );
                self.diagnostics.push(finding.hint("a group has `hosts:`, `vars:` and `children:`"));
                return Some(index);
            }
        };
        for (key, value) in &sections.entries {
            match key.as_str() {
                Some("vars") => {
                    for (name, value) in named_vars(value, self.diagnostics) {
                        let merge = self.inventory.merge;
                        let group = &mut self.inventory.groups[index];
                        let value = match group.vars.get(&name) {
                            Some(known) if merge => known.merged(&value),
                            _ => value,
                        };
                        group.set(&name, value);
                    }
                }
                Some("hosts") => self.hosts(index, value),
                Some("children") => {
                    if let Some(children) = self.section("children", value) {
                        for (child, key) in self.groups(&children) {
                            if let Err(finding) = self.inventory.add_child(index, child, &key.span) {
                                self.diagnostics.push(finding);
                            }
                        }
                    }
                }
                other => self.unknown_key(name, key, other.unwrap_or_default(), value),
            }
        }
        Some(index)
    }

    fn hosts(&mut self, group: usize, value: &Node) {
        let Some(hosts) = self.section("hosts", value) else { return };
        for (key, value) in &hosts.entries {
            let Some(entry) = key.as_str() else {
                let finding = Diagnostic::error(
                    &key.span,
                    format!("the name of a host must be a string, this is {}", key.kind()),
                );
                self.diagnostics.push(finding.hint("put it in quotes"));
                continue;
            };
            match named_hosts(entry, &key.span, Some(self.path), self.inventory) {
                Ok(indexes) => {
                    let vars = named_vars(value, self.diagnostics);
                    for index in indexes {
                        self.inventory.add_host_to_group(index, group);
                        let merge = self.inventory.merge;
                        let known = &mut self.inventory.hosts[index].vars;
                        for (name, value) in &vars {
                            let value = match known.get(name) {
                                Some(known) if merge => known.merged(value),
                                _ => value.clone(),
                            };
                            known.insert(name.clone(), value);
                        }
                    }
                }
                Err(finding) => self.diagnostics.push(finding),
            }
        }
    }

    /// The mapping under `hosts` or `children`; a single string stands for one key.
    fn section(&mut self, name: &str, value: &Node) -> Option<std::sync::Arc<Mapping>> {
        match &value.shape {
            Shape::Map(map) => Some(std::sync::Arc::clone(map)),
            Shape::Str(_) => {
                let nothing = Node { span: value.span.clone(), shape: Shape::Null };
                Some(std::sync::Arc::new(Mapping { entries: vec![(value.clone(), nothing)] }))
            }
            Shape::Null => None,
            _ => {
                let finding =
                    Diagnostic::error(&value.span, format!("`{name}` must be a mapping, this is {}", value.kind()));
                self.diagnostics.push(finding.hint("write each name as a key: `name:`, without a dash before it"));
                None
            }
        }
    }

    fn unknown_key(&mut self, group: &str, key: &Node, word: &str, value: &Node) {
        let finding = Diagnostic::warning(&key.span, format!("unknown key `{word}` in group `{group}` is left out"));
        let finding = with_suggestion(finding, word, SECTIONS);
        let finding = match (&value.shape, finding.hints.is_empty()) {
            (_, false) => finding,
            (Shape::Map(_) | Shape::Null, true) => {
                finding.hint("groups below a group stand under `children:`, hosts under `hosts:`")
            }
            (_, true) => finding.hint("variables of a group stand under `vars:`"),
        };
        self.diagnostics.push(finding);
    }
}
