//! `custom`: runs a module of the user's, a program that takes its options from a file and answers in JSON.

use std::path::{Path, PathBuf};

use super::{tempfile, words};
use crate::{
    options,
    protocol::{Attributes, Blob, Change, Content, Diff, Failure, Json, Map, Run},
    remote::{Applied, Module, Plan, Planned, Probe, Stop},
};

/// The part of a program that tells whether it is a script, and of what language.
const FIRST_LINE_MAX: usize = 256;

options! {
    /// Runs a module that is not built in: a program in any language, from a `library` folder beside the playbook or in a role,
    /// from the folders that `ANSIBLE_LIBRARY` names, or from a collection.
    ///
    /// It is written as a task names any module, by the name of its file without the ending. The controller puts the options here.
    /// The program gets the path of a file with its options as only argument, and prints one JSON object. Modules in Python need
    /// a Python on the host.
    ///
    /// ## Returns
    /// What the program answers; `module_stdout`, `module_stderr` and `rc` when that is no JSON.
    pub struct Custom {
        /// What the task calls it.
        name: String,
        /// The program, put there by the controller.
        content: Blob [_blob],
        /// What the file with its options holds.
        arguments: String [_arguments],
        /// How it is started, where its first line does not say so.
        interpreter: Option<String>,
        /// Languages and what they are started with on this host.
        interpreters: Option<Map>,
        /// The first line of the program, where it is a script.
        first_line: Option<String>,
    }
}

impl Module for Custom {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let folder = tempfile::unused(probe, &tempfile::directory(probe), "deployer.", "")?;
        let (program, options) = (folder.join(&self.name), folder.join("arguments"));
        let mut argv = self.start(probe)?;
        argv.extend([program.to_string_lossy().into_owned(), options.to_string_lossy().into_owned()]);
        let private = |mode: u32| Attributes { mode: Some(mode), ..Attributes::default() };
        let mut plan = Plan::new();
        plan.changes = vec![
            Change::Directory { path: folder.clone(), attributes: private(0o700) },
            Change::Write {
                path: program,
                content: Content::Blob(self.content.clone()),
                attributes: private(0o700),
                in_place: false,
            },
            Change::Write {
                path: options,
                content: Content::Text(self.arguments.clone()),
                attributes: private(0o600),
                in_place: false,
            },
            Change::Run(Run { success: vec![Run::ANY_CODE], ..Run::new(argv) }),
            Change::Remove { path: folder },
        ];
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        const RUN: usize = 3;
        let Some(applied) = applied.get(RUN) else { return Ok(()) };
        let Some(mut answer) = answer(&applied.stdout) else {
            plan.changed = Some(false);
            plan.set("changed", false);
            plan.set("module_stdout", applied.stdout.as_str());
            plan.set("module_stderr", applied.stderr.as_str());
            plan.set("rc", applied.code);
            plan.set("msg", "MODULE FAILURE: No start of json char found\nSee stdout/stderr for the exact error");
            let said = applied.stderr.trim().lines().last().unwrap_or_default();
            let failure = Failure::new(format!("the module {} gave no JSON: {said}", self.name));
            return Err(Stop::Failed(failure, plan.result.clone()));
        };
        let truth = |value: Option<Json>| value.is_some_and(|value| is_true(&value));
        let changed = truth(answer.shift_remove("changed"));
        let failed = answer.shift_remove("failed").map_or(applied.code != 0, |value| is_true(&value));
        if let Some(Json::Array(warnings)) = answer.shift_remove("warnings") {
            plan.warnings.extend(warnings.iter().map(|warning| match warning {
                Json::String(text) => text.clone(),
                other => other.to_string(),
            }));
        }
        if let Some(diff) = answer.get("diff") {
            plan.diffs.extend(differences(diff, &self.name));
        }
        plan.changed = Some(changed);
        plan.result = answer;
        if !failed {
            return Ok(());
        }
        plan.set("changed", changed);
        let message = plan.result.get("msg").map_or_else(
            || format!("the module {} failed", self.name),
            |msg| msg.as_str().map_or_else(|| msg.to_string(), str::to_owned),
        );
        Err(Stop::Failed(Failure::new(message), plan.result.clone()))
    }
}

