//! Tests of types, comparisons and membership.

use std::cmp::Ordering;

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::super::emit::python;
use super::super::filters::arguments::{Arguments, equal, invalid, items, number, order, undefined};
use super::Test;

pub(super) const ALL: &[Test] = &[
    Test::lenient(&["defined"], "value", |_, args| Ok(undefined(args.need("value")?).is_none())),
    Test::lenient(&["undefined"], "value", |_, args| Ok(undefined(args.need("value")?).is_some())),
    Test::new(&["none"], "value", |_, args| Ok(args.need("value")?.is_none())),
    Test::new(&["true"], "value", |_, args| Ok(args.need("value")?.kind() == ValueKind::Bool && args.flag("value"))),
    Test::new(&["false"], "value", |_, args| Ok(args.need("value")?.kind() == ValueKind::Bool && !args.flag("value"))),
    Test::new(&["boolean"], "value", |_, args| Ok(args.need("value")?.kind() == ValueKind::Bool)),
    Test::new(&["integer"], "value", |_, args| Ok(args.need("value")?.is_integer())),
    Test::new(&["float"], "value", |_, args| args.need("value").map(|value| value.is_number() && !value.is_integer())),
    Test::new(&["number"], "value", |_, args| {
        Ok(matches!(args.need("value")?.kind(), ValueKind::Number | ValueKind::Bool))
    }),
    Test::new(&["string"], "value", |_, args| Ok(args.need("value")?.kind() == ValueKind::String)),
    Test::new(&["mapping"], "value", |_, args| Ok(args.need("value")?.kind() == ValueKind::Map)),
    Test::new(&["iterable"], "value", |_, args| {
        let kind = args.need("value")?.kind();
        Ok(matches!(kind, ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String | ValueKind::Bytes))
    }),
    Test::new(&["sequence"], "value", |_, args| {
        let kind = args.need("value")?.kind();
        Ok(matches!(kind, ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String | ValueKind::Bytes))
    }),
    Test::new(&["callable"], "value", |_, args| Ok(args.need("value")?.kind() == ValueKind::Plain)),
    Test::new(&["escaped"], "value", |_, args| Ok(args.need("value")?.is_safe())),
    Test::new(&["sameas"], "value other", same),
    Test::new(&["lower"], "value", |_, args| cased(args, char::is_lowercase, char::is_uppercase)),
    Test::new(&["upper"], "value", |_, args| cased(args, char::is_uppercase, char::is_lowercase)),
    Test::new(&["odd"], "value", |_, args| Ok(remainder(args.need("value")?, 2.0)? > 0.5)),
    Test::new(&["even"], "value", |_, args| Ok(remainder(args.need("value")?, 2.0)? == 0.0)),
    Test::new(&["divisibleby"], "value num", |_, args| {
        let divisor = number(args.need("num")?).ok_or_else(|| invalid("divisibleby needs a number"))?;
        if divisor == 0.0 {
            return Err(invalid("integer modulo by zero"));
        }
        Ok(remainder(args.need("value")?, divisor)? == 0.0)
    }),
    Test::new(&["eq", "==", "equalto"], "a b", |_, args| Ok(equal(args.need("a")?, args.need("b")?))),
    Test::new(&["ne", "!="], "a b", |_, args| Ok(!equal(args.need("a")?, args.need("b")?))),
    Test::new(&["lt", "<", "lessthan"], "a b", |_, args| compared(args, Ordering::is_lt)),
    Test::new(&["le", "<="], "a b", |_, args| compared(args, Ordering::is_le)),
    Test::new(&["gt", ">", "greaterthan"], "a b", |_, args| compared(args, Ordering::is_gt)),
    Test::new(&["ge", ">="], "a b", |_, args| compared(args, Ordering::is_ge)),
    Test::new(&["in"], "value seq", |_, args| contains(args.need("seq")?, args.need("value")?)),
    Test::new(&["contains"], "seq value", |_, args| contains(args.need("seq")?, args.need("value")?)),
    Test::new(&["subset", "issubset"], "a b", |_, args| Ok(within(&args.list("a")?, &args.list("b")?))),
    Test::new(&["superset", "issuperset"], "a b", |_, args| Ok(within(&args.list("b")?, &args.list("a")?))),
    Test::new(&["any"], "value", |_, args| Ok(args.list("value")?.iter().any(Value::is_true))),
    Test::new(&["all"], "value", |_, args| Ok(args.list("value")?.iter().all(Value::is_true))),
    Test::new(&["truthy"], "value convert_bool", truthy),
    Test::new(&["falsy"], "value convert_bool", |state, args| truthy(state, args).map(|truth| !truth)),
    Test::new(&["nan", "isnan"], "x", |_, args| Ok(number(args.need("x")?).is_some_and(f64::is_nan))),
    Test::new(&["filter"], "value", |_, args| {
        let name = args.text("value")?;
        Ok(super::super::filters::catalog().any(|filter| filter.name == short(&name)))
    }),
    Test::new(&["test"], "value", |_, args| {
        let name = args.text("value")?;
        Ok(super::catalog().any(|test| test.names.contains(&short(&name))))
    }),
];

fn short(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy.")).unwrap_or(name)
}

/// Identity, as far as values without addresses have one: same type and equal.
fn same(_: &mut State<'_, '_>, args: &Arguments) -> Result<bool, Error> {
    let (left, right) = (args.need("value")?, args.need("other")?);
    Ok(python::type_name(left) == python::type_name(right) && left == right)
}

fn cased(args: &Arguments, wanted: fn(char) -> bool, other: fn(char) -> bool) -> Result<bool, Error> {
    let text = args.text("value")?;
    Ok(text.chars().any(wanted) && !text.chars().any(other))
}

fn remainder(value: &Value, divisor: f64) -> Result<f64, Error> {
    let size = number(value).ok_or_else(|| invalid(format!("a number is needed, not {}", python::type_name(value))))?;
    Ok(size.rem_euclid(divisor))
}

fn compared(args: &Arguments, holds: fn(Ordering) -> bool) -> Result<bool, Error> {
    order(args.need("a")?, args.need("b")?).map(holds)
}

/// Python's `value in seq`.
fn contains(seq: &Value, value: &Value) -> Result<bool, Error> {
    match seq.kind() {
        ValueKind::String => {
            if let Some(part) = value.as_str() {
                Ok(seq.as_str().unwrap_or_default().contains(part))
            } else {
                let kind = python::type_name(value);
                Err(invalid(format!("'in <string>' requires string as left operand, not {kind}")))
            }
        }
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => Ok(items(seq)?.iter().any(|item| equal(item, value))),
        _ => Err(invalid(format!("argument of type '{}' is not iterable", python::type_name(seq)))),
    }
}

fn within(small: &[Value], large: &[Value]) -> bool {
    small.iter().all(|item| large.iter().any(|other| equal(item, other)))
}

fn truthy(_: &mut State<'_, '_>, args: &Arguments) -> Result<bool, Error> {
    let value = args.need("value")?;
    if args.flag("convert_bool") {
        let word = python::text(value).to_lowercase();
        match word.trim() {
            "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => return Ok(true),
            "n" | "no" | "off" | "0" | "false" | "f" | "0.0" => return Ok(false),
            _ => {}
        }
    }
    Ok(value.is_true())
}
