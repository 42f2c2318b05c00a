//! Between template values, plain data and JSON; and how Python writes numbers.

use minijinja::{Error, ErrorKind, State, Value, value::ValueKind};

use super::{
    error::{TemplateError, Trouble},
    special,
};
use crate::protocol::Json;

/// What a value is called that no template calls anything.
pub(super) const UNNAMED: &str = "value";

/// A value with everything in it looked at: no template is left, `omit`ted items are gone.
///
/// # Errors
/// The first thing in it that is undefined, unknown or broken.
pub fn resolve(value: &Value) -> Result<Value, TemplateError> {
    special::used(value, UNNAMED)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter()? {
                if !special::is_omit(&item) {
                    items.push(resolve(&item)?);
                }
            }
            Ok(Value::from(items))
        }
        ValueKind::Map => {
            let mut map = indexmap::IndexMap::<Value, Value>::new();
            for key in value.try_iter()? {
                let item = value.get_item(&key)?;
                special::used(&item, &key.to_string())?;
                if !special::is_omit(&item) {
                    map.insert(key, resolve(&item)?);
                }
            }
            Ok(Value::from_object(map))
        }
        // What broke it comes out where it is taken from a list.
        ValueKind::Invalid => match Value::from(vec![value.clone()]).try_iter()?.checked().next() {
            Some(Err(error)) => Err(error.into()),
            _ => Err(TemplateError::new(Trouble::Failed, "broken value")),
        },
        _ => Ok(value.clone()),
    }
}

/// A resolved value as JSON; keys become text.
///
/// # Errors
/// As [`resolve`], or for a value JSON has no form for.
pub fn to_json(value: &Value) -> Result<Json, TemplateError> {
    let value = resolve(value)?;
    plain(&value)
}

fn plain(value: &Value) -> Result<Json, TemplateError> {
    Ok(match value.kind() {
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Seq | ValueKind::Iterable => {
            Json::Array(value.try_iter()?.map(|item| plain(&item)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut map = crate::protocol::Map::new();
            for key in value.try_iter()? {
                let item = plain(&value.get_item(&key)?)?;
                map.insert(key.to_string(), item);
            }
            Json::Object(map)
        }
        ValueKind::Number => serde_json::to_value(value)
            .map_err(|error| TemplateError::new(Trouble::Failed, format!("no JSON number: {error}")))?,
        _ => Json::String(value.to_string()),
    })
}

/// JSON as a value.
#[must_use]
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => Value::from(integer),
            (_, Some(integer), _) => Value::from(integer),
            (_, _, float) => Value::from(float.unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(from_json).collect::<Vec<_>>()),
        Json::Object(map) => Value::from_object(
            map.iter()
                .map(|(key, item)| (Value::from(key.as_str()), from_json(item)))
                .collect::<indexmap::IndexMap<Value, Value>>(),
        ),
    }
}

/// The number, if the value is one with a fraction by type.
pub(super) fn float(value: &Value) -> Option<f64> {
    if value.kind() == ValueKind::Number && !value.is_integer() { f64::try_from(value.clone()).ok() } else { None }
}

/// Python's `%`: formatting with text on the left, else the remainder with the sign of the divisor.
///
/// # Errors
/// When the values do not fit the format.
pub(super) fn percent(state: &mut State<'_, '_>, left: Value, right: Value) -> Result<Value, Error> {
    if left.as_str().is_some() {
        let mut arguments = vec![left];
        match right.kind() {
            ValueKind::Seq if right.is_tuple() => arguments.extend(right.try_iter()?),
            _ => arguments.push(right),
        }
        return state.apply_filter("format", &arguments);
    }
    let zero = || Error::new(ErrorKind::InvalidOperation, "modulo by zero");
    if let (Some(a), Some(b)) = (left.as_i64(), right.as_i64()) {
        let rest = a.checked_rem(b).ok_or_else(zero)?;
        return Ok(Value::from(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }));
    }
    let (a, b) = (f64::try_from(left)?, f64::try_from(right)?);
    if b == 0.0 {
        return Err(zero());
    }
    Ok(Value::from(a - b * (a / b).floor()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (number, text) in
            [(1.0, "1.0"), (0.5, "0.5"), (1e16, "1e+16"), (1e-7, "1e-07"), (123.25, "123.25"), (0.0001, "0.0001")]
        {
            assert_eq!(super::super::emit::python::float(number), text);
        }
    }
}
