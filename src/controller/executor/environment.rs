//! `environment`: variables for what runs on a host, from all levels.

use indexmap::IndexMap;
use minijinja::Value;

use crate::controller::{
    playbook::Task,
    source::{Node, Shape},
    template::{self, TemplateError},
};

/// What all levels say together; inner levels win.
///
/// # Errors
/// When one cannot be rendered.
pub fn of(task: &Task, context: &Value) -> Result<IndexMap<String, String>, TemplateError> {
    let mut environment = IndexMap::new();
    for node in task.levels.iter().filter_map(|level| level.environment.as_ref()) {
        add(node, context, &mut environment)?;
    }
    Ok(environment)
}

fn add(node: &Node, context: &Value, environment: &mut IndexMap<String, String>) -> Result<(), TemplateError> {
    if let Shape::List(items) = &node.shape {
        return items.iter().try_for_each(|item| add(item, context, environment));
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
