//! Modules in Python that use `ansible.module_utils`: one program with the module, its options and what it imports of the user's.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{
    controller::executor::turn::Turn,
    protocol::{Json, Map},
};

/// What runs a module on the host; `@PAYLOAD@` stands for the JSON it works with.
const WRAPPER: &str = include_str!("wrapper.py");

/// What stands for `ansible.module_utils.basic` where the host has none.
const BASIC: &str = include_str!("basic.py");

/// Files of the user's that one module may bring along.
const BROUGHT_MAX: usize = 200;

/// Whether a module is written against `ansible.module_utils`.
pub(super) fn is_new_style(text: &str) -> bool {
    text.contains("#<<INCLUDE_ANSIBLE_MODULE_COMMON>>")
        || text.lines().map(str::trim_start).any(|line| {
            (line.starts_with("from ") || line.starts_with("import "))
                && (line.contains("ansible.module_utils") || line.contains("plugins.module_utils"))
        })
}

/// The program to send.
pub(super) fn wrap(turn: &Turn, name: &str, source: &str, arguments: &str) -> Result<String, String> {
    let source = source.replace("#<<INCLUDE_ANSIBLE_MODULE_COMMON>>", "from ansible.module_utils.basic import *");
    let folders =
        turn.run.loader.library.folders_for(turn.task.role.as_deref(), &turn.batch.play.play.folder, "module_utils");
    let mut brought = Map::new();
    bring(&folders, &source, &mut brought);
    let payload = json!({
        "name": name,
        "source": source,
        "arguments": arguments,
        "brought": brought,
        "basic": BASIC,
    });
    let payload = serde_json::to_string(&payload).map_err(|error| error.to_string())?;
    // JSON text is a Python string literal once it is JSON text again.
    let literal = serde_json::to_string(&payload).map_err(|error| error.to_string())?;
    Ok(WRAPPER.replace("\"@PAYLOAD@\"", &literal))
}

/// Adds the user's files that a source imports, and those that they import.
fn bring(folders: &[PathBuf], source: &str, brought: &mut Map) {
    for line in source.lines().map(str::trim) {
        let Some(rest) = line.find("ansible.module_utils.").map(|at| &line[at + "ansible.module_utils.".len()..])
        else {
            if let Some(names) = line.strip_prefix("from ansible.module_utils import ") {
                names.split(',').for_each(|name| add(folders, name.split_whitespace().next().unwrap_or(""), brought));
            }
            continue;
        };
        let dotted: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')).collect();
        add(folders, dotted.trim_matches('.'), brought);
        if let Some((_, names)) = line.split_once(" import ") {
            for name in names.split(',').filter_map(|name| name.trim().trim_matches(['(', ')']).split(' ').next()) {
                add(folders, &format!("{dotted}.{name}"), brought);
            }
        }
    }
}

fn add(folders: &[PathBuf], dotted: &str, brought: &mut Map) {
    let mut above = PathBuf::new();
    let mut name = String::new();
    for part in dotted.split('.').filter(|part| !part.is_empty()) {
        above.push(part);
        name = if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
        if brought.contains_key(&name) {
            continue;
        }
        let found = folders.iter().find_map(|folder| read(folder, &above));
        let Some((text, package)) = found else { return };
        if brought.len() >= BROUGHT_MAX {
            return;
        }
        brought.insert(name.clone(), Json::Array(vec![json!(text), json!(package)]));
        bring(folders, &text, brought);
    }
}

/// The source of a Python module or package, and whether it is a package.
fn read(folder: &Path, module: &Path) -> Option<(String, bool)> {
    let path = folder.join(module);
    if let Ok(text) = std::fs::read_to_string(path.with_extension("py")) {
        return Some((text, false));
    }
    if path.is_dir() {
        return Some((std::fs::read_to_string(path.join("__init__.py")).unwrap_or_default(), true));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_imports_of_the_user_comes_along() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        std::fs::write(folder.path().join("mine.py"), "import ansible.module_utils.other\n").unwrap();
        std::fs::write(folder.path().join("other.py"), "x = 1\n").unwrap();
        std::fs::write(folder.path().join("deep/inner.py"), "y = 2\n").unwrap();
        let mut brought = Map::new();
        let source = "from ansible.module_utils.basic import AnsibleModule\nfrom ansible.module_utils.mine import a\n\
                      from ansible.module_utils.deep import inner\n";
        bring(&[folder.path().to_owned()], source, &mut brought);
        assert_eq!(brought.keys().collect::<Vec<_>>(), ["mine", "other", "deep", "deep.inner"]);
        assert_eq!(brought["deep"][1], true);
        assert!(is_new_style(source) && !is_new_style("#!/usr/bin/python\nprint('ansible.module_utils')\n"));
    }
}
