//! `vars_prompt`: asks the person at the terminal, and takes defaults where nobody can be asked.

use std::sync::Arc;

use minijinja::Value;

use crate::controller::{
    connection::Ask,
    playbook::Play,
    source::{Diagnostic, Diagnostics, Mapping, Node, Shape},
    state::Run,
    template::{self, engine},
    variables::{Layer, Scope, Var},
};

/// How often somebody may mistype an answer that is asked for twice.
const TRIES_MAX: usize = 10;

/// The answers to what a play asks for; what the command line gives is not asked for.
///
/// # Errors
/// What nobody answers and has no default, or cannot be encrypted as asked.
pub(super) fn ask(run: &Run, play: &Play, scope: &Scope, ask: &dyn Ask) -> Result<Layer, Diagnostics> {
    let mut answers = Layer::new();
    let Some(prompts) = play.get("vars_prompt").filter(|node| !node.is_null()) else { return Ok(answers) };
    let single = std::slice::from_ref(prompts);
    let wrong = |node: &Node, message: String| Diagnostics { found: vec![Diagnostic::error(&node.span, message)] };
    for entry in prompts.as_list().unwrap_or(single) {
        let Some((map, name)) = entry.as_map().and_then(|map| Some((map, map.get("name")?.as_str()?))) else {
            continue;
        };
        if run.extra_vars.contains_key(name) {
            continue;
        }
        let context = template::context(scope);
        let default = match map.get("default").filter(|node| !node.is_null()) {
            Some(node) => Some(template::lazy::value(node, &context).map_err(|error| wrong(node, error.message))?),
            None => None,
        };
        let answer = match question(name, map, default.as_ref(), ask) {
            Some(answer) if answer.is_empty() => default.unwrap_or_else(|| Value::from("")),
            Some(answer) => Value::from(answer),
            None => default.ok_or_else(|| {
                let found = Diagnostic::error(&entry.span, format!("this play asks for {name}, and nobody answers"));
                Diagnostics { found: vec![found.hint("give a value with -e, or a default in vars_prompt")] }
            })?,
        };
        if said(map, "private", true) {
            run.keep_secret(&answer.to_string());
        }
        let answer = encrypted(map, answer).map_err(|message| wrong(entry, message))?;
        answers.insert(Arc::from(name), Var::Data(answer));
    }
    Ok(answers)
}

fn question(name: &str, map: &Mapping, default: Option<&Value>, ask: &dyn Ask) -> Option<String> {
    let private = said(map, "private", true);
    let prompt = map.get("prompt").and_then(Node::as_str).unwrap_or(name);
    let shown = default.filter(|_| !private).map(|default| format!(" [{default}]")).unwrap_or_default();
    let once = |text: String| ask.answer("", &text, !private).map(|answer| answer.reveal().to_owned());
    for _ in 0..TRIES_MAX {
        let answer = once(format!("{prompt}{shown}:"))?;
        if !said(map, "confirm", false) || once(format!("confirm {prompt}{shown}:"))? == answer {
            return Some(answer);
        }
    }
    None
}

/// The answer as a password hash, if it is to be one.
fn encrypted(map: &Mapping, answer: Value) -> Result<Value, String> {
    let Some(scheme) = map.get("encrypt").and_then(Node::as_str) else { return Ok(answer) };
    let mut vars =
        Layer::from_iter([(Arc::from("answer"), Var::Data(answer)), (Arc::from("scheme"), Var::data(scheme))]);
    let mut expression = "answer | password_hash(scheme".to_owned();
    for option in ["salt", "salt_size"] {
        if let Some(node) = map.get(option).filter(|node| !node.is_null()) {
            vars.insert(Arc::from(option), Var::Node(node.clone()));
            expression.push_str(&format!(", {option}={option}"));
        }
    }
    expression.push(')');
    engine::evaluate(&expression, &template::context(&Scope::default().over(vars))).map_err(|error| error.message)
}

fn said(map: &Mapping, name: &str, default: bool) -> bool {
    match map.get(name).map(|node| &node.shape) {
        Some(Shape::Bool(set)) => *set,
        Some(Shape::Str(text)) => matches!(text.value.to_lowercase().as_str(), "yes" | "true" | "on" | "1" | "y"),
        _ => default,
    }
}