impl Custom {
    /// The words before the program's own path.
    fn start(&self, probe: &Probe<'_>) -> Result<Vec<String>, Stop> {
        let line = match (&self.interpreter, &self.first_line) {
            (Some(interpreter), _) => interpreter.clone(),
            (None, Some(line)) => line.chars().take(FIRST_LINE_MAX).collect(),
            (None, None) => return Ok(Vec::new()),
        };
        let mut argv = words::split(&line).map_err(Stop::failed)?;
        let base = |word: &str| Path::new(word).file_name().map(|name| name.to_string_lossy().into_owned());
        let through_env = argv.first().and_then(|word| base(word)).as_deref() == Some("env");
        let language = argv.get(usize::from(through_env)).and_then(|word| base(word)).unwrap_or_default();
        let plain = language.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        let named = self.interpreters.as_ref().and_then(|known| known.get(&language).or_else(|| known.get(plain)));
        if let Some(program) = named.and_then(Json::as_str).filter(|program| program.starts_with('/')) {
            let rest = argv.split_off(usize::from(through_env) + 1);
            argv = vec![program.to_owned()];
            argv.extend(rest);
        } else if plain == "python" {
            let python = ["python3", "/usr/libexec/platform-python", "python"];
            let found: Option<PathBuf> = python.iter().find_map(|name| probe.program(name).transpose()).transpose()?;
            let Some(found) = found else {
                let message = format!("the module {} is written in Python, and this host has none", self.name);
                return Err(
                    Stop::failed(message).hint("install python3 there, or write the module in another language")
                );
            };
            let rest = argv.split_off(usize::from(through_env) + 1);
            argv = vec![found.to_string_lossy().into_owned()];
            argv.extend(rest);
        }
        match argv.first() {
            Some(program) if probe.program(program)?.is_none() => Err(Stop::failed(format!(
                "The module interpreter '{program}' was not found: the module {} cannot run",
                self.name
            ))),
            _ => Ok(argv),
        }
    }
}

/// The JSON object in what a program printed; lines around it do not matter.
fn answer(stdout: &str) -> Option<Map> {
    let starts = stdout.match_indices('{').map(|(at, _)| at).filter(|at| {
        let before = stdout[..*at].rsplit('\n').next().unwrap_or_default();
        before.trim().is_empty()
    });
    starts.into_iter().find_map(|at| {
        let mut values = serde_json::Deserializer::from_str(&stdout[at..]).into_iter::<Map>();
        values.next()?.ok()
    })
}

fn is_true(value: &Json) -> bool {
    match value {
        Json::Bool(value) => *value,
        Json::String(word) => matches!(word.to_lowercase().as_str(), "yes" | "true" | "on" | "1" | "y" | "t"),
        Json::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        _ => false,
    }
}

fn differences(diff: &Json, name: &str) -> Vec<Diff> {
    let text = |diff: &Json, key: &str| match diff.get(key) {
        Some(Json::String(text)) => text.clone(),
        None | Some(Json::Null) => String::new(),
        Some(other) => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    match diff {
        Json::Array(all) => all.iter().flat_map(|one| differences(one, name)).collect(),
        Json::Object(_) => {
            let header = text(diff, "after_header");
            let name = if header.is_empty() { name.to_owned() } else { header };
            vec![Diff { name, before: text(diff, "before"), after: text(diff, "after") }]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::rehearsal::Rehearsal;
    use crate::{
        protocol::Verdict,
        remote::machine::{fake::Fake, real::Real, system::System},
    };

    fn options(host: &mut Rehearsal<Real>, script: &str) -> Json {
        json!({"name": "mine", "_blob": host.blob(script), "_arguments": "a=1", "first_line": "/bin/sh"})
    }

    #[test]
    fn a_module_answers_in_json_and_decides_what_became_of_it() {
        let mut host = Rehearsal::on(Real::new());
        let said = options(
            &mut host,
            "echo noise\n. \"$1\"\necho \"{\\\"changed\\\": true, \\\"a\\\": \\\"$a\\\"}\"\necho more\n",
        );
        let outcome = host.apply("custom", said);
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(outcome.result["a"], "1");
        let quiet = options(&mut host, "echo '{\"rc\": 0}'");
        assert_eq!(host.apply("custom", quiet).verdict, Verdict::Unchanged);
        let failing = options(&mut host, "echo '{\"failed\": true, \"msg\": \"no luck\"}'");
        assert_eq!(host.fails("custom", failing), "no luck");
        let silent = options(&mut host, "echo oops >&2; exit 3");
        let outcome = host.apply("custom", silent);
        assert!(matches!(&outcome.verdict, Verdict::Failed(failure) if failure.message.contains("oops")));
        assert_eq!((&outcome.result["rc"], &outcome.result["module_stderr"]), (&json!(3), &json!("oops\n")));
    }

    #[test]
    fn nothing_stays_and_a_missing_language_is_said() {
        let mut host = Rehearsal::on(Fake::new().file("/bin/sh", "").command(&["/bin/sh"], 0, "{}"));
        let blob = host.blob("x");
        let call = |first: &str| json!({"name": "mine", "_blob": blob, "_arguments": "", "first_line": first});
        assert!(host.fails("custom", call("/usr/bin/env python3")).contains("written in Python"));
        assert!(host.fails("custom", call("/usr/bin/ruby")).contains("'/usr/bin/ruby' was not found"));
        assert_eq!(host.host.read_dir("/tmp".as_ref()).unwrap().len(), 0);
    }
}
