//! Filters that order and group lists.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, State, Value};

use super::super::emit::python;
use super::Filter;
use super::arguments::{
    Arguments, attribute, equal, integer, invalid, is_list, items, number, order, sort_by_key, undefined,
};

pub(super) const ALL: &[Filter] = &[
    Filter::new("sort", "value reverse case_sensitive attribute", sort),
    Filter::new("groupby", "value attribute default case_sensitive", groupby),
    Filter::new("unique", "a case_sensitive attribute", unique),
    Filter::new("min", "value case_sensitive attribute", |_, args| extreme(args, std::cmp::Ordering::Less)),
    Filter::new("max", "value case_sensitive attribute", |_, args| extreme(args, std::cmp::Ordering::Greater)),
    Filter::new("sum", "iterable attribute start", sum),
    Filter::new("flatten", "mylist levels skip_nulls", flatten),
    Filter::new("batch", "value linecount fill_with", batch),
    Filter::new("slice", "value slices fill_with", slice),
];

type Outcome = Result<Value, Error>;

/// What an item is ordered by: itself or its attribute, letters in lower case unless case counts.
fn key(item: &Value, path: Option<&Value>, case_sensitive: bool) -> Outcome {
    let found = match path {
        Some(path) => attribute(item, path)?,
        None => item.clone(),
    };
    if let Some(error) = undefined(&found) {
        return Err(error);
    }
    Ok(fold(found, case_sensitive))
}

fn fold(value: Value, case_sensitive: bool) -> Value {
    match value.as_str() {
        Some(text) if !case_sensitive && value.kind() == ValueKind::String => Value::from(text.to_lowercase()),
        _ => value,
    }
}

fn sort(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let case_sensitive = args.flag("case_sensitive");
    let paths: Vec<Value> = match args.some("attribute") {
        Some(path) if path.as_str().is_some() => python::text(path).split(',').map(Value::from).collect(),
        Some(path) => vec![path.clone()],
        None => Vec::new(),
    };
    let mut keyed = Vec::new();
    for item in args.list("value")? {
        let by = if paths.is_empty() {
            key(&item, None, case_sensitive)?
        } else {
            paths.iter().map(|path| key(&item, Some(path), case_sensitive)).collect::<Result<Value, _>>()?
        };
        keyed.push((by, item));
    }
    // Equal items keep their order in both directions.
    let reverse = args.flag("reverse");
    if reverse {
        keyed.reverse();
    }
    sort_by_key(&mut keyed)?;
    if reverse {
        keyed.reverse();
    }
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

/// A group: unpacks as `(grouper, list)` and answers to both names.
#[derive(Debug)]
pub struct Group {
    grouper: Value,
    list: Value,
}

impl Object for Group {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (key.as_str(), key.as_usize()) {
            (Some("grouper"), _) | (None, Some(0)) => Some(self.grouper.clone()),
            (Some("list"), _) | (None, Some(1)) => Some(self.list.clone()),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(vec![self.grouper.clone(), self.list.clone()])
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", python::repr(&self.grouper), python::repr(&self.list))
    }
}

fn groupby(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let (path, case_sensitive) = (args.need("attribute")?, args.flag("case_sensitive"));
    let mut keyed = Vec::new();
    for item in args.list("value")? {
        let mut found = attribute(&item, path)?;
        if let (true, Some(default)) = (undefined(&found).is_some(), args.some("default")) {
            found = default.clone();
        }
        if let Some(error) = undefined(&found) {
            return Err(error);
        }
        keyed.push((fold(found.clone(), case_sensitive), Value::from_iter([found, item])));
    }
    sort_by_key(&mut keyed)?;
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for (by, pair) in keyed {
        let (grouper, item) = (pair.get_item_by_index(0)?, pair.get_item_by_index(1)?);
        match groups.last_mut() {
            Some((last, _, list)) if equal(last, &by) => list.push(item),
            _ => groups.push((by, grouper, vec![item])),
        }
    }
    Ok(groups
        .into_iter()
        .map(|(_, grouper, list)| Value::from_object(Group { grouper, list: Value::from(list) }))
        .collect())
}

fn unique(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let list = args.list("a")?;
    // Lists and dictionaries have no hash; with one among the items letter case counts after all.
    let path = args.some("attribute");
    let hashable =
        list.iter().all(|item| path.is_some() || !(is_list(item) && !item.is_tuple() || item.kind() == ValueKind::Map));
    if !hashable && args.get("case_sensitive").is_some_and(|said| !said.is_none() && !said.is_true()) {
        return Err(invalid(
            "unique cannot leave letter case aside among lists and dictionaries, and cannot fall back to something that does",
        ));
    }
    distinct(list, args.flag("case_sensitive") || !hashable, path).map(Value::from)
}

/// The first of each set of equal items.
pub(super) fn distinct(list: Vec<Value>, case_sensitive: bool, path: Option<&Value>) -> Result<Vec<Value>, Error> {
    let (mut seen, mut out) = (Seen::default(), Vec::new());
    for item in list {
        if seen.add(key(&item, path, case_sensitive)?) {
            out.push(item);
        }
    }
    Ok(out)
}

/// A set of values by Python's `==`.
#[derive(Default)]
pub(super) struct Seen {
    strings: std::collections::HashSet<String>,
    numbers: std::collections::HashSet<i128>,
    others: Vec<Value>,
}

impl Seen {
    pub(super) fn of(list: Vec<Value>) -> Self {
        let mut seen = Self::default();
        for item in list {
            seen.add(item);
        }
        seen
    }

    /// Adds a value; says whether it is new.
    pub(super) fn add(&mut self, value: Value) -> bool {
        if let (ValueKind::String, Some(text)) = (value.kind(), value.as_str()) {
            return self.strings.insert(text.to_owned());
        }
        if let Some(number) = whole(&value) {
            return self.numbers.insert(number);
        }
        let new = !self.has(&value);
        if new {
            self.others.push(value);
        }
        new
    }

    pub(super) fn has(&self, value: &Value) -> bool {
        match (value.kind(), value.as_str(), whole(value)) {
            (ValueKind::String, Some(text), _) => self.strings.contains(text),
            (_, _, Some(number)) => self.numbers.contains(&number),
            _ => self.others.iter().any(|known| equal(known, value)),
        }
    }
}

/// The whole number a value equals: 1, 1.0 and `True` are one.
fn whole(value: &Value) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok(),
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "whole and far within bounds")]
            (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i128)
        }
        _ => None,
    }
}

