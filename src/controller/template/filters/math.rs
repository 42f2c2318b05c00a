//! Filters on numbers.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::super::emit::python;
use super::Filter;
use super::arguments::{Arguments, invalid, number};

pub(super) const ALL: &[Filter] = &[
    Filter::new("abs", "x", abs),
    Filter::new("round", "value precision method", round),
    Filter::new("log", "x base", log),
    Filter::new("pow", "x y", pow),
    Filter::new("root", "x base", root),
];

type Outcome = Result<Value, Error>;

fn abs(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("x")?;
    match value.kind() {
        ValueKind::Number if value.is_integer() => {
            i128::try_from(value.clone()).map(|whole| super::arguments::integer(whole.saturating_abs()))
        }
        ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()))),
        ValueKind::Number => Ok(Value::from(number(value).unwrap_or(0.0).abs())),
        _ => Err(invalid(format!("bad operand type for abs(): '{}'", python::type_name(value)))),
    }
}

fn round(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("value")?;
    let precision = args.int("precision")?.unwrap_or(0);
    let method = args.text_or("method", "common");
    let Some(size) = number(value) else {
        return Err(invalid(format!("type {} doesn't define __round__ method", python::type_name(value))));
    };
    match method.as_str() {
        "common" if value.is_integer() && precision >= 0 => Ok(value.clone()),
        "common" if value.is_integer() => {
            let rounded = half_even(size, precision);
            #[expect(clippy::cast_possible_truncation, reason = "a whole number rounded to a power of ten")]
            Ok(super::arguments::integer(rounded as i128))
        }
        "common" => Ok(Value::from(half_even(size, precision))),
        "ceil" | "floor" => {
            let scale = 10_f64.powi(i32::try_from(precision).unwrap_or(0));
            let scaled = size * scale;
            Ok(Value::from(if method == "ceil" { scaled.ceil() } else { scaled.floor() } / scale))
        }
        _ => Err(invalid("method must be common, ceil or floor")),
    }
}

/// Python's `round`: correctly rounded in decimal, ties to the even digit.
fn half_even(size: f64, precision: i64) -> f64 {
    if !size.is_finite() {
        return size;
    }
    if let Ok(decimals) = usize::try_from(precision) {
        format!("{size:.decimals$}", decimals = decimals.min(400)).parse().unwrap_or(size)
    } else {
        let scale = 10_f64.powi(i32::try_from(precision.unsigned_abs()).unwrap_or(400));
        (size / scale).round_ties_even() * scale
    }
}

fn log(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let only = || invalid("log() can only be used on numbers");
    let size = number(args.need("x")?).ok_or_else(only)?;
    let base = match args.get("base") {
        Some(base) => number(base).ok_or_else(only)?,
        None => std::f64::consts::E,
    };
    if size <= 0.0 || base <= 0.0 {
        return Err(invalid("math domain error"));
    }
    #[expect(clippy::float_cmp, reason = "base ten is a number of its own kind")]
    Ok(Value::from(if base == 10.0 { size.log10() } else { size.ln() / base.ln() }))
}

fn pow(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    match (number(args.need("x")?), number(args.need("y")?)) {
        (Some(base), Some(exponent)) => Ok(Value::from(base.powf(exponent))),
        _ => Err(invalid("pow() can only be used on numbers")),
    }
}

fn root(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let only = || invalid("root() can only be used on numbers");
    let size = number(args.need("x")?).ok_or_else(only)?;
    let base = match args.get("base") {
        Some(base) => number(base).or_else(|| super::basics::parse_float(base.as_str()?)).ok_or_else(only)?,
        None => 2.0,
    };
    if size < 0.0 {
        return Err(only());
    }
    #[expect(clippy::float_cmp, reason = "the square root is exact where a power is not")]
    Ok(Value::from(if base == 2.0 { size.sqrt() } else { size.powf(1.0 / base) }))
}
