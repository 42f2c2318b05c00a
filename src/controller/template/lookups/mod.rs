//! The catalogue of lookups: what brings values in from around a play.

mod commands;
mod files;
mod ini;
mod lists;
mod password;
mod sequence;
mod tables;
mod variables;

use std::path::{Path, PathBuf};

use minijinja::{Error, Value};

use super::emit::python;
use super::filters::arguments::{invalid, undefined};
use super::filters::paths::{expanduser, normpath};

/// What a lookup may ask of the play it runs in.
pub trait Surroundings {
    /// Directories to search for files, nearest first: the role's, then those of its parents, then the playbook's.
    fn search_path(&self) -> Vec<PathBuf>;
    /// The playbook's directory.
    fn base_directory(&self) -> PathBuf;
    /// The value of a variable; `None` if there is no such variable.
    fn variable(&self, name: &str) -> Result<Option<Value>, Error>;
    /// The names of all variables, in no order that means anything.
    fn variable_names(&self) -> Vec<String>;
    /// Everything in a file, opened first if it is a vault.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Error>;
    /// A template rendered with further variables and the options of the `template` lookup.
    fn render(&self, path: &Path, source: &str, options: &Options) -> Result<Value, Error>;
    /// The hosts an inventory pattern names.
    fn hosts(&self, pattern: &str) -> Result<Vec<String>, Error>;
    /// A setting by name, of a plugin of a kind or of the run; `None` if there is none.
    fn setting(&self, name: &str, plugin: Option<(&str, &str)>) -> Option<Value>;
    /// The body behind a URL, asked for with the options of the `url` lookup.
    fn fetch(&self, url: &str, options: &Options) -> Result<Vec<u8>, Error>;
    /// The action of the task a `with_` loop stands in; `None` for a lookup in a template.
    fn looping_action(&self) -> Option<String>;
}

/// Keyword arguments of a lookup.
#[derive(Clone, Debug, Default)]
pub struct Options(Vec<(String, Value)>);

impl Options {
    /// From name and value pairs; a later one of the same name wins.
    pub fn new(pairs: impl IntoIterator<Item = (String, Value)>) -> Self {
        let mut options = Self::default();
        for (name, value) in pairs {
            options.set(&name, value);
        }
        options
    }

    /// Sets one.
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value));
    }

    /// One by name, unless it is `None`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value).filter(|value| !value.is_none())
    }

    /// One as a string.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(python::text)
    }

    /// One as a boolean, by the words Ansible knows.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |value| match value.as_str() {
            Some(word) => matches!(word.to_lowercase().as_str(), "yes" | "on" | "true" | "1" | "y" | "t"),
            None => value.is_true(),
        })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// What runs a lookup.
pub type Run = fn(&dyn Surroundings, &[Value], &Options) -> Result<Vec<Value>, Error>;

/// One lookup.
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    /// Its short name.
    pub name: &'static str,
    /// Its options, separated by blanks.
    pub options: &'static str,
    /// Whether undefined values may be among what it is given.
    pub lenient: bool,
    /// Its body.
    pub run: Run,
}

impl Lookup {
    const fn new(name: &'static str, options: &'static str, run: Run) -> Self {
        Self { name, options, lenient: false, run }
    }

    const fn lenient(name: &'static str, options: &'static str, run: Run) -> Self {
        Self { name, options, lenient: true, run }
    }
}

const FAMILIES: &[&[Lookup]] =
    &[commands::ALL, files::ALL, ini::ALL, lists::ALL, password::ALL, sequence::ALL, tables::ALL, variables::ALL];

/// Every lookup.
pub fn catalog() -> impl Iterator<Item = &'static Lookup> {
    FAMILIES.iter().copied().flatten()
}

/// A lookup by its short name or as `ansible.builtin.` or `ansible.legacy.`.
pub fn find(name: &str) -> Option<&'static Lookup> {
    let short = name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy.")).unwrap_or(name);
    catalog().find(|lookup| lookup.name == short)
}

/// Runs a lookup. `wantlist` and `errors` are the caller's business. Fails if there is none of that name, or as it does
/// itself. Options it does not know are ignored, as Ansible ignores them.
pub fn call(name: &str, around: &dyn Surroundings, terms: &[Value], options: &Options) -> Result<Vec<Value>, Error> {
    let Some(lookup) = find(name) else {
        return Err(invalid(format!("The lookup plugin {} was not found.", python::quoted(name))));
    };
    if !lookup.lenient
        && let Some(error) = terms.iter().chain(options.iter().map(|(_, value)| value)).find_map(undefined)
    {
        return Err(error);
    }
    (lookup.run)(around, terms, options)
}

/// Finds a file in the search path, below `subdirectory` before beside it; absolute paths are taken as they are.
pub fn find_file(around: &dyn Surroundings, subdirectory: Option<&str>, wanted: &str) -> Option<PathBuf> {
    candidates(around, subdirectory, wanted).into_iter().find(|path| path.exists())
}

fn candidates(around: &dyn Surroundings, subdirectory: Option<&str>, wanted: &str) -> Vec<PathBuf> {
    let wanted = expanduser(wanted);
    if wanted.starts_with('/') {
        return vec![PathBuf::from(normpath(&wanted))];
    }
    let mut found = Vec::new();
    let mut bases = around.search_path();
    bases.push(around.base_directory());
    for base in bases {
        let mut places = vec![base.clone()];
        // Beside a role's tasks, its own files come first.
        if base.ends_with("tasks") {
            places.insert(0, base.parent().map(Path::to_path_buf).unwrap_or_default());
        }
        for place in places {
            if let Some(subdirectory) =
                subdirectory.filter(|subdirectory| wanted.split('/').next() != Some(subdirectory))
            {
                found.push(place.join(subdirectory).join(&wanted));
            }
            found.push(place.join(&wanted));
        }
    }
    found.into_iter().map(|path| PathBuf::from(normpath(&path.to_string_lossy()))).collect()
}

/// The string of a term that must be one.
fn text_term(lookup: &str, term: &Value) -> Result<String, Error> {
    match term.as_str() {
        Some(text) => Ok(text.to_owned()),
        None if term.is_number() => Ok(python::text(term)),
        None => Err(invalid(format!("the {lookup} lookup expects strings, not {}", python::type_name(term)))),
    }
}

/// Splits at blanks outside quotes; the quotes stay.
fn quoted_words(text: &str) -> Vec<&str> {
    let mut quote = None;
    let outside = |letter: char| {
        match quote {
            Some(open) if open == letter => quote = None,
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            _ => {}
        }
        quote.is_none() && letter.is_whitespace()
    };
    text.split(outside).filter(|word| !word.is_empty()).collect()
}

type Words = (Vec<String>, Vec<(String, String)>);

/// `key=value` words of a term, quotes respected, and the words without a key.
fn key_values(term: &str) -> Result<Words, Error> {
    let wrong = || invalid(format!("failed at splitting arguments: {term}"));
    let (mut bare, mut pairs) = (Vec::new(), Vec::new());
    for word in quoted_words(term) {
        match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                let value = shlex::split(value).ok_or_else(wrong)?.join(" ");
                pairs.push((key.to_owned(), value));
            }
            // Quotes around what has no key are part of it.
            _ => bare.push(word.to_owned()),
        }
    }
    Ok((bare, pairs))
}

#[cfg(test)]
mod probes;
