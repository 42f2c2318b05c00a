//! What an unquoted YAML word means: the 1.1 rules exactly as `PyYAML` applies them, so that `0644` is 420 and `yes` is true.

use std::fmt::Write as _;

/// The value of a plain scalar.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// `~`, `null` or nothing at all.
    Null,
    /// `yes`, `off`, `True` …
    Bool(bool),
    /// Decimal, octal (`0…`), hexadecimal, binary or sexagesimal.
    Int(i128),
    /// With a point; exponents need a sign.
    Float(f64),
    /// `<<` as a key.
    Merge,
    /// A date or time, in the form Python prints it.
    Time(String),
    /// Anything else.
    Text,
}

/// Resolves an unquoted scalar. Numbers beyond 128 bits stay text, so that no digit is lost.
#[must_use]
pub fn resolve(word: &str) -> Plain {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Plain::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Plain::Bool(false),
        "<<" => return Plain::Merge,
        _ => {}
    }
    let numeric = word.bytes().next().is_some_and(|first| first.is_ascii_digit() || b"+-.".contains(&first));
    if !numeric {
        return Plain::Text;
    }
    if let Some(value) = float(word) {
        return Plain::Float(value);
    }
    if let Some(value) = int(word) {
        return Plain::Int(value);
    }
    timestamp(word).map_or(Plain::Text, Plain::Time)
}

/// A whole number in any of the YAML 1.1 notations.
#[must_use]
pub fn int(word: &str) -> Option<i128> {
    let (negative, digits) = split_sign(word);
    let first = *digits.as_bytes().first()?;
    let plain = || digits.replace('_', "");
    let value = if let Some(binary) = digits.strip_prefix("0b") {
        i128::from_str_radix(&only(binary, |c| matches!(c, '0' | '1'))?, 2).ok()?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(&only(hex, |c| c.is_ascii_hexdigit())?, 16).ok()?
    } else if digits == "0" {
        0
    } else if first == b'0' {
        let octal = only(&digits[1..], |c| matches!(c, '0'..='7'))?;
        if octal.is_empty() { 0 } else { i128::from_str_radix(&octal, 8).ok()? }
    } else if !first.is_ascii_digit() {
        return None;
    } else if digits.contains(':') {
        let (whole, rest) = digits.split_once(':')?;
        let mut total: i128 = only(whole, |c| c.is_ascii_digit())?.parse().ok()?;
        for part in rest.split(':') {
            total = total.checked_mul(60)?.checked_add(sixtieth(part)?.into())?;
        }
        total
    } else {
        only(digits, |c| c.is_ascii_digit())?;
        plain().parse().ok()?
    };
    Some(if negative { -value } else { value })
}

/// A number with a point in the YAML 1.1 notations.
#[must_use]
pub fn float(word: &str) -> Option<f64> {
    let (negative, digits) = split_sign(word);
    let signed = digits.len() != word.len();
    let value = match digits {
        ".inf" | ".Inf" | ".INF" => f64::INFINITY,
        ".nan" | ".NaN" | ".NAN" if !signed => f64::NAN,
        _ => {
            let (whole, fraction) = digits.split_once('.')?;
            if whole.is_empty() {
                // PyYAML takes a sign only before a digit, `.5` only bare.
                if signed || !fraction.starts_with(|c: char| c.is_ascii_digit()) {
                    return None;
                }
                return decimal("0", fraction);
            }
            if !whole.starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            match whole.split_once(':') {
                Some((first, rest)) => sexagesimal(first, rest, fraction)?,
                None => decimal(whole, fraction)?,
            }
        }
    };
    Some(if negative { -value } else { value })
}

fn decimal(whole: &str, fraction: &str) -> Option<f64> {
    let (fraction, exponent) = match fraction.split_once(['e', 'E']) {
        Some((fraction, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-'])?;
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            (fraction, exponent)
        }
        None => (fraction, "+0"),
    };
    let whole = only(whole, |c| c.is_ascii_digit())?;
    let fraction = if fraction.is_empty() { String::new() } else { only_or_empty(fraction)? };
    format!("{whole}.{fraction}0e{exponent}").parse().ok()
}

fn sexagesimal(first: &str, rest: &str, fraction: &str) -> Option<f64> {
    let mut total: f64 = only(first, |c| c.is_ascii_digit())?.parse().ok()?;
    for part in rest.split(':') {
        total = total * 60.0 + f64::from(sixtieth(part)?);
    }
    let fraction = if fraction.is_empty() { String::new() } else { only_or_empty(fraction)? };
    Some(total + format!("0.{fraction}0").parse::<f64>().ok()?)
}

fn split_sign(word: &str) -> (bool, &str) {
    match word.as_bytes().first() {
        Some(b'-') => (true, &word[1..]),
        Some(b'+') => (false, &word[1..]),
        _ => (false, word),
    }
}

/// The digits without underscores, if there is at least one digit or underscore and nothing else.
fn only(digits: &str, allowed: impl Fn(char) -> bool) -> Option<String> {
    let fits = !digits.is_empty() && digits.chars().all(|c| c == '_' || allowed(c));
    fits.then(|| digits.replace('_', ""))
}

fn only_or_empty(digits: &str) -> Option<String> {
    only(digits, |c| c.is_ascii_digit())
}

fn sixtieth(part: &str) -> Option<u8> {
    let fits = matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    if fits { part.parse().ok() } else { None }
}

/// The date or time as Python's `str()` writes it, if the word is one by YAML 1.1.
fn timestamp(word: &str) -> Option<String> {
    let bytes = word.as_bytes();
    let (year, rest) = number(bytes, 4, 4)?;
    let (month, rest) = number(rest.strip_prefix(b"-")?, 1, 2)?;
    let (day, rest) = number(rest.strip_prefix(b"-")?, 1, 2)?;
    if rest.is_empty() {
        return (bytes.len() == 10).then(|| word.to_owned());
    }
    let time = match rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b"t")) {
        Some(time) => time,
        None => strip_blank(rest).filter(|time| time.len() < rest.len())?,
    };
    let (hour, rest) = number(time, 1, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2, 2)?;
    let (second, rest) = number(rest.strip_prefix(b":")?, 2, 2)?;
    let (micros, rest) = match rest.strip_prefix(b".") {
        Some(rest) => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let digits: String =
                rest[..length].iter().map(|byte| char::from(*byte)).chain("000000".chars()).take(6).collect();
            (digits, &rest[length..])
        }
        None => ("000000".to_owned(), rest),
    };
    let mut text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    if micros != "000000" {
        let _ = write!(text, ".{micros}");
    }
    match strip_blank(rest)? {
        [] if rest.is_empty() => {}
        b"Z" => text.push_str("+00:00"),
        [sign @ (b'+' | b'-'), zone @ ..] => {
            let (hours, zone) = number(zone, 1, 2)?;
            let minutes = match zone {
                [] => 0,
                [b':', minutes @ ..] => number(minutes, 2, 2).filter(|(_, rest)| rest.is_empty())?.0,
                _ => return None,
            };
            let _ = write!(text, "{}{hours:02}:{minutes:02}", char::from(*sign));
        }
        _ => return None,
    }
    Some(text)
}

fn strip_blank(bytes: &[u8]) -> Option<&[u8]> {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    bytes.get(blank..)
}

fn number(bytes: &[u8], least: usize, most: usize) -> Option<(u32, &[u8])> {
    let length = bytes.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if length < least {
        return None;
    }
    let value = bytes[..length].iter().fold(0, |value, byte| value * 10 + u32::from(byte - b'0'));
    Some((value, &bytes[length..]))
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
