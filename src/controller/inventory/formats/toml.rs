//! Inventories in TOML: a table for each group, with the tables `hosts` and `vars` and the list `children`.

use std::sync::Arc;

use toml::Value;

use super::{Source, yaml};
use crate::controller::{
    inventory::Inventory,
    source::{
        Diagnostic, Diagnostics, Mapping, Node, Shape, Span, Text,
        resolver::{self, Plain},
    },
};

/// Adds the groups of a file.
pub fn read(source: &Source, inventory: &mut Inventory, diagnostics: &mut Diagnostics) {
    let table: toml::Table = match source.file.text.parse() {
        Ok(table) => table,
        Err(error) => {
            let error: toml::de::Error = error;
            let at = error.span().unwrap_or(0..0);
            let span = Span::at(source.file, at.start, at.end);
            return diagnostics.push(Diagnostic::error(&span, error.message()));
        }
    };
    let span = Span::at(source.file, 0, 0);
    let mut root = node(&Value::Table(table), &span);
    if let Shape::Map(groups) = &mut root.shape {
        for (_, group) in &mut Arc::make_mut(groups).entries {
            children(group);
        }
    }
    if let Some(map) = root.as_map() {
        yaml::add_groups(source, map, inventory, diagnostics);
    }
}

/// A list of children stands for a mapping of them.
fn children(group: &mut Node) {
    let Shape::Map(sections) = &mut group.shape else { return };
    for (key, value) in &mut Arc::make_mut(sections).entries {
        if key.as_str() != Some("children") {
            continue;
        }
        if let Shape::List(items) = &value.shape {
            let nothing = |child: &Node| Node { span: child.span.clone(), shape: Shape::Null };
            let entries = items.iter().map(|child| (child.clone(), nothing(child))).collect();
            value.shape = Shape::Map(Arc::new(Mapping { entries }));
        }
    }
}

fn node(value: &Value, span: &Span) -> Node {
    let text = |value: &str| Shape::Str(Text { value: value.into(), trusted: true, secret: false });
    let shape = match value {
        Value::String(value) => text(value),
        Value::Integer(number) => Shape::Int(i128::from(*number)),
        Value::Float(number) => Shape::Float(*number),
        Value::Boolean(set) => Shape::Bool(*set),
        Value::Datetime(time) => match resolver::resolve(&time.to_string()) {
            Plain::Time(time) => Shape::Time(time.into()),
            _ => Shape::Time(time.to_string().into()),
        },
        Value::Array(items) => Shape::List(Arc::new(items.iter().map(|item| node(item, span)).collect())),
        Value::Table(table) => {
            let entries = table.iter().map(|(key, value)| (Node::text(span.clone(), key), node(value, span)));
            Shape::Map(Arc::new(Mapping { entries: entries.collect() }))
        }
    };
    Node { span: span.clone(), shape }
}
