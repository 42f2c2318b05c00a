//! `delegate_to`: which other host does a task's work, and what the task sees of it.

use std::sync::Arc;

use minijinja::Value;

use super::reach::truthy;
use crate::controller::{
    compiler::scope,
    playbook::Task,
    state::Run,
    template::{self, TemplateError, error::Trouble},
    variables::{Layer, Scope, Var},
};

/// The host that a task is delegated to.
#[derive(Clone, Debug)]
pub(super) struct Delegate {
    /// Its name.
    pub(super) name: String,
    /// Whether the facts are its own too (`delegate_facts`).
    pub(super) takes_facts: bool,
}

impl Delegate {
    /// Works it out, once for each item of a loop: the answer may be random.
    pub(super) fn of(task: &Task, context: &Value) -> Result<Option<Self>, TemplateError> {
        let Some(node) = task.keyword("delegate_to").filter(|node| !node.is_null()) else { return Ok(None) };
        let value = template::lazy::value(node, context)?;
        if template::special::is_omit(&value) {
            return Ok(None);
        }
        let name = template::resolve(&value).map_err(|error| error.at(&node.span))?.to_string();
        if name.is_empty() {
            return Ok(None);
        }
        let facts = task.keyword("delegate_facts").filter(|node| !node.is_null());
        let takes_facts = match facts {
            Some(node) => truthy(&template::lazy::value(node, context).map_err(|error| error.at(&node.span))?),
            None => false,
        };
        Ok(Some(Self { name, takes_facts }))
    }

    /// Refuses a name that comes to nothing, before any condition is asked: it is a mistake, where `omit` is not.
    pub(super) fn check(task: &Task, context: &Value) -> Result<(), TemplateError> {
        let Some(node) = task.keyword("delegate_to").filter(|node| !node.is_null()) else { return Ok(()) };
        let empty = template::lazy::value(node, context).is_ok_and(|value| value.as_str() == Some(""));
        if empty {
            let message = "delegate_to comes to an empty name; use `omit` for no delegation";
            return Err(TemplateError::new(Trouble::Failed, message).at(&node.span));
        }
        Ok(())
    }

    /// What the task sees: its own variables, and under `ansible_delegated_vars` those of the other host. Where the own host
    /// does not say how it is reached, `ansible_host` is the other's.
    pub(super) fn scope(&self, run: &Arc<Run>, host: &str, scope: &Scope) -> Scope {
        let other = scope::of_inventory(run, &self.name).scope();
        let mut known = other.over(Layer::from_iter([(Arc::from("inventory_hostname"), Var::data(host))]));
        let address = other.get("ansible_host").cloned().unwrap_or_else(|| Var::data(self.name.as_str()));
        known = known.over(Layer::from_iter([(Arc::from("ansible_host"), address.clone())]));
        let all = Value::from_pairs([(self.name.clone(), template::context(&known))]);
        let mut layer = Layer::from_iter([(Arc::from("ansible_delegated_vars"), Var::Data(all))]);
        let own = scope.get("ansible_host").and_then(|own| match own {
            Var::Data(value) => value.as_str().map(str::to_owned),
            Var::Node(_) => None,
        });
        if own.as_deref() == Some(host) {
            layer.insert(Arc::from("ansible_host"), address);
        }
        scope.over(layer)
    }
}
