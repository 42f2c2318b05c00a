//! Python's `%` formatting of strings.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::super::emit::python;
use super::arguments::{invalid, number};

/// The widest field the formatter takes.
const WIDEST: i64 = 60_000;

/// Formats as `template % args`: one mapping serves `%(name)s`, else each directive takes the next argument.
pub fn format(template: &str, args: &[Value]) -> Result<String, Error> {
    let mut out = String::new();
    let mut next = args.iter();
    let mut used = false;
    let mut rest = template.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let mut name = None;
        if rest.next_if_eq(&'(').is_some() {
            let (mut key, mut depth) = (String::new(), 1);
            loop {
                match rest.next() {
                    Some(')') if depth == 1 => break,
                    Some(character) => {
                        depth += i32::from(character == '(') - i32::from(character == ')');
                        key.push(character);
                    }
                    None => return Err(invalid("incomplete format key")),
                }
            }
            name = Some(key);
        }
        let mut spec = Spec::default();
        while let Some(flag) = rest.next_if(|flag| "-+ #0".contains(*flag)) {
            spec.flag(flag);
        }
        let mut take = || next.next().ok_or_else(|| invalid("not enough arguments for format string"));
        if rest.next_if_eq(&'*').is_some() {
            spec.width(whole(take()?)?);
        } else {
            spec.width(digits(&mut rest).unwrap_or(0));
        }
        if rest.next_if_eq(&'.').is_some() {
            let precision =
                if rest.next_if_eq(&'*').is_some() { whole(take()?)? } else { digits(&mut rest).unwrap_or(0) };
            spec.precision = Some(usize::try_from(precision).unwrap_or(0));
        }
        while rest.next_if(|length| "hlL".contains(*length)).is_some() {}
        let Some(kind) = rest.next() else { return Err(invalid("incomplete format")) };
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match &name {
            Some(name) => {
                used = true;
                let Some(mapping) = args.first().filter(|value| value.kind() == ValueKind::Map) else {
                    return Err(invalid("format requires a mapping"));
                };
                let value = mapping.get_item(&Value::from(name.as_str()))?;
                if value.is_undefined() {
                    return Err(invalid(python::quoted(name)));
                }
                value
            }
            None => take()?.clone(),
        };
        if let Some(error) = super::arguments::undefined(&value) {
            return Err(error);
        }
        out.push_str(&spec.apply(kind, &value)?);
    }
    let mapping = args.len() == 1 && args[0].kind() == ValueKind::Map;
    if !used && !mapping && next.next().is_some() {
        return Err(invalid("not all arguments converted during string formatting"));
    }
    Ok(out)
}

fn digits(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<i64> {
    let mut found = None;
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        let digit = i64::from(digit.to_digit(10).unwrap_or(0));
        found = Some(found.unwrap_or(0_i64).saturating_mul(10).saturating_add(digit).min(WIDEST));
    }
    found
}

fn whole(value: &Value) -> Result<i64, Error> {
    value.as_i64().map(|width| width.clamp(-WIDEST, WIDEST)).ok_or_else(|| invalid("* wants int"))
}

