//! `debug`: shows a message or a variable.

use minijinja::Value;
use serde_json::json;

use crate::{
    controller::{
        executor::{Done, Turn},
        source::{Node, Shape},
        template::{self, TemplateError},
    },
    options,
    protocol::{Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Shows a message or the value of a variable.
    ///
    /// ## Example
    /// ```yaml
    /// - debug:
    ///     msg: "{{ inventory_hostname }} is ready"
    /// ```
    ///
    /// ## Returns
    /// `msg`, or the variable under its own name.
    pub struct Debug {
        /// What to show.
        msg: Option<serde_json::Value>,
        /// The name of a variable, or an expression, to show the value of.
        var: Option<serde_json::Value>,
        /// Shown only with at least this many `-v`.
        verbosity: i64 = 0,
    }
}

/// The manual page.
pub const DOC: &str = Debug::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Debug::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let wanted: i64 = turn.text("verbosity").and_then(|text| text.parse().ok()).unwrap_or(0);
    if wanted > i64::from(turn.run.settings.verbosity) {
        return Outcome::new(Verdict::Skipped("Verbosity threshold not met.".to_owned())).into();
    }
    let mut outcome = Outcome::new(Verdict::Unchanged);
    let var = turn.task.arguments.get("var").filter(|node| !is_omitted(turn, node));
    // What `args` brings is among the options, and weaker than what the task says itself.
    let brought = turn.options.get("var").filter(|_| turn.task.arguments.get("var").is_none());
    if (var.is_some() || brought.is_some()) && turn.options.contains_key("msg") {
        return Done::failed("parameters are mutually exclusive: msg|var");
    }
    match var {
        Some(node) if matches!(node.shape, Shape::Map(_) | Shape::List(_)) => {
            return Done::failed(format!(
                "argument 'var' is {}, is not a string and conversion is not allowed",
                node.kind()
            ));
        }
        Some(Node { shape: Shape::Str(text), .. }) if !text.trusted => {
            return Done::failed(format!(
                "untrusted template or expression: `{}` was not written in a playbook",
                text.value
            ));
        }
        Some(node) => {
            let (name, shown) = variable(turn, node);
            let shown = match shown {
                Ok(value) if template::special::is_omit(&value) => {
                    outcome.warnings.push(format!("The value of `{name}` could not be omitted."));
                    Ok(json!("<<Omit>>"))
                }
                Ok(value) => template::to_json(&value),
                Err(error) => Err(error),
            };
            let shown = match shown {
                Ok(value) => value,
                Err(error) if error.is_undefined() => {
                    outcome.warnings.push(format!("`{name}` has no value: {}", error.message));
                    json!(format!("<< error 1 - {} >>", error.message))
                }
                Err(error) if error.kind == template::error::Trouble::Unknown => {
                    return Outcome::new(Verdict::Unknown(error.message)).into();
                }
                Err(error) => return Done::failed(error.message),
            };
            outcome.result.insert(name, shown);
        }
        None if brought.is_some() => {
            let name = brought.map(ToString::to_string).unwrap_or_default();
            match template::evaluate(&name, &turn.context).and_then(|value| template::to_json(&value)) {
                Ok(shown) => drop(outcome.result.insert(name, shown)),
                Err(error) => return Done::failed(error.message),
            }
        }
        None => {
            let message = turn.options.get("msg").map(template::to_json);
            match message.transpose() {
                Ok(message) => {
                    outcome.result.insert("msg".to_owned(), message.unwrap_or_else(|| json!("Hello world!")))
                }
                Err(error) => return Done::failed(error.message),
            };
        }
    }
    outcome.into()
}

fn is_omitted(turn: &Turn, node: &Node) -> bool {
    template::lazy::value(node, &turn.context).is_ok_and(|value| template::special::is_omit(&value))
}

/// The name and the value of what is to be shown.
fn variable(turn: &Turn, node: &Node) -> (String, Result<Value, TemplateError>) {
    let Some(text) = node.as_str() else {
        return (node.to_json().to_string(), template::lazy::value(node, &turn.context));
    };
    let rendered = template::render_text(text, &turn.context);
    match rendered {
        Ok(rendered) => match rendered.as_str() {
            // A template gives the name of the variable when it gives text; an expression must have been written by the user.
            Some(name) if !template::is_template(text) || is_written(turn, text, name) => {
                (name.to_owned(), template::evaluate(name, &turn.context))
            }
            Some(name) => (text.to_owned(), Err(template::condition::untrusted(name))),
            None => (text.to_owned(), Ok(rendered)),
        },
        Err(error) => (text.to_owned(), Err(error)),
    }
}

/// Whether what a template gives is a plain variable or loop item that stands so in the user's files.
fn is_written(turn: &Turn, text: &str, value: &str) -> bool {
    let inner = text.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
    let name = inner.unwrap_or_default().trim();
    let plain = |node: &Node| matches!(&node.shape, Shape::Str(text) if text.trusted && !template::is_template(&text.value) && &*text.value == value);
    turn.scope.written(name).is_some_and(plain)
}
