//! Argument specifications: what options there may be, and what is wrong with some values.

mod types;

use crate::protocol::{Json, Map};
use types::{convert, type_name};

/// Everything that is wrong with some arguments, as Ansible words it.
pub fn check(spec: &Map, arguments: &Map) -> Vec<String> {
    let mut errors = Vec::new();
    let mut unsupported = Vec::new();
    stray(spec, arguments, &[], &mut unsupported, &mut errors);
    Level { spec, rules: None, path: &[] }.check(arguments, &mut errors);
    errors.extend(unsupported);
    errors
}

/// Options at one depth.
struct Level<'s> {
    spec: &'s Map,
    /// What the option above says of its suboptions together; nothing at the top.
    rules: Option<&'s Map>,
    path: &'s [&'s str],
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Null => "None".to_owned(),
        other => other.to_string(),
    }
}

fn flag(attributes: &Json, name: &str) -> bool {
    attributes.get(name).is_some_and(|value| value == &Json::Bool(true))
}

fn aliases(attributes: &Json) -> impl Iterator<Item = &str> {
    attributes.get("aliases").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn suboptions(attributes: &Json) -> Option<&Map> {
    let kind = attributes.get("type").and_then(Json::as_str);
    let list = kind == Some("list") && attributes.get("elements").and_then(Json::as_str) == Some("dict");
    (kind == Some("dict") || list).then(|| attributes.get("options").and_then(Json::as_object)).flatten()
}

/// The mappings under an option with suboptions; text is read as one.
fn mappings(value: &Json) -> Vec<Map> {
    let one = |value: &Json| convert("dict", value).ok().and_then(|value| value.as_object().cloned());
    match value {
        Json::Array(items) => items.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

/// Names that no option has, at any depth.
fn stray(spec: &Map, arguments: &Map, path: &[&str], found: &mut Vec<String>, errors: &mut Vec<String>) {
    let known = |name: &str| {
        spec.contains_key(name) || spec.values().any(|attributes| aliases(attributes).any(|alias| alias == name))
    };
    let mut wrong: Vec<String> = arguments
        .keys()
        .filter(|name| !known(name))
        .map(|name| path.iter().copied().chain([name.as_str()]).collect::<Vec<_>>().join("."))
        .collect();
    wrong.sort();
    if !wrong.is_empty() {
        let mut names: Vec<&str> = spec.keys().map(String::as_str).collect();
        names.sort_unstable();
        let mut others: Vec<&str> = spec.values().flat_map(aliases).collect();
        others.sort_unstable();
        let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
        found.push(format!("{}. Supported parameters include: {}{others}.", wrong.join(", "), names.join(", ")));
    }
    for (name, attributes) in spec {
        let (Some(inner), Some(value)) = (suboptions(attributes), arguments.get(name)) else { continue };
        let within: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
        if let Json::String(_) = value
            && let Err(message) = convert("dict", value)
        {
            errors.push(message);
        }
        for item in value.as_array().into_iter().flatten().filter(|item| !item.is_object() && !item.is_string()) {
            let (shown, kind) = (text(item), type_name(item));
            errors.push(format!("Value '{shown}' in the sub parameter field '{name}' must be a list, not '{kind}'"));
        }
        for map in mappings(value) {
            stray(inner, &map, &within, found, errors);
        }
    }
}

impl Level<'_> {
    fn check(&self, given: &Map, errors: &mut Vec<String>) {
        let mut arguments = given.clone();
        for (name, attributes) in self.spec {
            if let Some(alias) = aliases(attributes).find(|alias| given.contains_key(*alias)) {
                arguments.insert(name.clone(), given[alias].clone());
            }
        }
        let inside = if self.path.is_empty() { String::new() } else { format!(" found in {}", self.path.join(" -> ")) };
        self.groups(
            "mutually_exclusive",
            |names| {
                let count = names.iter().filter(|name| arguments.contains_key(**name)).count();
                (count > 1).then(|| format!("parameters are mutually exclusive: {}{inside}", names.join("|")))
            },
            errors,
        );
        let mut missing: Vec<&str> = self
            .spec
            .iter()
            .filter(|(name, attributes)| flag(attributes, "required") && !arguments.contains_key(*name))
            .map(|(name, _)| name.as_str())
            .collect();
        missing.sort_unstable();
        if !missing.is_empty() {
            errors.push(format!("missing required arguments: {}{inside}", missing.join(", ")));
        }
        self.types(&mut arguments, errors);
        self.choices(&arguments, &inside, errors);
        self.together(&arguments, &inside, errors);
        for (name, attributes) in self.spec {
            let (Some(spec), Some(value)) = (suboptions(attributes), arguments.get(name)) else { continue };
            if value.is_null() {
                continue;
            }
            if !value.is_object() && !value.is_array() {
                errors.push(format!("value of '{name}' must be of type dict or list of dicts"));
            }
            let path: Vec<&str> = self.path.iter().copied().chain([name.as_str()]).collect();
            let level = Level { spec, rules: attributes.as_object(), path: &path };
            mappings(value).iter().for_each(|map| level.check(map, errors));
        }
    }

    fn types(&self, arguments: &mut Map, errors: &mut Vec<String>) {
        let place =
            if self.path.is_empty() { String::new() } else { format!(" found in '{}'.", self.path.join(" -> ")) };
        for (name, attributes) in self.spec {
            let kind = attributes.get("type").and_then(Json::as_str).unwrap_or("str");
            let Some(value) = arguments.get(name).filter(|value| !value.is_null() || flag(attributes, "required"))
            else {
                continue;
            };
            match convert(kind, value) {
                Ok(converted) => {
                    if let (Some(elements), Json::Array(items)) =
                        (attributes.get("elements").and_then(Json::as_str), &converted)
                    {
                        for item in items {
                            if let Err(message) = convert(elements, item) {
                                let of = type_name(item);
                                errors.push(format!(
                                    "Elements value for option '{name}' is of type {of}{place} and we were unable to convert to {elements}: {message}"
                                ));
                            }
                        }
                    }
                    arguments.insert(name.clone(), converted);
                }
                Err(message) => {
                    let of = type_name(value);
                    errors.push(format!(
                        "argument '{name}' is of type {of}{place} and we were unable to convert to {kind}: {message}"
                    ));
                }
            }
        }
    }

    fn choices(&self, arguments: &Map, inside: &str, errors: &mut Vec<String>) {
        for (name, attributes) in self.spec {
            let (Some(choices), Some(value)) = (
                attributes.get("choices").and_then(Json::as_array),
                arguments.get(name).filter(|value| !value.is_null()),
            ) else {
                continue;
            };
            let allowed = |value: &Json| choices.iter().any(|choice| text(choice) == text(value));
            let all = choices.iter().map(text).collect::<Vec<_>>().join(", ");
            if let Json::Array(items) = value {
                let wrong: Vec<String> = items.iter().filter(|item| !allowed(item)).map(text).collect();
                if !wrong.is_empty() {
                    let wrong = wrong.join(", ");
                    errors.push(format!(
                        "value of {name} must be one or more of: {all}. Got no match for: {wrong}{inside}"
                    ));
                }
            } else if !allowed(value) {
                errors.push(format!("value of {name} must be one of: {all}, got: {}{inside}", text(value)));
            }
        }
    }

    /// What the option above says of several suboptions at once.
    fn together(&self, arguments: &Map, inside: &str, errors: &mut Vec<String>) {
        let has = |name: &&str| arguments.contains_key(*name);
        self.groups(
            "required_together",
            |names| {
                let count = names.iter().filter(|name| has(name)).count();
                let wrong = count > 0 && count < names.len();
                wrong.then(|| format!("parameters are required together: {}{inside}", names.join(", ")))
            },
            errors,
        );
        self.groups(
            "required_one_of",
            |names| {
                let wrong = !names.iter().any(has);
                wrong.then(|| format!("one of the following is required: {}{inside}", names.join(", ")))
            },
            errors,
        );
        for rule in self.rule("required_if").and_then(Json::as_array).into_iter().flatten() {
            let Some([key, value, needed, rest @ ..]) = rule.as_array().map(Vec::as_slice) else { continue };
            let (Some(key), Some(needed)) = (key.as_str(), needed.as_array()) else { continue };
            if arguments.get(key).is_none_or(|given| text(given) != text(value)) {
                continue;
            }
            let missing: Vec<&str> = needed.iter().filter_map(Json::as_str).filter(|name| !has(name)).collect();
            let any = rest.first() == Some(&Json::Bool(true));
            if (any && missing.len() == needed.len()) || (!any && !missing.is_empty()) {
                let which = if any { "any" } else { "all" };
                let (value, missing) = (text(value), missing.join(", "));
                errors.push(format!("{key} is {value} but {which} of the following are missing: {missing}{inside}"));
            }
        }
        for (key, needed) in self.rule("required_by").and_then(Json::as_object).into_iter().flatten() {
            let single = std::slice::from_ref(needed);
            let needed = needed.as_array().map_or(single, Vec::as_slice);
            let missing: Vec<&str> = needed.iter().filter_map(Json::as_str).filter(|name| !has(name)).collect();
            if arguments.contains_key(key) && !missing.is_empty() {
                errors.push(format!("missing parameter(s) required by '{key}': {}{inside}", missing.join(", ")));
            }
        }
    }

    fn rule(&self, name: &str) -> Option<&Json> {
        self.rules?.get(name)
    }

    fn groups(&self, name: &str, judge: impl Fn(&[&str]) -> Option<String>, errors: &mut Vec<String>) {
        let groups = self.rule(name).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        // One group may stand by itself.
        let flat = groups.iter().all(Json::is_string) && !groups.is_empty();
        let whole = [Json::Array(groups.to_vec())];
        for group in if flat { &whole } else { groups } {
            let names: Vec<&str> = group.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            errors.extend(judge(&names));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(spec: Json, arguments: Json) -> Vec<String> {
        check(spec.as_object().unwrap(), arguments.as_object().unwrap())
    }

    #[test]
    fn what_is_missing_wrong_or_unknown_is_said_at_every_depth() {
        let spec = json!({
            "s": {"type": "str", "required": true},
            "n": {"type": "int"},
            "l": {"type": "list", "elements": "int"},
            "c": {"type": "list", "choices": ["a", "b"]},
            "d": {"type": "dict", "mutually_exclusive": [["x", "y"]], "options": {
                "x": {"type": "int", "required": true}, "y": {"choices": ["a", "b"]}}},
        });
        assert_eq!(errors(spec.clone(), json!({"s": "x", "n": "3", "l": "1,2", "d": {"x": 1}})), Vec::<String>::new());
        assert_eq!(
            errors(spec.clone(), json!({"n": "k", "l": [1, "x"], "c": ["a", "z"], "d": {"x": 1, "y": "c", "q": 1}})),
            [
                "missing required arguments: s",
                "argument 'n' is of type str and we were unable to convert to int: \"'k'\" cannot be converted to an int",
                "Elements value for option 'l' is of type str and we were unable to convert to int: \"'x'\" cannot be converted to an int",
                "value of c must be one or more of: a, b. Got no match for: z",
                "parameters are mutually exclusive: x|y found in d",
                "value of y must be one of: a, b, got: c found in d",
                "d.q. Supported parameters include: x, y.",
            ]
        );
        assert_eq!(errors(spec, json!({"s": "", "d": {}})), ["missing required arguments: x found in d"]);
    }

    #[test]
    fn nothing_is_no_value_for_what_is_required_except_text() {
        let spec = json!({"n": {"type": "int", "required": true}, "s": {"required": true}, "o": {"type": "int"}});
        assert_eq!(
            errors(spec, json!({"n": null, "s": null, "o": null})),
            [
                "argument 'n' is of type NoneType and we were unable to convert to int: \"None\" cannot be converted to an int"
            ]
        );
    }
}