#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    blank: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    fn flag(&mut self, flag: char) {
        match flag {
            '-' => self.left = true,
            '+' => self.plus = true,
            ' ' => self.blank = true,
            '#' => self.alternate = true,
            _ => self.zero = true,
        }
    }

    fn width(&mut self, width: i64) {
        self.left |= width < 0;
        self.width = usize::try_from(width.unsigned_abs()).unwrap_or(0);
    }

    fn apply(&self, kind: char, value: &Value) -> Result<String, Error> {
        match kind {
            's' | 'r' | 'a' => {
                let text = if kind == 's' { python::text(value) } else { python::repr(value) };
                let text = self.precision.map_or_else(|| text.clone(), |most| text.chars().take(most).collect());
                Ok(self.pad("", &text, false))
            }
            'c' => match value.as_i64().and_then(|code| u32::try_from(code).ok()).and_then(char::from_u32) {
                Some(character) => Ok(self.pad("", &character.to_string(), false)),
                None if value.len() == Some(1) => Ok(self.pad("", &python::text(value), false)),
                None => Err(invalid("%c requires int or char")),
            },
            'd' | 'i' | 'u' | 'x' | 'X' | 'o' => self.integer(kind, value),
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' => self.float(kind, value),
            _ => Err(invalid(format!("unsupported format character '{kind}' (0x{:x})", u32::from(kind)))),
        }
    }

    fn integer(&self, kind: char, value: &Value) -> Result<String, Error> {
        let wrong = || {
            let wanted =
                if matches!(kind, 'x' | 'X' | 'o') { "an integer is required" } else { "a real number is required" };
            invalid(format!("%{kind} format: {wanted}, not {}", python::type_name(value)))
        };
        let number = match value.kind() {
            ValueKind::Bool => i128::from(value.is_true()),
            ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).map_err(|_| wrong())?,
            #[expect(clippy::cast_possible_truncation, reason = "%d drops the fraction")]
            ValueKind::Number if matches!(kind, 'd' | 'i' | 'u') => f64::try_from(value.clone())?.trunc() as i128,
            _ => return Err(wrong()),
        };
        let size = number.unsigned_abs();
        let (prefix, digits) = match kind {
            'x' => ("0x", format!("{size:x}")),
            'X' => ("0X", format!("{size:X}")),
            'o' => ("0o", format!("{size:o}")),
            _ => ("", size.to_string()),
        };
        let digits = format!("{digits:0>width$}", width = self.precision.unwrap_or(0));
        let prefix = if self.alternate { prefix } else { "" };
        Ok(self.pad(&format!("{}{prefix}", self.sign(number < 0)), &digits, true))
    }

    fn float(&self, kind: char, value: &Value) -> Result<String, Error> {
        let Some(number) = number(value) else {
            return Err(invalid(format!("must be real number, not {}", python::type_name(value))));
        };
        let (size, precision) = (number.abs(), self.precision.unwrap_or(6));
        let digits = if number.is_finite() {
            match kind.to_ascii_lowercase() {
                'f' => format!("{size:.precision$}"),
                'e' => exponential(size, precision),
                _ => general(size, precision.max(1), self.alternate),
            }
        } else {
            if number.is_nan() { "nan" } else { "inf" }.to_owned()
        };
        let digits = if kind.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
        Ok(self.pad(self.sign(number.is_sign_negative() && !number.is_nan()), &digits, number.is_finite()))
    }

    const fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.blank) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }

    fn pad(&self, prefix: &str, body: &str, numeric: bool) -> String {
        let missing = self.width.saturating_sub(prefix.chars().count() + body.chars().count());
        if self.left {
            format!("{prefix}{body}{}", " ".repeat(missing))
        } else if self.zero && numeric {
            format!("{prefix}{}{body}", "0".repeat(missing))
        } else {
            format!("{}{prefix}{body}", " ".repeat(missing))
        }
    }
}

fn exponential(size: f64, precision: usize) -> String {
    let text = format!("{size:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

fn general(size: f64, precision: usize, keep: bool) -> String {
    let scientific = exponential(size, precision - 1);
    let exponent: i64 = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let limit = i64::try_from(precision).unwrap_or(i64::MAX);
    let strip = |digits: &str| {
        if keep || !digits.contains('.') {
            digits.to_owned()
        } else {
            digits.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    if exponent < -4 || exponent >= limit {
        let (digits, tail) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{tail}", strip(digits));
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or(0);
    strip(&format!("{size:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_python() {
        let table: Vec<(&str, Vec<Value>, &str)> = vec![
            ("%s-%d", vec![Value::from("a"), Value::from(5)], "a-5"),
            ("%05d|%-5d|%+d", vec![Value::from(-42), Value::from(42), Value::from(42)], "-0042|42   |+42"),
            (
                "%.2f %5.1f %e",
                vec![Value::from(1.234), Value::from(2.25), Value::from(12345.678)],
                "1.23   2.2 1.234568e+04",
            ),
            ("%g %g %g", vec![Value::from(0.0001), Value::from(1_000_000), Value::from(1.5)], "0.0001 1e+06 1.5"),
            ("%x %X %#o", vec![Value::from(255), Value::from(255), Value::from(8)], "ff FF 0o10"),
            (
                "%(name)s has %(n)03d%%",
                vec![Value::from_pairs([("name", Value::from("x")), ("n", Value::from(7))])],
                "x has 007%",
            ),
            ("%r %s", vec![Value::from("q"), Value::from(())], "'q' None"),
            (
                "%10s|%-10s|%.2s",
                vec![Value::from("é"), Value::from("b"), Value::from("xyz")],
                "         é|b         |xy",
            ),
            ("%*d", vec![Value::from(4), Value::from(7)], "   7"),
        ];
        for (template, args, expected) in table {
            assert_eq!(format(template, &args).unwrap(), expected, "{template}");
        }
        assert!(format("%s", &[]).is_err());
        assert!(format("a", &[Value::from(1)]).is_err());
        assert!(format("%d", &[Value::from("a")]).is_err());
        assert!(format("%", &[]).is_err());
    }
}
