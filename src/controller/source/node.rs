//! A value as it was written: YAML data with a place on every node and a trust mark on every string.

use std::sync::Arc;

use super::Span;

/// One value and where it was written. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its place.
    pub span: Span,
    /// What it is.
    pub shape: Shape,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Nothing.
    Null,
    /// A boolean by YAML 1.1 (`yes`, `on`, `true` …).
    Bool(bool),
    /// A whole number (octal, hexadecimal, sexagesimal forms resolved as `PyYAML` does).
    Int(i128),
    /// A floating-point number.
    Float(f64),
    /// A string, a template where it is trusted.
    Str(Text),
    /// A date or time, in the form Python prints it.
    Time(Arc<str>),
    /// A list.
    List(Arc<Vec<Node>>),
    /// A mapping, in the order written.
    Map(Arc<Mapping>),
}

/// A string with its marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The string.
    pub value: Arc<str>,
    /// Whether `{{ }}` in it is a template. False for `!unsafe` and for everything a host has said.
    pub trusted: bool,
    /// Whether it must never be shown; true for decrypted vault text.
    pub secret: bool,
}

/// A mapping with the places of its keys.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// Keys (any shape, mostly strings) and values in the order written; a key stands once.
    pub entries: Vec<(Node, Node)>,
}

impl Node {
    /// A trusted string.
    #[must_use]
    pub fn text(span: Span, value: &str) -> Self {
        Self { span, shape: Shape::Str(Text { value: value.into(), trusted: true, secret: false }) }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.shape {
            Shape::Str(text) => Some(&text.value),
            Shape::Time(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.shape {
            Shape::List(items) => Some(items),
            _ => None,
        }
    }

    /// The mapping, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Mapping> {
        match &self.shape {
            Shape::Map(map) => Some(map),
            _ => None,
        }
    }

    /// This mapping with another over it, mappings inside merged too; anything else gives way to what is over it.
    #[must_use]
    pub fn merged(&self, over: &Self) -> Self {
        let (Some(under), Some(upper)) = (self.as_map(), over.as_map()) else { return over.clone() };
        let mut entries = under.entries.clone();
        for (key, value) in &upper.entries {
            let known = entries.iter_mut().find(|(known, _)| known.to_json() == key.to_json());
            match known {
                Some((_, known)) => *known = known.merged(value),
                None => entries.push((key.clone(), value.clone())),
            }
        }
        Self { span: over.span.clone(), shape: Shape::Map(Arc::new(Mapping { entries })) }
    }

    /// Whether there is nothing.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self.shape, Shape::Null)
    }

    /// What it is, for messages: `a list`, `a string` …
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.shape {
            Shape::Null => "nothing",
            Shape::Bool(_) => "a boolean",
            Shape::Int(_) => "a whole number",
            Shape::Float(_) => "a number",
            Shape::Str(_) => "a string",
            Shape::Time(_) => "a date or time",
            Shape::List(_) => "a list",
            Shape::Map(_) => "a mapping",
        }
    }
}

impl Mapping {
    /// The value under a string key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Key and value of a string key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<(&Node, &Node)> {
        self.entries.iter().find(|(node, _)| node.as_str() == Some(key)).map(|(key, value)| (key, value))
    }

    /// String keys with their nodes and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node, &Node)> {
        self.entries.iter().filter_map(|(key, value)| Some((key.as_str()?, key, value)))
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
