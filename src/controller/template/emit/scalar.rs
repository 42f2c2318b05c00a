//! What a plain YAML 1.1 scalar means to `PyYAML`'s safe loader, and so which strings need quotes.

use std::sync::LazyLock;

use regex::Regex;

/// A plain scalar, resolved.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `null`, `~` or nothing.
    Null,
    /// `yes`, `no`, `on`, `off`, `true`, `false` in three spellings each.
    Bool(bool),
    /// Decimal, octal (`0644`), hexadecimal, binary or sexagesimal.
    Int(i128),
    /// A number with a point, `.inf`, `.nan`, or sexagesimal.
    Float(f64),
    /// A date or a point in time, kept as written.
    Timestamp,
    /// `<<`.
    Merge,
    /// `=`.
    Equals,
    /// Anything else.
    Text,
}

/// Resolves a plain scalar.
pub fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Scalar::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Scalar::Bool(false),
        "<<" => return Scalar::Merge,
        "=" => return Scalar::Equals,
        _ => {}
    }
    let first = text.as_bytes()[0];
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return Scalar::Text;
    }
    if INT.is_match(text) {
        return integer(text).map_or(Scalar::Text, Scalar::Int);
    }
    if FLOAT.is_match(text) {
        return float(text).map_or(Scalar::Text, Scalar::Float);
    }
    if TIMESTAMP.is_match(text) { Scalar::Timestamp } else { Scalar::Text }
}

static INT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$",
    )
});
static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
    )
});
static TIMESTAMP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9]{2})?))?)$",
    )
});

/// A pattern fixed in the source; a wrong one would fail every test.
fn pattern(source: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants of this file")]
    Regex::new(source).expect("constant pattern")
}

fn integer(text: &str) -> Option<i128> {
    let clean = text.replace('_', "");
    let (sign, digits) = signed(&clean);
    let size = if digits == "0" {
        0
    } else if let Some(binary) = digits.strip_prefix("0b") {
        i128::from_str_radix(binary, 2).ok()?
    } else if let Some(hexadecimal) = digits.strip_prefix("0x") {
        i128::from_str_radix(hexadecimal, 16).ok()?
    } else if digits.starts_with('0') {
        i128::from_str_radix(digits, 8).ok()?
    } else if digits.contains(':') {
        let mut total: i128 = 0;
        for part in digits.split(':') {
            total = total.checked_mul(60)?.checked_add(part.parse().ok()?)?;
        }
        total
    } else {
        digits.parse().ok()?
    };
    Some(sign * size)
}

fn float(text: &str) -> Option<f64> {
    let clean = text.replace('_', "").to_lowercase();
    let (sign, digits) = signed(&clean);
    #[expect(clippy::cast_precision_loss, reason = "the sign is one or minus one")]
    let sign = sign as f64;
    if digits == ".inf" {
        return Some(sign * f64::INFINITY);
    }
    if digits == ".nan" {
        return Some(f64::NAN);
    }
    if digits.contains(':') {
        let mut total = 0.0;
        for part in digits.split(':') {
            total = total * 60.0 + part.parse::<f64>().ok()?;
        }
        return Some(sign * total);
    }
    digits.parse::<f64>().ok().map(|size| sign * size)
}

fn signed(text: &str) -> (i128, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_as_pyyaml() {
        let table = [
            ("yes", Scalar::Bool(true)),
            ("y", Scalar::Text),
            ("0644", Scalar::Int(420)),
            ("0o644", Scalar::Text),
            ("12:30:45", Scalar::Int(45045)),
            ("1_000", Scalar::Int(1000)),
            ("1e3", Scalar::Text),
            ("1.0e+3", Scalar::Float(1000.0)),
            ("0x1F", Scalar::Int(31)),
            ("-.inf", Scalar::Float(f64::NEG_INFINITY)),
            ("2020-01-01", Scalar::Timestamp),
            ("08", Scalar::Text),
            ("-", Scalar::Text),
            ("1.2.3", Scalar::Text),
            (".", Scalar::Text),
            ("", Scalar::Null),
        ];
        for (text, expected) in table {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }
}
