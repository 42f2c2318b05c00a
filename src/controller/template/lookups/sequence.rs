//! The `sequence` lookup: numbers, formatted.

use minijinja::{Error, Value};

use super::super::emit::python;
use super::super::filters::arguments::invalid;
use super::super::filters::basics::parse_int;
use super::super::filters::pattern::Pattern;
use super::super::filters::percent;
use super::{Lookup, Options, Surroundings, key_values, text_term};

pub(super) const ALL: &[Lookup] = &[Lookup::new("sequence", "start end count stride format", sequence)];

const SHORT: &str = r"^(?:(0?x?[0-9a-f]+)\-)?(0?x?[0-9a-f]+)(?:/(0?x?[0-9a-f]+))?(?::(.+))?$";
const MOST: i128 = 1_000_000;

fn sequence(_: &dyn Surroundings, terms: &[Value], options: &Options) -> Result<Vec<Value>, Error> {
    let empty = [Value::from("")];
    let terms = if terms.is_empty() && options.iter().next().is_some() { &empty } else { terms };
    let mut out = Vec::new();
    for term in terms {
        let term = text_term("sequence", term)?;
        let mut options = options.clone();
        if let Some(groups) = Pattern::new(SHORT, true, false)?.find(&term, 0)? {
            for (name, group) in ["start", "end", "stride", "format"].iter().zip(&groups[1..]) {
                if let Some((start, end)) = group {
                    options.set(name, Value::from(&term[*start..*end]));
                }
            }
        } else {
            let (bare, pairs) = key_values(&term)?;
            if let Some(unknown) = bare.first().or_else(|| {
                pairs.iter().map(|(key, _)| key).find(|key| !ALL[0].options.split(' ').any(|known| known == *key))
            }) {
                return Err(invalid(format!("unrecognized arguments to with_sequence: ['{unknown}']")));
            }
            for (key, value) in pairs {
                options.set(&key, Value::from(value));
            }
        }
        generate(&options, &mut out)?;
    }
    Ok(out)
}

/// A number in any of Python's notations, and with a leading zero as octal.
fn whole(options: &Options, name: &str) -> Result<Option<i128>, Error> {
    let Some(value) = options.get(name) else { return Ok(None) };
    if value.is_integer() {
        return i128::try_from(value.clone()).map(Some);
    }
    let text = python::text(value);
    let base =
        if text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()) { 8 } else { 0 };
    let number = parse_int(&text, base);
    number
        .map(Some)
        .ok_or_else(|| invalid(format!("{name} has an invalid value: can't parse {name}={text} as integer")))
}

fn generate(options: &Options, out: &mut Vec<Value>) -> Result<(), Error> {
    let start = whole(options, "start")?.unwrap_or(1);
    let stride = whole(options, "stride")?.unwrap_or(1);
    let format = options.text("format").unwrap_or_else(|| "%d".to_owned());
    let end = match (whole(options, "count")?, whole(options, "end")?) {
        (None, None) => return Err(invalid("must specify count or end in with_sequence")),
        (Some(_), Some(_)) => return Err(invalid("can't specify both count and end in with_sequence")),
        (Some(0), None) => return Ok(()),
        (Some(count), None) => count
            .checked_mul(stride)
            .and_then(|length| start.checked_add(length - 1))
            .ok_or_else(|| invalid("the sequence is too long"))?,
        (None, Some(end)) => end,
    };
    if stride > 0 && end < start {
        return Err(invalid("to count backwards make stride negative"));
    }
    if stride < 0 && end > start {
        return Err(invalid("to count forward don't make stride negative"));
    }
    if stride == 0 {
        return Ok(());
    }
    if format.matches('%').count() != 1 {
        return Err(invalid(format!("bad formatting string: {format}")));
    }
    if (end - start) / stride > MOST {
        return Err(invalid("the sequence is too long"));
    }
    let mut number = start;
    while if stride > 0 { number <= end } else { number >= end } {
        let text = percent::format(&format, &[Value::from(number)]);
        out.push(Value::from(
            text.map_err(|_| invalid(format!("problem formatting {number} with {}", python::quoted(&format))))?,
        ));
        number += stride;
    }
    Ok(())
}
