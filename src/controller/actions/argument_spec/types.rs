//! The types of argument specifications: what a value becomes, or why it cannot.

use crate::protocol::{Json, Map};

/// How Python calls the type of a value.
pub(super) fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float",
        Json::Number(_) => "int",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    }
}

/// The value as a type.
pub(super) fn convert(kind: &str, value: &Json) -> Result<Json, String> {
    let class = || format!("<class '{}'>", type_name(value));
    let fits =
        |convert: Option<Json>, what: &str| convert.ok_or_else(|| format!("{} cannot be converted to {what}", class()));
    match kind {
        "bool" => boolean(value),
        "int" => integer(value).map(Json::from).ok_or_else(|| {
            let shown = match value {
                Json::String(text) => format!("'{text}'"),
                Json::Null => "None".to_owned(),
                other => other.to_string(),
            };
            format!("\"{shown}\" cannot be converted to an int")
        }),
        "float" => fits(
            match value {
                Json::Number(_) => Some(value.clone()),
                Json::Bool(set) => Some(Json::from(u8::from(*set))),
                Json::String(text) => text.trim().parse::<f64>().ok().map(Json::from),
                _ => None,
            },
            "a float",
        ),
        "list" => fits(
            match value {
                Json::Array(_) => Some(value.clone()),
                Json::String(text) => Some(text.split(',').map(|item| Json::from(item.trim())).collect()),
                Json::Number(_) | Json::Bool(_) => Some(Json::Array(vec![value.clone()])),
                _ => None,
            },
            "a list",
        ),
        "dict" => match value {
            Json::Object(_) => Ok(value.clone()),
            Json::String(text) => mapping(text).map(Json::Object),
            _ => fits(None, "a dict"),
        },
        "json" | "jsonarg" => match value {
            Json::String(_) | Json::Array(_) | Json::Object(_) => Ok(value.clone()),
            _ => fits(None, "a json string"),
        },
        "bytes" => fits(amount(value, 'b').then(|| value.clone()), "a Byte value"),
        "bits" => fits(amount(value, 'b').then(|| value.clone()), "a Bit value"),
        _ => Ok(value.clone()),
    }
}

fn integer(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => number.as_i64().or_else(|| {
            let number = number.as_f64()?;
            #[expect(clippy::cast_possible_truncation, reason = "a whole number")]
            (number.fract() == 0.0).then_some(number as i64)
        }),
        Json::Bool(set) => Some(i64::from(*set)),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn boolean(value: &Json) -> Result<Json, String> {
    let shown = match value {
        Json::Bool(_) => return Ok(value.clone()),
        Json::String(text) => text.clone(),
        Json::Null => "None".to_owned(),
        other => other.to_string(),
    };
    match shown.to_lowercase().trim().trim_end_matches(".0") {
        "y" | "yes" | "on" | "1" | "true" | "t" => Ok(Json::Bool(true)),
        "n" | "no" | "off" | "0" | "false" | "f" => Ok(Json::Bool(false)),
        _ => Err(format!(
            "The value '{shown}' is not a valid boolean. Valid booleans include: 'y', 'yes', 'on', '1', 'true', 't', 1, 'n', 'no', 'off', '0', 'false', 'f', 0"
        )),
    }
}

/// JSON, or words `name=value` between commas or blanks.
fn mapping(text: &str) -> Result<Map, String> {
    let text = text.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|_| "unable to evaluate string as dictionary".to_owned());
    }
    let wrong = || "dictionary requested, could not parse JSON or key=value".to_owned();
    let words = shlex::split(&text.replace(',', " ")).filter(|words| !words.is_empty()).ok_or_else(wrong)?;
    words
        .iter()
        .map(|word| word.split_once('=').map(|(name, value)| (name.to_owned(), Json::from(value))).ok_or_else(wrong))
        .collect()
}

/// A number with a unit: `10`, `1.5M`, `2KB`.
fn amount(value: &Json, unit: char) -> bool {
    let text = match value {
        Json::Number(_) => return true,
        Json::String(text) => text.trim().to_ascii_lowercase(),
        _ => return false,
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let rest = rest.trim();
    let scale = rest.strip_suffix(unit).unwrap_or(rest);
    number.parse::<f64>().is_ok() && (scale.is_empty() || "kmgtpezy".contains(scale) && scale.len() == 1)
}
