//! Filters on dictionaries and lists of them.

use std::collections::HashMap;

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, State, Value};

use super::super::emit::python;
use super::Filter;
use super::arguments::{Arguments, equal, invalid, is_list, items, mapping, sort_by_key, undefined};
use super::collections::flatten_into;

pub(super) const ALL: &[Filter] = &[
    Filter::new("combine", "*terms **kwargs", combine),
    Filter::new("dict2items", "mydict key_name value_name", dict2items),
    Filter::new("items2dict", "mylist key_name value_name", items2dict),
    Filter::new("dictsort", "value case_sensitive by reverse", dictsort),
    Filter::new("subelements", "obj subelements skip_missing", subelements),
    Filter::new("extract", "item container morekeys", extract),
    Filter::new("rekey_on_member", "data key duplicates", rekey_on_member),
];

type Outcome = Result<Value, Error>;
type Entries = Vec<(Value, Value)>;

fn is_map(value: &Value) -> bool {
    value.kind() == ValueKind::Map
}

/// How lists under the same key are merged.
#[derive(Clone, Copy)]
enum Lists {
    Replace,
    Keep,
    Append,
    Prepend,
    AppendNew,
    PrependNew,
}

fn combine(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let (mut recursive, mut lists) = (false, Lists::Replace);
    for (name, value) in args.extra() {
        match name.as_str() {
            "recursive" => recursive = value.is_true(),
            "list_merge" => {
                lists = match python::text(value).as_str() {
                    "replace" => Lists::Replace,
                    "keep" => Lists::Keep,
                    "append" => Lists::Append,
                    "prepend" => Lists::Prepend,
                    "append_rp" => Lists::AppendNew,
                    "prepend_rp" => Lists::PrependNew,
                    _ => {
                        return Err(invalid(
                            "merge_hash: 'list_merge' argument can only be equal to 'replace', 'keep', 'append', \
                             'prepend', 'append_rp' or 'prepend_rp'",
                        ));
                    }
                }
            }
            _ => return Err(invalid("'recursive' and 'list_merge' are the only valid keyword arguments")),
        }
    }
    let mut terms = Vec::new();
    flatten_into(args.rest(), Some(1), true, &mut terms)?;
    if terms.len() == 1 {
        return Ok(terms.remove(0));
    }
    let mut merged: Entries = Vec::new();
    for term in &terms {
        if let Some(error) = undefined(term) {
            return Err(error);
        }
        if !is_map(term) {
            let message = format!(
                "failed to combine variables, expected dicts but got a {}",
                python::repr(&Value::from(python::type_name(term)))
            );
            return Err(invalid(message));
        }
        merged = merge(merged, python::pairs(term), recursive, lists)?;
    }
    Ok(mapping(merged))
}

fn merge(mut low: Entries, high: Entries, recursive: bool, lists: Lists) -> Result<Entries, Error> {
    // String keys are found by their hash: dictionaries of hosts and packages grow long.
    let named = |(index, (key, _)): (usize, &(Value, Value))| Some((key.as_str()?.to_owned(), index));
    let mut places: HashMap<String, usize> = low.iter().enumerate().filter_map(named).collect();
    for (key, value) in high {
        let place = match key.as_str() {
            Some(name) => places.get(name).copied(),
            None => low.iter().position(|(known, _)| equal(known, &key)),
        };
        let Some(slot) = place.and_then(|place| low.get_mut(place)).map(|(_, slot)| slot) else {
            if let Some(name) = key.as_str() {
                places.insert(name.to_owned(), low.len());
            }
            low.push((key, value));
            continue;
        };
        if is_map(slot) && is_map(&value) && recursive {
            *slot = mapping(merge(python::pairs(slot), python::pairs(&value), recursive, lists)?);
        } else if is_list(slot) && is_list(&value) {
            *slot = merge_lists(slot, &value, lists)?;
        } else {
            *slot = value;
        }
    }
    Ok(low)
}

fn merge_lists(low: &Value, high: &Value, lists: Lists) -> Outcome {
    let (old, new) = (items(low)?, items(high)?);
    let fresh = |old: Vec<Value>| {
        old.into_iter().filter(|item| !new.iter().any(|other| equal(item, other))).collect::<Vec<_>>()
    };
    Ok(match lists {
        Lists::Replace => high.clone(),
        Lists::Keep => low.clone(),
        Lists::Append => old.into_iter().chain(new).collect(),
        Lists::Prepend => new.into_iter().chain(old).collect(),
        Lists::AppendNew => fresh(old).into_iter().chain(new.iter().cloned()).collect(),
        Lists::PrependNew => new.iter().cloned().chain(fresh(old)).collect(),
    })
}

fn dict2items(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("mydict")?;
    if !is_map(value) {
        return Err(invalid(format!("dict2items requires a dictionary, got {} instead.", python::type_name(value))));
    }
    let (key_name, value_name) = (args.text_or("key_name", "key"), args.text_or("value_name", "value"));
    let pair = |(key, item)| Value::from_pairs([(key_name.as_str(), key), (value_name.as_str(), item)]);
    Ok(python::pairs(value).into_iter().map(pair).collect())
}

fn items2dict(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("mylist")?;
    if !is_list(value) {
        return Err(invalid(format!("items2dict requires a list, got {} instead.", python::type_name(value))));
    }
    let (key_name, value_name) = (args.text_or("key_name", "key"), args.text_or("value_name", "value"));
    let mut entries = Vec::new();
    for item in items(value)? {
        if !is_map(&item) {
            let message = format!("items2dict requires a list of dictionaries, got {} instead.", python::repr(value));
            return Err(invalid(message));
        }
        let (key, entry) =
            (item.get_item(&Value::from(key_name.as_str()))?, item.get_item(&Value::from(value_name.as_str()))?);
        if key.is_undefined() || entry.is_undefined() {
            return Err(invalid(format!(
                "items2dict requires each dictionary in the list to contain the keys '{key_name}' and '{value_name}', got {} instead.",
                python::repr(value)
            )));
        }
        entries.push((key, entry));
    }
    Ok(mapping(entries))
}

