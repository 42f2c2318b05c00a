//! The task that stands before a role which says what it takes.

use std::{path::Path, sync::Arc};

use super::Surroundings;
use crate::{
    controller::{
        playbook::{Arguments, Item, Keywords, Role, Task},
        source::{Mapping, Node, Shape, Span, Text},
        template,
        variables::{Layer, Var},
    },
    protocol::Json,
};

/// The validation of what a role is given, if it says what its entry point takes.
pub(super) fn task(role: &Arc<Role>, entry: &str, given: &Layer, span: &Span, around: &Surroundings) -> Option<Item> {
    let name = Path::new(entry).file_stem()?.to_string_lossy().into_owned();
    let spec = role.argument_specs.as_ref()?.as_map()?.get(&name)?.as_map()?;
    let node = |shape: Shape| Node { span: span.clone(), shape };
    let key = |text: &str| Node::text(span.clone(), text);
    let plain = |text: &str| node(Shape::Str(Text { value: text.into(), trusted: false, secret: false }));
    let map = |entries: Vec<(Node, Node)>| node(Shape::Map(Arc::new(Mapping { entries })));
    let options = spec.get("options").filter(|node| !node.is_null()).cloned().unwrap_or_else(|| map(Vec::new()));
    let given = given.iter().map(|(name, value)| {
        let value = match value {
            Var::Node(node) => node.clone(),
            Var::Data(value) => {
                let marks = crate::controller::source::composer::Marks { trusted: false, secret: false };
                Node::from_json(&template::to_json(value).unwrap_or(Json::Null), span, marks)
            }
        };
        (key(name), value)
    });
    let path = std::path::absolute(&role.path).unwrap_or_else(|_| role.path.clone());
    let context = map(vec![
        (key("type"), plain("role")),
        (key("name"), plain(role.short_name())),
        (key("argument_spec_name"), plain(&name)),
        (key("path"), plain(&path.display().to_string())),
    ]);
    let arguments = Arguments {
        options: vec![
            (key("argument_spec"), untrusted(&options)),
            (key("provided_arguments"), map(given.collect())),
            (key("validate_args_context"), context),
        ],
        ..Arguments::default()
    };
    let mut title = format!("Validating arguments against arg spec '{name}'");
    if let Some(short) = spec.get("short_description").and_then(Node::as_str) {
        title.push_str(" - ");
        title.push_str(short);
    }
    let mut own = Keywords::default();
    own.tags.replace(plain("always"));
    let mut levels = around.levels.clone();
    levels.push(Arc::new(own));
    Some(Item::Task(Arc::new(Task {
        name: Some(plain(&title)),
        module: "validate_argument_spec".to_owned(),
        written: "validate_argument_spec".to_owned(),
        module_span: span.clone(),
        custom: None,
        arguments,
        levels,
        each: None,
        register: None,
        notify: None,
        listen: None,
        until: None,
        retries: None,
        delay: None,
        changed_when: None,
        failed_when: None,
        asynchronous: None,
        poll: None,
        role: Some(role.clone()),
        span: span.clone(),
        folder: around.folder.clone(),
        handler: around.handler,
    })))
}

/// The same value with no template in it: a specification describes values, it has none to work out.
fn untrusted(node: &Node) -> Node {
    let shape = match &node.shape {
        Shape::Str(text) => Shape::Str(Text { trusted: false, ..text.clone() }),
        Shape::List(items) => Shape::List(Arc::new(items.iter().map(untrusted).collect())),
        Shape::Map(map) => Shape::Map(Arc::new(Mapping {
            entries: map.entries.iter().map(|(key, value)| (untrusted(key), untrusted(value))).collect(),
        })),
        other => other.clone(),
    };
    Node { span: node.span.clone(), shape }
}
