//! Filters that apply a filter or a test to every item.

use minijinja::value::{Kwargs, Tuple, ValueKind};
use minijinja::{Error, State, Value};

use super::super::emit::python;
use super::super::lazy;
use super::Filter;
use super::arguments::{Arguments, attribute, invalid, undefined};

pub(super) const ALL: &[Filter] = &[
    Filter::lenient("map", "value *args **kwargs", map),
    Filter::lenient("select", "value *args **kwargs", |state, args| choose(state, args, false, true)),
    Filter::lenient("reject", "value *args **kwargs", |state, args| choose(state, args, false, false)),
    Filter::lenient("selectattr", "value *args **kwargs", |state, args| choose(state, args, true, true)),
    Filter::lenient("rejectattr", "value *args **kwargs", |state, args| choose(state, args, true, false)),
    Filter::new("items", "value", |_, args| {
        let value = args.need("value")?;
        if value.kind() != ValueKind::Map {
            return Err(invalid("Can only get item pairs from a mapping."));
        }
        Ok(python::pairs(value)
            .into_iter()
            .map(|(key, item)| Value::from_object(Tuple::new(vec![key, item])))
            .collect())
    }),
];

type Outcome = Result<Value, Error>;

/// An attribute that is not there, and what to say once that matters.
fn missing(item: &Value, path: &Value) -> Value {
    let (kind, path) = (python::type_name(item), python::text(path));
    lazy::remember(format!("object of type '{kind}' has no attribute '{path}'"));
    Value::UNDEFINED
}

fn map(state: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let list = args.list("value")?;
    if args.rest().is_empty() {
        let named = |name: &str| args.extra().iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let Some(path) = named("attribute") else { return Err(invalid("map requires a filter argument")) };
        if let Some((unknown, _)) =
            args.extra().iter().find(|(name, _)| !matches!(name.as_str(), "attribute" | "default"))
        {
            return Err(invalid(format!("Unexpected keyword argument {}", python::quoted(unknown))));
        }
        let mut out = Vec::with_capacity(list.len());
        for item in list {
            let found = attribute(&item, path)?;
            out.push(match named("default") {
                Some(default) if undefined(&found).is_some() => default.clone(),
                None if found.is_undefined() => missing(&item, path),
                _ => found,
            });
        }
        return Ok(Value::from(out));
    }
    let (name, tail) = call_parts(args, 0);
    list.into_iter()
        .map(|item| {
            let mut call = vec![item];
            call.extend(tail.iter().cloned());
            state.apply_filter(&name, &call)
        })
        .collect::<Result<Vec<_>, _>>()
        .map(Value::from)
}

/// The name of the filter or test at `index` and what to pass it after the item.
fn call_parts(args: &Arguments, index: usize) -> (String, Vec<Value>) {
    let name = args.rest().get(index).map(python::text).unwrap_or_default();
    let mut tail: Vec<Value> = args.rest().iter().skip(index + 1).cloned().collect();
    if !args.extra().is_empty() {
        tail.push(Value::from(args.extra().iter().cloned().collect::<Kwargs>()));
    }
    (name, tail)
}

fn choose(state: &mut State<'_, '_>, args: &Arguments, by_attribute: bool, keep: bool) -> Outcome {
    let first = usize::from(by_attribute);
    let path = if by_attribute {
        Some(args.rest().first().ok_or_else(|| invalid("Missing parameter for attribute name"))?)
    } else {
        None
    };
    let test = if args.rest().len() > first { Some(call_parts(args, first)) } else { None };
    let mut out = Vec::new();
    for item in args.list("value")? {
        let subject = match path {
            Some(path) => attribute(&item, path)?,
            None => item.clone(),
        };
        let holds = if let Some((name, tail)) = &test {
            let mut call = vec![subject];
            call.extend(tail.iter().cloned());
            state.perform_test(name, &call)?
        } else if let Some(error) = undefined(&subject) {
            return Err(error);
        } else {
            subject.is_true()
        };
        if holds == keep {
            out.push(item);
        }
    }
    Ok(Value::from(out))
}
