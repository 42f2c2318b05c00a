//! What is stated against what is there: one property at a time, told as text before and after.

use std::collections::BTreeSet;

use serde_json::json;

use crate::protocol::{Json, Map};

/// How two values of a property are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Equal or not.
    Value,
    /// Equal with the same order.
    List,
    /// More may be there than is stated.
    Set,
    /// More keys may be there than are stated.
    Dict,
    /// Not compared unless asked for.
    Ignored,
}

/// How strictly, as `comparisons` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Nothing more may be there.
    Strict,
    /// More may be there.
    MorePresent,
    /// Not looked at.
    Ignore,
}

/// Something a task states about a container.
#[derive(Clone, Debug)]
pub struct Property {
    /// The option that states it.
    pub name: &'static str,
    /// Where the engine keeps it, in what inspect returns.
    pub at: &'static str,
    /// How it is compared.
    pub kind: Kind,
    /// What is stated, as the engine takes it; null when nothing is.
    pub value: Json,
    /// What is sent when it is created, where that is more than what is compared.
    pub body: Json,
    /// Brings both sides to one form.
    pub normalise: fn(&Json) -> Json,
    /// Whether a container can be given another value without being made anew.
    pub live: bool,
    /// Whether values may be secret by their key.
    pub secret: bool,
}

/// A difference in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The option.
    pub name: String,
    /// Text before.
    pub before: String,
    /// Text after.
    pub after: String,
    /// Whether it can be changed in place.
    pub live: bool,
}

impl Property {
    /// A property that is compared as it is.
    #[must_use]
    pub fn new(name: &'static str, at: &'static str, kind: Kind, value: Json) -> Self {
        Self { name, at, kind, body: value.clone(), value, normalise: Json::clone, live: false, secret: false }
    }

    /// Puts it where the engine wants it when a container is created.
    pub fn put(&self, body: &mut Json) {
        if self.body.is_null() {
            return;
        }
        let path = self.at.strip_prefix("/Config").unwrap_or(self.at);
        let mut place = body;
        for step in path.split('/').skip(1) {
            place = &mut place[step];
        }
        *place = self.body.clone();
    }

    /// How it differs from a container; `image` is what the container gets without being told.
    #[must_use]
    pub fn difference(&self, container: &Json, strictness: Strictness, image: &Json) -> Option<Difference> {
        if self.value.is_null() || strictness == Strictness::Ignore {
            return None;
        }
        let mut wanted = (self.normalise)(&self.value);
        if strictness == Strictness::Strict {
            wanted = with_defaults(self.at, wanted, image);
        }
        let found = (self.normalise)(container.pointer(self.at).unwrap_or(&Json::Null));
        let more = strictness == Strictness::MorePresent;
        let same = match self.kind {
            Kind::Value | Kind::List | Kind::Ignored => equal(&wanted, &found),
            Kind::Set => {
                let (wanted, found) = (items(&wanted), items(&found));
                wanted.iter().all(|item| found.iter().any(|other| covers(other, item)))
                    && (more || wanted.len() >= found.len())
            }
            Kind::Dict => {
                covers(&found, &wanted)
                    && (more || wanted.as_object().map_or(0, Map::len) == found.as_object().map_or(0, Map::len))
            }
        };
        (!same).then(|| {
            let (before, after) = self.told(&found, &wanted, more);
            Difference { name: self.name.to_owned(), before, after, live: self.live }
        })
    }

