//! Whether a swarm has brought a service to its spec, and why not.

use std::time::Duration;

use serde_json::json;

use super::specs;
use crate::{
    protocol::Json,
    remote::{
        Stop,
        docker::{
            Engine,
            engine::{encode, with_query},
        },
    },
};

/// Between two looks at a service that is on its way.
const LOOK: Duration = Duration::from_millis(500);
/// So long a service that was made or changed has to run; an engine watches an update as long.
const STEADY_NANOSECONDS: i128 = 5_000_000_000;
/// Lines of a task that failed: a traceback's end says it all.
const LAST_LINES: &str = "10";

/// How far a service is.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of its tasks run as they should; whether the swarm has watched them for a while.
    Converged {
        /// As after an update, never after it was made.
        watched: bool,
    },
    /// Not yet, and what it waits for.
    Under(String),
    /// It was given up.
    Failed(String),
}

/// Waits until a service runs as its spec says. One that this run has `changed` has to go on running for a while, for a program that
/// ends at once runs for a moment too.
///
/// # Errors
/// When it was given up or has not got there at the `end`, with what its tasks came to and what they said last.
pub fn wait(engine: &Engine<'_, '_>, name: &str, changed: bool, end: i128, seconds: i64) -> Result<(), Stop> {
    let probe = engine.probe();
    let mut steady = None;
    loop {
        let now = probe.now();
        let (progress, tasks) = progress(engine, name, changed)?;
        match progress {
            Progress::Converged { watched } => {
                if watched || !changed || now - *steady.get_or_insert(now) >= STEADY_NANOSECONDS {
                    return Ok(());
                }
            }
            Progress::Failed(why) => return Err(failed(engine, name, &why, &tasks)),
            Progress::Under(why) if now >= end => {
                return Err(failed(engine, name, &format!("it did not get there in {seconds} s: {why}"), &tasks));
            }
            Progress::Under(why) => {
                steady = None;
                probe.progress(&format!("service {name}: {why}"), None);
            }
        }
        probe.sleep(LOOK);
    }
}

fn progress(engine: &Engine<'_, '_>, name: &str, changed: bool) -> Result<(Progress, Vec<Json>), Stop> {
    let Some(service) = engine.get(&format!("/services/{}", encode(name)))? else {
        return Ok((Progress::Failed("it is gone".to_owned()), Vec::new()));
    };
    let filters = json!({"service": [name]}).to_string();
    let tasks = engine.list(&with_query("/tasks", &[("filters", &filters)]))?;
    let progress = judge(&service, &tasks, changed);
    Ok((progress, recent(&service, tasks)))
}

/// The tasks since a service was changed last: what went wrong before is no reason for anything now.
fn recent(service: &Json, mut tasks: Vec<Json>) -> Vec<Json> {
    let since = service["UpdateStatus"]["StartedAt"].as_str().or_else(|| service["UpdatedAt"].as_str());
    tasks.retain(|task| task["CreatedAt"].as_str().map(moment) >= since.map(moment));
    tasks
}

/// A time as text that can be compared: engines write no zeros at the end.
fn moment(text: &str) -> &str {
    text.trim_end_matches('Z')
}

fn failed(engine: &Engine<'_, '_>, name: &str, why: &str, tasks: &[Json]) -> Stop {
    let ended = ["failed", "rejected", "complete"];
    let ended = newest(tasks, |task| ended.iter().any(|state| task["Status"]["State"] == *state));
    let told = ended.map(|task| {
        let status = &task["Status"];
        let code = status["ContainerStatus"]["ExitCode"].as_i64().unwrap_or_default();
        let error = error(task).map_or_else(|| format!("it ended with {code}"), str::to_owned);
        let path = format!("/tasks/{}/logs", encode(task["ID"].as_str().unwrap_or_default()));
        let said = engine.output(&with_query(&path, &[("stdout", "1"), ("stderr", "1"), ("tail", LAST_LINES)]));
        match said.unwrap_or_default().trim() {
            "" => format!("\nits last task: {error}"),
            said => format!("\nits last task: {error}, and said:\n{said}"),
        }
    });
    Stop::failed(format!("service {name}: {why}{}", told.unwrap_or_default()))
        .hint(format!("`docker service ps --no-trunc {name}` on a manager tells what each of its tasks came to"))
}

fn error(task: &Json) -> Option<&str> {
    task["Status"]["Err"].as_str().filter(|error| !error.is_empty())
}

fn newest(tasks: &[Json], which: impl Fn(&Json) -> bool) -> Option<&Json> {
    tasks
        .iter()
        .filter(|task| which(task))
        .max_by_key(|task| moment(task["Status"]["Timestamp"].as_str().unwrap_or_default()))
}

