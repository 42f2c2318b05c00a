//! Handlers: one list of all, and which of them a name means.

use std::{collections::BTreeSet, sync::Arc};

use minijinja::Value;

use crate::controller::{
    playbook::{Item, Task},
    source::{Node, Shape},
    template,
};

/// The handlers as one list: a block around some of them says what they share, nothing more.
#[must_use]
pub fn flat(items: &[Item]) -> Vec<Item> {
    let each = |item: &Item| match item {
        Item::Task(_) => vec![item.clone()],
        Item::Block(block) => flat(&block.body),
    };
    items.iter().flat_map(each).collect()
}

/// Adds handlers of an included role. Those that an earlier inclusion of it has brought are the same, and run once.
pub fn add(known: &mut Vec<Item>, more: &[Item]) {
    let place = |item: &Item| match item {
        Item::Task(task) => task.role.as_ref().map(|role| (role.path.clone(), task.span.to_string())),
        Item::Block(_) => None,
    };
    for item in flat(more) {
        let of_role = place(&item);
        if of_role.is_none() || !known.iter().any(|other| place(other) == of_role) {
            known.push(item);
        }
    }
}

/// The handlers that a name or topic means: of those of that name the first in the last place that has one, and of those
/// that listen likewise one of each name. A role is a place, and so is the play.
#[must_use]
pub fn named(handlers: &[Item], wanted: &str, context: &Value) -> BTreeSet<usize> {
    let each = handlers.iter().enumerate().filter_map(|(at, item)| match item {
        Item::Task(task) => Some((at, task)),
        Item::Block(_) => None,
    });
    let each: Vec<(usize, &Arc<Task>)> = each.collect();
    let place = |task: &Task| task.role.as_ref().map(Arc::as_ptr);
    let tasks = || each.chunk_by(|(_, one), (_, other)| place(one) == place(other)).rev().flatten().copied();
    let mut found: BTreeSet<usize> =
        tasks().find(|(_, task)| name_matches(task, wanted, context)).map(|(at, _)| at).into_iter().collect();
    let mut seen: Vec<&str> = Vec::new();
    for (at, task) in tasks() {
        if !task.listen.as_ref().is_some_and(|listen| listens(listen, wanted)) {
            continue;
        }
        let name = task.name.as_ref().and_then(Node::as_str).unwrap_or_default();
        if !name.is_empty() {
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
        }
        found.insert(at);
    }
    found
}

fn name_matches(task: &Task, wanted: &str, context: &Value) -> bool {
    let Some(name) = task.name.as_ref().and_then(Node::as_str) else { return false };
    let name = template::render_text(name, context).map_or_else(|_| name.to_owned(), |name| name.to_string());
    if name == wanted {
        return true;
    }
    task.role.as_ref().is_some_and(|role| {
        wanted
            .strip_prefix(role.name.as_str())
            .is_some_and(|rest| rest.strip_prefix(" : ").is_some_and(|rest| rest == name))
    })
}

/// Topics are no templates.
fn listens(node: &Node, wanted: &str) -> bool {
    match &node.shape {
        Shape::List(items) => items.iter().any(|item| listens(item, wanted)),
        _ => node.as_str() == Some(wanted),
    }
}