    /// Only what differs, secrets hidden but said to differ.
    fn told(&self, found: &Json, wanted: &Json, more: bool) -> (String, String) {
        let mark = |before: &str, after: String| {
            let same = |line: &str| line.ends_with("=********") && before.lines().any(|other| other == line);
            let one = |line: &str| if same(line) { format!("{line} (another value)") } else { line.to_owned() };
            after.lines().map(one).collect::<Vec<_>>().join("\n")
        };
        match self.kind {
            Kind::Set => {
                let text = |list: &Json| -> BTreeSet<String> { items(list).iter().map(shown).collect() };
                let (before, after) = (text(found), text(wanted));
                let keys: BTreeSet<&str> = after.iter().filter_map(|item| Some(item.split_once('=')?.0)).collect();
                let relevant = |item: &String| {
                    !more || !self.secret || item.split_once('=').is_some_and(|(key, _)| keys.contains(key))
                };
                let lines = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
                    let differing = one.iter().filter(|item| !other.contains(*item) && relevant(item));
                    differing.map(|item| self.hide(item)).collect::<Vec<_>>().join("\n")
                };
                let told = lines(&before, &after);
                let wanted = mark(&told, lines(&after, &before));
                (told, wanted)
            }
            Kind::Dict => {
                let none = Map::new();
                let (before, after) = (found.as_object().unwrap_or(&none), wanted.as_object().unwrap_or(&none));
                let lines = |one: &Map, other: &Map| {
                    let differing = one
                        .iter()
                        .filter(|(key, value)| other.get(*key) != Some(value) && (!more || after.contains_key(*key)));
                    differing
                        .map(|(key, value)| self.hide(&format!("{key}={}", shown(value))))
                        .collect::<Vec<_>>()
                        .join("\n")
                };
                (lines(before, after), lines(after, before))
            }
            _ => (shown(found), shown(wanted)),
        }
    }

    fn hide(&self, item: &str) -> String {
        match item.split_once('=') {
            Some((key, _)) if self.secret && is_secret(key) => format!("{key}=********"),
            _ => item.to_owned(),
        }
    }
}

/// Whether a variable's name says that its value is nobody's business.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let upper = name.to_uppercase();
    ["PASSW", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "PGPASS"].iter().any(|word| upper.contains(word))
}

