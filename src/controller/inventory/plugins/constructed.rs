//! `constructed`: variables and groups from what is known of each host.

use super::{Templates, flag, group_name, text};
use crate::{
    controller::{
        inventory::{Inventory, Vars},
        source::{Diagnostic, Mapping, Node, Span, composer::Marks},
    },
    protocol::Json,
};

struct Reader<'a> {
    templates: &'a dyn Templates,
    inventory: &'a mut Inventory,
    strict: bool,
    separator: bool,
}

/// Adds variables and groups to the hosts there are so far.
pub(super) fn read(map: &Mapping, templates: &dyn Templates, inventory: &mut Inventory) -> Result<(), Diagnostic> {
    let names: Vec<_> = inventory.hosts.keys().cloned().collect();
    let mut reader = Reader {
        templates,
        inventory,
        strict: flag(map, "strict").unwrap_or(false),
        separator: flag(map, "leading_separator").unwrap_or(true),
    };
    for name in names {
        let mut vars = reader.known(&name);
        for (variable, key, expression) in entries(map, "compose") {
            let value = templates.evaluate(expression.as_str().unwrap_or_default(), &vars);
            match value {
                Ok(value) => {
                    let marks = Marks { trusted: false, secret: false };
                    let value = Node::from_json(&value, &key.span, marks);
                    vars.insert(variable.into(), value.clone());
                    reader.inventory.hosts[&*name].vars.insert(variable.into(), value);
                }
                Err(problem) => reader.doubt(&key.span, &problem)?,
            }
        }
        for (group, key, condition) in entries(map, "groups") {
            let condition = match condition.as_str() {
                Some(text) => text.to_owned(),
                None => condition.to_json().to_string(),
            };
            match templates.evaluate(&format!("true if ({condition}) else false"), &vars) {
                Ok(Json::Bool(true)) => drop(reader.join(&name, &group_name(group), &key.span)),
                Ok(_) => {}
                Err(problem) => reader.doubt(&key.span, &problem)?,
            }
        }
        for keyed in map.get("keyed_groups").and_then(Node::as_list).unwrap_or_default() {
            reader.keyed(&name, keyed, &vars)?;
        }
    }
    Ok(())
}

fn entries<'m>(map: &'m Mapping, name: &str) -> impl Iterator<Item = (&'m str, &'m Node, &'m Node)> {
    map.get(name).and_then(Node::as_map).into_iter().flat_map(Mapping::iter)
}

impl Reader<'_> {
    /// The variables of a host that inventories give, its groups' included.
    fn known(&self, name: &str) -> Vars {
        let mut vars = Vars::new();
        for group in self.inventory.groups_of(name) {
            vars.extend(group.vars.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        if let Some(host) = self.inventory.hosts.get(name) {
            vars.extend(host.vars.iter().map(|(name, value)| (name.clone(), value.clone())));
            vars.insert("inventory_hostname".into(), Node::text(host.span.clone(), name));
        }
        vars
    }

    fn doubt(&self, span: &Span, problem: &str) -> Result<(), Diagnostic> {
        if self.strict { Err(Diagnostic::error(span, problem)) } else { Ok(()) }
    }

    fn join(&mut self, host: &str, group: &str, span: &Span) -> usize {
        let group = self.inventory.add_group(group, span);
        if let Some(host) = self.inventory.hosts.get_index_of(host) {
            self.inventory.add_host_to_group(host, group);
        }
        group
    }

    fn keyed(&mut self, host: &str, keyed: &Node, vars: &Vars) -> Result<(), Diagnostic> {
        let wrong = |message: &str| Err(Diagnostic::error(&keyed.span, message));
        let Some(map) = keyed.as_map() else { return wrong("an entry of keyed_groups is a mapping with `key`") };
        let Some(key) = map.get("key").and_then(Node::as_str) else { return wrong("this keyed group has no `key`") };
        let word = |name: &str| map.get(name).and_then(Node::as_str);
        let value = match self.templates.evaluate(key, vars) {
            Ok(value) => value,
            Err(problem) => return self.doubt(&keyed.span, &problem),
        };
        let default = word("default_value");
        let trailing = flag(map, "trailing_separator").unwrap_or(true);
        if default.is_some() && map.get("trailing_separator").is_some() {
            return wrong("a keyed group has `default_value` or `trailing_separator`, not both");
        }
        let separator = word("separator").unwrap_or("_");
        let prefix = match word("prefix") {
            Some(prefix) => {
                let node = Node::text(keyed.span.clone(), prefix);
                self.templates.render(&node, vars).map_or_else(|_| prefix.to_owned(), |prefix| text(&prefix))
            }
            None => String::new(),
        };
        let of = |value: &Json| match (text(value), default) {
            (empty, Some(default)) if empty.is_empty() => default.to_owned(),
            (text, _) => text,
        };
        let names: Vec<String> = match &value {
            Json::Array(items) => items.iter().map(of).collect(),
            Json::Object(map) => map
                .iter()
                .map(|(name, value)| match (text(value), default) {
                    (empty, Some(default)) if empty.is_empty() => format!("{name}{separator}{default}"),
                    (empty, None) if empty.is_empty() && !trailing => name.clone(),
                    (value, _) => format!("{name}{separator}{value}"),
                })
                .collect(),
            Json::Null => return Ok(()),
            other if text(other).is_empty() && default.is_none() => return Ok(()),
            other => vec![of(other)],
        };
        for name in names {
            let full = if prefix.is_empty() && !self.separator { name } else { format!("{prefix}{separator}{name}") };
            let group = self.join(host, &group_name(&full), &keyed.span);
            if let Some(parent) = word("parent_group") {
                let node = Node::text(keyed.span.clone(), parent);
                let parent = self.templates.render(&node, vars).map_or_else(|_| parent.to_owned(), |name| text(&name));
                let parent = self.inventory.add_group(&group_name(&parent), &keyed.span);
                self.inventory.add_child(parent, group, &keyed.span)?;
            }
        }
        Ok(())
    }
}
