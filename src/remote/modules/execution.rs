//! What `command`, `shell` and `script` share: conditions, directory, input and the shape of the answer.

use std::path::{Path, PathBuf};

use super::{clock, globbing};
use crate::{
    options,
    protocol::{Change, Failure, Json, Run},
    remote::{Applied, Plan, Planned, Probe, Stop, machine::probe::Found, machine::system::FileKind},
};

options! {
    /// When and where a command runs.
    pub struct Conditions {
        /// A file or pattern; when it exists, the command does not run.
        creates: Option<std::path::PathBuf>,
        /// A file or pattern; when it does not exist, the command does not run.
        removes: Option<std::path::PathBuf>,
        /// The directory to run in.
        chdir: Option<std::path::PathBuf>,
    }
}

impl Conditions {
    /// The plan of running changes of which the last is the command, or of not running them.
    ///
    /// # Errors
    /// When the directory does not exist.
    pub fn plan(&self, probe: &Probe<'_>, command: Json, changes: Vec<Change>) -> Planned {
        let mut plan = Plan::new();
        plan.set("cmd", command);
        for (name, value) in [("stdout", ""), ("stderr", ""), ("msg", "")] {
            plan.set(name, value);
        }
        for name in ["rc", "start", "end", "delta"] {
            plan.set(name, Json::Null);
        }
        if let Some(directory) = &self.chdir {
            let there = probe.stat_followed(directory)?.is_some_and(|stat| stat.kind == FileKind::Directory);
            if !there {
                plan.set("msg", "Unable to change directory before execution.");
                let message = format!("Unable to change directory before execution: {} is no directory", directory.display());
                return Err(Stop::Failed(Failure::new(message), plan.result));
            }
        }
        if let Some((path, why)) = self.needless(probe)? {
            let path = path.display();
            let would = if probe.predicting() { "Would" } else { "Did" };
            plan.set("msg", format!("{would} not run command since '{path}' {why}"));
            plan.set("stdout", format!("skipped, since {path} {why}"));
            plan.set("rc", 0);
            lines(&mut plan);
            return Ok(plan);
        }
        if probe.predicting() {
            let message = "Command would have run if not in check mode";
            plan.set("rc", 0);
            plan.set("msg", message);
            lines(&mut plan);
            if self.creates.is_none() && self.removes.is_none() {
                plan.skipped = Some(message.to_owned());
                return Ok(plan);
            }
        }
        plan.changes = changes;
        Ok(plan)
    }

    fn needless(&self, probe: &Probe<'_>) -> Found<Option<(&Path, &'static str)>> {
        if let Some(path) = &self.creates
            && self.exists(probe, path)?
        {
            return Ok(Some((path, "exists")));
        }
        match &self.removes {
            Some(path) if !self.exists(probe, path)? => Ok(Some((path, "does not exist"))),
            _ => Ok(None),
        }
    }

    fn exists(&self, probe: &Probe<'_>, path: &Path) -> Found<bool> {
        let path: PathBuf = self.chdir.as_deref().unwrap_or(Path::new("")).join(path);
        Ok(!globbing::matching(probe, &path)?.is_empty())
    }
}

/// A run whose exit code is for [`report`] to judge.
pub fn run(argv: Vec<String>, conditions: &Conditions, stdin: Option<&str>, add_newline: bool) -> Run {
    Run {
        argv,
        directory: conditions.chdir.clone(),
        stdin: stdin.map(|text| if add_newline { format!("{text}\n") } else { text.to_owned() }),
        success: vec![Run::ANY_CODE],
        ..Run::default()
    }
}

/// Fills in what the command at `position` of the plan gave.
///
/// # Errors
/// When its exit code is not 0.
pub fn report(plan: &mut Plan, applied: &[Applied], position: usize, strip: bool) -> Result<(), Stop> {
    let Some(applied) = applied.get(position) else { return Ok(()) };
    let ends = |text: &str| if strip { text.trim_end_matches(['\r', '\n']).to_owned() } else { text.to_owned() };
    let (start, end) = applied.times;
    plan.set("stdout", ends(&applied.stdout));
    plan.set("stderr", ends(&applied.stderr));
    plan.set("rc", applied.code);
    plan.set("start", clock::moment(start));
    plan.set("end", clock::moment(end));
    plan.set("delta", clock::duration(end - start));
    lines(plan);
    if applied.code == 0 {
        return Ok(());
    }
    plan.set("msg", "non-zero return code");
    Err(Stop::Failed(Failure::new("non-zero return code"), plan.result.clone()))
}

/// Adds the lists of lines beside `stdout` and `stderr`.
pub fn lines(plan: &mut Plan) {
    for name in ["stdout", "stderr"] {
        let text = plan.result.get(name).and_then(Json::as_str).unwrap_or_default();
        let lines: Vec<Json> = text.lines().map(Json::from).collect();
        plan.set(&format!("{name}_lines"), lines);
    }
}
