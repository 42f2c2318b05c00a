//! YAML as `PyYAML`'s safe dumper over libyaml writes it.

use libyaml_safer::{Emitter, Encoding, Event, MappingStyle, ScalarStyle, SequenceStyle};
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::python;
use super::scalar::{Scalar, resolve};

/// How to write.
#[derive(Clone, Debug)]
pub struct Style {
    /// Columns per level; libyaml takes 2 to 9 and else 2.
    pub indent: i32,
    /// Where lines are folded; negative for never.
    pub width: i32,
    /// `Some(true)` for `{}` and `[]` throughout, `Some(false)` for blocks, `None` for flow around scalars only.
    pub flow: Option<bool>,
    /// Whether mappings are sorted by key.
    pub sort_keys: bool,
    /// Whether characters outside ASCII stand as they are.
    pub unicode: bool,
    /// Whether the document opens with `---`.
    pub explicit_start: bool,
    /// Whether the document closes with `...`.
    pub explicit_end: bool,
    /// The style every scalar is asked to take: `"`, `'`, `|` or `>`.
    pub scalars: Option<char>,
    /// Whether every tag and every quote is written.
    pub canonical: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            indent: 2,
            width: 80,
            flow: None,
            sort_keys: true,
            unicode: true,
            explicit_start: false,
            explicit_end: false,
            scalars: None,
            canonical: false,
        }
    }
}

/// Writes one document. Fails on undefined values.
pub fn write(value: &Value, style: &Style) -> Result<String, Error> {
    let mut events = vec![Event::stream_start(Encoding::Utf8), Event::document_start(None, &[], !style.explicit_start)];
    represent(value, style, &mut events)?;
    events.push(Event::document_end(!style.explicit_end));
    events.push(Event::stream_end());

    let mut buffer = Vec::new();
    {
        let mut emitter = Emitter::new();
        emitter.set_output_string(&mut buffer);
        emitter.set_indent(style.indent);
        emitter.set_width(style.width);
        emitter.set_unicode(style.unicode);
        emitter.set_canonical(style.canonical);
        for event in events {
            emitter.emit(event).map_err(|error| failure(&error))?;
        }
        emitter.flush().map_err(|error| failure(&error))?;
    }
    String::from_utf8(buffer).map(|text| escape_wide(&text)).map_err(|error| failure(&error))
}

/// libyaml holds characters beyond U+FFFF for unprintable; strings with one are double-quoted, so an escape is apt.
fn escape_wide(text: &str) -> String {
    use std::fmt::Write as _;
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        if character > '\u{ffff}' {
            let _ = write!(out, "\\U{:08X}", u32::from(character));
        } else {
            out.push(character);
        }
        out
    })
}

fn failure(error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::BadSerialization, format!("cannot write as YAML: {error}"))
}

/// Appends the events of a value; returns whether it is a scalar in plain style, which decides on flow around it.
fn represent(value: &Value, style: &Style, events: &mut Vec<Event>) -> Result<bool, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let start = events.len();
            let mut plain = true;
            for item in value.try_iter()? {
                plain &= represent(&item, style, events)?;
            }
            let shape = if style.flow.unwrap_or(plain) { SequenceStyle::Flow } else { SequenceStyle::Block };
            events.insert(start, Event::sequence_start(None, None, true, shape));
            events.push(Event::sequence_end());
            Ok(false)
        }
        ValueKind::Map => {
            let start = events.len();
            let mut plain = true;
            let mut entries = python::pairs(value);
            if style.sort_keys {
                entries.sort_by(|left, right| left.0.cmp(&right.0));
            }
            for (key, item) in entries {
                plain &= represent(&key, style, events)?;
                plain &= represent(&item, style, events)?;
            }
            let shape = if style.flow.unwrap_or(plain) { MappingStyle::Flow } else { MappingStyle::Block };
            events.insert(start, Event::mapping_start(None, None, true, shape));
            events.push(Event::mapping_end());
            Ok(false)
        }
        _ => {
            let (event, plain) = scalar(value, style)?;
            events.push(event);
            Ok(plain)
        }
    }
}

fn scalar(value: &Value, style: &Style) -> Result<(Event, bool), Error> {
    let (tag, text) = match value.kind() {
        ValueKind::Undefined => {
            return Err(Error::new(ErrorKind::UndefinedError, "an undefined value cannot be written as YAML"));
        }
        ValueKind::None => ("tag:yaml.org,2002:null", "null".to_owned()),
        ValueKind::Bool => ("tag:yaml.org,2002:bool", value.is_true().to_string()),
        ValueKind::Number if value.is_integer() => ("tag:yaml.org,2002:int", value.to_string()),
        ValueKind::Number => ("tag:yaml.org,2002:float", float(f64::try_from(value.clone()).unwrap_or(f64::NAN))),
        _ => ("tag:yaml.org,2002:str", python::text(value)),
    };
    let string = tag == "tag:yaml.org,2002:str";
    // Plain style is only open to a text that reads back as what it is.
    let plain_implicit = if string { resolve(&text) == Scalar::Text } else { true };
    let wanted = match style.scalars {
        Some('"') => ScalarStyle::DoubleQuoted,
        Some('\'') => ScalarStyle::SingleQuoted,
        Some('|') => ScalarStyle::Literal,
        Some('>') => ScalarStyle::Folded,
        _ => ScalarStyle::Any,
    };
    let plain = wanted == ScalarStyle::Any;
    let wanted = if text.chars().any(|character| character > '\u{ffff}') { ScalarStyle::DoubleQuoted } else { wanted };
    Ok((Event::scalar(None, Some(tag), &text, plain_implicit, string, wanted), plain))
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = python::float(number);
    if text.contains('.') { text } else { text.replacen('e', ".0e", 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        super::super::json::read(json).unwrap()
    }

    #[test]
    fn writes_as_pyyaml_does() {
        let nice = Style { indent: 4, flow: Some(false), ..Style::default() };
        let table = [
            (r#"{"b": 1, "a": [1, 2]}"#, "a: [1, 2]\nb: 1\n", "a:\n- 1\n- 2\nb: 1\n"),
            (
                r##"["yes", "1", "", "null", "a: b", "- x", "#c", "@d", "0644", "1e3", "12:30"]"##,
                "['yes', '1', '', 'null', 'a: b', '- x', '#c', '@d', '0644', 1e3, '12:30']\n",
                "- 'yes'\n- '1'\n- ''\n- 'null'\n- 'a: b'\n- '- x'\n- '#c'\n- '@d'\n- '0644'\n- 1e3\n- '12:30'\n",
            ),
            (
                r#"{"a": {"b": {"c": [1, {"d": null}]}}}"#,
                "a:\n  b:\n    c:\n    - 1\n    - {d: null}\n",
                "a:\n    b:\n        c:\n        - 1\n        -   d: null\n",
            ),
            (
                r#"{"m": "line1\nline2\n", "u": "é😀", "f": 1e16, "t": true}"#,
                "{f: 1.0e+16, m: 'line1\n\n    line2\n\n    ', t: true, u: \"é\\U0001F600\"}\n",
                "f: 1.0e+16\nm: 'line1\n\n    line2\n\n    '\nt: true\nu: \"é\\U0001F600\"\n",
            ),
            ("{}", "{}\n", "{}\n"),
            (r#""foo""#, "foo\n", "foo\n"),
        ];
        for (source, terse, verbose) in table {
            assert_eq!(write(&value(source), &Style::default()).unwrap(), terse, "{source}");
            assert_eq!(write(&value(source), &nice).unwrap(), verbose, "{source}");
        }
    }
}
