//! JSON as Python's `json.dumps` writes it.

use std::fmt::Write as _;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::python;

/// How to write.
#[derive(Clone, Debug)]
pub struct Style {
    /// What one level is indented with; `None` writes everything on one line.
    pub indent: Option<String>,
    /// Between items; Python's default is `", "`, or `","` when indented.
    pub item_separator: String,
    /// Between key and value.
    pub key_separator: String,
    /// Whether mappings are sorted by key.
    pub sort_keys: bool,
    /// Whether everything outside ASCII is escaped.
    pub ensure_ascii: bool,
    /// Whether keys that JSON cannot hold are left out instead of refused.
    pub skip_keys: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            indent: None,
            item_separator: ", ".to_owned(),
            key_separator: ": ".to_owned(),
            sort_keys: false,
            ensure_ascii: true,
            skip_keys: false,
        }
    }
}

/// Writes the value. Fails on undefined values and on things JSON has no word for.
pub fn write(value: &Value, style: &Style) -> Result<String, Error> {
    let mut out = String::new();
    Writer { style, out: &mut out }.value(value, 0)?;
    Ok(out)
}

struct Writer<'a> {
    style: &'a Style,
    out: &'a mut String,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)),
            ValueKind::String => write_string(self.out, value.as_str().unwrap_or_default(), self.style.ensure_ascii),
            ValueKind::Bytes => {
                let text = String::from_utf8_lossy(value.as_bytes().unwrap_or_default());
                write_string(self.out, &text, self.style.ensure_ascii);
            }
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth)?,
            ValueKind::Map => self.map(value, depth)?,
            ValueKind::Undefined => {
                return Err(Error::new(ErrorKind::UndefinedError, "an undefined value cannot be written as JSON"));
            }
            _ => write_string(self.out, &value.to_string(), self.style.ensure_ascii),
        }
        Ok(())
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut first = true;
        self.out.push('[');
        for item in value.try_iter()? {
            self.separate(&mut first, depth + 1);
            self.value(&item, depth + 1)?;
        }
        self.close(first, depth, ']');
        Ok(())
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut entries = python::pairs(value);
        if self.style.sort_keys {
            entries.sort_by(|left, right| left.0.cmp(&right.0));
        }
        let mut first = true;
        self.out.push('{');
        for (key, item) in entries {
            let name = match key.kind() {
                ValueKind::String => key.as_str().unwrap_or_default().to_owned(),
                ValueKind::None => "null".to_owned(),
                ValueKind::Bool => if key.is_true() { "true" } else { "false" }.to_owned(),
                ValueKind::Number => number(&key),
                _ if self.style.skip_keys => continue,
                _ => {
                    let message =
                        format!("keys must be str, int, float, bool or None, not {}", python::type_name(&key));
                    return Err(Error::new(ErrorKind::BadSerialization, message));
                }
            };
            self.separate(&mut first, depth + 1);
            write_string(self.out, &name, self.style.ensure_ascii);
            self.out.push_str(&self.style.key_separator);
            self.value(&item, depth + 1)?;
        }
        self.close(first, depth, '}');
        Ok(())
    }

    fn separate(&mut self, first: &mut bool, depth: usize) {
        if !*first {
            self.out.push_str(&self.style.item_separator);
        }
        *first = false;
        self.line(depth);
    }

    fn close(&mut self, empty: bool, depth: usize, bracket: char) {
        if !empty {
            self.line(depth);
        }
        self.out.push(bracket);
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.style.indent {
            self.out.push('\n');
            for _ in 0..depth {
                self.out.push_str(indent);
            }
        }
    }
}

/// Reads a text as `json.loads` does: objects keep their order, `NaN` and infinities are accepted, a repeated key
/// counts the last time.
pub fn read(text: &str) -> Result<Value, Error> {
    match text.trim() {
        "NaN" => return Ok(Value::from(f64::NAN)),
        "Infinity" => return Ok(Value::from(f64::INFINITY)),
        "-Infinity" => return Ok(Value::from(f64::NEG_INFINITY)),
        _ => {}
    }
    let tree: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("not JSON: {error}")))?;
    Ok(from_tree(tree))
}

fn from_tree(tree: serde_json::Value) -> Value {
    match tree {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(flag) => Value::from(flag),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::from)
            .or_else(|| number.as_u64().map(Value::from))
            .or_else(|| number.as_f64().map(Value::from))
            .unwrap_or_else(|| Value::from(f64::NAN)),
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => items.into_iter().map(from_tree).collect(),
        serde_json::Value::Object(entries) => {
            Value::from_pairs(entries.into_iter().map(|(key, value)| (key, from_tree(value))))
        }
    }
}

fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        python::float(number)
    }
}

fn write_string(out: &mut String, text: &str, ascii: bool) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            ' '..='~' => out.push(character),
            _ if ascii => {
                let mut units = [0_u16; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_json_dumps_does() {
        let value = read(r#"{"b": [1, 2.0, true, null, "é😀\u0001\u007f"], "a": {}, "c": [], "d": 1e16}"#).unwrap();
        assert_eq!(
            write(&value, &Style::default()).unwrap(),
            "{\"b\": [1, 2.0, true, null, \"\\u00e9\\ud83d\\ude00\\u0001\\u007f\"], \"a\": {}, \"c\": [], \"d\": 1e+16}"
        );
        let nice = Style {
            indent: Some("  ".to_owned()),
            item_separator: ",".to_owned(),
            sort_keys: true,
            ensure_ascii: false,
            ..Style::default()
        };
        assert_eq!(
            write(&value, &nice).unwrap(),
            "{\n  \"a\": {},\n  \"b\": [\n    1,\n    2.0,\n    true,\n    null,\n    \"é😀\\u0001\u{7f}\"\n  ],\n  \"c\": [],\n  \"d\": 1e+16\n}"
        );
    }

    #[test]
    fn undefined_is_refused() {
        assert!(write(&Value::from_iter([Value::UNDEFINED]), &Style::default()).is_err());
    }
}
