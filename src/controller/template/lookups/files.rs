//! Lookups of files on this machine.

use std::path::Path;

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::super::emit::python;
use super::super::filters::arguments::{invalid, is_list, items, undefined};
use super::super::filters::paths::{dirname, glob_files};
use super::{Lookup, Options, Surroundings, find_file, text_term};

pub(super) const ALL: &[Lookup] = &[
    Lookup::new("file", "lstrip rstrip", file),
    Lookup::new("unvault", "", |around, terms, _| {
        terms.iter().map(|term| contents(around, "unvault", term).map(Value::from)).collect()
    }),
    Lookup::new("fileglob", "", fileglob),
    Lookup::lenient("first_found", "files paths skip", first_found),
    Lookup::new(
        "template",
        "convert_data variable_start_string variable_end_string comment_start_string comment_end_string jinja2_native \
         template_vars trim_blocks",
        template,
    ),
];

type Outcome = Result<Vec<Value>, Error>;

/// The text of a file among the play's `files`.
pub(super) fn contents(around: &dyn Surroundings, lookup: &str, term: &Value) -> Result<String, Error> {
    String::from_utf8(bytes(around, lookup, term)?).map_err(|_| refused(term, "It is not UTF-8."))
}

/// What a file among the play's `files` holds.
pub(super) fn bytes(around: &dyn Surroundings, lookup: &str, term: &Value) -> Result<Vec<u8>, Error> {
    let name = text_term(lookup, term)?;
    let path = find_file(around, Some("files"), &name).ok_or_else(|| refused(term, "File not found."))?;
    around.read(&path).map_err(|error| refused(term, &error.to_string()))
}

fn refused(name: &Value, reason: &str) -> Error {
    invalid(format!("Unable to access the file {}. {reason}", python::quoted(&python::text(name))))
}

fn file(around: &dyn Surroundings, terms: &[Value], options: &Options) -> Outcome {
    terms
        .iter()
        .map(|term| {
            let whole = contents(around, "file", term)?;
            let mut text = whole.as_str();
            if options.flag("lstrip", false) {
                text = text.trim_start();
            }
            if options.flag("rstrip", true) {
                text = text.trim_end();
            }
            Ok(Value::from(text))
        })
        .collect()
}

fn fileglob(around: &dyn Surroundings, terms: &[Value], _: &Options) -> Outcome {
    let mut out = Vec::new();
    for term in terms {
        let term = text_term("fileglob", term)?;
        let directory = dirname(&term);
        let name = term.rsplit('/').next().unwrap_or("");
        let places = if directory.is_empty() {
            around.search_path().iter().flat_map(|base| [base.join("files"), base.clone()]).collect()
        } else {
            find_file(around, Some("files"), &directory).into_iter().collect::<Vec<_>>()
        };
        let found =
            places.iter().map(|place| glob_files(&place.join(name).to_string_lossy())).find(|found| !found.is_empty());
        out.extend(found.unwrap_or_default().into_iter().map(Value::from));
    }
    Ok(out)
}

fn first_found(around: &dyn Surroundings, terms: &[Value], options: &Options) -> Outcome {
    if let Some(error) = options.iter().find_map(|(_, value)| undefined(value)) {
        return Err(error);
    }
    // In a loop the task's kind says where to look, and undefined names are passed over.
    let action = around.looping_action();
    let subdirectory = action.as_ref().map(|action| {
        ["template", "var"]
            .into_iter()
            .find(|kind| action.contains(kind))
            .map_or("files", |kind| if kind == "var" { "vars" } else { "templates" })
    });
    let mut search = Search { names: Vec::new(), skip: options.flag("skip", false), lenient: action.is_some() };
    if terms.is_empty() {
        let files = options.get("files").cloned().unwrap_or_else(|| Value::from(Vec::<Value>::new()));
        search.add(&files, options)?;
    }
    for term in terms {
        search.add(term, options)?;
    }
    for name in &search.names {
        if let Some(path) = find_file(around, subdirectory, name) {
            return Ok(vec![Value::from(path.to_string_lossy().into_owned())]);
        }
    }
    if search.skip { Ok(Vec::new()) } else { Err(invalid("No file was found when using first_found.")) }
}

struct Search {
    names: Vec<String>,
    skip: bool,
    lenient: bool,
}

impl Search {
    fn add(&mut self, term: &Value, options: &Options) -> Result<(), Error> {
        if let Some(error) = undefined(term) {
            return if self.lenient { Ok(()) } else { Err(error) };
        }
        match term.kind() {
            ValueKind::Map => {
                let mut own = options.clone();
                for (key, value) in python::pairs(term) {
                    own.set(&python::text(&key), value);
                }
                self.skip = own.flag("skip", false);
                let files = split(own.get("files"), &[',', ';'], self.lenient)?;
                self.join(&files, &own)
            }
            ValueKind::String => self.join(&split(Some(term), &[',', ';'], self.lenient)?, options),
            _ if is_list(term) => items(term)?.iter().try_for_each(|item| self.add(item, options)),
            _ => {
                let kind = python::type_name(term);
                Err(invalid(format!("Invalid term supplied. A string, dict or list is required, not '{kind}').")))
            }
        }
    }

    fn join(&mut self, files: &[String], options: &Options) -> Result<(), Error> {
        let paths = split(options.get("paths"), &[',', ':', ';'], self.lenient)?;
        if paths.is_empty() {
            self.names.extend_from_slice(files);
        }
        for path in paths {
            self.names.extend(files.iter().map(|file| Path::new(&path).join(file).to_string_lossy().into_owned()));
        }
        Ok(())
    }
}

/// The strings of a string or list, cut at separators as old playbooks write them.
fn split(value: Option<&Value>, separators: &[char], lenient: bool) -> Result<Vec<String>, Error> {
    let Some(value) = value else { return Ok(Vec::new()) };
    if let Some(error) = undefined(value) {
        return if lenient { Ok(Vec::new()) } else { Err(error) };
    }
    if let Some(text) = value.as_str() {
        return Ok(text.split(separators).map(str::to_owned).collect());
    }
    let mut out = Vec::new();
    for item in items(value)? {
        out.extend(split(Some(&item), separators, lenient)?);
    }
    Ok(out)
}

fn template(around: &dyn Surroundings, terms: &[Value], options: &Options) -> Outcome {
    terms
        .iter()
        .map(|term| {
            let name = text_term("template", term)?;
            let Some(path) = find_file(around, Some("templates"), &name) else {
                return Err(invalid(format!("the template file {name} could not be found for the lookup")));
            };
            let source = String::from_utf8(around.read(&path)?)
                .map_err(|_| invalid(format!("the template file {name} is not UTF-8")))?;
            around.render(&path, &source, options)
        })
        .collect()
}
