//! Conditions: `when`, `until`, `failed_when`, `changed_when` and `that`.

use minijinja::{Value, value::ValueKind};

use super::{
    engine::{evaluate, is_template, render_text},
    error::{TemplateError, Trouble},
    special,
};
use crate::controller::{
    source::{Node, Shape},
    variables::Var,
};

/// Whether a condition holds; a list holds when all its items do.
///
/// # Errors
/// When it cannot be evaluated or is no boolean.
pub fn condition(node: &Node, context: &Value) -> Result<bool, TemplateError> {
    match &node.shape {
        Shape::Bool(value) => Ok(*value),
        Shape::Null => Ok(true),
        Shape::Str(text) if !text.trusted => Err(untrusted(&text.value).at(&node.span)),
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
    let value = if is_whole_template(text) {
        let rendered = render_text(text, context)?;
        // A variable of the user's may hold an expression; text that was put together or said by a host is none.
        match rendered.as_str() {
            Some(inner) if is_written(text.trim_matches(['{', '}']).trim(), context) => evaluate(inner, context)?,
            Some(inner) => return Err(untrusted(inner)),
            None => rendered,
        }
    } else {
        evaluate(text, context)?
    };
    special::used(&value, text)?;
    match value.kind() {
        ValueKind::Bool => Ok(value.is_true()),
        // A variable that holds an expression, as a plain name.
        ValueKind::String if is_written(text, context) => match value.as_str().unwrap_or_default() {
            "" => no_boolean(text, &value, context),
            inner => evaluate(inner, context).and_then(|inner| match inner.kind() {
                ValueKind::Bool => Ok(inner.is_true()),
                _ => no_boolean(text, &inner, context),
            }),
        },
        _ => no_boolean(text, &value, context),
    }
}

/// What is no boolean is an error, unless the run takes such conditions.
fn no_boolean(text: &str, value: &Value, context: &Value) -> Result<bool, TemplateError> {
    let scope = super::lazy::scope_of(context);
    let everyone = scope.and_then(|scope| match scope.get("hostvars")? {
        Var::Data(hosts) => super::hosts::everyone(hosts),
        Var::Node(_) => None,
    });
    let allowed = everyone.and_then(|everyone| everyone.setting("ALLOW_BROKEN_CONDITIONALS"));
    if allowed.is_some_and(|allowed| allowed.is_true()) { Ok(value.is_true()) } else { Err(not_boolean(text, value)) }
}

/// Whether all of a condition stands in braces.
#[must_use]
pub fn is_whole_template(text: &str) -> bool {
    let text = text.trim();
    is_template(text) && text.starts_with("{{") && text.ends_with("}}")
}

/// What a `{{ name }}` or `{{ name.key }}` stands for, when the user has written a list or mapping.
#[must_use]
pub fn written(node: &Node, context: &Value) -> Option<Node> {
    let text = node.as_str().filter(|text| is_whole_template(text))?;
    let mut names = text.trim().trim_matches(['{', '}']).trim().split('.');
    let mut value = super::lazy::scope_of(context)?.written(names.next()?)?;
    for name in names {
        value = value.as_map()?.get(name)?;
    }
    (value.as_list().is_some() || value.as_map().is_some()).then(|| value.clone())
}

/// Whether a name is that of a variable whose value stands in the user's files.
fn is_written(name: &str, context: &Value) -> bool {
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let variable = super::lazy::scope_of(context).and_then(|scope| scope.written(name));
    plain && variable.is_some_and(|node| super::engine::template_text(node).is_none())
}

/// The error of a template or expression that nobody wrote.
pub(in crate::controller) fn untrusted(text: &str) -> TemplateError {
    let text: String = text.chars().take(80).collect();
    TemplateError::new(
        Trouble::Failed,
        format!("untrusted template or expression: `{text}` was not written in a playbook"),
    )
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
