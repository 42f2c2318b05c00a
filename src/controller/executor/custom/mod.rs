//! Modules of the user's: what is sent to the host for one, and what its answer means.

mod python;

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{
    attempt::Stopped,
    background::Asked,
    module::Called,
    step::NOT_RUN,
    turn::{Done, Turn},
};
use crate::{
    controller::{compiler::magic, template},
    protocol::{Blob, Json, Map, Outcome, Verdict},
};

/// Where Ansible's modules of the old kind want their options.
const JSON_ARGUMENTS: &str = "<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>";

/// A first line that names no interpreter is read no further than this.
const SCRIPT_MARK: &[u8] = b"#!";

/// A module made ready for a host.
struct Ready {
    /// The options of the module `custom`, which carries it out.
    options: Map,
    /// The program.
    blob: Blob,
}

impl Turn {
    /// The module of the user's that a name means, which only the run has told.
    pub(in crate::controller) fn own_module(&self, written: &str) -> Option<PathBuf> {
        let loader = &self.run.loader;
        let known = loader.catalog.options(crate::remote::modules::short_name(written)).is_some();
        loader.library.find(written, self.task.role.as_deref(), &self.batch.play.play.folder, known)
    }

    /// Carries out a module of the user's.
    pub(in crate::controller) async fn custom(&self, path: &Path, asked: Option<Asked>) -> Result<Done, Stopped> {
        let Ready { options, blob } = match prepare(self, path) {
            Ok(ready) => ready,
            Err(message) => return Ok(Done::failed(message)),
        };
        let called = match asked {
            Some(asked) => self.in_background("custom", options, &[blob], asked).await?,
            None => self.call("custom", options, &[blob]).await,
        };
        match called {
            Called::Outcome(outcome) => {
                self.run.keep_facts(self.facts_host(), &outcome);
                Ok(judged(*outcome).into())
            }
            Called::Unreachable(failure) => Err(Stopped::Unreachable(failure)),
            Called::NotRun => Ok(Done::failed(NOT_RUN)),
        }
    }
}

/// Reads a module and puts it together with the options of a task.
///
/// # Errors
/// When it cannot be read, or its options have no form that it takes.
fn prepare(turn: &Turn, path: &Path) -> Result<Ready, String> {
    let source = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let values = turn.json_options().map_err(|error| error.message)?;
    let told = told(turn, &name);
    let mut all = values.clone();
    all.extend(told.clone());
    let whole = serde_json::to_string(&all).map_err(|error| error.to_string())?;
    let mut options = Map::new();
    let mut content = source;
    let mut arguments = whole.clone();
    if let Ok(text) = std::str::from_utf8(&content) {
        options.extend(first_line(text).map(|line| ("first_line".to_owned(), json!(line))));
        if python::is_new_style(text) {
            content = python::wrap(turn, &name, text, &whole)?.into_bytes();
            options.insert("first_line".to_owned(), json!("/usr/bin/python"));
        } else if text.contains(JSON_ARGUMENTS) {
            content = text.replace(JSON_ARGUMENTS, &whole).into_bytes();
        } else if text.starts_with("#!") && !text.contains("WANT_JSON") {
            arguments = words(turn, &told);
        }
    }
    if content.starts_with(SCRIPT_MARK) && !options.contains_key("first_line") {
        return Err(format!("the first line of {} is not UTF-8", path.display()));
    }
    let blob = turn.run.blobs.add_bytes(content);
    options.insert("_blob".to_owned(), Turn::blob(&blob));
    options.insert("name".to_owned(), json!(name));
    options.insert("_arguments".to_owned(), json!(arguments));
    options.insert("interpreters".to_owned(), Json::Object(interpreters(turn)));
    Ok(Ready { options, blob })
}

/// The outcome that a module's answer means, beyond what its host could tell.
fn judged(mut outcome: Outcome) -> Outcome {
    if !matches!(outcome.verdict, Verdict::Failed(_)) && outcome.result.get("skipped") == Some(&json!(true)) {
        let reason = outcome.result.get("msg").and_then(Json::as_str).unwrap_or("the module skipped").to_owned();
        outcome.verdict = Verdict::Skipped(reason);
    }
    outcome
}

/// What a script says it is started with.
fn first_line(text: &str) -> Option<String> {
    text.strip_prefix("#!").and_then(|rest| rest.lines().next()).map(|line| line.trim().to_owned())
}

/// What every module is told of the run: what all versions of Ansible's library for modules know, for each refuses what it does not.
fn told(turn: &Turn, name: &str) -> Map {
    let settings = &turn.run.settings;
    let Json::Object(told) = json!({
        "_ansible_check_mode": turn.check,
        "_ansible_diff": turn.diff,
        "_ansible_no_log": false,
        "_ansible_debug": false,
        "_ansible_verbosity": settings.verbosity,
        "_ansible_version": magic::VERSION,
        "_ansible_module_name": name,
        "_ansible_syslog_facility": "LOG_USER",
        "_ansible_selinux_special_fs": ["fuse", "nfs", "vboxsf", "ramfs", "9p", "vfat"],
        "_ansible_socket": null,
        "_ansible_shell_executable": "/bin/sh",
        "_ansible_keep_remote_files": false,
        "_ansible_tmpdir": null,
        "_ansible_remote_tmp": "~/.ansible/tmp",
    }) else {
        return Map::new();
    };
    told
}

/// Options as words that a shell may read: `name='value'`.
fn words(turn: &Turn, told: &Map) -> String {
    // A shell takes no text with a NUL in it; what is before it stands.
    let plain = |text: &str| text.split('\0').next().unwrap_or_default().to_owned();
    let quoted = |name: &str, text: &str| format!("{name}={}", shlex::try_quote(&plain(text)).unwrap_or_default());
    let own = turn.options.iter().map(|(name, value)| {
        let text = if value.is_none() { "None".to_owned() } else { value.to_string() };
        quoted(name, &text)
    });
    let rest = told.iter().map(|(name, value)| {
        let text = match value {
            Json::Null => "None".to_owned(),
            Json::Bool(true) => "True".to_owned(),
            Json::Bool(false) => "False".to_owned(),
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        quoted(name, &text)
    });
    own.chain(rest).collect::<Vec<_>>().join(" ")
}

/// `ansible_LANGUAGE_interpreter` variables, by language.
fn interpreters(turn: &Turn) -> Map {
    const LANGUAGES: &[&str] = &["python", "perl", "ruby", "bash", "sh", "node", "php", "lua", "pwsh"];
    let set = |language: &&str| {
        let value = turn.context.get_attr(&format!("ansible_{language}_interpreter")).ok()?;
        let text = template::resolve(&value).ok().filter(|value| !value.is_undefined())?.to_string();
        Some(((*language).to_owned(), json!(text)))
    };
    LANGUAGES.iter().filter_map(set).collect()
}
