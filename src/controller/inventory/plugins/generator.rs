//! `generator`: a host for every combination of values, with groups above it.

use super::{Templates, text};
use crate::controller::{
    inventory::{Inventory, Vars},
    source::{Diagnostic, Mapping, Node, Shape, composer::Marks},
};

/// Combinations of layers; more are a mistake.
const HOSTS_MAX: usize = 1_000_000;

/// What a member of a group is, by index.
#[derive(Clone, Copy)]
enum Member {
    Host(usize),
    Group(usize),
}

/// Adds the hosts of a configuration.
pub(super) fn read(map: &Mapping, templates: &dyn Templates, inventory: &mut Inventory) -> Result<(), Diagnostic> {
    let missing = |name: &str| Diagnostic::bare(format!("a generator has `{name}:`"));
    let (layers_key, layers) = map.entry("layers").ok_or_else(|| missing("layers"))?;
    let hosts = map.get("hosts").ok_or_else(|| missing("hosts"))?;
    let wrong = |node: &Node, message: &str| Diagnostic::error(&node.span, message);
    let hosts_map = hosts.as_map().ok_or_else(|| wrong(hosts, "`hosts` of a generator has `name` and `parents`"))?;
    let name = hosts_map.get("name").ok_or_else(|| wrong(hosts, "the hosts of a generator have no name"))?;
    let mut combinations: Vec<Vars> = vec![Vars::new()];
    for (layer, _, values) in layers.as_map().ok_or_else(|| wrong(layers, "`layers` is a mapping of lists"))?.iter() {
        let values = values.as_list().ok_or_else(|| wrong(values, "a layer is a list of values"))?;
        if combinations.len().saturating_mul(values.len()) > HOSTS_MAX {
            return Err(wrong(layers_key, "these layers have too many combinations"));
        }
        combinations = combinations
            .iter()
            .flat_map(|known| {
                values.iter().map(|value| {
                    let mut more = known.clone();
                    more.insert(layer.into(), value.clone());
                    more
                })
            })
            .collect();
    }
    for vars in combinations {
        let host = templates.render(name, &vars).map_err(|problem| Diagnostic::error(&name.span, problem))?;
        let host = text(&host);
        let index = inventory.add_host(&host, &name.span);
        if let Some(parents) = hosts_map.get("parents") {
            add_parents(Member::Host(index), &host, parents, &vars, templates, inventory)?;
        }
    }
    Ok(())
}

fn add_parents(
    child: Member,
    child_name: &str,
    parents: &Node,
    vars: &Vars,
    templates: &dyn Templates,
    inventory: &mut Inventory,
) -> Result<(), Diagnostic> {
    for parent in parents.as_list().unwrap_or_default() {
        let map = parent.as_map();
        let Some((map, name)) = map.and_then(|map| Some((map, map.get("name")?))) else {
            let message = format!("Element {child_name} has a parent with no name.");
            return Err(Diagnostic::error(&parent.span, message));
        };
        let group = templates.render(name, vars).map_err(|problem| Diagnostic::error(&name.span, problem))?;
        let group = text(&group);
        let index = inventory.add_group(&group, &name.span);
        for (variable, _, value) in map.get("vars").and_then(Node::as_map).into_iter().flat_map(Mapping::iter) {
            let value = rendered(value, vars, templates);
            inventory.groups[index].set(variable, value);
        }
        match child {
            Member::Host(host) => drop(inventory.add_host_to_group(host, index)),
            Member::Group(child) => inventory.add_child(index, child, &name.span)?,
        }
        if let Some(parents) = map.get("parents") {
            add_parents(Member::Group(index), &group, parents, vars, templates, inventory)?;
        }
    }
    Ok(())
}

/// The value with those of its templates rendered that use layers only; the others are for plays.
fn rendered(node: &Node, vars: &Vars, templates: &dyn Templates) -> Node {
    let shape = match &node.shape {
        Shape::List(items) => {
            Shape::List(items.iter().map(|item| rendered(item, vars, templates)).collect::<Vec<_>>().into())
        }
        Shape::Map(map) => {
            let entries = map.entries.iter().map(|(key, value)| (key.clone(), rendered(value, vars, templates)));
            Shape::Map(Mapping { entries: entries.collect() }.into())
        }
        _ => {
            let marks = Marks { trusted: true, secret: false };
            return templates
                .render(node, vars)
                .map_or_else(|_| node.clone(), |json| Node::from_json(&json, &node.span, marks));
        }
    };
    Node { span: node.span.clone(), shape }
}
