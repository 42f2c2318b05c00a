//! Catalog of inventory formats: yaml, ini, toml, script, host list. Adding one is a file here and a line in [`read`].

pub mod host_list;
pub mod ini;
pub mod literal;
pub mod script;
pub mod toml;
pub mod words;
pub mod yaml;

use std::{path::Path, sync::Arc};

use super::{Inventory, ranges};
use crate::controller::{
    source::{Diagnostic, Diagnostics, Node, Shape, SourceFile, Span},
    vault::{self, Keyring},
};

/// One file to be read.
pub struct Source<'a> {
    /// As the user named it.
    pub path: &'a Path,
    /// Its text.
    pub file: &'a Arc<SourceFile>,
    /// Opens what is sealed in it.
    pub secrets: &'a Keyring,
    /// Works out templates, for plugins.
    pub templates: &'a dyn super::plugins::Templates,
}

/// Reads a file in the format its name tells, or its content where the name tells nothing.
pub fn read(source: &Source, inventory: &mut Inventory, diagnostics: &mut Diagnostics) {
    let extension = source.path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("yml" | "yaml" | "json") => yaml::read(source, inventory, diagnostics),
        Some("toml") => toml::read(source, inventory, diagnostics),
        _ if looks_like_yaml(source) => yaml::read(source, inventory, diagnostics),
        _ => ini::read(source, inventory, diagnostics),
    }
}

fn looks_like_yaml(source: &Source) -> bool {
    let text = source.file.text.as_str();
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    vault::is_vault(text) || first.is_some_and(|line| line == "---" || line.starts_with('{') || line.ends_with(':'))
}

/// The hosts an entry names, by index, after its ranges are expanded and a port is taken off: `web[1:3]:2222`.
fn named_hosts(
    entry: &str,
    span: &Span,
    source: Option<&Path>,
    inventory: &mut Inventory,
) -> Result<Vec<usize>, Diagnostic> {
    let (pattern, port) = split_port(entry);
    if pattern.is_empty() || pattern.ends_with(':') && !pattern.ends_with("::") {
        return Err(Diagnostic::error(span, format!("`{entry}` is no host")).hint("behind a colon stands the port"));
    }
    let names = ranges::expand(pattern).map_err(|problem| Diagnostic::error(span, problem))?;
    let mut hosts = Vec::with_capacity(names.len());
    for name in names {
        let known = inventory.hosts.len();
        let index = inventory.add_host(&name, span);
        // Only the source that names a host first says where it comes from and on which port it listens.
        if index == known {
            let host = &mut inventory.hosts[index];
            host.source = source.map(Path::to_owned);
            if let Some(port) = port {
                let port = Node { span: span.clone(), shape: Shape::Int(port.into()) };
                host.vars.insert("ansible_port".into(), port);
            }
        }
        hosts.push(index);
    }
    Ok(hosts)
}

/// Takes `:port` off a host; colons of bare IPv6 addresses and of ranges are none.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some(rest) = entry.strip_prefix('[')
        && let Some((address, port)) = rest.rsplit_once("]:")
        && address.parse::<std::net::Ipv6Addr>().is_ok()
        && let Ok(port) = port.parse()
    {
        return (address, Some(port));
    }
    if let Some((name, port)) = entry.rsplit_once(':')
        && name.matches('[').count() == name.matches(']').count()
        && !outside_brackets(name).any(|c| c == ':')
        && let Ok(port) = port.parse()
    {
        return (name, Some(port));
    }
    (entry, None)
}

/// The characters that stand in no bracket.
pub(super) fn outside_brackets(text: &str) -> impl Iterator<Item = char> {
    let mut depth = 0_usize;
    text.chars().filter(move |c| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_told_from_other_colons() {
        let table = [
            ("web:2222", "web", Some(2222)),
            ("web[1:3]:22", "web[1:3]", Some(22)),
            ("web[1:3]", "web[1:3]", None),
            ("[fe80::1]:22", "fe80::1", Some(22)),
            ("fe80::1", "fe80::1", None),
            ("::1", "::1", None),
            ("web:ssh", "web:ssh", None),
            ("web:99999", "web:99999", None),
        ];
        for (entry, name, port) in table {
            assert_eq!(split_port(entry), (name, port), "{entry}");
        }
    }
}
