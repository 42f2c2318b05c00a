//! `environment`: variables for what runs on a host, from all levels.

use indexmap::IndexMap;
use minijinja::Value;

use crate::controller::{
    playbook::Task,
    source::{Mapping, Node, Shape},
    template::{self, TemplateError},
};

/// What all levels say together; inner levels win.
///
/// # Errors
/// When one cannot be rendered.
pub fn of(task: &Task, context: &Value) -> Result<IndexMap<String, String>, TemplateError> {
    let mut environment = IndexMap::new();
    for node in task.levels.iter().filter_map(|level| level.environment.as_ref()) {
        // Facts are asked for before there are any that a play's environment may be made of.
        add(node, context, &mut environment, matches!(task.module.as_str(), "setup" | "gather_facts"))?;
    }
    Ok(environment)
}

fn add(
    node: &Node,
    context: &Value,
    environment: &mut IndexMap<String, String>,
    lenient: bool,
) -> Result<(), TemplateError> {
    if let Shape::List(items) = &node.shape {
        return items.iter().try_for_each(|item| add(item, context, environment, lenient));
    }
    if let (Shape::Map(map), true) = (&node.shape, lenient) {
        for (key, value) in &map.entries {
            let pair = Node {
                span: node.span.clone(),
                shape: Shape::Map(Mapping { entries: vec![(key.clone(), value.clone())] }.into()),
            };
            match add(&pair, context, environment, false) {
                Err(error) if error.is_undefined() => {}
                added => added?,
            }
        }
        return Ok(());
    }
    let value = template::resolve(&template::lazy::value(node, context)?).map_err(|error| error.at(&node.span))?;
    for name in value.try_iter().into_iter().flatten() {
        let item = value.get_item(&name)?;
        if item.as_object().is_none() || item.as_str().is_some() {
            environment.insert(name.to_string(), item.to_string());
        }
    }
    Ok(())
}
