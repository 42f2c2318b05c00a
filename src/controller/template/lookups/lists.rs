//! Lookups that rearrange the lists they are given.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, Value};

use super::super::emit::python;
use super::super::filters::arguments::{invalid, is_list, items};
use super::super::filters::combinatorics::cartesian;
use super::super::filters::twister::Random;
use super::{Lookup, Options, Surroundings};

pub(super) const ALL: &[Lookup] = &[
    Lookup::new("items", "", |_, terms, _| flat(terms)),
    Lookup::new("list", "", |_, terms, _| Ok(terms.to_vec())),
    Lookup::new("flattened", "", |_, terms, _| deep(terms)),
    Lookup::new("indexed_items", "", |_, terms, _| {
        Ok(flat(terms)?.into_iter().enumerate().map(|(index, item)| pair(Value::from(index), item)).collect())
    }),
    Lookup::new("dict", "", dict),
    Lookup::new("nested", "", |_, terms, _| nested(terms)),
    Lookup::new("together", "", |_, terms, _| together(terms)),
    Lookup::new("subelements", "", |_, terms, _| subelements(terms)),
    Lookup::new("random_choice", "", |_, terms, _| {
        let index = usize::try_from(Random::new(None).below(terms.len().max(1) as u128)).unwrap_or(0);
        Ok(terms.get(index).cloned().into_iter().collect())
    }),
];

type Outcome = Result<Vec<Value>, Error>;

fn pair(left: Value, right: Value) -> Value {
    Value::from_object(Tuple::new(vec![left, right]))
}

/// One level of lists opened.
fn flat(terms: &[Value]) -> Outcome {
    let mut out = Vec::new();
    for term in terms {
        if is_list(term) {
            out.extend(items(term)?);
        } else {
            out.push(term.clone());
        }
    }
    Ok(out)
}

/// All lists opened, nulls dropped.
fn deep(terms: &[Value]) -> Outcome {
    let mut out = Vec::new();
    super::super::filters::collections::flatten_into(terms, None, true, &mut out)?;
    Ok(out)
}

fn dict(_: &dyn Surroundings, terms: &[Value], _: &Options) -> Outcome {
    let mut out = Vec::new();
    for term in terms {
        if term.kind() != ValueKind::Map {
            let (term, kind) = (python::text(term), python::type_name(term));
            return Err(invalid(format!(
                "the 'dict' lookup plugin expects a dictionary, got '{term}' of type {kind})"
            )));
        }
        let entry = |(key, value)| Value::from_pairs([("key", key), ("value", value)]);
        out.extend(python::pairs(term).into_iter().map(entry));
    }
    Ok(out)
}

fn lists(terms: &[Value]) -> Result<Vec<Vec<Value>>, Error> {
    terms.iter().map(|term| if is_list(term) { items(term) } else { Ok(vec![term.clone()]) }).collect()
}

fn nested(terms: &[Value]) -> Outcome {
    if terms.is_empty() {
        return Err(invalid("with_nested requires at least one element in the nested list"));
    }
    cartesian(&lists(terms)?)?.into_iter().map(|row| flat(&row).map(Value::from)).collect()
}

fn together(terms: &[Value]) -> Outcome {
    if terms.is_empty() {
        return Err(invalid("with_together requires at least one element in each list"));
    }
    let lists = lists(terms)?;
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let row = |index: usize| {
        let row: Vec<Value> =
            lists.iter().map(|list| list.get(index).cloned().unwrap_or_else(|| Value::from(()))).collect();
        flat(&row).map(Value::from)
    };
    (0..longest).map(row).collect()
}

fn subelements(terms: &[Value]) -> Outcome {
    let wrong = |what: &str| invalid(format!("subelements lookup expects a list of two or three items, {what}"));
    let (elements, path, flags) = match terms {
        [elements, path] => (elements, path, None),
        [elements, path, flags] => (elements, path, Some(flags)),
        _ => return Err(wrong("")),
    };
    let path = path.as_str().ok_or_else(|| wrong("first a dict or a list, second a string pointing to the subkey"))?;
    let named = |value: &Value, key: &str| value.get_item(&Value::from(key)).ok().filter(|found| !found.is_undefined());
    let elements = match elements.kind() {
        ValueKind::Map if named(elements, "skipped").is_some_and(|skipped| skipped.is_true()) => return Ok(Vec::new()),
        ValueKind::Map => python::pairs(elements).into_iter().map(|(_, element)| element).collect(),
        _ if is_list(elements) => items(elements)?,
        _ => return Err(wrong("first a dict or a list, second a string pointing to the subkey")),
    };
    if flags.is_some_and(|flags| flags.kind() != ValueKind::Map) {
        return Err(wrong("the optional third item must be a dict with flags"));
    }
    let known = |flags: &Value| python::pairs(flags).iter().all(|(key, _)| key.as_str() == Some("skip_missing"));
    if flags.is_some_and(|flags| !known(flags)) {
        return Err(wrong("the optional third item must be a dict with flags, of which there is only skip_missing"));
    }
    let skip_missing = flags.and_then(|flags| named(flags, "skip_missing")).is_some_and(|flag| match flag.as_str() {
        Some(word) => matches!(word.to_lowercase().as_str(), "yes" | "on" | "true" | "1" | "y" | "t"),
        None => flag.is_true(),
    });
    let mut out = Vec::new();
    for element in elements {
        if element.kind() != ValueKind::Map {
            let element = python::text(&element);
            return Err(invalid(format!("subelements lookup expects a dictionary, got '{element}'")));
        }
        if named(&element, "skipped").is_some_and(|skipped| skipped.is_true()) {
            continue;
        }
        out.extend(below(&element, path, skip_missing)?);
    }
    Ok(out)
}

/// The element, without the list, paired with each item of the list its path leads to.
fn below(element: &Value, path: &str, skip_missing: bool) -> Outcome {
    let steps: Vec<&str> = path.split('.').collect();
    let mut current = element.clone();
    for (index, step) in steps.iter().enumerate() {
        let next = current.get_item(&Value::from(*step))?;
        let last = index + 1 == steps.len();
        let fits = if last { is_list(&next) } else { next.kind() == ValueKind::Map };
        if next.is_undefined() || (!fits && !last) {
            if skip_missing {
                return Ok(Vec::new());
            }
            return Err(invalid(if next.is_undefined() {
                format!("could not find '{step}' key in iterated item '{}'", python::text(&current))
            } else {
                format!("the key {step} should point to a dictionary, got '{}'", python::text(&next))
            }));
        }
        if !fits {
            return Err(invalid(format!("the key {step} should point to a list, got '{}'", python::text(&next))));
        }
        current = next;
    }
    let bare = without(element, &steps);
    Ok(items(&current)?.into_iter().map(|item| pair(bare.clone(), item)).collect())
}

fn without(value: &Value, steps: &[&str]) -> Value {
    let [first, rest @ ..] = steps else { return value.clone() };
    Value::from_pairs(python::pairs(value).into_iter().filter_map(|(key, item)| match key.as_str() {
        Some(name) if name == *first && rest.is_empty() => None,
        Some(name) if name == *first => Some((key, without(&item, rest))),
        _ => Some((key, item)),
    }))
}
