//! Lookups of variables, settings and hosts.

use minijinja::{Error, ErrorKind, Value};

use super::super::emit::python;
use super::super::filters::arguments::{invalid, is_list, items};
use super::super::filters::pattern::Pattern;
use super::{Lookup, Options, Surroundings};

pub(super) const ALL: &[Lookup] = &[
    Lookup::new("vars", "default", vars),
    Lookup::new("varnames", "", varnames),
    Lookup::new("config", "on_missing plugin_type plugin_name show_origin", config),
    Lookup::new("inventory_hostnames", "", |around, terms, _| {
        let mut patterns = Vec::new();
        for term in terms {
            if is_list(term) {
                patterns.extend(items(term)?.iter().map(python::text));
            } else {
                patterns.push(python::text(term));
            }
        }
        // A pattern that fits nothing is no error here.
        Ok(around.hosts(&patterns.join(",")).unwrap_or_default().into_iter().map(Value::from).collect())
    }),
];

fn vars(around: &dyn Surroundings, terms: &[Value], options: &Options) -> Result<Vec<Value>, Error> {
    terms
        .iter()
        .map(|term| {
            let Some(name) = term.as_str() else {
                let kind = python::type_name(term);
                return Err(invalid(format!("Variable name must be 'str' not '{kind}'.")));
            };
            match (around.variable(name)?, options.get("default")) {
                (Some(value), _) => Ok(value),
                (None, Some(default)) => Ok(default.clone()),
                (None, None) => {
                    let message = format!("No variable named {} was found.", python::quoted(name));
                    Err(Error::new(ErrorKind::UndefinedError, message))
                }
            }
        })
        .collect()
}

fn varnames(around: &dyn Surroundings, terms: &[Value], _: &Options) -> Result<Vec<Value>, Error> {
    let names = around.variable_names();
    let mut out = Vec::new();
    for term in terms {
        let Some(source) = term.as_str() else {
            let (text, kind) = (python::text(term), python::type_name(term));
            return Err(invalid(format!("Invalid setting identifier, \"{text}\" is not a string, it is a {kind}")));
        };
        let pattern = Pattern::new(source, false, false)
            .map_err(|error| invalid(format!("Unable to use \"{source}\" as a search parameter: {error}")))?;
        for name in &names {
            if pattern.find(name, 0)?.is_some() {
                out.push(Value::from(name.as_str()));
            }
        }
    }
    Ok(out)
}

fn config(around: &dyn Surroundings, terms: &[Value], options: &Options) -> Result<Vec<Value>, Error> {
    if options.get("plugin_type").is_some() != options.get("plugin_name").is_some() {
        return Err(invalid("Both plugin_type and plugin_name are required, cannot use one without the other."));
    }
    let missing = options.text("on_missing").unwrap_or_else(|| "error".to_owned());
    if !matches!(missing.as_str(), "error" | "skip" | "warn") {
        return Err(invalid(format!(
            "Invalid option for error handling, missing must be error, warn or skip, got: {missing}."
        )));
    }
    let mut out = Vec::new();
    for term in terms {
        let Some(name) = term.as_str() else {
            return Err(invalid(format!("Invalid setting identifier, {} is not a string.", python::repr(term))));
        };
        let plugin = options.text("plugin_type").zip(options.text("plugin_name"));
        match around.setting(name, plugin.as_ref().map(|(kind, name)| (kind.as_str(), name.as_str()))) {
            Some(value) if options.flag("show_origin", false) => {
                out.push(Value::from_iter([value, Value::from("default")]));
            }
            Some(value) => out.push(value),
            None if missing == "error" => {
                return Err(invalid(format!("No config definition exists for {}.", python::quoted(name))));
            }
            None => {}
        }
    }
    Ok(out)
}