/// A value for people.
#[must_use]
pub fn shown(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(words) if words.iter().all(Json::is_string) => {
            let quoted = |word: &Json| match word.as_str() {
                Some(word) if !word.is_empty() && !word.contains(char::is_whitespace) => word.to_owned(),
                _ => word.to_string(),
            };
            words.iter().map(quoted).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

fn with_defaults(at: &str, mut wanted: Json, image: &Json) -> Json {
    let default = image.pointer(at);
    match (at, &mut wanted, default) {
        ("/Config/Env", Json::Array(wanted), Some(Json::Array(default))) => {
            let key = |item: &Json| item.as_str().map(|item| item.split('=').next().unwrap_or(item).to_owned());
            let known: Vec<_> = wanted.iter().map(key).collect();
            wanted.extend(default.iter().filter(|item| !known.contains(&key(item))).cloned());
        }
        (
            "/Config/Labels" | "/Config/ExposedPorts" | "/Config/Volumes",
            Json::Object(wanted),
            Some(Json::Object(default)),
        ) => {
            for (key, value) in default {
                wanted.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        _ => {}
    }
    wanted
}

fn items(value: &Json) -> Vec<Json> {
    match value {
        Json::Array(items) => items.clone(),
        Json::Object(map) => map.keys().map(|key| json!(key)).collect(),
        _ => Vec::new(),
    }
}

/// Whether nothing and an empty value mean the same, and otherwise whether both are equal.
fn equal(one: &Json, other: &Json) -> bool {
    let empty = |value: &Json| match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(map) => map.is_empty(),
        Json::Bool(value) => !value,
        Json::Number(number) => number.as_i64() == Some(0),
    };
    one == other || (empty(one) && empty(other))
}

/// Whether `whole` has everything that `part` has.
fn covers(whole: &Json, part: &Json) -> bool {
    match (whole, part) {
        (Json::Object(whole), Json::Object(part)) => {
            part.iter().all(|(key, value)| covers(whole.get(key).unwrap_or(&Json::Null), value))
        }
        _ => equal(whole, part),
    }
}

/// How strictly each option is compared.
#[derive(Clone, Debug, Default)]
pub struct Comparisons {
    all: Option<Strictness>,
    named: Vec<(String, Strictness)>,
}

impl Comparisons {
    /// Reads the option `comparisons`.
    ///
    /// # Errors
    /// Words that are none of `strict`, `ignore` and `allow_more_present`.
    pub fn read(map: &Map) -> Result<Self, String> {
        let mut comparisons = Self::default();
        for (name, word) in map {
            let strictness = match word.as_str() {
                Some("strict") => Strictness::Strict,
                Some("ignore") => Strictness::Ignore,
                Some("allow_more_present") if name != "*" => Strictness::MorePresent,
                _ => return Err(format!("comparisons: {name} is strict, ignore or allow_more_present, not {word}")),
            };
            let name = match name.as_str() {
                "*" => {
                    comparisons.all = Some(strictness);
                    continue;
                }
                "cap_add" => "capabilities",
                "ports" => "published_ports",
                "exposed" | "expose" => "exposed_ports",
                "log_opt" => "log_options",
                "dns" => "dns_servers",
                "extra_hosts" => "etc_hosts",
                other => other,
            };
            comparisons.named.push((name.to_owned(), strictness));
        }
        Ok(comparisons)
    }

    /// What holds for an option of that kind.
    #[must_use]
    pub fn of(&self, name: &str, kind: Kind) -> Strictness {
        let default = match kind {
            Kind::Value | Kind::List => Strictness::Strict,
            Kind::Set | Kind::Dict => Strictness::MorePresent,
            Kind::Ignored => Strictness::Ignore,
        };
        let named = self.named.iter().find(|(known, _)| known == name).map(|(_, strictness)| *strictness);
        named.or(self.all.filter(|_| kind != Kind::Ignored)).unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(property: &Property, container: &Json, strictness: Strictness) -> bool {
        property.difference(container, strictness, &json!({"Config": {"Env": ["PATH=/bin"]}})).is_some()
    }

    #[test]
    fn more_variables_than_stated_are_fine_unless_strict() {
        let env = Property::new("env", "/Config/Env", Kind::Set, json!(["A=1"]));
        let container = json!({"Config": {"Env": ["A=1", "B=2", "PATH=/bin"]}});
        assert!(!differs(&env, &container, Strictness::MorePresent));
        assert!(differs(&env, &container, Strictness::Strict));
        let container = json!({"Config": {"Env": ["A=1", "PATH=/bin"]}});
        assert!(!differs(&env, &container, Strictness::Strict));
        assert!(differs(&env, &json!({"Config": {"Env": ["A=2"]}}), Strictness::MorePresent));
        assert!(!differs(&env, &json!({"Config": {"Env": ["A=2"]}}), Strictness::Ignore));
    }

    #[test]
    fn a_difference_shows_what_differs_and_hides_secrets() {
        let mut env = Property::new("env", "/Config/Env", Kind::Set, json!(["A=1", "DB_PASSWORD=new", "X=y"]));
        env.secret = true;
        let container = json!({"Config": {"Env": ["A=2", "DB_PASSWORD=old", "X=y", "PATH=/bin"]}});
        let difference = env.difference(&container, Strictness::MorePresent, &Json::Null).unwrap();
        assert_eq!(difference.before, "A=2\nDB_PASSWORD=********");
        assert_eq!(difference.after, "A=1\nDB_PASSWORD=******** (another value)");
    }

    #[test]
    fn nothing_and_empty_are_the_same() {
        let user = Property::new("user", "/Config/User", Kind::Value, json!(""));
        assert!(!differs(&user, &json!({"Config": {}}), Strictness::Strict));
        let init = Property::new("init", "/HostConfig/Init", Kind::Value, json!(false));
        assert!(!differs(&init, &json!({"HostConfig": {"Init": null}}), Strictness::Strict));
    }

    #[test]
    fn the_wildcard_does_not_reach_what_is_named() {
        let comparisons = Comparisons::read(json!({"*": "ignore", "env": "strict"}).as_object().unwrap()).unwrap();
        assert_eq!(comparisons.of("env", Kind::Set), Strictness::Strict);
        assert_eq!(comparisons.of("labels", Kind::Dict), Strictness::Ignore);
        assert!(Comparisons::read(json!({"env": "maybe"}).as_object().unwrap()).is_err());
    }
}
