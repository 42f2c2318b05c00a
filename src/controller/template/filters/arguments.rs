//! Arguments of a filter, test or lookup, bound to parameter names as Python binds them.

use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, ErrorKind, Value};

use super::super::emit::python;

/// The largest count or width anything is asked for.
const LARGEST: usize = 10_000_000;

/// Arguments by name. Any parameter may come by position or by keyword.
#[derive(Debug)]
pub struct Arguments {
    function: &'static str,
    bound: Vec<(&'static str, Option<Value>)>,
    rest: Vec<Value>,
    extra: Vec<(String, Value)>,
}

impl Arguments {
    /// Binds a call. `signature` is a list of names, the last of which may be `*rest` and `**extra` to collect
    /// what is left. Fails on too many arguments, on unknown keywords and on a parameter given twice.
    pub fn bind(function: &'static str, signature: &'static str, args: &[Value]) -> Result<Self, Error> {
        let (positional, keywords): (&[Value], Kwargs) = from_args(args)?;
        let mut bound = Self { function, bound: Vec::new(), rest: Vec::new(), extra: Vec::new() };
        let (mut collects, mut accepts) = (false, false);
        for name in signature.split_ascii_whitespace() {
            if name.starts_with("**") {
                accepts = true;
            } else if name.starts_with('*') {
                collects = true;
            } else {
                bound.bound.push((name, None));
            }
        }
        for (index, value) in positional.iter().enumerate() {
            match bound.bound.get_mut(index) {
                Some((_, slot)) => *slot = Some(value.clone()),
                None if collects => bound.rest.push(value.clone()),
                None => {
                    let (most, given) = (bound.bound.len(), positional.len());
                    let message = format!("{function}() takes {most} positional arguments but {given} were given");
                    return Err(Error::new(ErrorKind::TooManyArguments, message));
                }
            }
        }
        for keyword in keywords.args() {
            let value: Value = keywords.peek(keyword)?;
            match bound.bound.iter_mut().find(|(name, _)| *name == keyword) {
                Some((_, slot @ None)) => *slot = Some(value),
                Some(_) => {
                    let message = format!("{function}() got multiple values for argument '{keyword}'");
                    return Err(Error::new(ErrorKind::TooManyArguments, message));
                }
                None if accepts => bound.extra.push((keyword.to_owned(), value)),
                None => {
                    let message = format!("{function}() got an unexpected keyword argument '{keyword}'");
                    return Err(Error::new(ErrorKind::TooManyArguments, message));
                }
            }
        }
        Ok(bound)
    }

    /// Fails if any argument is undefined.
    pub fn refuse_undefined(&self) -> Result<(), Error> {
        let bound = self.bound.iter().filter_map(|(_, value)| value.as_ref());
        for value in bound.chain(&self.rest).chain(self.extra.iter().map(|(_, value)| value)) {
            if let Some(error) = undefined(value) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether what the filter is applied to is undefined.
    pub fn first_is_undefined(&self) -> bool {
        self.bound.first().and_then(|(_, value)| value.as_ref()).is_some_and(Value::is_undefined)
    }

    /// The argument, if it was given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.bound.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_ref())
    }

    /// The argument, if it was given and is not `None`.
    pub fn some(&self, name: &str) -> Option<&Value> {
        self.get(name).filter(|value| !value.is_none())
    }

    /// The argument; fails if it was not given.
    pub fn need(&self, name: &str) -> Result<&Value, Error> {
        self.get(name).ok_or_else(|| {
            let message = format!("{}() missing required argument: '{name}'", self.function);
            Error::new(ErrorKind::MissingArgument, message)
        })
    }

    /// The argument as Python's `str()` gives it; fails if it was not given.
    pub fn text(&self, name: &str) -> Result<String, Error> {
        self.need(name).map(python::text)
    }

    /// The argument as a string, or the default where it is absent or `None`.
    pub fn text_or(&self, name: &str, default: &str) -> String {
        self.some(name).map_or_else(|| default.to_owned(), python::text)
    }

    /// The argument by Python's truth, `false` if it was not given.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(Value::is_true)
    }

    /// The argument by Python's truth.
    pub fn flag_or(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, Value::is_true)
    }

    /// The argument as a whole number; fails if it is something else.
    pub fn int(&self, name: &str) -> Result<Option<i64>, Error> {
        self.some(name)
            .map(|value| {
                value.as_i64().ok_or_else(|| {
                    let message =
                        format!("{}(): {name} must be an integer, not {}", self.function, python::type_name(value));
                    invalid(message)
                })
            })
            .transpose()
    }

