//! Nodes as plain values without places: JSON, and values for templates.

use std::sync::Arc;

use minijinja::Value;
use serde_json::Value as Json;

use super::{Mapping, Marks, Node, Shape, Span, Text};

impl Node {
    /// As JSON. Keys that are no strings become what Python's `json` writes; numbers JSON cannot hold become text.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &self.shape {
            Shape::Null => Json::Null,
            Shape::Bool(flag) => Json::Bool(*flag),
            Shape::Int(number) => {
                serde_json::Number::from_i128(*number).map_or_else(|| Json::String(number.to_string()), Json::Number)
            }
            Shape::Float(number) => {
                serde_json::Number::from_f64(*number).map_or_else(|| Json::String(number.to_string()), Json::Number)
            }
            Shape::Str(Text { value, .. }) | Shape::Time(value) => Json::String(value.as_ref().to_owned()),
            Shape::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Shape::Map(map) => {
                Json::Object(map.entries.iter().map(|(key, value)| (key.key_text(), value.to_json())).collect())
            }
        }
    }

    /// As a value for templates, which keeps keys that are no strings. Strings in it are not rendered.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.shape {
            Shape::Null => Value::from(()),
            Shape::Bool(flag) => Value::from(*flag),
            Shape::Int(number) => i64::try_from(*number).map_or_else(|_| Value::from(*number), Value::from),
            Shape::Float(number) => Value::from(*number),
            Shape::Str(Text { value, .. }) | Shape::Time(value) => Value::from(Arc::clone(value)),
            Shape::List(items) => items.iter().map(Self::to_value).collect(),
            Shape::Map(map) => {
                Value::from_pairs(map.entries.iter().map(|(key, value)| (key.to_value(), value.to_value())))
            }
        }
    }

    /// JSON as a node, all of it at one place.
    #[must_use]
    pub fn from_json(value: &Json, span: &Span, marks: Marks) -> Self {
        let text = |value: &str, marks: Marks| {
            Shape::Str(Text { value: value.into(), trusted: marks.trusted, secret: marks.secret })
        };
        let shape = match value {
            Json::Null => Shape::Null,
            Json::Bool(flag) => Shape::Bool(*flag),
            Json::Number(number) => {
                number.as_i128().map_or_else(|| Shape::Float(number.as_f64().unwrap_or(f64::NAN)), Shape::Int)
            }
            Json::String(value) => text(value, marks),
            Json::Array(items) => {
                Shape::List(Arc::new(items.iter().map(|item| Self::from_json(item, span, marks)).collect()))
            }
            Json::Object(map) => {
                let entry = |(key, value): (&String, &Json)| {
                    let key = Self { span: span.clone(), shape: text(key, Marks { secret: false, ..marks }) };
                    (key, Self::from_json(value, span, marks))
                };
                Shape::Map(Arc::new(Mapping { entries: map.iter().map(entry).collect() }))
            }
        };
        Self { span: span.clone(), shape }
    }

    /// Whether any string in it is secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        match &self.shape {
            Shape::Str(text) => text.secret,
            Shape::List(items) => items.iter().any(Self::is_secret),
            Shape::Map(map) => map.entries.iter().any(|(_, value)| value.is_secret()),
            _ => false,
        }
    }

    fn key_text(&self) -> String {
        match &self.shape {
            Shape::Null => "null".to_owned(),
            Shape::Float(number) => format!("{number:?}"),
            Shape::Str(Text { value, .. }) | Shape::Time(value) => value.as_ref().to_owned(),
            _ => self.to_json().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::{
        source::{Diagnostics, SourceFile, yaml},
        vault::Keyring,
    };

    fn node(text: &str) -> Node {
        let file = SourceFile::new("t.yml", text);
        yaml::parse(&file, &Keyring::default(), &mut Diagnostics::default()).unwrap().remove(0)
    }

    #[test]
    fn json_keeps_order_and_writes_keys_as_python_does() {
        let text = "b: 1\na: [yes, ~, 1.5, x]\n3: t\ntrue: u\n~: v\n1.0: w";
        let json = node(text).to_json().to_string();
        assert_eq!(
            json,
            r#"{"b":1,"a":[true,null,1.5,"x"],"3":"t","true":"w","null":"v"}"#.replace("\"true\"", "\"1.0\"")
        );
    }

    #[test]
    fn values_for_templates_keep_whole_number_keys() {
        let value = node("{1: a, b: [1, 2]}").to_value();
        assert_eq!(value.to_string(), "{1: 'a', 'b': [1, 2]}");
    }

    #[test]
    fn json_comes_back_as_it_went() {
        let json = serde_json::json!({"a": [1, 2.5, null, true, {"b": "c"}], "big": u64::MAX});
        let marks = Marks { trusted: false, secret: false };
        let node = Node::from_json(&json, &Span::synthetic("test", ""), marks);
        assert_eq!(node.to_json(), json);
        let text = node.as_map().unwrap().get("a").unwrap().as_list().unwrap()[4].as_map().unwrap().get("b").unwrap();
        assert!(matches!(&text.shape, Shape::Str(text) if !text.trusted));
    }
}
