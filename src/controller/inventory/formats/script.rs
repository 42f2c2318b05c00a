//! Executable inventories, which print JSON when called with `--list`.

use std::{
    collections::HashMap,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use crate::controller::{
    inventory::{Inventory, vars_files::named_vars},
    source::{Diagnostic, Diagnostics, Mapping, Node, Shape, SourceFile, yaml},
    vault::Keyring,
};

/// Whether the file is a program: it may be executed, and begins as scripts and Linux binaries do.
#[must_use]
pub fn recognises(path: &Path, bytes: &[u8]) -> bool {
    let executable = std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
    executable && (bytes.starts_with(b"#!") || bytes.starts_with(b"\x7fELF"))
}

/// Runs the program and adds what it prints; with `--host` for each host if it has no `_meta`.
pub fn read(path: &Path, inventory: &mut Inventory, diagnostics: &mut Diagnostics) {
    let Some(root) = run(path, &["--list"], diagnostics) else { return };
    let Some(map) = root.as_map() else {
        let message = format!("an inventory program prints a mapping of groups, this is {}", root.kind());
        diagnostics.push(Diagnostic::error(&root.span, message));
        return;
    };
    let mut hosts = Vec::new();
    for (name, key, value) in map.iter().filter(|(name, _, _)| *name != "_meta") {
        let index = inventory.add_group(name, &key.span);
        if let Err(finding) = group(index, value, path, inventory, &mut hosts, diagnostics) {
            diagnostics.push(finding);
        }
    }
    let meta = map.get("_meta").and_then(Node::as_map).and_then(|meta| meta.get("hostvars"));
    // Looking each host up in the list of all would be quadratic.
    let said: Option<HashMap<&str, &Node>> = meta
        .map(|all| all.as_map().into_iter().flat_map(|all| all.iter().map(|(name, _, value)| (name, value))).collect());
    hosts.sort_unstable();
    hosts.dedup();
    for index in hosts {
        let name = Arc::clone(&inventory.hosts[index].name);
        let said = match &said {
            Some(all) => all.get(&*name).map(|said| (*said).clone()),
            None => run(path, &["--host", &name], diagnostics),
        };
        if let Some(said) = said {
            let vars = named_vars(&said, diagnostics);
            inventory.hosts[index].vars.extend(vars);
        }
    }
}

fn group(
    index: usize,
    value: &Node,
    path: &Path,
    inventory: &mut Inventory,
    hosts: &mut Vec<usize>,
    diagnostics: &mut Diagnostics,
) -> Result<(), Diagnostic> {
    let empty = Mapping::default();
    let (names, map) = match &value.shape {
        // The oldest form: a group is only the list of its hosts.
        Shape::List(_) => (Some(value), &empty),
        Shape::Map(map) => (map.get("hosts"), &**map),
        _ => return Err(Diagnostic::error(&value.span, format!("a group is a mapping, this is {}", value.kind()))),
    };
    let list = |node: &Node| match &node.shape {
        Shape::List(items) => Ok(Arc::clone(items)),
        Shape::Null => Ok(Arc::default()),
        _ => Err(Diagnostic::error(&node.span, format!("expected a list of names, this is {}", node.kind()))),
    };
    for node in names.map(list).transpose()?.iter().flat_map(|items| items.iter()) {
        let Some(name) = node.as_str() else {
            return Err(Diagnostic::error(
                &node.span,
                format!("the name of a host must be a string, this is {}", node.kind()),
            ));
        };
        // Names from a program are taken as they are, without ranges.
        let host = inventory.add_host(name, &node.span);
        if inventory.hosts[host].source.is_none() {
            inventory.hosts[host].source = Some(path.to_owned());
        }
        inventory.add_host_to_group(host, index);
        hosts.push(host);
    }
    if let Some(vars) = map.get("vars") {
        for (name, value) in named_vars(vars, diagnostics) {
            inventory.groups[index].set(&name, value);
        }
    }
    for node in map.get("children").map(list).transpose()?.iter().flat_map(|items| items.iter()) {
        if let Some(name) = node.as_str() {
            let child = inventory.add_group(name, &node.span);
            inventory.add_child(index, child, &node.span)?;
        }
    }
    Ok(())
}

fn run(path: &Path, arguments: &[&str], diagnostics: &mut Diagnostics) -> Option<Node> {
    let shown = format!("{} {}", path.display(), arguments.join(" "));
    let mut failed = |problem: String, stderr: &[u8]| {
        let finding = Diagnostic::bare(format!("the inventory program `{shown}` {problem}"));
        let stderr = String::from_utf8_lossy(stderr);
        let said = stderr.trim();
        diagnostics.push(if said.is_empty() { finding } else { finding.hint(format!("it says: {said}")) });
    };
    // A bare name would be looked up in PATH instead of here.
    let program = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let output = match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => {
            failed(format!("cannot be run: {error}"), &[]);
            return None;
        }
    };
    if !output.status.success() {
        failed(format!("failed ({})", output.status), &output.stderr);
        return None;
    }
    if output.stdout.trim_ascii().is_empty() && arguments.len() > 1 {
        return None;
    }
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&output.stdout) {
        failed(format!("printed no JSON: {error}"), &output.stderr);
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    let file = SourceFile::new(format!("<{shown}>"), text);
    yaml::parse(&file, &Keyring::default(), diagnostics)?.into_iter().next()
}
