//! `add_host`: adds a host to the inventory of this run.

use serde_json::json;

use crate::{
    controller::{
        executor::{Done, Turn},
        inventory::{Host, Inventory},
        source::{Marks, Node, Span},
        template,
    },
    protocol::{Json, Map, Outcome, Verdict},
    remote::OptionSpec,
};

/// The manual page.
pub const DOC: &str = "\
Adds a host to the inventory of this run, with groups and variables. Later plays can use it.

## Example
```yaml
- add_host:
    name: \"{{ new_address }}\"
    groups: [web]
    http_port: 8080
```

## Returns
`add_host`: `host_name`, `groups`, `host_vars`.
";

/// Any option that is not a name or a group is a variable of the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Vec::new()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let name = ["name", "hostname", "host"].iter().find_map(|option| turn.text(option));
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Done::failed("name, host or hostname needs to be provided");
    };
    let (name, port) = with_port(&name);
    let mut groups = Vec::new();
    for option in ["groups", "groupname", "group"] {
        match turn.options.get(option) {
            Some(value) if value.as_str().is_some() => {
                groups.extend(value.to_string().split(',').map(|group| group.trim().to_owned()));
            }
            Some(value) => groups.extend(value.try_iter().into_iter().flatten().map(|group| group.to_string())),
            None => {}
        }
    }
    let reserved = ["name", "hostname", "host", "groups", "groupname", "group"];
    let mut variables = Map::new();
    for (option, value) in turn.options.iter().filter(|(option, _)| !reserved.contains(&option.as_str())) {
        match template::to_json(value) {
            Ok(json) => variables.insert(option.clone(), json),
            Err(error) => return Done::failed(error.message),
        };
    }
    if let Some(port) = port {
        variables.entry("ansible_ssh_port").or_insert_with(|| json!(port));
    }
    groups.retain(|group| !group.is_empty());
    // Items of a loop see what those before them have added.
    let known = turn.run.change_inventory(|inventory| {
        let has = |host: &Host, variable: &str, value: &Json| {
            host.vars.get(variable).is_some_and(|had| had.to_json() == *value)
        };
        let known = inventory
            .hosts
            .get(name.as_str())
            .is_some_and(|host| variables.iter().all(|(variable, value)| has(host, variable, value)))
            && groups.iter().all(|group| inventory.hosts_of(group).iter().any(|host| *host.name == *name));
        if !known {
            add(inventory, &name, &groups, &variables);
        }
        known
    });
    let mut outcome = Outcome::new(if known { Verdict::Unchanged } else { Verdict::Changed });
    let added = json!({ "host_name": name, "groups": groups, "host_vars": variables });
    outcome.result.insert("add_host".to_owned(), added);
    outcome.into()
}

/// `host:port`; an address with more colons is one of IPv6, whose brackets part it from a port.
fn with_port(text: &str) -> (String, Option<u16>) {
    let parts = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None => text.split_once(':').filter(|(_, port)| !port.contains(':')),
    };
    let parts = parts.and_then(|(name, port)| Some((name.to_owned(), port.parse().ok()?)));
    parts.map_or_else(|| (text.to_owned(), None), |(name, port)| (name, Some(port)))
}

fn add(inventory: &mut Inventory, name: &str, groups: &[String], variables: &Map) {
    let span = Span::synthetic("add_host", name);
    let host = inventory.add_host(name, &span);
    for group in groups {
        let group = inventory.add_group(group, &span);
        inventory.add_host_to_group(host, group);
    }
    let marks = Marks { trusted: false, secret: false };
    for (variable, value) in variables {
        inventory.hosts[host].vars.insert(variable.as_str().into(), Node::from_json(value, &span, marks));
    }
    inventory.reconcile();
}
