//! Groups and hosts as a tree.

use std::fmt::Write;

use serde_json::{Map, Value as Json};

use super::{Sight, Variables};

/// What the tree is drawn from.
pub(super) struct Tree<'a> {
    pub sight: &'a Sight,
    pub vars: bool,
}

impl Tree<'_> {
    /// The tree below a group.
    pub fn text(&self, group: &str) -> String {
        let mut text = format!("@{group}:\n");
        self.branch(group, 1, &mut text);
        text
    }

    fn branch(&self, group: &str, depth: usize, text: &mut String) {
        let hosts = &self.sight.hosts;
        let lead = format!("  {}|--", "|  ".repeat(depth - 1));
        for child in hosts.children_of(group) {
            let _ = writeln!(text, "{lead}@{}:", child.name);
            self.branch(&child.name, depth + 1, text);
        }
        for host in hosts.own_hosts_of(group).iter().filter(|host| self.sight.shows(&host.name)) {
            let _ = writeln!(text, "{lead}{}", host.name);
            if self.vars {
                leaves(&self.sight.variables.of_host(hosts, &host.name), depth + 1, text);
            }
        }
        if let Some(group) = hosts.group(group).filter(|_| self.vars) {
            leaves(&Variables::of_group(group), depth, text);
        }
    }
}

fn leaves(values: &Map<String, Json>, depth: usize, text: &mut String) {
    for (name, value) in values {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(text, "  {}|--{{{name} = {value}}}", "|  ".repeat(depth - 1));
    }
}
