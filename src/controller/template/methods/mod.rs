//! Methods of Python's strings, lists and dictionaries.

mod lists;
mod strings;

use minijinja::value::{ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::emit::python;
use super::filters::arguments::invalid;

/// Installs the methods on an environment.
pub fn register(env: &mut Environment<'static>) {
    env.set_unknown_method_callback(call);
}

/// Calls a method of a value. Fails with `UnknownMethod` where Python has none of that name.
pub fn call(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let own = match value.kind() {
        ValueKind::String => strings::call(value.as_str().unwrap_or_default(), method, args)?,
        ValueKind::Seq | ValueKind::Iterable => lists::call(value, method, args)?,
        ValueKind::Map => mapping(value, method, args)?,
        ValueKind::Number => number(value, method, args)?,
        ValueKind::Bytes => bytes(value, method, args)?,
        _ => None,
    };
    match own {
        Some(result) => Ok(result),
        None => pycompat::unknown_method_callback(state, value, method, args),
    }
}

/// What a method gives where this module has one.
type Known = Result<Option<Value>, Error>;

fn mapping(value: &Value, method: &str, args: &[Value]) -> Known {
    match method {
        "copy" => {
            let () = from_args(args)?;
            Ok(Some(Value::from_pairs(python::pairs(value))))
        }
        "get" => {
            let (key, default): (Value, Option<Value>) = from_args(args)?;
            let found = value.get_item(&key)?;
            let default = || default.unwrap_or_else(|| Value::from(()));
            Ok(Some(if found.is_undefined() { default() } else { found }))
        }
        "update" | "pop" | "setdefault" | "popitem" | "clear" => Err(unchangeable("dict", method)),
        _ => Ok(None),
    }
}

fn number(value: &Value, method: &str, args: &[Value]) -> Known {
    match method {
        "is_integer" => {
            let () = from_args(args)?;
            let whole = value.is_integer() || f64::try_from(value.clone()).is_ok_and(|number| number.fract() == 0.0);
            Ok(Some(Value::from(whole)))
        }
        "bit_length" if value.is_integer() => {
            let () = from_args(args)?;
            let size = i128::try_from(value.clone())?.unsigned_abs();
            Ok(Some(Value::from(u128::BITS - size.leading_zeros())))
        }
        _ => Ok(None),
    }
}

fn bytes(value: &Value, method: &str, args: &[Value]) -> Known {
    match method {
        "decode" => {
            let (_, _): (Option<String>, Option<Value>) = from_args(args)?;
            let text = std::str::from_utf8(value.as_bytes().unwrap_or_default());
            text.map(|text| Some(Value::from(text))).map_err(|_| invalid("'utf-8' codec can't decode the bytes"))
        }
        "hex" => {
            use std::fmt::Write as _;
            let bytes = value.as_bytes().unwrap_or_default();
            Ok(Some(Value::from(bytes.iter().fold(String::new(), |mut out, byte| {
                let _ = write!(out, "{byte:02x}");
                out
            }))))
        }
        _ => Ok(None),
    }
}

/// Values in templates never change; a method that would change one says so.
fn unchangeable(kind: &str, method: &str) -> Error {
    let message = format!("a {kind} cannot be changed in a template by .{method}(); build a new one instead");
    Error::new(ErrorKind::InvalidOperation, message)
}
