//! What a task's levels say of a keyword, rendered.

use minijinja::Value;

use crate::controller::{
    playbook::Task,
    template::{self, TemplateError},
};

/// What the innermost level says; one that says `omit` leaves it to the next.
///
/// # Errors
/// When it cannot be rendered.
pub(super) fn value(task: &Task, name: &str, context: &Value) -> Result<Option<Value>, TemplateError> {
    for node in task.said(name) {
        if node.is_null() {
            return Ok(None);
        }
        let value = template::lazy::value(node, context)?;
        if !template::special::is_omit(&value) {
            return template::resolve(&value).map(Some).map_err(|error| error.at(&node.span));
        }
    }
    Ok(None)
}

/// The modules whose defaults hold for one, weakest first: `service` and `package` stand for what the host has, by its facts.
///
/// # Errors
/// When the facts cannot be looked at.
pub(super) fn defaulted(module: &str, context: &Value) -> Result<Vec<String>, TemplateError> {
    let fact = match module {
        "service" => "ansible_service_mgr",
        "package" => "ansible_pkg_mgr",
        "gather_facts" => return Ok(vec!["setup".to_owned(), module.to_owned()]),
        _ => return Ok(vec![module.to_owned()]),
    };
    let value = context.get_attr(fact)?;
    let known = if value.is_undefined() { None } else { template::resolve(&value)?.as_str().map(str::to_owned) };
    Ok(known.into_iter().chain([module.to_owned()]).collect())
}
