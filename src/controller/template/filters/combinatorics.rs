//! Filters that pair, permute and draw.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, State, Value};

use super::Filter;
use super::arguments::{Arguments, integer, invalid, items};
use super::twister::Random;

pub(super) const ALL: &[Filter] = &[
    Filter::new("zip", "*lists **kwargs", |_, args| zip(args, false)),
    Filter::new("zip_longest", "*lists **kwargs", |_, args| zip(args, true)),
    Filter::new("product", "*lists **kwargs", product),
    Filter::new("permutations", "iterable r", |_, args| arrangements(args, false)),
    Filter::new("combinations", "iterable r", |_, args| arrangements(args, true)),
    Filter::new("random", "end start step seed", random),
    Filter::new("shuffle", "mylist seed", shuffle),
];

type Outcome = Result<Value, Error>;

/// More rows than any playbook means to have.
const MOST: usize = 1_000_000;

fn tuple(values: Vec<Value>) -> Value {
    Value::from_object(Tuple::new(values))
}

fn option<'a>(args: &'a Arguments, name: &str) -> Option<&'a Value> {
    args.extra().iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn refuse_others(args: &Arguments, known: &str) -> Result<(), Error> {
    match args.extra().iter().find(|(name, _)| name != known) {
        Some((name, _)) => Err(invalid(format!("got an unexpected keyword argument '{name}'"))),
        None => Ok(()),
    }
}

fn zip(args: &Arguments, longest: bool) -> Outcome {
    refuse_others(args, if longest { "fillvalue" } else { "strict" })?;
    let lists = args.rest().iter().map(items).collect::<Result<Vec<_>, _>>()?;
    let lengths = || lists.iter().map(Vec::len);
    let (shortest, most) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    if !longest && shortest != most && option(args, "strict").is_some_and(Value::is_true) {
        return Err(invalid("zip() arguments have different lengths"));
    }
    let fill = option(args, "fillvalue").cloned().unwrap_or_else(|| Value::from(()));
    let rows = if longest { most } else { shortest };
    Ok((0..rows).map(|row| tuple(lists.iter().map(|list| list.get(row).unwrap_or(&fill).clone()).collect())).collect())
}

fn product(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    refuse_others(args, "repeat")?;
    let once = args.rest().iter().map(items).collect::<Result<Vec<_>, _>>()?;
    let repeat =
        option(args, "repeat").map_or(Some(1), Value::as_usize).ok_or_else(|| invalid("repeat must be an integer"))?;
    let mut lists = Vec::new();
    for _ in 0..repeat.min(64) {
        lists.extend(once.iter().cloned());
    }
    cartesian(&lists).map(|rows| rows.into_iter().map(tuple).collect())
}

/// Every choice of one item from each list, the last list running fastest.
pub(in super::super) fn cartesian(lists: &[Vec<Value>]) -> Result<Vec<Vec<Value>>, Error> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for list in lists {
        if rows.len().saturating_mul(list.len()) > MOST {
            return Err(invalid("the product has more than a million rows"));
        }
        rows = rows
            .iter()
            .flat_map(|row| list.iter().map(|item| [row.as_slice(), std::slice::from_ref(item)].concat()))
            .collect();
    }
    Ok(rows)
}

fn arrangements(args: &Arguments, ascending: bool) -> Outcome {
    let list = args.list("iterable")?;
    let length = match args.size("r")? {
        Some(length) => length,
        None if ascending => return Err(invalid("combinations() missing required argument 'r' (pos 2)")),
        None => list.len(),
    };
    let mut rows: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..length {
        let mut next = Vec::new();
        for row in &rows {
            let first = if ascending { row.last().map_or(0, |last| last + 1) } else { 0 };
            for index in (first..list.len()).filter(|index| !row.contains(index)) {
                next.push([row.as_slice(), &[index]].concat());
            }
            if next.len() > MOST {
                return Err(invalid("there are more than a million arrangements"));
            }
        }
        rows = next;
    }
    Ok(rows.into_iter().map(|row| tuple(row.into_iter().map(|index| list[index].clone()).collect())).collect())
}

fn random(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let end = args.need("end")?;
    let mut source = Random::new(args.some("seed"));
    if end.is_integer() || end.kind() == ValueKind::Bool {
        let stop = i128::from(args.int("end")?.unwrap_or(i64::from(end.is_true())));
        let start = i128::from(args.int("start")?.unwrap_or(0));
        let step = i128::from(args.int("step")?.filter(|step| *step != 0).unwrap_or(1));
        let count = if step > 0 { (stop - start + step - 1) / step } else { (stop - start + step + 1) / step };
        let Some(count) = u128::try_from(count).ok().filter(|count| *count > 0) else {
            return Err(invalid(format!("empty range in randrange({start}, {stop}, {step})")));
        };
        let drawn = i128::try_from(source.below(count)).unwrap_or(0);
        return Ok(integer(start + step * drawn));
    }
    if !matches!(end.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::String) {
        return Err(invalid("random can only be used on sequences and integers"));
    }
    if args.flag("start") || args.flag("step") {
        return Err(invalid("start and step can only be used with integer values"));
    }
    let list = items(end)?;
    if list.is_empty() {
        return Err(invalid("Cannot choose from an empty sequence"));
    }
    Ok(list[usize::try_from(source.below(list.len() as u128)).unwrap_or(0)].clone())
}

fn shuffle(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("mylist")?;
    let Ok(mut list) = items(value) else { return Ok(value.clone()) };
    Random::new(args.some("seed").filter(|seed| seed.is_true())).shuffle(&mut list);
    Ok(Value::from(list))
}
