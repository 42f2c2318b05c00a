//! YAML 1.1 text into values, by the rules of `PyYAML`'s safe loader.

use std::collections::HashMap;

use libyaml_safer::{Event, EventData, Parser, ScalarStyle};
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::super::emit::python;
use super::super::emit::scalar::{Scalar, resolve};
use super::arguments::{equal, integer, invalid, is_list, items, mapping};

/// Reads one document; nothing at all is `None`.
pub fn read_one(text: &str) -> Result<Value, Error> {
    let mut documents = read_all(text)?;
    match documents.len() {
        0 => Ok(Value::from(())),
        1 => Ok(documents.remove(0)),
        _ => Err(invalid("expected a single document in the stream, but found another document")),
    }
}

/// Reads every document.
pub fn read_all(text: &str) -> Result<Vec<Value>, Error> {
    let mut bytes = text.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut bytes);
    let mut reader =
        Reader { next: Box::new(move || parser.parse().map_err(|error| refused(&error))), anchors: HashMap::new() };
    let mut documents = Vec::new();
    loop {
        match (reader.next)()?.data {
            EventData::StreamEnd => return Ok(documents),
            EventData::DocumentStart { .. } => {
                reader.anchors.clear();
                let event = (reader.next)()?;
                documents.push(reader.node(event, 0)?);
            }
            _ => {}
        }
    }
}

fn refused(error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("YAML parsing failed: {error}"))
}

const DEEPEST: usize = 128;

struct Reader<'a> {
    next: Box<dyn FnMut() -> Result<Event, Error> + 'a>,
    anchors: HashMap<String, Value>,
}

impl Reader<'_> {
    fn node(&mut self, event: Event, depth: usize) -> Result<Value, Error> {
        if depth > DEEPEST {
            return Err(invalid("YAML nested too deeply"));
        }
        let (anchor, value) = match event.data {
            EventData::Alias { anchor } => {
                let known = self.anchors.get(&anchor).cloned();
                return known.ok_or_else(|| invalid(format!("found undefined alias '{anchor}'")));
            }
            EventData::Scalar { anchor, tag, value, style, .. } => {
                (anchor, scalar(tag.as_deref(), &value, style == ScalarStyle::Plain)?)
            }
            EventData::SequenceStart { anchor, .. } => {
                let mut list = Vec::new();
                loop {
                    let event = (self.next)()?;
                    if matches!(event.data, EventData::SequenceEnd) {
                        break;
                    }
                    list.push(self.node(event, depth + 1)?);
                }
                (anchor, Value::from(list))
            }
            EventData::MappingStart { anchor, .. } => (anchor, self.mapping(depth)?),
            _ => return Err(invalid("unexpected event in YAML")),
        };
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Error> {
        let mut own: Vec<(Value, Value)> = Vec::new();
        let mut merged: Vec<(Value, Value)> = Vec::new();
        loop {
            let event = (self.next)()?;
            if matches!(event.data, EventData::MappingEnd) {
                break;
            }
            let merge = matches!(&event.data, EventData::Scalar { value, style: ScalarStyle::Plain, tag: None, .. } if value == "<<");
            let key = self.node(event, depth + 1)?;
            let event = (self.next)()?;
            let value = self.node(event, depth + 1)?;
            if merge {
                let sources = if is_list(&value) { items(&value)? } else { vec![value] };
                for source in sources {
                    if source.kind() != ValueKind::Map {
                        return Err(invalid("expected a mapping or list of mappings for merging"));
                    }
                    for (key, value) in python::pairs(&source) {
                        if !merged.iter().any(|(known, _)| equal(known, &key)) {
                            merged.push((key, value));
                        }
                    }
                }
                continue;
            }
            if matches!(key.kind(), ValueKind::Map | ValueKind::Seq) {
                return Err(invalid("found unhashable key"));
            }
            match own.iter_mut().find(|(known, _)| equal(known, &key)) {
                Some((_, slot)) => *slot = value,
                None => own.push((key, value)),
            }
        }
        for (key, value) in own {
            match merged.iter_mut().find(|(known, _)| equal(known, &key)) {
                Some((_, slot)) => *slot = value,
                None => merged.push((key, value)),
            }
        }
        Ok(mapping(merged))
    }
}

fn scalar(tag: Option<&str>, text: &str, plain: bool) -> Result<Value, Error> {
    let resolved = match tag {
        None | Some("") if plain => resolve(text),
        Some(
            "tag:yaml.org,2002:int" | "tag:yaml.org,2002:float" | "tag:yaml.org,2002:bool" | "tag:yaml.org,2002:null",
        ) => resolve(text),
        Some("tag:yaml.org,2002:str" | "!" | "!unsafe" | "") | None => Scalar::Text,
        Some("tag:yaml.org,2002:binary") => {
            use base64::Engine as _;
            let clean: String = text.split_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(clean);
            return bytes
                .map(Value::from_bytes)
                .map_err(|error| invalid(format!("failed to decode base64 data: {error}")));
        }
        Some(tag) => return Err(invalid(format!("could not determine a constructor for the tag '{tag}'"))),
    };
    Ok(match (resolved, tag) {
        (Scalar::Null, _) => Value::from(()),
        (Scalar::Bool(flag), _) => Value::from(flag),
        #[expect(clippy::cast_precision_loss, reason = "the writer asked for a float")]
        (Scalar::Int(number), Some("tag:yaml.org,2002:float")) => Value::from(number as f64),
        (Scalar::Int(number), _) => integer(number),
        (Scalar::Float(number), _) => Value::from(number),
        (Scalar::Timestamp | Scalar::Merge | Scalar::Equals | Scalar::Text, _) => Value::from(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_pyyaml() {
        let table = [
            ("a: yes\nb: 0644\nc: '1'\n", "{'a': True, 'b': 420, 'c': '1'}"),
            ("- ~\n- 1e3\n- 1.5\n- 12:30:45", "[None, '1e3', 1.5, 45045]"),
            ("base: &b {x: 1, y: 2}\nd: {<<: *b, y: 3}", "{'base': {'x': 1, 'y': 2}, 'd': {'x': 1, 'y': 3}}"),
            ("{1: a, true: b}", "{1: 'b'}"),
            ("", "None"),
            ("a: |\n  x\n  y\n", "{'a': 'x\\ny\\n'}"),
            ("a: !!str 1", "{'a': '1'}"),
        ];
        for (text, expected) in table {
            assert_eq!(python::repr(&read_one(text).unwrap()), expected, "{text}");
        }
        for text in ["a: [", "--- 1\n--- 2", "*x", "a: b: c", "!foo x"] {
            assert!(read_one(text).is_err(), "{text}");
        }
        assert_eq!(read_all("--- 1\n--- 2\n").unwrap().len(), 2);
    }
}
