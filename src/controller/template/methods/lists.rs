//! Methods of lists and tuples.

use minijinja::Value;
use minijinja::value::from_args;

use super::super::emit::python;
use super::super::filters::arguments::{equal, invalid, items};
use super::{Known, unchangeable};

pub(super) fn call(value: &Value, method: &str, args: &[Value]) -> Known {
    match method {
        "index" => {
            let (wanted, start, end): (Value, Option<i64>, Option<i64>) = from_args(args)?;
            let list = items(value)?;
            let (start, end) = super::strings::bounds(list.len(), start, end);
            let found = list.iter().enumerate().position(|(at, item)| at >= start && at < end && equal(item, &wanted));
            found
                .map(|at| Some(Value::from(at)))
                .ok_or_else(|| invalid(format!("{} is not in list", python::repr(&wanted))))
        }
        "count" => {
            let (wanted,): (Value,) = from_args(args)?;
            Ok(Some(Value::from(items(value)?.iter().filter(|item| equal(item, &wanted)).count())))
        }
        "copy" => {
            let () = from_args(args)?;
            Ok(Some(Value::from(items(value)?)))
        }
        "append" | "extend" | "insert" | "pop" | "remove" | "sort" | "reverse" | "clear" => {
            Err(unchangeable("list", method))
        }
        _ => Ok(None),
    }
}
