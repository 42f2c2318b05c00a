//! One call from options to outcome: parse, plan, then either make the changes or predict them.

use std::collections::HashSet;

use serde_json::json;

use super::{
    Applied, Entry, Kind, Plan, Probe, Stop,
    machine::{
        apply::{Blobs, Progress, apply},
        overlay::Overlay,
        system::System,
        terminal::EXPIRED,
    },
    modules,
    options::{BAD_CLAUSE, expand_path},
};
use crate::protocol::{Blob, Call, Change, Content, Failure, Json, Map, Outcome, Run, Verdict};

/// Carries out one call on a system.
pub fn execute(
    system: &dyn System,
    overlay: &mut Overlay,
    call: &Call,
    blobs: &mut dyn Blobs,
    progress: Progress<'_>,
) -> Outcome {
    let mut alone = Overlay::default();
    let overlay = if call.rehearsal { overlay } else { &mut alone };
    let Some(entry) = modules::find(&call.module) else {
        return Outcome::failed(format!("no module is called {}", call.module));
    };
    if call.check && !entry.check {
        return Outcome::left_out(format!("remote module ({}) does not support check mode", entry.name));
    }
    let options = expand(entry, &call.options, system, call);
    if let Some(message) = unsupported(entry, &options) {
        return Outcome::failed(message);
    }
    let module = match (entry.parse)(&options) {
        Ok(module) => module,
        Err(problems) => return Outcome::failed(problems.join("; ")),
    };
    let probe = Probe::new(system, overlay, call, progress);
    let mut plan = match module.plan(&probe) {
        Ok(plan) => plan,
        Err(stop) => return stopped(stop),
    };
    if let Some(reason) = plan.skipped.take() {
        let mut outcome = finish(plan, Verdict::Unchanged, call.diff);
        outcome.verdict = Verdict::Skipped(reason);
        return outcome;
    }
    if call.check {
        for change in &plan.changes {
            overlay.predict(change, system);
        }
        let predicted = plan.changes.clone();
        let (verdict, later) = (verdict(&plan), plan.later.take());
        return Outcome { predicted, later, ..finish(plan, verdict, call.diff) };
    }
    // A broken connection is found by the first content that is opened.
    let _ = blobs.announce(&wanted(&plan.changes));
    let applied = match make(system, &plan, call, blobs, progress) {
        Ok(applied) => applied,
        Err((failure, more)) => {
            plan.result.extend(more);
            return finish(plan, Verdict::Failed(failure), call.diff);
        }
    };
    let reported = {
        let probe = Probe::new(system, overlay, call, progress);
        module.report(&mut plan, &applied, &probe)
    };
    match reported {
        Ok(()) => {
            let verdict = verdict(&plan);
            finish(plan, verdict, call.diff)
        }
        Err(Stop::Failed(failure, more)) => {
            plan.result.extend(more);
            finish(plan, Verdict::Failed(failure), call.diff)
        }
        Err(Stop::Unknown(reason)) => finish(plan, Verdict::Failed(Failure::new(reason)), call.diff),
    }
}

/// Contents that changes ask the controller for, in their order.
fn wanted(changes: &[Change]) -> Vec<&Blob> {
    let blobs = changes.iter().filter_map(|change| match change {
        Change::Write { content: Content::Blob(blob), .. } => Some(blob),
        _ => None,
    });
    blobs.collect()
}

fn make(
    system: &dyn System,
    plan: &Plan,
    call: &Call,
    blobs: &mut dyn Blobs,
    progress: Progress<'_>,
) -> Result<Vec<Applied>, (Failure, Map)> {
    if !together(&plan.changes) {
        return each(system, plan, call, blobs, progress);
    }
    system.hold();
    let done = each(system, plan, call, blobs, progress).inspect_err(|_| system.abandon())?;
    system.settle().map_err(|error| (Failure::new(format!("cannot put the files in place: {error}")), Map::new()))?;
    Ok(done)
}

/// Files from which on they are put in place together: waiting for the disk after each would take longer than all the rest.
const TOGETHER_MIN: usize = 8;

/// Whether these are many files, and nothing among the changes needs one of them in its place.
fn together(changes: &[Change]) -> bool {
    if changes.len() < TOGETHER_MIN {
        return false;
    }
    let mut files = HashSet::new();
    let independent = changes.iter().all(|change| match change {
        Change::Write { path, content, in_place: false, .. } => {
            !matches!(content, Content::CopyOf(original) if files.contains(original.as_path()))
                && files.insert(path.as_path())
        }
        Change::Directory { path, .. } | Change::Symlink { path, .. } | Change::Attributes { path, .. } => {
            !files.contains(path.as_path())
        }
        _ => false,
    });
    independent && files.len() >= TOGETHER_MIN
}

fn each(
    system: &dyn System,
    plan: &Plan,
    call: &Call,
    blobs: &mut dyn Blobs,
    progress: Progress<'_>,
) -> Result<Vec<Applied>, (Failure, Map)> {
    let mut done = Vec::with_capacity(plan.changes.len());
    for change in &plan.changes {
        let applied =
            apply(system, change, &call.environment, blobs, progress).map_err(|failure| begun(change, failure))?;
        if let Change::Run(run) = change {
            judge(run, &applied)?;
        }
        done.push(applied);
    }
    Ok(done)
}