fn judge(service: &Json, tasks: &[Json], changed: bool) -> Progress {
    let recent = recent(service, tasks.to_vec());
    let why = newest(&recent, |task| error(task).is_some()).and_then(error);
    let why = why.map(|error| format!(" ({error})")).unwrap_or_default();
    let status = &service["UpdateStatus"];
    let message = status["Message"].as_str().unwrap_or_default();
    match status["State"].as_str().unwrap_or_default() {
        "paused" => return Progress::Failed(format!("its update is paused: {message}")),
        "rollback_paused" => return Progress::Failed(format!("its way back is paused: {message}")),
        // A spec that was asked for and was there already is one that the swarm went back to.
        "rollback_completed" if changed => return Progress::Failed(format!("its update was taken back: {message}")),
        "updating" => return Progress::Under(format!("it is updated{why}")),
        "rollback_started" => return Progress::Under(format!("its update is taken back{why}")),
        _ => {}
    }
    let template = &service["Spec"]["TaskTemplate"];
    let wanted = |task: &&Json| task["DesiredState"] == "running" || task["DesiredState"] == "ready";
    let current: Vec<&Json> =
        tasks.iter().filter(wanted).filter(|task| specs::same_task(&task["Spec"], template)).collect();
    let running = current.iter().filter(|task| task["Status"]["State"] == "running").count();
    let count = service["Spec"]["Mode"]["Replicated"]["Replicas"].as_u64();
    let needed = count.map_or(current.len().max(1), |count| usize::try_from(count).unwrap_or(usize::MAX));
    let old = tasks.iter().filter(wanted).count() - current.len();
    if running == needed && old == 0 {
        Progress::Converged { watched: status["State"] == "completed" }
    } else {
        Progress::Under(format!("{running} of {needed} run{why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVERGED: Progress = Progress::Converged { watched: false };

    fn service(replicas: u64, image: &str) -> Json {
        json!({"Spec": {"Mode": {"Replicated": {"Replicas": replicas}}, "TaskTemplate": {"ContainerSpec": {"Image": image}}}})
    }

    fn task(image: &str, state: &str, error: &str) -> Json {
        json!({"DesiredState": "running", "Spec": {"ContainerSpec": {"Image": image, "Isolation": "default"}},
            "Status": {"State": state, "Err": error, "Timestamp": "2026"}})
    }

    #[test]
    fn only_tasks_of_the_present_spec_count() {
        assert_eq!(judge(&service(1, "a"), &[task("a", "running", "")], true), CONVERGED);
        assert_eq!(judge(&service(0, "a"), &[], true), CONVERGED);
        for (tasks, said) in [
            (vec![task("b", "running", "")], "0 of 1 run"),
            (vec![task("a", "running", ""), task("b", "running", "")], "1 of 1 run"),
            (vec![task("a", "starting", "No such image: a")], "0 of 1 run (No such image: a)"),
        ] {
            assert_eq!(judge(&service(1, "a"), &tasks, true), Progress::Under(said.to_owned()));
        }
    }

    #[test]
    fn an_update_that_was_given_up_has_failed() {
        let mut service = service(1, "a");
        service["UpdateStatus"] = json!({"State": "paused", "Message": "task failure"});
        let told = judge(&service, &[task("a", "failed", "exit 1")], true);
        assert_eq!(told, Progress::Failed("its update is paused: task failure".to_owned()));
        service["UpdateStatus"]["State"] = json!("updating");
        let running = [task("a", "running", "")];
        assert!(matches!(judge(&service, &running, true), Progress::Under(_)));
        service["UpdateStatus"]["State"] = json!("completed");
        assert_eq!(judge(&service, &running, true), Progress::Converged { watched: true });
    }

    #[test]
    fn only_what_went_wrong_since_the_last_change_is_told() {
        let mut service = service(1, "a");
        service["UpdatedAt"] = json!("2026-01-02T10:00:00.03Z");
        let mut task = task("a", "failed", "exit 1");
        for (created, said) in
            [("2026-01-02T10:00:00.029Z", "0 of 1 run"), ("2026-01-02T10:00:00.031Z", "0 of 1 run (exit 1)")]
        {
            task["CreatedAt"] = json!(created);
            assert_eq!(judge(&service, &[task.clone()], true), Progress::Under(said.to_owned()));
        }
    }

    #[test]
    fn what_a_swarm_went_back_to_is_well_for_whoever_asked_for_it() {
        let mut service = service(1, "a");
        service["UpdateStatus"] = json!({"State": "rollback_completed"});
        let tasks = [task("a", "running", "")];
        assert!(matches!(judge(&service, &tasks, true), Progress::Failed(_)));
        assert_eq!(judge(&service, &tasks, false), CONVERGED);
    }
}
