//! `validate_argument_spec`: holds variables against what a role says it takes.

use serde_json::json;

use super::argument_spec::check;
use crate::{
    controller::{
        executor::{Done, Turn},
        template::{self, TemplateError, special},
        variables::Var,
    },
    options,
    protocol::{Json, Map, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Checks variables against an argument specification, as is done before a role that has one.
    ///
    /// ## Example
    /// ```yaml
    /// - validate_argument_spec:
    ///     argument_spec:
    ///       port: {type: int, required: true}
    /// ```
    ///
    /// ## Returns
    /// `argument_errors`: what is wrong; `argument_spec_data`: the specification.
    pub struct ValidateArgumentSpec {
        /// Options by name, each with `type`, `required`, `choices`, `elements`, `options` and so on.
        argument_spec: Map,
        /// Values beside the variables of the same names.
        provided_arguments: Map,
        /// Said again in the result.
        validate_args_context: Map,
    }
}

/// The manual page.
pub const DOC: &str = ValidateArgumentSpec::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    ValidateArgumentSpec::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let options = match turn.json_options() {
        Ok(options) => options,
        Err(error) => return Done::failed(error.message),
    };
    if !options.contains_key("argument_spec") {
        return Done::failed("\"argument_spec\" arg is required in args: argument_spec");
    }
    let map = |name: &str| match options.get(name) {
        None | Some(Json::Null) => Ok(Map::new()),
        Some(Json::Object(map)) => Ok(map.clone()),
        Some(other) => Err(format!("Incorrect type for {name}, expected dict and got {other}")),
    };
    let read = || Ok::<_, String>((map("argument_spec")?, map("provided_arguments")?));
    let (spec, mut arguments) = match read() {
        Ok(read) => read,
        Err(message) => return Done::failed(message),
    };
    for name in spec.keys() {
        match variable(turn, name) {
            Ok(Some(value)) => drop(arguments.insert(name.clone(), value)),
            Ok(None) => {}
            Err(error) => return Done::failed(error.message),
        }
    }
    let errors = check(&spec, &arguments);
    let context = options.get("validate_args_context").cloned().unwrap_or_else(|| json!({}));
    let mut outcome = if errors.is_empty() {
        let mut outcome = Outcome::new(Verdict::Unchanged);
        outcome.result.insert("msg".to_owned(), json!("The arg spec validation passed"));
        outcome
    } else {
        let mut outcome = Outcome::failed(format!("Validation of arguments failed:\n{}", errors.join("\n")));
        outcome.result.insert("argument_errors".to_owned(), json!(errors));
        outcome.result.insert("argument_spec_data".to_owned(), Json::Object(spec));
        outcome
    };
    outcome.result.insert("validate_args_context".to_owned(), context);
    outcome.into()
}

/// A variable's value, all templates in it rendered.
fn variable(turn: &Turn, name: &str) -> Result<Option<Json>, TemplateError> {
    let value = match turn.scope.get(name) {
        None => return Ok(None),
        Some(Var::Data(value)) => value.clone(),
        Some(Var::Node(node)) => template::lazy::value(node, &turn.context).map_err(|error| error.at(&node.span))?,
    };
    if special::is_omit(&value) {
        return Ok(None);
    }
    Ok(Some(template::to_json(&template::resolve(&value)?)?))
}
