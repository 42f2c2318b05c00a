//! What a task's options come to: defaults of the module, `args`, and what is written.

use indexmap::IndexMap;
use minijinja::{Value, value::ValueKind};

use super::{Step, keyword};
use crate::{
    controller::{
        source::Node,
        template::{self, TemplateError, error::Trouble},
    },
    remote::modules::short_name,
};

impl Step {
    /// The task's options, rendered: defaults of the module first, then `args` as a template, then what is written.
    pub(super) fn options(&self, context: &Value) -> Result<IndexMap<String, Value>, TemplateError> {
        let mut options = IndexMap::new();
        for module in keyword::defaulted(&self.task.module, context)? {
            for level in self.task.levels.iter().filter_map(|level| level.module_defaults.as_ref()) {
                let defaults = template::lazy::value(level, context)?;
                for key in defaults.try_iter().into_iter().flatten() {
                    if short_name(&key.to_string()) == module {
                        add(&mut options, &template::resolve(&defaults.get_item(&key)?)?)?;
                    }
                }
            }
        }
        if let Some(node) = &self.task.arguments.template {
            let value = template::lazy::value(node, context).map_err(|error| error.at(&node.span))?;
            if !template::special::is_omit(&value) {
                add(&mut options, &template::resolve(&value)?)?;
            }
        }
        // A condition is evaluated by the action that asks for it, and a loop variable's text is not rendered twice.
        let verbatim: &[&str] = match self.task.module.as_str() {
            "assert" => &["that"],
            "debug" => &["var"],
            _ => &[],
        };
        for (key, node) in &self.task.arguments.options {
            let name = template::lazy::value(key, context)?.to_string();
            if verbatim.contains(&name.as_str()) {
                continue;
            }
            let value = self.option(&name, node, context)?;
            if template::special::is_omit(&value) {
                options.shift_remove(&name);
                continue;
            }
            options.insert(name, value);
        }
        if let Some(node) = &self.task.arguments.free_form {
            options.insert("_raw_params".to_owned(), self.option("_raw_params", node, context)?);
        }
        Ok(options)
    }

    /// The value of an option, or `omit`.
    fn option(&self, name: &str, node: &Node, context: &Value) -> Result<Value, TemplateError> {
        let value = template::lazy::value(node, context)
            .and_then(|value| if template::special::is_omit(&value) { Ok(value) } else { template::resolve(&value) });
        value.map_err(|error| {
            let builtin = if self.task.custom.is_none() { "ansible.builtin." } else { "" };
            error.at(&node.span).about(|| {
                format!(
                    "Finalization of task args for '{builtin}{}' failed: Error while resolving value for '{name}'",
                    self.task.module
                )
            })
        })
    }
}

fn add(options: &mut IndexMap<String, Value>, more: &Value) -> Result<(), TemplateError> {
    if more.kind() != ValueKind::Map {
        let message = format!("Finalization of task args failed: they must be a mapping, not {}", more.kind());
        return Err(TemplateError::new(Trouble::Failed, message));
    }
    for key in more.try_iter()? {
        options.insert(key.to_string(), more.get_item(&key)?);
    }
    Ok(())
}
