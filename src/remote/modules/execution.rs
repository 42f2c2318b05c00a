//! What `command`, `shell` and `script` share: conditions, directory, input and the shape of the answer.

use std::path::{Path, PathBuf};

use super::{clock, globbing};
use crate::{
    options,
    protocol::{Change, Effect, Failure, Json, Run},
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
    /// The plan of running changes of which one is the command, or of not running them.
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
                let message =
                    format!("Unable to change directory before execution: {} is no directory", directory.display());
                return Err(probe.lacks(Stop::Failed(Failure::new(message), plan.result)));
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
        // Whatever the command makes or removes is there or gone afterwards, or it would run every time.
        for (path, value) in [(&self.creates, Json::from("file")), (&self.removes, Json::Null)] {
            let Some(path) = path else { continue };
            let path = self.chdir.as_deref().unwrap_or(Path::new("")).join(path);
            if path.is_absolute() && !globbing::is_pattern(&path.to_string_lossy()) {
                plan.push(Change::Assume(Effect::new("file", &path.to_string_lossy(), value)));
            }
        }
        Ok(plan)
    }

    /// The path that makes running needless, and why.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn needless(&self, probe: &Probe<'_>) -> Found<Option<(&Path, &'static str)>> {
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
    // The command ran; what counts as its failure is for the task to say.
    plan.set("changed", true);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rehearsal::{Rehearsal, Scratch};
    use crate::{
        protocol::Verdict,
        remote::machine::{fake::Fake, real::Real, system::Output},
    };

    #[test]
    fn a_command_is_split_expanded_and_reported() {
        let mut host = Rehearsal::on(Fake::new().command(&["ls"], 0, "a\nb\n\n"));
        let outcome = host.apply("command", json!({"_raw_params": "ls -l 'my file' ~/x $HOME/$NOPE", "chdir": "/tmp"}));
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(outcome.result["cmd"], json!(["ls", "-l", "my file", "~/x", "$HOME/$NOPE"]));
        assert_eq!(outcome.result["stdout"], "a\nb");
        assert_eq!(outcome.result["stdout_lines"], json!(["a", "b"]));
        assert_eq!(outcome.result["rc"], 0);
        assert!(outcome.result["delta"].as_str().unwrap().starts_with("0:00:00."));
        let ran = &host.host.ran()[0];
        assert_eq!(ran.argv, ["ls", "-l", "my file", "/root/x", "/root/$NOPE"]);
        assert_eq!(ran.directory.as_deref(), Some("/tmp".as_ref()));
    }

    #[test]
    fn a_bad_exit_code_fails_with_everything_known() {
        let failing = |_: &_| Some(Output { code: 3, stderr: "bad\n".to_owned(), ..Output::default() });
        let mut host = Rehearsal::on(Fake::new().respond(failing));
        let outcome = host.apply("shell", json!({"cmd": "false || exit 3", "stdin": "in"}));
        assert!(matches!(&outcome.verdict, Verdict::Failed(failure) if failure.message == "non-zero return code"));
        assert_eq!((&outcome.result["rc"], &outcome.result["stderr"]), (&json!(3), &json!("bad")));
        assert_eq!(host.host.ran()[0].argv, ["/bin/sh", "-c", "false || exit 3"]);
        assert_eq!(host.host.ran()[0].stdin.as_deref(), Some("in\n"));
    }

    #[test]
    fn check_mode_skips_unless_a_condition_decides() {
        let mut host = Rehearsal::on(Fake::new().file("/etc/done", "").command(&["make"], 0, ""));
        let skipped = host.check("command", json!({"argv": ["make"]}));
        assert_eq!(skipped.verdict, Verdict::Skipped("Command would have run if not in check mode".to_owned()));
        let run = json!({"argv": ["make"], "creates": "/tmp/made"});
        assert_eq!(host.check("command", run.clone()).verdict, Verdict::Changed);
        assert_eq!(
            host.check("command", run).verdict,
            Verdict::Unchanged,
            "the prediction holds what the command creates"
        );
        let options = json!({"argv": ["make"], "creates": "/etc/d*"});
        host.stays("command", &options);
        let outcome = host.apply("command", options);
        assert_eq!(outcome.result["stdout"], "skipped, since /etc/d* exists");
        assert_eq!(outcome.result["rc"], 0);
        host.stays("shell", &json!({"cmd": "make", "removes": "/tmp/none"}));
        assert_eq!(host.host.ran().len(), 0);
        assert!(matches!(host.check("raw", json!({"_raw_params": "ls"})).verdict, Verdict::Skipped(_)));
    }

    #[test]
    fn a_real_command_line_runs_where_and_with_what_it_was_told() {
        let scratch = Scratch::new("shell");
        let mut host = Rehearsal::on(Real::new());
        let options = json!({"cmd": "cat > made; pwd; echo bad >&2", "chdir": scratch.path(""), "stdin": "in", "creates": "made"});
        let outcome = host.apply("shell", options.clone());
        assert_eq!(outcome.result["stderr_lines"], json!(["bad"]));
        assert!(outcome.result["stdout"].as_str().unwrap().contains("deployer-test-shell"));
        assert_eq!(std::fs::read_to_string(scratch.path("made")).unwrap(), "in\n");
        host.stays("shell", &options);
    }

    #[test]
    fn what_cannot_run_says_why() {
        let mut host = Rehearsal::on(Fake::new());
        assert!(host.fails("command", json!({"cmd": "ls", "chdir": "/none"})).contains("Unable to change directory"));
        assert!(host.fails("command", json!({"cmd": "it's"})).contains("No closing quotation"));
        assert!(host.fails("command", json!({})).contains("no command given"));
        assert!(host.fails("command", json!({"cmd": "ls", "argv": ["ls"]})).contains("mutually exclusive"));
    }
}
