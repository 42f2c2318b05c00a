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
