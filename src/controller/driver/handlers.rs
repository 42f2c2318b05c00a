//! Handlers: who is notified, and what runs at a flush.

use std::{collections::BTreeSet, sync::Arc};

use minijinja::Value;

use crate::controller::{
    playbook::{Item, Task},
    source::{Node, Shape},
    template,
};

/// The handlers that a name or topic means: the last one of that name, and all that listen.
pub(super) fn named(handlers: &[Item], wanted: &str, context: &Value) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for (at, item) in handlers.iter().enumerate().rev() {
        if let Some(task) = first_task(item)
            && name_matches(task, wanted, context)
        {
            found.insert(at);
            break;
        }
    }
    for (at, item) in handlers.iter().enumerate() {
        if let Some(task) = first_task(item)
            && task.listen.as_ref().is_some_and(|listen| listens(listen, wanted, context))
        {
            found.insert(at);
        }
    }
    found
}

fn first_task(item: &Item) -> Option<&Arc<Task>> {
    match item {
        Item::Task(task) => Some(task),
        Item::Block(block) => block.body.iter().find_map(first_task),
    }
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

fn listens(node: &Node, wanted: &str, context: &Value) -> bool {
    match &node.shape {
        Shape::List(items) => items.iter().any(|item| listens(item, wanted, context)),
        _ => node.as_str().is_some_and(|topic| {
            topic == wanted || template::render_text(topic, context).is_ok_and(|topic| topic.to_string() == wanted)
        }),
    }
}
