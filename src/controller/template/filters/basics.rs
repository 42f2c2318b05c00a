//! Filters on any value: defaults, conversions, size and type.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

use super::super::emit::python;
use super::Filter;
use super::arguments::{Arguments, integer, invalid, items, undefined};

pub(super) const ALL: &[Filter] = &[
    Filter::lenient("default", "value default_value boolean", default),
    Filter::lenient("d", "value default_value boolean", default),
    Filter::lenient("mandatory", "a msg", mandatory),
    Filter::new("bool", "value", bool),
    Filter::new("int", "value default base", int),
    Filter::new("float", "value default", float),
    Filter::new("string", "object", string),
    Filter::new("list", "value", list),
    Filter::new("length", "obj", length),
    Filter::new("count", "obj", length),
    Filter::new("first", "seq", first),
    Filter::new("last", "seq", last),
    Filter::new("reverse", "value", reverse),
    Filter::lenient("type_debug", "obj", type_debug),
    Filter::lenient("ternary", "value true_val false_val none_val", ternary),
    Filter::new("attr", "obj name", attr),
];

type Outcome = Result<Value, Error>;

fn default(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("value")?;
    let boolean = match args.get("boolean") {
        Some(flag) if flag.kind() != ValueKind::Bool => {
            let message = format!(
                "The 'boolean' argument must be of type 'bool', not {}.",
                python::quoted(python::type_name(flag))
            );
            return Err(invalid(message));
        }
        flag => flag.is_some_and(Value::is_true),
    };
    if undefined(value).is_some() || (boolean && !value.is_true()) {
        return Ok(args.get("default_value").cloned().unwrap_or_else(|| Value::from("")));
    }
    Ok(value.clone())
}

fn mandatory(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("a")?;
    if undefined(value).is_none() {
        return Ok(value.clone());
    }
    let name = super::super::lazy::remembered().map_or_else(String::new, |name| format!(" '{name}'"));
    let message = args.some("msg").map_or_else(|| format!("Mandatory variable{name} not defined."), python::text);
    Err(Error::new(ErrorKind::UndefinedError, message))
}

/// Python's truth table of `bool`: the well-known words and 1; anything else is false.
pub(super) fn truth(value: &Value) -> bool {
    match value.kind() {
        ValueKind::String => {
            let word = value.as_str().unwrap_or_default().to_lowercase();
            matches!(word.as_str(), "yes" | "on" | "true" | "1")
        }
        ValueKind::Bool => value.is_true(),
        ValueKind::Number => f64::try_from(value.clone()).is_ok_and(|number| (number - 1.0).abs() < f64::EPSILON),
        _ => false,
    }
}

fn bool(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    args.need("value").map(|value| Value::from(truth(value)))
}

fn int(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("value")?;
    let fallback = || Ok(args.get("default").cloned().unwrap_or_else(|| Value::from(0)));
    let base = args.int("base")?.unwrap_or(10);
    match value.kind() {
        ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()))),
        ValueKind::Number if value.is_integer() => Ok(value.clone()),
        ValueKind::Number => truncated(f64::try_from(value.clone())?).map_or_else(fallback, Ok),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            if let Some(number) = parse_int(text, base) {
                return Ok(integer(number));
            }
            parse_float(text).and_then(truncated).map_or_else(fallback, Ok)
        }
        _ => fallback(),
    }
}

fn truncated(number: f64) -> Option<Value> {
    #[expect(clippy::cast_possible_truncation, reason = "dropping the fraction is the point")]
    (number.is_finite() && number.abs() < 1e38).then(|| integer(number.trunc() as i128))
}

/// `int(text, base)` of Python: blanks around, a sign, underscores between digits, a prefix that fits the base.
pub(in super::super) fn parse_int(text: &str, base: i64) -> Option<i128> {
    let text = text.trim();
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let lower = digits.to_lowercase();
    let prefix = match lower.get(..2) {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ => 0,
    };
    let (base, digits) = match (base, prefix) {
        (0, 0) => (10, lower.as_str()),
        (0, _) => (prefix, &lower[2..]),
        _ if i64::from(prefix) == base => (prefix, &lower[2..]),
        _ => (u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?, lower.as_str()),
    };
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") || digits.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), base).ok().map(|number| sign * number)
}

/// `float(text)` of Python.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    text.replace('_', "").parse().ok()
}

fn float(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("value")?;
    let number = match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::String => parse_float(value.as_str().unwrap_or_default()),
        _ => None,
    };
    Ok(number.map_or_else(|| args.get("default").cloned().unwrap_or_else(|| Value::from(0.0)), Value::from))
}

fn string(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    args.text("object").map(Value::from)
}

fn list(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    args.list("value").map(Value::from)
}

fn length(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("obj")?;
    match value.len() {
        Some(length) => Ok(Value::from(length)),
        None if value.kind() == ValueKind::Iterable => items(value).map(|items| Value::from(items.len())),
        None => Err(invalid(format!("object of type '{}' has no len()", python::type_name(value)))),
    }
}

fn first(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    Ok(args.list("seq")?.into_iter().next().unwrap_or(Value::UNDEFINED))
}

fn last(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    Ok(args.list("seq")?.pop().unwrap_or(Value::UNDEFINED))
}

fn reverse(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("value")?;
    if let Some(text) = value.as_str() {
        return Ok(Value::from(text.chars().rev().collect::<String>()));
    }
    Ok(items(value)?.into_iter().rev().collect())
}

fn type_debug(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    args.need("obj").map(|value| Value::from(python::type_name(value)))
}

fn ternary(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("value")?;
    if let Some(error) = undefined(value) {
        return Err(error);
    }
    let (yes, no) = (args.need("true_val")?, args.need("false_val")?);
    match args.some("none_val") {
        Some(none) if value.is_none() => Ok(none.clone()),
        _ => Ok(if value.is_true() { yes } else { no }.clone()),
    }
}

fn attr(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    args.need("obj")?.get_attr(&args.text("name")?)
}
