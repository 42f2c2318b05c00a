//! Which handlers a task that changed something notifies.

use std::{collections::BTreeSet, sync::PoisonError};

use minijinja::Value;

use super::step::Step;
use crate::controller::{
    compiler::handlers,
    source::{Diagnostic, Node, Shape},
    template,
};

impl Step {
    /// The numbers of the handlers, in the play's list of them.
    ///
    /// # Errors
    /// When there is no handler of a name that is notified, where that ends the run (Ansible's `ERROR_ON_MISSING_HANDLER`).
    pub(super) fn notified(&self, context: &Value) -> Result<BTreeSet<usize>, Diagnostic> {
        let mut notified = BTreeSet::new();
        let known = self.batch.handlers.read().unwrap_or_else(PoisonError::into_inner).clone();
        for node in self.task.levels.iter().filter_map(|level| level.notify.as_ref()) {
            let mut wanted = Vec::new();
            names(node, context, &mut wanted);
            for name in wanted {
                let found = handlers::named(&known, &name, context);
                if found.is_empty() {
                    let message = format!(
                        "The requested handler '{name}' was not found in either the main handlers list nor in the listening handlers list"
                    );
                    if self.run.settings.missing_handlers_fail {
                        let hint = "name a handler of this play or its roles, or a topic that one listens to";
                        return Err(Diagnostic::absent(&node.span, message).hint(hint));
                    }
                    self.run.warn(format!("{}: {message}", node.span));
                }
                notified.extend(found);
            }
        }
        Ok(notified)
    }
}

fn names(node: &Node, context: &Value, found: &mut Vec<String>) {
    match &node.shape {
        Shape::List(items) => items.iter().for_each(|item| names(item, context, found)),
        _ => {
            let Ok(value) = template::lazy::value(node, context) else { return };
            match value.try_iter() {
                Ok(items) if value.as_str().is_none() => found.extend(items.map(|item| item.to_string())),
                _ => found.push(value.to_string()),
            }
        }
    }
}
