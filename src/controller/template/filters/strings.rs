//! Filters on strings: case, blanks, replacement, quoting.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::super::emit::python;
use super::Filter;
use super::arguments::{Arguments, attribute, invalid, items};

pub(super) const ALL: &[Filter] = &[
    Filter::new("lower", "s", |_, args| args.text("s").map(|text| Value::from(text.to_lowercase()))),
    Filter::new("upper", "s", |_, args| args.text("s").map(|text| Value::from(text.to_uppercase()))),
    Filter::new("capitalize", "s", |_, args| args.text("s").map(|text| Value::from(capitalized(&text)))),
    Filter::new("title", "s", title),
    Filter::new("trim", "value chars", trim),
    Filter::new("center", "value width", center),
    Filter::new("replace", "s old new count", replace),
    Filter::new("join", "value d attribute", join),
    Filter::new("split", "value sep maxsplit", split),
    Filter::new("quote", "a", |_, args| Ok(Value::from(shell_quoted(&args.text_or("a", ""))))),
    Filter::new("wordcount", "s", wordcount),
    Filter::new("format", "value *args **kwargs", format),
    Filter::new(
        "comment",
        "text style newline beginning prefix prefix_count decoration postfix postfix_count end",
        comment,
    ),
];

type Outcome = Result<Value, Error>;

/// Upper case for the first character, lower case for the rest.
pub(in super::super) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters.as_str().to_lowercase().chars()).collect()
    })
}

fn title(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("s")?;
    let mut out = String::with_capacity(text.len());
    let mut opens = true;
    for character in text.chars() {
        if matches!(character, '-' | '(' | '{' | '[' | '<') || character.is_whitespace() {
            opens = true;
            out.push(character);
        } else if opens {
            opens = false;
            out.extend(character.to_uppercase());
        } else {
            out.extend(character.to_lowercase());
        }
    }
    Ok(Value::from(out))
}

fn trim(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("value")?;
    Ok(Value::from(match args.some("chars") {
        Some(set) => {
            let set: Vec<char> = python::text(set).chars().collect();
            text.trim_matches(set.as_slice())
        }
        None => text.trim(),
    }))
}

fn center(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let width = args.size("width")?.unwrap_or(80);
    Ok(Value::from(centered(&args.text("value")?, width, ' ')))
}

/// `str.center`: the odd blank goes to the left when the width is odd, else to the right.
pub(in super::super) fn centered(text: &str, width: usize, fill: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let left = missing / 2 + (missing & width & 1);
    let blanks = |count: usize| std::iter::repeat_n(fill, count).collect::<String>();
    format!("{}{text}{}", blanks(left), blanks(missing - left))
}

fn replace(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let (text, old, new) = (args.text("s")?, args.text("old")?, args.text("new")?);
    Ok(Value::from(match args.int("count")? {
        Some(count) => {
            usize::try_from(count).map_or_else(|_| text.replace(&old, &new), |count| text.replacen(&old, &new, count))
        }
        None => text.replace(&old, &new),
    }))
}

fn join(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let mut parts = Vec::new();
    for item in args.list("value")? {
        let item = match args.some("attribute") {
            Some(path) => attribute(&item, path)?,
            None => item,
        };
        if let Some(error) = super::arguments::undefined(&item) {
            return Err(error);
        }
        parts.push(python::text(&item));
    }
    Ok(Value::from(parts.join(&args.text_or("d", ""))))
}

fn split(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("value")?;
    let Some(text) = value.as_str() else {
        return Err(invalid(format!(
            "descriptor 'split' for 'str' objects doesn't apply to a '{}' object",
            python::type_name(value)
        )));
    };
    let most = args.int("maxsplit")?.and_then(|most| usize::try_from(most).ok());
    let separator = args.some("sep").map(python::text);
    split_text(text, separator.as_deref(), most).map(Value::from_iter)
}

/// `str.split`: without a separator runs of blanks part the words and blanks around are dropped.
pub(in super::super) fn split_text(
    text: &str,
    separator: Option<&str>,
    most: Option<usize>,
) -> Result<Vec<String>, Error> {
    match separator {
        Some("") => Err(invalid("empty separator")),
        Some(separator) => Ok(match most {
            Some(most) => text.splitn(most + 1, separator).map(str::to_owned).collect(),
            None => text.split(separator).map(str::to_owned).collect(),
        }),
        None => {
            let Some(most) = most else { return Ok(text.split_whitespace().map(str::to_owned).collect()) };
            let (mut words, mut left) = (Vec::new(), text.trim_start());
            while !left.is_empty() {
                if words.len() == most {
                    words.push(left.to_owned());
                    break;
                }
                let end = left.find(char::is_whitespace).unwrap_or(left.len());
                words.push(left[..end].to_owned());
                left = left[end..].trim_start();
            }
            Ok(words)
        }
    }
}

/// `shlex.quote`: single quotes around anything but the plainest words.
pub fn shell_quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if text.is_empty() {
        "''".to_owned()
    } else if text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\"'\"'"))
    }
}

fn wordcount(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("s")?;
    let inside = |character: char| character.is_alphanumeric() || character == '_';
    Ok(Value::from(text.split(|character| !inside(character)).filter(|word| !word.is_empty()).count()))
}

fn format(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let template = args.text("value")?;
    if !args.extra().is_empty() {
        if !args.rest().is_empty() {
            return Err(invalid("can't handle positional and keyword arguments at the same time"));
        }
        let named = Value::from_pairs(args.extra().iter().cloned());
        return super::percent::format(&template, &[named]).map(Value::from);
    }
    super::percent::format(&template, args.rest()).map(Value::from)
}

fn comment(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("text")?;
    let style = args.text_or("style", "plain");
    let (opening, mark, closing) = match style.as_str() {
        "plain" => ("", "# ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        _ => return Err(invalid(format!("Invalid style {}.", python::quoted(&style)))),
    };
    let decoration = args.text_or("decoration", mark);
    let newline = args.text_or("newline", "\n");
    let beginning = args.text_or("beginning", opening);
    let prefix = args.text_or("prefix", decoration.trim_end());
    let postfix = args.text_or("postfix", decoration.trim_end());
    let end = args.text_or("end", closing);

    let mut out = String::new();
    if !beginning.is_empty() {
        out.push_str(&beginning);
        out.push_str(&newline);
    }
    for _ in 0..args.size("prefix_count")?.unwrap_or(1) {
        if !prefix.is_empty() {
            out.push_str(&prefix);
            if prefix != newline {
                out.push_str(&newline);
            }
        }
    }
    let body = format!("{decoration}{}", text.replace(&newline, &format!("{newline}{decoration}")));
    let bare = format!("{}{newline}", decoration.trim_end());
    out.push_str(&body.replace(&format!("{decoration}{newline}"), &bare));
    for _ in 0..args.size("postfix_count")?.unwrap_or(1) {
        out.push_str(&newline);
        out.push_str(&postfix);
    }
    if !end.is_empty() {
        out.push_str(&newline);
        out.push_str(&end);
    }
    Ok(Value::from(out))
}

/// The string of a value that must be one.
pub(super) fn expect_text(value: &Value) -> Result<&str, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.as_str().unwrap_or_default()),
        _ => Err(invalid(format!("expected a string, got {}", python::type_name(value)))),
    }
}

/// The strings of a list that must hold nothing else.
pub(super) fn expect_texts(value: &Value) -> Result<Vec<String>, Error> {
    items(value)?.iter().map(|item| expect_text(item).map(str::to_owned)).collect()
}