/// What is returned when a change fails on its way: a conversation that takes too long counts as a change, as in Ansible.
fn begun(change: &Change, failure: Failure) -> (Failure, Map) {
    let talked = matches!(change, Change::Run(Run { dialogue: Some(_), .. }));
    let changed = talked && failure.message == EXPIRED;
    (failure, if changed { Map::from_iter([("changed".to_owned(), json!(true))]) } else { Map::new() })
}

/// Fails for an exit code that the run does not call success.
fn judge(run: &Run, applied: &Applied) -> Result<(), (Failure, Map)> {
    let good = match run.success.as_slice() {
        [] => applied.code == 0,
        codes => codes.contains(&applied.code) || codes.contains(&Run::ANY_CODE),
    };
    if good {
        return Ok(());
    }
    let said = [applied.stderr.trim(), applied.stdout.trim()].into_iter().find(|text| !text.is_empty());
    let message = format!("`{}` ended with {}", run.argv.join(" "), applied.code);
    let message = said.map_or_else(|| message.clone(), |said| format!("{message}: {said}"));
    let mut failure = Failure::new(message);
    if applied.stderr.contains("No space left on device") || applied.stderr.contains("not enough free space") {
        failure = failure.hint("the disk is full: free some space there (`df -h` shows where) and run again");
    }
    let mut more = Map::new();
    more.insert("cmd".to_owned(), json!(run.argv));
    more.insert("rc".to_owned(), json!(applied.code));
    more.insert("stdout".to_owned(), json!(applied.stdout));
    more.insert("stderr".to_owned(), json!(applied.stderr));
    Err((failure, more))
}

fn verdict(plan: &Plan) -> Verdict {
    let real = plan.changes.iter().any(|change| !matches!(change, Change::Assume(_)));
    if plan.changed.unwrap_or(real) { Verdict::Changed } else { Verdict::Unchanged }
}

fn finish(plan: Plan, verdict: Verdict, diff: bool) -> Outcome {
    Outcome {
        verdict,
        result: plan.result,
        diffs: if diff { plan.diffs } else { Vec::new() },
        warnings: plan.warnings,
        predicted: Vec::new(),
        later: None,
    }
}

fn stopped(stop: Stop) -> Outcome {
    match stop {
        Stop::Failed(failure, mut result) => {
            if failure.message.starts_with(BAD_CLAUSE) {
                result.insert("details".to_owned(), json!(failure.message));
            }
            Outcome { result, ..Outcome::new(Verdict::Failed(failure)) }
        }
        Stop::Unknown(reason) => Outcome::new(Verdict::Unknown(reason)),
    }
}

/// What is said of options that a module does not take.
fn unsupported(entry: &Entry, options: &Map) -> Option<String> {
    let spec = (entry.spec)();
    let known = |name: &str| spec.iter().any(|option| option.is_called(name));
    let mut unknown: Vec<&str> = options.keys().map(String::as_str).filter(|name| !known(name)).collect();
    unknown.sort_unstable();
    let message = format!("Unsupported parameters for ({}) module: {}", entry.name, unknown.join(", "));
    // A shell's free form hides which options there are.
    if unknown.is_empty() || entry.name == "shell" {
        return (!unknown.is_empty()).then_some(message);
    }
    let visible = spec.iter().filter(|option| option.kind != Kind::Blob && !option.name.starts_with('_'));
    let mut names: Vec<&str> = visible.map(|option| option.name).collect();
    names.sort_unstable();
    Some(format!("{message}. Supported parameters include: {}.", names.join(", ")))
}

/// Expands `~` and variables in the options that are paths.
fn expand(entry: &Entry, options: &Map, system: &dyn System, call: &Call) -> Map {
    let mut expanded = options.clone();
    let variable = |name: &str| call.environment.get(name).cloned().or_else(|| system.variable(name));
    let home = |user: Option<&str>| home_of(system, user);
    let paths = |value: &mut Json| {
        if let Json::String(path) = value
            && (path.starts_with('~') || path.contains('$'))
        {
            *path = expand_path(path, home, variable);
        }
    };
    for option in (entry.spec)() {
        for name in std::iter::once(option.name).chain(option.aliases.iter().copied()) {
            match (option.kind, expanded.get_mut(name)) {
                (Kind::Path, Some(value)) => paths(value),
                (Kind::List(Kind::Path), Some(Json::Array(items))) => items.iter_mut().for_each(paths),
                (Kind::List(Kind::Path), Some(value)) => paths(value),
                _ => {}
            }
        }
    }
    let unsafe_writes = "unsafe_writes";
    if (entry.spec)().iter().any(|option| option.name == unsafe_writes)
        && !expanded.contains_key(unsafe_writes)
        && let Some(word) = variable("ANSIBLE_UNSAFE_WRITES").filter(|word| !word.is_empty())
    {
        expanded.insert(unsafe_writes.to_owned(), word.into());
    }
    expanded
}

pub(super) fn home_of(system: &dyn System, user: Option<&str>) -> Option<String> {
    let passwd = system.read(std::path::Path::new("/etc/passwd")).ok()?;
    let passwd = String::from_utf8_lossy(&passwd);
    let uid = system.uid().to_string();
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let found = match user {
            Some(user) => fields.first() == Some(&user),
            None => fields.get(2) == Some(&uid.as_str()),
        };
        found.then(|| fields.get(5).map(|home| (*home).to_owned())).flatten()
    })
}
