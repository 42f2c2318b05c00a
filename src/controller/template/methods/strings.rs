//! Methods of strings.

use minijinja::value::{Kwargs, Tuple, from_args};
use minijinja::{Error, Value};

use super::super::emit::python;
use super::super::filters::arguments::{Arguments, invalid, items};
use super::super::filters::strings::{capitalized, centered, split_text};
use super::super::filters::wrapping;
use super::Known;

pub(super) fn call(text: &str, method: &str, args: &[Value]) -> Known {
    Ok(Some(match method {
        "split" => {
            let args = Arguments::bind("split", "sep maxsplit", args)?;
            let most = args.int("maxsplit")?.and_then(|most| usize::try_from(most).ok());
            Value::from_iter(split_text(text, args.some("sep").map(python::text).as_deref(), most)?)
        }
        "rsplit" => {
            let args = Arguments::bind("rsplit", "sep maxsplit", args)?;
            let most = args.int("maxsplit")?.and_then(|most| usize::try_from(most).ok());
            Value::from_iter(split_right(text, args.some("sep").map(python::text).as_deref(), most)?)
        }
        "splitlines" => {
            let args = Arguments::bind("splitlines", "keepends", args)?;
            Value::from_iter(wrapping::lines(text, args.flag("keepends")))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            if separator.is_empty() {
                return Err(invalid("empty separator"));
            }
            let parts = if method == "partition" {
                text.split_once(separator).map_or([text, "", ""], |(head, tail)| [head, separator, tail])
            } else {
                text.rsplit_once(separator).map_or(["", "", text], |(head, tail)| [head, separator, tail])
            };
            Value::from_object(Tuple::new(parts.into_iter().map(Value::from).collect()))
        }
        "zfill" => {
            let (width,): (i64,) = from_args(args)?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            let missing = size(width).saturating_sub(text.chars().count());
            Value::from(format!("{sign}{}{digits}", "0".repeat(missing)))
        }
        "ljust" | "rjust" | "center" => {
            let (width, fill): (i64, Option<char>) = from_args(args)?;
            let (width, fill) = (size(width), fill.unwrap_or(' '));
            let missing: String = std::iter::repeat_n(fill, width.saturating_sub(text.chars().count())).collect();
            Value::from(match method {
                "ljust" => format!("{text}{missing}"),
                "rjust" => format!("{missing}{text}"),
                _ => centered(text, width, fill),
            })
        }
        "find" | "index" | "rfind" | "rindex" => {
            let (part, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
            let found = find(text, part, (start, end), method.starts_with('r'));
            match found {
                Some(at) => Value::from(at),
                None if method.ends_with("find") => Value::from(-1),
                None => return Err(invalid("substring not found")),
            }
        }
        "count" => {
            let (part, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
            let slice = sliced(text, start, end).0;
            let empty = slice.chars().count() + 1;
            Value::from(if part.is_empty() { empty } else { slice.matches(part).count() })
        }
        "startswith" | "endswith" => {
            let (parts, start, end): (Value, Option<i64>, Option<i64>) = from_args(args)?;
            let slice = sliced(text, start, end).0;
            let parts = match parts.as_str() {
                Some(_) => vec![parts],
                None if parts.is_tuple() => items(&parts)?,
                None => {
                    let kind = python::type_name(&parts);
                    return Err(invalid(format!("{method} first arg must be str or a tuple of str, not {kind}")));
                }
            };
            let holds = |part: &Value| {
                let part = part.as_str().unwrap_or_default();
                if method == "startswith" { slice.starts_with(part) } else { slice.ends_with(part) }
            };
            Value::from(parts.iter().any(holds))
        }
        "removeprefix" => {
            let (part,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(part).unwrap_or(text))
        }
        "removesuffix" => {
            let (part,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(part).unwrap_or(text))
        }
        "join" => {
            let (list,): (Value,) = from_args(args)?;
            let mut parts = Vec::new();
            for (index, item) in items(&list)?.iter().enumerate() {
                let Some(part) = item.as_str() else {
                    let kind = python::type_name(item);
                    return Err(invalid(format!("sequence item {index}: expected str instance, {kind} found")));
                };
                parts.push(part.to_owned());
            }
            Value::from(parts.join(text))
        }
        "swapcase" => {
            let swap = |character: char| -> String {
                if character.is_uppercase() {
                    character.to_lowercase().collect()
                } else {
                    character.to_uppercase().collect()
                }
            };
            Value::from(text.chars().map(swap).collect::<String>())
        }
        "casefold" => Value::from(text.to_lowercase().replace('ß', "ss").replace('ς', "σ")),
        "capitalize" => Value::from(capitalized(text)),
        "title" => Value::from(titled(text)),
        "istitle" => Value::from(titled(text) == text && text.chars().any(char::is_alphabetic)),
        "isidentifier" => {
            let start = text.starts_with(|character: char| character.is_alphabetic() || character == '_');
            Value::from(start && text.chars().all(|character| character.is_alphanumeric() || character == '_'))
        }
        "isdecimal" => Value::from(!text.is_empty() && text.chars().all(|character| character.is_ascii_digit())),
        "isprintable" => Value::from(!text.chars().any(char::is_control)),
        "expandtabs" => {
            let args = Arguments::bind("expandtabs", "tabsize", args)?;
            Value::from(expanded(text, args.size("tabsize")?.unwrap_or(8)))
        }
        "encode" => {
            let _: (&[Value], Kwargs) = from_args(args)?;
            Value::from_bytes(text.as_bytes().to_vec())
        }
        _ => return Ok(None),
    }))
}

fn size(width: i64) -> usize {
    usize::try_from(width.min(1_000_000)).unwrap_or(0)
}

/// Python's slice bounds: negative ones count from the end, all are cut to the length.
pub(super) fn bounds(length: usize, start: Option<i64>, end: Option<i64>) -> (usize, usize) {
    let place = |index: i64| {
        if index < 0 {
            length.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
        } else {
            usize::try_from(index).unwrap_or(usize::MAX).min(length)
        }
    };
    (start.map_or(0, place), end.map_or(length, place))
}

/// The part between two character offsets and the first of them.
fn sliced(text: &str, start: Option<i64>, end: Option<i64>) -> (&str, usize) {
    let (start, end) = bounds(text.chars().count(), start, end);
    let offset = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
    (if start < end { &text[offset(start)..offset(end)] } else { "" }, start)
}

fn find(text: &str, part: &str, (start, end): (Option<i64>, Option<i64>), last: bool) -> Option<usize> {
    let (slice, before) = sliced(text, start, end);
    let byte = if last { slice.rfind(part) } else { slice.find(part) }?;
    Some(before + slice[..byte].chars().count())
}

fn split_right(text: &str, separator: Option<&str>, most: Option<usize>) -> Result<Vec<String>, Error> {
    let Some(most) = most else { return split_text(text, separator, None) };
    let mut parts: Vec<String> = match separator {
        Some("") => return Err(invalid("empty separator")),
        Some(separator) => text.rsplitn(most + 1, separator).map(str::to_owned).collect(),
        None => {
            let (mut words, mut left) = (Vec::new(), text.trim_end());
            while !left.is_empty() {
                if words.len() == most {
                    words.push(left.to_owned());
                    break;
                }
                let start = left
                    .rfind(char::is_whitespace)
                    .map_or(0, |at| at + left[at..].chars().next().map_or(1, char::len_utf8));
                words.push(left[start..].to_owned());
                left = left[..start].trim_end();
            }
            words
        }
    };
    parts.reverse();
    Ok(parts)
}

/// `str.title`: every letter that follows no letter in upper case.
fn titled(text: &str) -> String {
    let (mut out, mut inside) = (String::with_capacity(text.len()), false);
    for character in text.chars() {
        if inside {
            out.extend(character.to_lowercase());
        } else {
            out.extend(character.to_uppercase());
        }
        inside = character.is_alphabetic();
    }
    out
}

fn expanded(text: &str, width: usize) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for character in text.chars() {
        match character {
            '\t' => {
                let blanks = if width == 0 { 0 } else { width - column % width };
                out.push_str(&" ".repeat(blanks));
                column += blanks;
            }
            '\n' | '\r' => {
                out.push(character);
                column = 0;
            }
            _ => {
                out.push(character);
                column += 1;
            }
        }
    }
    out
}