fn dictsort(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let by_value = match args.text_or("by", "key").as_str() {
        "key" => false,
        "value" => true,
        _ => return Err(invalid("You can only sort by either \"key\" or \"value\"")),
    };
    let case_sensitive = args.flag("case_sensitive");
    let mut keyed: Entries = python::pairs(args.need("value")?)
        .into_iter()
        .map(|(key, item)| {
            let by = if by_value { &item } else { &key };
            let by = match by.as_str() {
                Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
                _ => by.clone(),
            };
            (by, Value::from_object(Tuple::new(vec![key, item])))
        })
        .collect();
    if args.flag("reverse") {
        keyed.reverse();
    }
    sort_by_key(&mut keyed)?;
    if args.flag("reverse") {
        keyed.reverse();
    }
    Ok(keyed.into_iter().map(|(_, pair)| pair).collect())
}

fn subelements(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let found = pairs_below(args.need("obj")?, args.need("subelements")?, args.flag("skip_missing"))?;
    Ok(found.into_iter().map(|(element, item)| Value::from_object(Tuple::new(vec![element, item]))).collect())
}

/// Every element with every item of the list its dotted path leads to.
pub(in super::super) fn pairs_below(value: &Value, path: &Value, skip_missing: bool) -> Result<Entries, Error> {
    let elements = match value.kind() {
        ValueKind::Map => python::pairs(value).into_iter().map(|(_, item)| item).collect(),
        _ if is_list(value) => items(value)?,
        _ => return Err(invalid("obj must be a list of dicts or a nested dict")),
    };
    let steps: Vec<Value> = match path.as_str() {
        Some(path) => path.split('.').map(Value::from).collect(),
        None if is_list(path) => items(path)?,
        None => return Err(invalid("subelements must be a list or a string")),
    };
    let mut found = Vec::new();
    for element in elements {
        let mut current = element.clone();
        for step in &steps {
            if !is_map(&current) {
                let (step, current) = (python::text(step), python::repr(&current));
                return Err(invalid(format!("the key {step} should point to a dictionary, got '{current}'")));
            }
            let next = current.get_item(step)?;
            if next.is_undefined() {
                if skip_missing {
                    current = Value::from(Vec::<Value>::new());
                    break;
                }
                let (step, current) = (python::repr(step), python::repr(&current));
                return Err(invalid(format!("could not find {step} key in iterated item {current}")));
            }
            current = next;
        }
        if !is_list(&current) {
            let step = steps.last().map(python::repr).unwrap_or_default();
            return Err(invalid(format!("the key {step} should point to a list, got {}", python::repr(&current))));
        }
        found.extend(items(&current)?.into_iter().map(|item| (element.clone(), item)));
    }
    Ok(found)
}

fn extract(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let mut current = args.need("container")?.clone();
    let mut keys = vec![args.need("item")?.clone()];
    match args.some("morekeys") {
        Some(more) if is_list(more) => keys.extend(items(more)?),
        Some(more) => keys.push(more.clone()),
        None => {}
    }
    for key in keys {
        if current.is_undefined() {
            return Ok(current);
        }
        current = current.get_item(&key)?;
    }
    Ok(current)
}

fn rekey_on_member(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let (data, key) = (args.need("data")?, args.need("key")?);
    let overwrite = match args.text_or("duplicates", "error").as_str() {
        "error" => false,
        "overwrite" => true,
        other => {
            let other = python::quoted(other);
            return Err(invalid(format!("duplicates parameter to rekey_on_member has unknown value {other}")));
        }
    };
    let elements = match data.kind() {
        ValueKind::Map => python::pairs(data).into_iter().map(|(_, item)| item).collect(),
        _ if is_list(data) => items(data)?,
        _ => return Err(invalid("Type is not a valid list, set, or dict")),
    };
    let mut out: Entries = Vec::new();
    for element in elements {
        if !is_map(&element) {
            return Err(invalid("List item is not a valid dict"));
        }
        let member = element.get_item(key)?;
        if member.is_undefined() {
            return Err(invalid(format!("Key {} was not found.", python::repr(key))));
        }
        match out.iter_mut().find(|(known, _)| equal(known, &member)) {
            Some(_) if !overwrite => {
                let member = python::repr(&member);
                return Err(invalid(format!("Key {member} is not unique, cannot convert to dict.")));
            }
            Some((_, slot)) => *slot = element,
            None => out.push((member, element)),
        }
    }
    Ok(mapping(out))
}

/// The `dict()` of templates: from a mapping or from pairs, and from keyword arguments.
pub(super) fn dict(args: &Arguments) -> Outcome {
    let mut entries: Entries = Vec::new();
    match args.rest() {
        [] => {}
        [source] if is_map(source) => entries = python::pairs(source),
        [source] => {
            for (index, pair) in items(source)?.iter().enumerate() {
                let [key, value]: [Value; 2] = items(pair)?.try_into().map_err(|parts: Vec<Value>| {
                    let length = parts.len();
                    let message =
                        format!("dictionary update sequence element #{index} has length {length}; 2 is required");
                    invalid(message)
                })?;
                entries.push((key, value));
            }
        }
        more => return Err(invalid(format!("dict expected at most 1 argument, got {}", more.len()))),
    }
    entries.extend(args.extra().iter().map(|(name, value)| (Value::from(name.as_str()), value.clone())));
    Ok(mapping(entries))
}
