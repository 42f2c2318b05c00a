//! Conditions: `when`, `until`, `failed_when`, `changed_when` and `that`.

use minijinja::{Value, value::ValueKind};

use super::{
    engine::{evaluate, is_template, render_text},
    error::{TemplateError, Trouble},
    special,
};
use crate::controller::source::{Node, Shape};

/// Whether a condition holds; a list holds when all its items do.
///
/// # Errors
/// When it cannot be evaluated or is no boolean.
pub fn condition(node: &Node, context: &Value) -> Result<bool, TemplateError> {
    match &node.shape {
        Shape::Bool(value) => Ok(*value),
        Shape::Null => Ok(true),
        Shape::Str(text) => holds(&text.value, context).map_err(|error| error.at(&node.span)),
        Shape::List(items) => {
            for item in items.iter() {
                if !condition(item, context)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => {
            Err(TemplateError::new(Trouble::Failed, format!("a condition must be an expression, not {}", node.kind()))
                .at(&node.span))
        }
    }
}

fn holds(text: &str, context: &Value) -> Result<bool, TemplateError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(true);
    }
    let value = if is_template(text) {
        let rendered = render_text(text, context)?;
        // A template in a condition gives an expression, as long as Ansible has had conditions.
        match rendered.as_str() {
            Some(inner) if inner != text => evaluate(inner, context)?,
            _ => rendered,
        }
    } else {
        evaluate(text, context)?
    };
    special::used(&value, text)?;
    match value.kind() {
        ValueKind::Bool => Ok(value.is_true()),
        // A variable that holds an expression, as a plain name.
        ValueKind::String if is_name(text) => match value.as_str().unwrap_or_default() {
            "" => Err(not_boolean(text, &value)),
            inner => evaluate(inner, context).and_then(|inner| match inner.kind() {
                ValueKind::Bool => Ok(inner.is_true()),
                _ => Err(not_boolean(text, &value)),
            }),
        },
        _ => Err(not_boolean(text, &value)),
    }
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}

fn not_boolean(text: &str, value: &Value) -> TemplateError {
    let kind = match value.kind() {
        ValueKind::String => "str",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::None => "NoneType",
        ValueKind::Seq | ValueKind::Iterable => "list",
        ValueKind::Map => "dict",
        _ => "object",
    };
    TemplateError::new(
        Trouble::Failed,
        format!(
            "conditional result ({}) was derived from value of type '{kind}': `{text}` must be true or false; write `({text}) | bool`, `({text}) | length > 0` or another comparison",
            if value.is_true() { "True" } else { "False" }
        ),
    )
}
