//! Inventory sources that work hosts and groups out: `generator` from layers, `constructed` from what is known of hosts.

mod constructed;
mod generator;

use super::{Inventory, Vars};
use crate::{
    controller::source::{Diagnostic, Diagnostics, Mapping, Node, Shape},
    protocol::Json,
};

/// Works out templates for inventories, which are read before there are any plays.
pub trait Templates {
    /// A value with all its templates rendered.
    ///
    /// # Errors
    /// Why it cannot be.
    fn render(&self, node: &Node, vars: &Vars) -> Result<Json, String>;

    /// Whether mappings that several sources give are merged.
    fn merges(&self) -> bool {
        false
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// Why it has none.
    fn evaluate(&self, expression: &str, vars: &Vars) -> Result<Json, String>;
}

/// For inventories that need none.
#[derive(Clone, Copy, Debug)]
pub struct NoTemplates;

impl Templates for NoTemplates {
    fn render(&self, _: &Node, _: &Vars) -> Result<Json, String> {
        Err("templates are not known here".to_owned())
    }

    fn evaluate(&self, _: &str, _: &Vars) -> Result<Json, String> {
        Err("expressions are not known here".to_owned())
    }
}

/// Carries out the configuration of a plugin.
pub(super) fn read(
    name: &Node,
    map: &Mapping,
    templates: &dyn Templates,
    inventory: &mut Inventory,
    diagnostics: &mut Diagnostics,
) {
    let done = match name.as_str().map(|name| name.trim_start_matches("ansible.builtin.")) {
        Some("generator") => generator::read(map, templates, inventory),
        Some("constructed") => {
            inventory.reconcile();
            constructed::read(map, templates, inventory)
        }
        _ => {
            let finding = Diagnostic::error(&name.span, "this inventory plugin is not supported");
            Err(finding.hint("there are `generator` and `constructed`; an executable script may print JSON"))
        }
    };
    if let Err(finding) = done {
        diagnostics.push(finding);
    }
}

/// JSON as text, the way a template prints it.
fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// Whether a mapping says yes to something.
fn flag(map: &Mapping, name: &str) -> Option<bool> {
    match &map.get(name)?.shape {
        Shape::Bool(set) => Some(*set),
        Shape::Str(text) => Some(matches!(text.value.to_lowercase().as_str(), "yes" | "true" | "on" | "1" | "y")),
        _ => None,
    }
}

/// A name for a group, with what names cannot have replaced.
fn group_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '_' { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{}", &name[1..]) } else { name }
}
