//! The variables of hosts and groups as they are shown: secrets are not.

use serde_json::{Map, Value as Json};

use crate::controller::{
    inventory::{ALL, Group, Inventory, Vars},
    source::{Mapping, Node, Shape},
};

/// What stands for a value that must not be shown.
const SECRET: &str = "(secret)";

/// Those of the command line, which are above all others.
pub(super) struct Variables(Vec<Node>);

impl Variables {
    pub fn new(extra: Vec<Node>) -> Self {
        Self(extra)
    }

    /// Of the inventory and the folders beside it, the stronger over the weaker, then those of the command line.
    pub fn of_host(&self, hosts: &Inventory, name: &str) -> Map<String, Json> {
        let groups = hosts.groups_of(name);
        let (all, others): (Vec<&Group>, Vec<&Group>) =
            groups.into_iter().partition(|group| group.name.as_ref() == ALL);
        let mut layers: Vec<&Vars> = Vec::new();
        for set in [&all, &others] {
            layers.extend(set.iter().map(|group| &group.vars));
            layers.extend(set.iter().map(|group| &group.file_vars));
        }
        layers.extend(hosts.host(name).iter().flat_map(|host| [&host.vars, &host.file_vars]));
        let mut values = merged(layers);
        for (key, _, value) in self.0.iter().filter_map(Node::as_map).flat_map(Mapping::iter) {
            values.insert(key.to_owned(), shown(value));
        }
        values.sort_keys();
        values
    }

    /// What is said of this host and no other.
    pub fn of_host_alone(hosts: &Inventory, name: &str) -> Map<String, Json> {
        merged(hosts.host(name).iter().flat_map(|host| [&host.vars, &host.file_vars]))
    }

    /// What is said of a group.
    pub fn of_group(group: &Group) -> Map<String, Json> {
        merged([&group.vars, &group.file_vars])
    }
}

fn merged<'a>(layers: impl IntoIterator<Item = &'a Vars>) -> Map<String, Json> {
    let mut values: Map<String, Json> =
        layers.into_iter().flatten().map(|(key, value)| (key.to_string(), shown(value))).collect();
    values.sort_keys();
    values
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
