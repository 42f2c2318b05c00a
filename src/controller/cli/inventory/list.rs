//! Groups, hosts and variables as data: flat, as inventory scripts print them, or nested, as inventory files in YAML have them.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Map, Value as Json, json, ser::PrettyFormatter};

use super::{Sight, Variables};
use crate::controller::inventory::{ALL, Group};

/// How `ansible-inventory` names the form.
const PROFILE: &str = "inventory_legacy";

/// What the list is made from.
pub(super) struct List<'a> {
    pub sight: &'a Sight,
    /// Whether variables stay where they are set.
    pub export: bool,
}

impl List<'_> {
    /// The form of Ansible's inventory scripts, keys in alphabetical order.
    pub fn flat(&self) -> Json {
        let hosts = &self.sight.hosts;
        let mut names: Vec<&str> =
            hosts.hosts.keys().map(AsRef::as_ref).filter(|name| self.sight.shows(name)).collect();
        names.sort_unstable();
        let variables = names.into_iter().map(|name| (name.to_owned(), self.host(name)));
        let hostvars: Map<String, Json> =
            variables.filter(|(_, values)| values.as_object().is_some_and(|values| !values.is_empty())).collect();
        let mut all = Map::from_iter([("_meta".to_owned(), json!({ "hostvars": hostvars, "profile": PROFILE }))]);
        let mut groups: Vec<&Group> = hosts.groups.values().collect();
        groups.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for group in groups {
            let children: Vec<&str> = hosts.children_of(&group.name).iter().map(|group| group.name.as_ref()).collect();
            let entry = self.entry(group, json!(children), json!(self.members(group)));
            if !entry.is_empty() {
                all.insert(group.name.to_string(), entry.into());
            }
        }
        Json::Object(all)
    }

    /// The form of inventory files in YAML: groups in their parents, a host's variables where it is first named.
    pub fn nested(&self) -> Json {
        let mut told = HashSet::new();
        let all = self.sight.hosts.group(ALL).map(|all| self.branch(all, &mut told)).unwrap_or_default();
        json!({ ALL: all })
    }

    fn branch(&self, group: &Group, told: &mut HashSet<String>) -> Map<String, Json> {
        let mut children = self.sight.hosts.children_of(&group.name);
        children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let branches: Map<String, Json> = children
            .into_iter()
            .map(|child| (child.name.to_string(), self.branch(child, told)))
            .filter(|(_, branch)| !branch.is_empty())
            .map(|(name, branch)| (name, branch.into()))
            .collect();
        let mut members = Map::new();
        for name in self.members(group) {
            let first = told.insert(name.to_owned());
            members.insert(name.to_owned(), if first { self.host(name) } else { json!({}) });
        }
        self.entry(group, branches.into(), members.into())
    }

    /// A group without what is empty.
    fn entry(&self, group: &Group, children: Json, hosts: Json) -> Map<String, Json> {
        let vars = if self.export { Variables::of_group(group) } else { Map::new() };
        let parts = [("children", children), ("hosts", hosts), ("vars", vars.into())];
        let empty =
            |value: &Json| value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
        parts.into_iter().filter(|(_, value)| !empty(value)).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn members(&self, group: &Group) -> Vec<&str> {
        let own = self.sight.hosts.own_hosts_of(&group.name);
        own.into_iter().map(|host| host.name.as_ref()).filter(|name| self.sight.shows(name)).collect()
    }

    fn host(&self, name: &str) -> Json {
        let (variables, hosts) = (&self.sight.variables, &self.sight.hosts);
        if self.export { Variables::of_host_alone(hosts, name) } else { variables.of_host(hosts, name) }.into()
    }
}

/// JSON as Ansible indents it.
pub(super) fn pretty(value: &Json) -> String {
    let mut bytes = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    "));
    if let Err(error) = value.serialize(&mut writer) {
        tracing::error!(%error, "the inventory cannot be written as JSON");
    }
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}
