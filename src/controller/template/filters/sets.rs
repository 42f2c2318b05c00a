//! Filters that treat lists as sets. Results keep the order in which items came.

use minijinja::{Error, State, Value};

use super::Filter;
use super::arguments::Arguments;
use super::collections::{Seen, distinct};

pub(super) const ALL: &[Filter] = &[
    Filter::new("union", "a b", union),
    Filter::new("intersect", "a b", intersect),
    Filter::new("difference", "a b", difference),
    Filter::new("symmetric_difference", "a b", symmetric_difference),
];

type Outcome = Result<Value, Error>;

fn union(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let mut both = args.list("a")?;
    both.extend(args.list("b")?);
    distinct(both, true, None).map(Value::from)
}

fn intersect(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let other = Seen::of(args.list("b")?);
    let common = args.list("a")?.into_iter().filter(|item| other.has(item)).collect();
    distinct(common, true, None).map(Value::from)
}

fn difference(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let other = Seen::of(args.list("b")?);
    let left = args.list("a")?.into_iter().filter(|item| !other.has(item)).collect();
    distinct(left, true, None).map(Value::from)
}

fn symmetric_difference(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let (left, right) = (args.list("a")?, args.list("b")?);
    let (in_left, in_right) = (Seen::of(left.clone()), Seen::of(right.clone()));
    let mut out: Vec<Value> = left.into_iter().filter(|item| !in_right.has(item)).collect();
    out.extend(right.into_iter().filter(|item| !in_left.has(item)));
    distinct(out, true, None).map(Value::from)
}