fn extreme(args: &Arguments, wanted: std::cmp::Ordering) -> Outcome {
    let (path, case_sensitive) = (args.some("attribute"), args.flag("case_sensitive"));
    let mut best: Option<(Value, Value)> = None;
    for item in args.list("value")? {
        let by = key(&item, path, case_sensitive)?;
        let better = match &best {
            Some((known, _)) => order(&by, known)? == wanted,
            None => true,
        };
        if better {
            best = Some((by, item));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, item)| item))
}

fn sum(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let mut total = args.get("start").cloned().unwrap_or_else(|| Value::from(0));
    for item in args.list("iterable")? {
        let item = match args.some("attribute") {
            Some(path) => attribute(&item, path)?,
            None => item,
        };
        if let Some(error) = undefined(&item) {
            return Err(error);
        }
        total = plus(&total, &item)?;
    }
    Ok(total)
}

fn plus(left: &Value, right: &Value) -> Outcome {
    let whole = |value: &Value| if value.is_integer() || value.kind() == ValueKind::Bool { whole(value) } else { None };
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        return left.checked_add(right).map(integer).ok_or_else(|| invalid("the sum is too large"));
    }
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return Ok(Value::from(left + right));
    }
    if is_list(left) && is_list(right) {
        return Ok(items(left)?.into_iter().chain(items(right)?).collect());
    }
    let (left, right) = (python::type_name(left), python::type_name(right));
    Err(invalid(format!("unsupported operand type(s) for +: '{left}' and '{right}'")))
}

fn flatten(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let mut out = Vec::new();
    flatten_into(&args.list("mylist")?, args.int("levels")?, args.flag_or("skip_nulls", true), &mut out)?;
    Ok(Value::from(out))
}

/// Appends the items of nested lists, down to `levels` below the first, nulls dropped when asked.
pub(in super::super) fn flatten_into(
    list: &[Value],
    levels: Option<i64>,
    skip_nulls: bool,
    out: &mut Vec<Value>,
) -> Result<(), Error> {
    for item in list {
        let null = item.is_none() || matches!(item.as_str(), Some("None" | "null"));
        if skip_nulls && null {
            continue;
        }
        if is_list(item) && levels.is_none_or(|levels| levels >= 1) {
            flatten_into(&items(item)?, levels.map(|levels| levels - 1), skip_nulls, out)?;
        } else {
            out.push(item.clone());
        }
    }
    Ok(())
}

fn batch(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let size =
        args.size("linecount")?.filter(|size| *size > 0).ok_or_else(|| invalid("batch() needs a positive size"))?;
    let list = args.list("value")?;
    let rows = list.chunks(size).map(|row| {
        let mut row = row.to_vec();
        if let Some(fill) = args.some("fill_with") {
            row.resize(size, fill.clone());
        }
        Value::from(row)
    });
    Ok(rows.collect())
}

fn slice(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let count =
        args.size("slices")?.filter(|count| *count > 0).ok_or_else(|| invalid("slice() needs a positive number"))?;
    let list = args.list("value")?;
    let (each, extra) = (list.len() / count, list.len() % count);
    let mut start = 0;
    let columns = (0..count).map(|column| {
        let length = each + usize::from(column < extra);
        let mut part = list[start..start + length].to_vec();
        start += length;
        if let Some(fill) = args.some("fill_with").filter(|_| extra > 0 && column >= extra) {
            part.push(fill.clone());
        }
        Value::from(part)
    });
    Ok(columns.collect())
}
