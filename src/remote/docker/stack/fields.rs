//! The fields of one mapping of a compose definition: read one by one, and whatever nobody read is an error.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    protocol::{Json, Map},
    remote::{
        docker::{mounts::texts, sizes},
        words,
    },
};

/// A mapping and where it stands.
pub struct Fields<'m> {
    at: String,
    map: Option<&'m Map>,
    read: RefCell<BTreeSet<&'static str>>,
}

impl<'m> Fields<'m> {
    /// The fields of a mapping; nothing at all has none.
    ///
    /// # Errors
    /// When it is something else.
    pub fn of(at: impl Into<String>, value: &'m Json) -> Result<Self, String> {
        let at = at.into();
        let map = match value {
            Json::Null => None,
            Json::Object(map) => Some(map),
            _ => return Err(format!("{at} is no mapping")),
        };
        Ok(Self { at, map, read: RefCell::default() })
    }

    /// Where it stands.
    #[must_use]
    pub fn at(&self) -> &str {
        &self.at
    }

    /// A field as it is, null when it is missing.
    #[must_use]
    pub fn get(&self, name: &'static str) -> &'m Json {
        self.read.borrow_mut().insert(name);
        self.map.and_then(|map| map.get(name)).unwrap_or(&Json::Null)
    }

    /// The mapping below a field.
    ///
    /// # Errors
    /// When it is none.
    pub fn below(&self, name: &'static str) -> Result<Self, String> {
        Self::of(format!("{}.{name}", self.at), self.get(name))
    }

    /// What is wrong with a field.
    #[must_use]
    pub fn wrong(&self, name: &str, why: impl std::fmt::Display) -> String {
        format!("{}.{name}: {why}", self.at)
    }

    /// Text, numbers and booleans as text.
    ///
    /// # Errors
    /// Lists and mappings.
    pub fn text(&self, name: &'static str) -> Result<Option<String>, String> {
        match self.get(name) {
            Json::Null => Ok(None),
            Json::String(text) => Ok(Some(text.clone())),
            other if other.is_number() || other.is_boolean() => Ok(Some(other.to_string())),
            _ => Err(self.wrong(name, "is no text")),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&self, name: &'static str) -> Result<Option<i64>, String> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| self.wrong(name, format!("`{text}` is no whole number")))
    }

    /// A boolean.
    ///
    /// # Errors
    /// When it is none.
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, String> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(self.wrong(name, format!("`{other}` is neither true nor false"))),
        }
    }

    /// A time, in nanoseconds.
    ///
    /// # Errors
    /// When it is none.
    pub fn time(&self, name: &'static str) -> Result<Option<i64>, String> {
        self.text(name)?.map(|text| sizes::nanoseconds(&text)).transpose().map_err(|why| self.wrong(name, why))
    }

    /// A size, in bytes.
    ///
    /// # Errors
    /// When it is none.
    pub fn bytes(&self, name: &'static str) -> Result<Option<i64>, String> {
        self.text(name)?.map(|text| sizes::bytes(&text)).transpose().map_err(|why| self.wrong(name, why))
    }

    /// One of these words.
    ///
    /// # Errors
    /// Another one.
    pub fn word(&self, name: &'static str, words: &[&str]) -> Result<Option<String>, String> {
        let text = self.text(name)?;
        match &text {
            Some(text) if !words.contains(&text.as_str()) => {
                Err(self.wrong(name, format!("`{text}` is none of {}", words.join(", "))))
            }
            _ => Ok(text),
        }
    }

    /// A list of texts, or one text.
    ///
    /// # Errors
    /// When it is neither.
    pub fn list(&self, name: &'static str) -> Result<Vec<String>, String> {
        let one = |value: &Json| match value {
            Json::String(text) => Ok(text.clone()),
            other if other.is_number() || other.is_boolean() => Ok(other.to_string()),
            _ => Err(self.wrong(name, "is no list of texts")),
        };
        match self.get(name) {
            Json::Null => Ok(Vec::new()),
            Json::Array(items) => items.iter().map(one).collect(),
            other => Ok(vec![one(other)?]),
        }
    }

    /// The words of a command: a list, or text as a shell would split it.
    ///
    /// # Errors
    /// When it is neither, or a quote is never closed.
    pub fn words(&self, name: &'static str) -> Result<Vec<String>, String> {
        match self.get(name) {
            Json::String(text) => words::split(text).map_err(|_| self.wrong(name, "a quote is never closed")),
            _ => self.list(name),
        }
    }

    /// Pairs: a mapping, or a list of `KEY=VALUE`. A key without a value is null.
    ///
    /// # Errors
    /// When it is neither.
    pub fn pairs(&self, name: &'static str) -> Result<Map, String> {
        match self.get(name) {
            Json::Object(map) => Ok(map.clone()),
            _ => Ok(self
                .list(name)?
                .into_iter()
                .map(|item| match item.split_once('=') {
                    Some((key, value)) => (key.to_owned(), json!(value)),
                    None => (item, Json::Null),
                })
                .collect()),
        }
    }

    /// Pairs whose values are all text.
    ///
    /// # Errors
    /// As [`Self::pairs`].
    pub fn labels(&self, name: &'static str) -> Result<Map, String> {
        Ok(texts(&self.pairs(name)?))
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When there is a field that nobody read: it would be left out in silence.
    pub fn done(self) -> Result<(), String> {
        let read = self.read.into_inner();
        let unread = self.map.into_iter().flat_map(Map::keys);
        let unread: Vec<&String> =
            unread.filter(|name| !read.contains(name.as_str()) && !name.starts_with("x-")).collect();
        match unread.as_slice() {
            [] => Ok(()),
            [first, ..] => Err(format!("{}.{first} is not supported in stacks", self.at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_a_shell_does() {
        let words = |text: &str| {
            let value = json!({ "command": text });
            Fields::of("services.web", &value).unwrap().words("command").ok().map(|words| words.join("|"))
        };
        assert_eq!(words("a  'b c' \"d \\\" e\"f ''").as_deref(), Some("a|b c|d \" ef|"));
        assert_eq!(words("a 'b"), None);
    }

    #[test]
    fn what_nobody_reads_is_named() {
        let value = json!({"a": 1, "x-note": 2, "build": "."});
        let fields = Fields::of("services.web", &value).unwrap();
        assert_eq!(fields.number("a"), Ok(Some(1)));
        assert_eq!(fields.done(), Err("services.web.build is not supported in stacks".to_owned()));
    }
}
