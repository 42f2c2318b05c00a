//! Filters for sizes and for times.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::super::emit::python;
use super::Filter;
use super::arguments::{Arguments, integer, invalid, number};
use super::moment;

pub(super) const ALL: &[Filter] = &[
    Filter::new("human_readable", "size isbits unit", human_readable),
    Filter::new("human_to_bytes", "size default_unit isbits", human_to_bytes),
    Filter::new("filesizeformat", "value binary", filesizeformat),
    Filter::new("to_datetime", "string format", moment::to_datetime),
    Filter::new("strftime", "string_format second utc", moment::strftime),
];

type Outcome = Result<Value, Error>;

const RANGES: [(char, u32, &str); 9] = [
    ('Y', 80, "yotta"),
    ('Z', 70, "zetta"),
    ('E', 60, "exa"),
    ('P', 50, "peta"),
    ('T', 40, "tera"),
    ('G', 30, "giga"),
    ('M', 20, "mega"),
    ('K', 10, "kilo"),
    ('B', 0, ""),
];

fn limit(power: u32) -> f64 {
    2_f64.powi(i32::try_from(power).unwrap_or(0))
}

fn human_readable(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let Some(size) = number(args.need("size")?) else { return Err(invalid("human_readable() failed on bad input")) };
    let bits = args.flag("isbits");
    let unit = args.some("unit").map(|unit| python::text(unit).to_uppercase());
    let chosen = RANGES.iter().find(|(letter, power, _)| match &unit {
        Some(unit) => unit.chars().eq([*letter]),
        None => size >= limit(*power),
    });
    let (letter, power, _) = chosen.unwrap_or(&RANGES[8]);
    let base = if bits { "bits" } else { "Bytes" };
    let suffix = if *power == 0 { base.to_owned() } else { format!("{letter}{}", &base[..1]) };
    Ok(Value::from(format!("{:.2} {suffix}", size / limit(*power))))
}

fn human_to_bytes(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let wrong = || invalid("human_to_bytes() can't interpret the input");
    let text = args.text("size")?;
    let trimmed = text.trim_end();
    let digits =
        trimmed.find(|character: char| !(character.is_ascii_digit() || character == '.')).unwrap_or(trimmed.len());
    let (amount, unit) = trimmed.split_at(digits);
    if amount.is_empty() || amount.ends_with('.') || amount.matches('.').count() > 1 {
        return Err(wrong());
    }
    let amount: f64 = amount.parse().map_err(|_| wrong())?;
    let unit = unit.trim_start();
    if !unit.chars().all(|character| character.is_ascii_alphabetic()) {
        return Err(wrong());
    }
    let given = args.some("default_unit").map(python::text);
    let unit = if unit.is_empty() { given.unwrap_or_default() } else { unit.to_owned() };
    let Some(first) = unit.chars().next() else { return Ok(whole(amount)) };
    let first = first.to_ascii_uppercase();
    let Some((letter, power, name)) = RANGES.iter().find(|(letter, ..)| *letter == first) else { return Err(wrong()) };
    if unit.chars().count() > 1 {
        let (class, word) = if args.flag("isbits") { ("b", "bit") } else { ("B", "byte") };
        // Two of the names are known by one letter less than their prefix has.
        let name = if *letter == 'Z' { "zeta" } else { name };
        let short = if *power == 0 { class.to_owned() } else { format!("{letter}{class}") };
        if unit.to_lowercase() != format!("{name}{word}") && unit != short {
            return Err(wrong());
        }
    }
    Ok(whole(amount * limit(*power)))
}

fn whole(size: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "sizes are far below the bounds")]
    integer(size.round_ties_even() as i128)
}

fn filesizeformat(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("value")?;
    let size = number(value)
        .or_else(|| if value.kind() == ValueKind::String { super::basics::parse_float(value.as_str()?) } else { None });
    let Some(size) = size else { return Err(invalid(format!("could not convert to float: {}", python::repr(value)))) };
    let binary = args.flag("binary");
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    #[expect(clippy::float_cmp, reason = "exactly one is singular")]
    if size == 1.0 {
        return Ok(Value::from("1 Byte"));
    }
    if size < base {
        return Ok(Value::from(format!("{size:.0} Bytes")));
    }
    let mut unit = base;
    for (index, letter) in ["k", "M", "G", "T", "P", "E", "Z", "Y"].into_iter().enumerate() {
        unit *= base;
        if size < unit || index == 7 {
            let letter = if binary { letter.to_uppercase() + "i" } else { letter.to_owned() };
            return Ok(Value::from(format!("{:.1} {letter}B", base * size / unit)));
        }
    }
    Ok(Value::from(""))
}