    /// The argument as a length or count; negative numbers are none.
    pub fn size(&self, name: &str) -> Result<Option<usize>, Error> {
        Ok(self.int(name)?.map(|number| usize::try_from(number).unwrap_or(0).min(LARGEST)))
    }

    /// The items of the argument.
    pub fn list(&self, name: &str) -> Result<Vec<Value>, Error> {
        items(self.need(name)?)
    }

    /// Positional arguments beyond the named ones.
    pub fn rest(&self) -> &[Value] {
        &self.rest
    }

    /// Keyword arguments beyond the named ones.
    pub fn extra(&self) -> &[(String, Value)] {
        &self.extra
    }
}

/// The error an undefined value raises when it is used; `None` for any other value.
pub fn undefined(value: &Value) -> Option<Error> {
    // Asking it for an attribute makes the engine say where it came from.
    value.is_undefined().then(|| value.get_attr("").err()).flatten()
}

/// An error of use: wrong type, wrong value.
pub fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// The items Python would iterate over: list items, mapping keys, characters. Fails on numbers, `None` and undefined.
pub fn items(value: &Value) -> Result<Vec<Value>, Error> {
    if let Some(error) = undefined(value) {
        return Err(error);
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String => {
            value.try_iter()?.checked().collect()
        }
        _ => Err(invalid(format!("'{}' object is not iterable", python::type_name(value)))),
    }
}

/// Whether it is a list or a tuple.
pub fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// The number, booleans counting as 0 and 1; `None` for anything else.
pub fn number(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => None,
    }
}

/// A whole number in the smallest form that holds it.
pub fn integer(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::from(number), Value::from)
}

/// A mapping from pairs; a later pair replaces the value of an equal key.
pub fn mapping(entries: Vec<(Value, Value)>) -> Value {
    Value::from_pairs(entries)
}

/// Looks up a dotted path (`a.b.0`) as `attribute=` does; a missing step gives undefined.
pub fn attribute(value: &Value, path: &Value) -> Result<Value, Error> {
    if path.is_integer() {
        return value.get_item(path);
    }
    let path = python::text(path);
    let mut current = value.clone();
    for step in path.split('.') {
        let found = match step.parse::<usize>() {
            Ok(index) if is_list(&current) => current.get_item_by_index(index)?,
            Ok(index) => {
                let named = current.get_attr(step)?;
                if named.is_undefined() { current.get_item(&Value::from(index))? } else { named }
            }
            Err(_) => current.get_attr(step)?,
        };
        current = found;
    }
    Ok(current)
}

/// Python's `==`: numbers and booleans compare by value, containers item by item.
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left.kind(), right.kind()) {
        (ValueKind::Bool, ValueKind::Number) | (ValueKind::Number, ValueKind::Bool) => number(left) == number(right),
        _ => left == right,
    }
}

/// Python's `<`: fails where the two have no order.
pub fn order(left: &Value, right: &Value) -> Result<std::cmp::Ordering, Error> {
    use std::cmp::Ordering;
    let ordinary = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    match (left.kind(), right.kind()) {
        (ValueKind::String, ValueKind::String) | (ValueKind::Bytes, ValueKind::Bytes) => Ok(left.cmp(right)),
        _ if ordinary(left) && ordinary(right) => Ok(left.cmp(right)),
        (ValueKind::Seq | ValueKind::Iterable, ValueKind::Seq | ValueKind::Iterable) => {
            let (left, right) = (items(left)?, items(right)?);
            for (one, other) in left.iter().zip(&right) {
                if !equal(one, other) {
                    return order(one, other);
                }
            }
            Ok(left.len().cmp(&right.len()))
        }
        (ValueKind::Plain, ValueKind::Plain) => Ok(left.cmp(right)),
        _ => {
            if let Some(error) = undefined(left).or_else(|| undefined(right)) {
                return Err(error);
            }
            let (left_type, right_type) = (python::type_name(left), python::type_name(right));
            let message = format!("'<' not supported between instances of '{left_type}' and '{right_type}'");
            Err(Error::new(ErrorKind::InvalidOperation, message)).map(|(): ()| Ordering::Equal)
        }
    }
}

/// Sorts stably by Python's `<`; fails where two items have no order.
pub fn sort_by_key(keyed: &mut [(Value, Value)]) -> Result<(), Error> {
    let mut failure = None;
    keyed.sort_by(|left, right| {
        order(&left.0, &right.0).unwrap_or_else(|error| {
            failure.get_or_insert(error);
            std::cmp::Ordering::Equal
        })
    });
    failure.map_or(Ok(()), Err)
}
