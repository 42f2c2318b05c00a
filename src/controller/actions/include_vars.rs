//! `include_vars`: reads variables while the play runs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

use super::setup;
use crate::{
    controller::{
        executor::{Done, Effect, Turn},
        playbook::{reading::Reading, role::layer},
        source::{Diagnostics, Node, yaml},
        template,
        variables::{Layer, Var},
    },
    options,
    protocol::{Json, Map, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Reads variables from a YAML or JSON file, or from all files of a folder, while the play runs.
    ///
    /// ## Example
    /// ```yaml
    /// - include_vars: "{{ ansible_facts.distribution }}.yaml"
    /// ```
    ///
    /// ## Returns
    /// `ansible_facts`: the variables; `ansible_included_var_files`: the files.
    pub struct IncludeVars {
        /// The file, behind the module's name.
        _raw_params: Option<String>,
        /// The file.
        file: Option<String>,
        /// A folder.
        dir: Option<String>,
        /// Put all of them into this variable.
        name: Option<String>,
        /// How deep to go into folders; 0 means all the way.
        depth: i64 = 0,
        /// Only files whose names match this regular expression.
        files_matching: Option<String>,
        /// Leave these files out.
        ignore_files: Vec<String>,
        /// Endings that count.
        extensions: Vec<String>,
        /// Leave other endings out instead of failing.
        ignore_unknown_extensions: bool = false,
        /// Merge with what the variables are already: `replace` or `merge`.
        hash_behaviour: Option<String>,
    }
}

/// The manual page.
pub const DOC: &str = IncludeVars::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    IncludeVars::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let mut done = read(turn);
    let files = done.outcome.result.get("ansible_included_var_files").and_then(Json::as_array);
    let files: Vec<PathBuf> = files.into_iter().flatten().filter_map(Json::as_str).map(PathBuf::from).collect();
    let unread = |reading: &Reading| files.iter().any(|file| !reading.knows(file));
    if let Err(failure) = setup::complete(turn, unread).await {
        return Outcome::new(Verdict::Failed(failure)).into();
    }
    if let Verdict::Failed(failure) = &done.outcome.verdict {
        let message = failure.message.clone();
        done.outcome.result.insert("message".to_owned(), json!(message));
        done.outcome.result.entry("ansible_included_var_files").or_insert_with(|| json!([]));
    }
    done
}

fn read(turn: &Turn) -> Done {
    let files = match (turn.text("file").or_else(|| turn.text("_raw_params")), turn.text("dir")) {
        (Some(file), _) => match turn.find_file("vars", &file) {
            Ok(path) => vec![path],
            Err(failure) => return Outcome::new(Verdict::Failed(failure)).into(),
        },
        (None, Some(dir)) => match turn.find_file("vars", &dir) {
            Ok(path) => match in_folder(turn, &path) {
                Ok(files) => files,
                Err(message) => return Done::failed(message),
            },
            Err(failure) => return Outcome::new(Verdict::Failed(failure)).into(),
        },
        (None, None) => return Done::failed("Could not find file: include_vars does not say which"),
    };
    let mut variables = Layer::new();
    let mut diagnostics = Diagnostics::default();
    for file in &files {
        let Some(node) = yaml::load_one(file, &turn.run.loader.keyring, &mut diagnostics) else { continue };
        if node.as_map().is_none() && !node.is_null() {
            return Done::failed(format!("{} must hold a mapping of variables, not {}", file.display(), node.kind()));
        }
        variables.extend(layer(Some(&node)));
    }
    if diagnostics.has_errors() {
        return Outcome::new(Verdict::Failed(super::include_tasks::failure(&diagnostics))).into();
    }
    if turn.text("hash_behaviour").map_or(turn.run.settings.merge_hashes, |word| word == "merge")
        && turn.text("name").is_none()
    {
        for (name, value) in &mut variables {
            let known = turn.scope.get(name).map(Var::to_node);
            if let (Some(known), Var::Node(node)) = (known, &*value) {
                *value = Var::Node(known.merged(node));
            }
        }
    }
    let mut facts: Map = variables.iter().map(|(name, value)| (name.to_string(), as_json(value))).collect();
    if let Some(name) = turn.text("name") {
        let entries = variables
            .iter()
            .filter_map(|(name, value)| match value {
                Var::Node(node) => Some((Node::text(turn.task.span.clone(), name), node.clone())),
                Var::Data(_) => None,
            })
            .collect();
        let map = crate::controller::source::Mapping { entries };
        let shape = crate::controller::source::Shape::Map(Arc::new(map));
        variables =
            Layer::from_iter([(Arc::from(name.as_str()), Var::Node(Node { span: turn.task.span.clone(), shape }))]);
        facts = Map::from_iter([(name, Json::Object(facts))]);
    }
    let mut outcome = Outcome::new(Verdict::Unchanged);
    outcome.result.insert("ansible_facts".to_owned(), Json::Object(facts));
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    outcome.result.insert("ansible_included_var_files".to_owned(), json!(names));
    Done::with(outcome, Effect::IncludeVars(variables))
}

fn as_json(value: &Var) -> Json {
    match value {
        Var::Node(node) => node.to_json(),
        Var::Data(value) => template::to_json(value).unwrap_or(Json::Null),
    }
}

fn in_folder(turn: &Turn, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let depth = turn.text("depth").and_then(|text| text.parse::<usize>().ok()).filter(|depth| *depth > 0);
    let endings: Vec<String> = match turn.options.get("extensions") {
        Some(list) => list.try_iter().into_iter().flatten().map(|ending| ending.to_string()).collect(),
        None => ["yaml", "yml", "json"].map(str::to_owned).to_vec(),
    };
    let ignored: Vec<String> = match turn.options.get("ignore_files") {
        Some(value) if value.as_str().is_some() => vec![value.to_string()],
        Some(list) => list.try_iter().into_iter().flatten().map(|name| name.to_string()).collect(),
        None => Vec::new(),
    };
    let matching = turn
        .text("files_matching")
        .map(|pattern| fancy_regex::Regex::new(&pattern).map_err(|error| format!("files_matching: {error}")))
        .transpose()?;
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(folder).max_depth(depth.unwrap_or(usize::MAX)).sort_by_file_name() {
        let entry = entry.map_err(|error| error.to_string())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.file_type().is_file() || ignored.contains(&name) {
            continue;
        }
        if let Some(pattern) = &matching
            && !pattern.is_match(&name).unwrap_or(false)
        {
            continue;
        }
        let ending = entry.path().extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
        if endings.contains(&ending) {
            files.push(entry.into_path());
        } else if !turn.flag("ignore_unknown_extensions", false) {
            return Err(format!("{} does not have a valid extension: {}", entry.path().display(), endings.join(", ")));
        }
    }
    Ok(files)
}
