//! From what was written to what an option is: the coercions of Ansible's argument specs.

use crate::protocol::{Json, Map};

use super::{Kind, OptionSpec};

/// Text of a scalar, as Python would write it; containers become JSON.
pub(super) fn text(value: &Json) -> Result<String, String> {
    Ok(match value {
        Json::String(text) => text.clone(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Null => return Err("expected text, got nothing".to_owned()),
        other => other.to_string(),
    })
}

/// A boolean or one of its names.
pub(super) fn boolean(value: &Json) -> Result<bool, String> {
    let word = match value {
        Json::Bool(value) => return Ok(*value),
        Json::String(word) => word.trim().to_lowercase(),
        Json::Number(number) => number.to_string().trim_end_matches(".0").to_owned(),
        other => return Err(format!("expected a boolean, got {}", describe(other))),
    };
    match word.as_str() {
        "y" | "yes" | "on" | "1" | "true" | "t" => Ok(true),
        "n" | "no" | "off" | "0" | "false" | "f" => Ok(false),
        _ => Err(format!("`{word}` is not a boolean; valid booleans include: yes, no, on, off, true, false, 1, 0")),
    }
}

/// A whole number, or text that is one.
pub(super) fn integer(value: &Json) -> Result<i64, String> {
    let found = match value {
        Json::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    found.ok_or_else(|| format!("expected a whole number, got {}", describe(value)))
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number in range")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

/// A number, or text that is one.
pub(super) fn float(value: &Json) -> Result<f64, String> {
    let found = match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    found.ok_or_else(|| format!("expected a number, got {}", describe(value)))
}

/// A list; text is split at commas, another scalar is the only item.
pub(super) fn list(value: &Json) -> Result<Vec<Json>, String> {
    match value {
        Json::Array(items) => Ok(items.clone()),
        Json::String(text) if text.is_empty() => Ok(Vec::new()),
        Json::String(text) => Ok(text.split(',').map(|item| Json::String(item.trim().to_owned())).collect()),
        Json::Number(_) | Json::Bool(_) => Ok(vec![Json::String(text(value)?)]),
        Json::Null => Ok(Vec::new()),
        Json::Object(_) => Err("expected a list, got a mapping".to_owned()),
    }
}

/// A mapping, or text that holds one as JSON or as `key=value` words.
pub(super) fn mapping(value: &Json) -> Result<Map, String> {
    match value {
        Json::Object(map) => Ok(map.clone()),
        Json::Null => Ok(Map::new()),
        Json::String(text) if text.trim_start().starts_with('{') => {
            serde_json::from_str(text).map_err(|error| format!("expected a mapping: {error}"))
        }
        Json::String(text) if text.contains('=') => text
            .split([',', ' '])
            .filter(|word| !word.is_empty())
            .map(|word| word.split_once('=').map(|(key, value)| (key.to_owned(), Json::String(value.to_owned()))))
            .collect::<Option<Map>>()
            .ok_or_else(|| "expected a mapping or key=value words".to_owned()),
        other => Err(format!("expected a mapping, got {}", describe(other))),
    }
}

/// Brings options to their canonical names.
///
/// # Errors
/// Names that no option has, and options given twice under different names.
pub(super) fn canonical(spec: &[OptionSpec], map: &Map) -> Result<Map, Vec<String>> {
    let mut canonical = Map::new();
    let mut problems = Vec::new();
    for (name, value) in map {
        let Some(option) = spec.iter().find(|option| option.is_called(name)) else {
            let known: Vec<&str> = spec.iter().filter(|o| o.kind != Kind::Blob).map(|option| option.name).collect();
            problems.push(format!("unsupported option: {name}. Supported options: {}", known.join(", ")));
            continue;
        };
        if value.is_null() && option.kind != Kind::Any {
            continue;
        }
        if option.name == name || !map.contains_key(option.name) {
            canonical.insert(option.name.to_owned(), value.clone());
        }
    }
    if problems.is_empty() { Ok(canonical) } else { Err(problems) }
}

/// Expands a leading `~` or `~user` and `$NAME`/`${NAME}` in a path.
#[must_use]
pub fn expand_path(
    path: &str,
    home: impl Fn(Option<&str>) -> Option<String>,
    variable: impl Fn(&str) -> Option<String>,
) -> String {
    let mut expanded = String::new();
    let mut rest = path;
    if let Some(tail) = path.strip_prefix('~') {
        let end = tail.find('/').unwrap_or(tail.len());
        let user = (end > 0).then(|| &tail[..end]);
        if let Some(home) = home(user) {
            expanded.push_str(&home);
            rest = &tail[end..];
        }
    }
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let (name, after) = match tail.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some((name, after)) => (name, after),
            None => tail.split_at(tail.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(tail.len())),
        };
        match variable(name) {
            Some(value) => expanded.push_str(&value),
            None => expanded.push_str(&rest[at..rest.len() - after.len()]),
        }
        rest = after;
    }
    expanded.push_str(rest);
    expanded
}

fn describe(value: &Json) -> String {
    match value {
        Json::Null => "nothing".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "a mapping".to_owned(),
        scalar => scalar.to_string(),
    }
}
