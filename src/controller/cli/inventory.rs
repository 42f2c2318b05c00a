//! `deployer inventory`: the hosts and groups there are, as the program sees them.

use std::fmt::Write;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value as Json, json, ser::PrettyFormatter};

use super::{
    Context, Exit, Problem,
    options::{HostOptions, VariableOptions},
    secrets, settings,
};
use crate::controller::{
    inventory::{ALL, Group, Inventory as Hosts, Vars},
    source::{Diagnostics, Mapping, Node, Shape},
    template::inventories::Inventories,
};

/// What stands for a value that must not be shown.
const SECRET: &str = "(secret)";

/// Flags of `inventory`.
#[derive(Args, Clone, Debug)]
pub struct Inventory {
    #[command(subcommand)]
    view: View,
}

#[derive(Subcommand, Clone, Debug)]
enum View {
    /// Groups, hosts and their variables as JSON
    List(Options),
    /// Groups and hosts as a tree
    Graph(Options),
    /// The variables of one host as JSON
    Host {
        /// The host
        name: String,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Args, Clone, Debug)]
struct Options {
    #[command(flatten)]
    hosts: HostOptions,
    #[command(flatten)]
    variables: VariableOptions,
}

impl Inventory {
    pub(super) fn execute(&self, context: &Context) -> Exit {
        match self.view.text(context) {
            Ok(text) => {
                context.screen.write(&text);
                Exit::Ok
            }
            Err(problem) => context.stop(problem),
        }
    }
}

impl View {
    fn text(&self, context: &Context) -> Result<String, Problem> {
        let (Self::List(options) | Self::Graph(options) | Self::Host { options, .. }) = self;
        let keyring = secrets::keyring(&options.variables.vault, context)?;
        let mut wrong = Diagnostics::default();
        let sources = settings::inventory(&options.hosts, &context.configuration);
        let templates = Inventories::default();
        let hosts = Hosts::load_with(&sources, &keyring, &templates, &mut wrong);
        let extra = settings::extra(&options.variables.extra_vars, &keyring, &mut wrong);
        if wrong.has_errors() {
            return Err(Problem::Wrong(wrong));
        }
        context.warn(&wrong);
        let selected = hosts.select(&[ALL], options.hosts.limit.as_deref(), None)?;
        let chosen = |name: &str| selected.hosts.iter().any(|host| host.as_ref() == name);
        match self {
            Self::List(_) => Ok(pretty(&list(&hosts, &extra, &chosen))),
            Self::Graph(_) => {
                let mut text = format!("@{ALL}:\n");
                graph(&hosts, ALL, 1, &chosen, &mut text);
                Ok(text)
            }
            Self::Host { name, .. } if hosts.host(name).is_some() => Ok(pretty(&variables(&hosts, name, &extra))),
            Self::Host { name, .. } => Err(Problem::World(format!("there is no host `{name}` in the inventory"))),
        }
    }
}

/// The form of Ansible's inventory scripts, keys in alphabetical order.
fn list(hosts: &Hosts, extra: &[Node], chosen: &dyn Fn(&str) -> bool) -> Json {
    let mut names: Vec<&str> = hosts.hosts.keys().map(AsRef::as_ref).filter(|name| chosen(name)).collect();
    names.sort_unstable();
    let mut hostvars = Map::new();
    for name in names {
        let values = variables(hosts, name, extra);
        if values.as_object().is_some_and(|values| !values.is_empty()) {
            hostvars.insert(name.to_owned(), values);
        }
    }
    let mut all = Map::from_iter([("_meta".to_owned(), json!({ "hostvars": hostvars }))]);
    let mut groups: Vec<&Group> = hosts.groups.values().collect();
    groups.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for group in groups {
        let members: Vec<&str> =
            hosts.own_hosts_of(&group.name).iter().map(|host| host.name.as_ref()).filter(|name| chosen(name)).collect();
        let children: Vec<&str> = hosts.children_of(&group.name).iter().map(|group| group.name.as_ref()).collect();
        let mut entry = Map::new();
        if !children.is_empty() {
            entry.insert("children".to_owned(), json!(children));
        }
        if !members.is_empty() {
            entry.insert("hosts".to_owned(), json!(members));
        }
        if !entry.is_empty() {
            all.insert(group.name.to_string(), Json::Object(entry));
        }
    }
    Json::Object(all)
}

fn graph(hosts: &Hosts, group: &str, depth: usize, chosen: &dyn Fn(&str) -> bool, text: &mut String) {
    let lead = format!("  {}|--", "|  ".repeat(depth - 1));
    for child in hosts.children_of(group) {
        let _ = writeln!(text, "{lead}@{}:", child.name);
        graph(hosts, &child.name, depth + 1, chosen, text);
    }
    for host in hosts.own_hosts_of(group).iter().filter(|host| chosen(&host.name)) {
        let _ = writeln!(text, "{lead}{}", host.name);
    }
}

/// Variables of the inventory and the folders beside it, the stronger over the weaker, then those of the command line.
fn variables(hosts: &Hosts, name: &str, extra: &[Node]) -> Json {
    let groups = hosts.groups_of(name);
    let (all, others): (Vec<&Group>, Vec<&Group>) = groups.into_iter().partition(|group| group.name.as_ref() == ALL);
    let mut layers: Vec<&Vars> = Vec::new();
    for set in [&all, &others] {
        layers.extend(set.iter().map(|group| &group.vars));
        layers.extend(set.iter().map(|group| &group.file_vars));
    }
    layers.extend(hosts.host(name).iter().flat_map(|host| [&host.vars, &host.file_vars]));
    let mut values = Map::new();
    for (key, value) in layers.into_iter().flatten() {
        values.insert(key.to_string(), shown(value));
    }
    for (key, _, value) in extra.iter().filter_map(Node::as_map).flat_map(Mapping::iter) {
        values.insert(key.to_owned(), shown(value));
    }
    values.sort_keys();
    Json::Object(values)
}

fn shown(node: &Node) -> Json {
    match &node.shape {
        Shape::Str(text) if text.secret => Json::String(SECRET.to_owned()),
        Shape::List(items) if node.is_secret() => Json::Array(items.iter().map(shown).collect()),
        Shape::Map(map) if node.is_secret() => {
            Json::Object(map.iter().map(|(key, _, value)| (key.to_owned(), shown(value))).collect())
        }
        _ => node.to_json(),
    }
}

fn pretty(value: &Json) -> String {
    let mut bytes = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    "));
    if let Err(error) = value.serialize(&mut writer) {
        tracing::error!(%error, "the inventory cannot be written as JSON");
    }
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}
