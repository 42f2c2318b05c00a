//! `async_status`: tells how a task in the background is doing.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    choices, options,
    protocol::{Change, Failure, Json, Map},
    remote::{Module, Plan, Planned, Probe, Stop},
};

/// What a job that nobody knows, or that cannot be read, is said to be.
const UNKNOWN: &str = "could not find job";

choices! {
    /// What to do about a job.
    pub enum Mode {
        /// Tell how it is.
        Status = "status",
        /// Forget it.
        Cleanup = "cleanup",
    }
}

options! {
    /// Tells how a task that was started with `async` and `poll: 0` is doing, or forgets it.
    ///
    /// Once the task has finished, the result is the task's own: changed when it changed something, failed when it failed.
    ///
    /// ## Example
    /// ```yaml
    /// - command: /usr/local/bin/rebuild
    ///   async: 600
    ///   poll: 0
    ///   register: job
    /// - async_status:
    ///     jid: '{{ job.ansible_job_id }}'
    ///   register: rebuilt
    ///   until: rebuilt is finished
    ///   retries: 60
    ///   delay: 10
    /// ```
    ///
    /// ## Returns
    /// `ansible_job_id`, `started`, `finished`, `results_file`, and what the task returned; `erased` for `cleanup`.
    pub struct AsyncStatus {
        /// The job, as `ansible_job_id` of the task that started it.
        jid: String,
        /// Whether to tell how it is or to forget it.
        mode: Mode = Mode::Status,
        /// The folder of the files that tell how jobs are, as `ansible_async_dir` says.
        folder: PathBuf [_async_dir] = "~/.ansible_async",
    }
}

impl Module for AsyncStatus {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let path = self.folder.join(&self.jid);
        let mut known = Map::new();
        known.insert("ansible_job_id".to_owned(), json!(self.jid));
        // Anything else is no job's name, and leads elsewhere.
        let named = !self.jid.is_empty() && !self.jid.contains('/') && !self.jid.starts_with('.');
        if !named || !probe.exists(&path)? {
            known.insert("results_file".to_owned(), json!(path));
            known.insert("started".to_owned(), json!(true));
            known.insert("finished".to_owned(), json!(true));
            return Err(Stop::Failed(Failure::new(UNKNOWN), known));
        }
        if self.mode == Mode::Cleanup {
            known.insert("started".to_owned(), json!(false));
            known.insert("finished".to_owned(), json!(false));
            known.insert("erased".to_owned(), json!(path));
            let changes = vec![Change::Remove { path }];
            return Ok(Plan { changes, result: with_streams(known), changed: Some(false), ..Plan::default() });
        }
        known.insert("results_file".to_owned(), json!(path));
        known.insert("started".to_owned(), json!(true));
        let Ok(Json::Object(mut state)) = serde_json::from_slice(&probe.read(&path)?) else {
            known.insert("finished".to_owned(), json!(true));
            let failure = Failure::new(format!("could not parse job output: {}", path.display()));
            return Err(Stop::Failed(failure, known));
        };
        // Only what was written at the start says whether it has finished.
        let finished = state.remove("finished").is_none_or(|finished| finished != json!(false));
        known.insert("finished".to_owned(), json!(finished));
        let word = |state: &mut Map, name: &str| state.remove(name).is_some_and(|word| word == json!(true));
        let (changed, failed, skipped) =
            (word(&mut state, "changed"), word(&mut state, "failed"), word(&mut state, "skipped"));
        state.extend(known);
        let result = with_streams(state);
        let message = || result.get("msg").and_then(Json::as_str).unwrap_or_default().to_owned();
        if failed {
            return Err(Stop::Failed(Failure::new(message()), result));
        }
        let skipped = skipped.then(message);
        Ok(Plan { changed: Some(changed), skipped, result, ..Plan::default() })
    }
}

/// What every answer about a job has, whatever the task returned.
fn with_streams(mut result: Map) -> Map {
    for stream in ["stdout", "stderr"] {
        result.entry(stream).or_insert_with(|| json!(""));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        protocol::{Outcome, Verdict},
        remote::{
            machine::fake::Fake,
            modules::trial::{Trial, failure},
        },
    };

    const FILE: &str = "/root/.ansible_async/j1.2";

    fn status(content: &str, options: Json) -> Outcome {
        let mut options = options;
        options["_async_dir"] = json!("/root/.ansible_async");
        Trial::new(Fake::new().file(FILE, content)).apply("async_status", options)
    }

    #[test]
    fn a_job_that_runs_is_not_finished_and_one_that_has_ended_is_what_its_task_was() {
        let running = status(r#"{"started": true, "finished": false}"#, json!({"jid": "j1.2"}));
        assert_eq!((&running.verdict, &running.result["finished"]), (&Verdict::Unchanged, &json!(false)));
        let changed = status(r#"{"changed": true, "rc": 0, "stdout": "hi"}"#, json!({"jid": "j1.2"}));
        assert_eq!((&changed.verdict, &changed.result["finished"]), (&Verdict::Changed, &json!(true)));
        assert_eq!((&changed.result["stdout"], &changed.result["results_file"]), (&json!("hi"), &json!(FILE)));
        let failed = status(r#"{"failed": true, "msg": "Timeout exceeded"}"#, json!({"jid": "j1.2"}));
        assert_eq!(failure(&failed), "Timeout exceeded");
        assert_eq!(failed.result["finished"], json!(true));
        let skipped = status(r#"{"skipped": true, "msg": "not in check mode"}"#, json!({"jid": "j1.2"}));
        assert_eq!(skipped.verdict, Verdict::Skipped("not in check mode".into()));
    }

    #[test]
    fn what_is_no_job_is_not_found_wherever_its_name_leads() {
        for jid in ["j3.4", "../.ansible_async/j1.2", ""] {
            let missing = status("{}", json!({"jid": jid}));
            assert_eq!(failure(&missing), "could not find job");
        }
    }

    #[test]
    fn a_job_is_forgotten_without_a_change() {
        let mut trial = Trial::new(Fake::new().file(FILE, "{}"));
        let options = json!({"jid": "j1.2", "mode": "cleanup", "_async_dir": "/root/.ansible_async"});
        let forgotten = trial.apply("async_status", options);
        assert_eq!((&forgotten.verdict, &forgotten.result["erased"]), (&Verdict::Unchanged, &json!(FILE)));
        assert_eq!(trial.host.text(FILE), None);
    }
}
