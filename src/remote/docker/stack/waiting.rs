//! Whether a swarm has brought a service to its spec, and why not.

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

/// How far a service is.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of its tasks run as they should.
    Converged,
    /// Not yet, and what it waits for.
    Under(String),
    /// It was given up.
    Failed(String),
}

/// Asks how far a service is.
///
/// # Errors
/// When the engine cannot say.
pub fn progress(engine: &Engine<'_, '_>, name: &str) -> Result<Progress, Stop> {
    let Some(service) = engine.get(&format!("/services/{}", encode(name)))? else {
        return Ok(Progress::Failed("it is gone".to_owned()));
    };
    let filters = format!("{{\"service\":[\"{name}\"]}}");
    let tasks = engine.list(&with_query("/tasks", &[("filters", &filters)]))?;
    Ok(judge(&service, &tasks))
}

fn judge(service: &Json, tasks: &[Json]) -> Progress {
    let why = last_error(tasks).map(|error| format!(" ({error})")).unwrap_or_default();
    let status = &service["UpdateStatus"];
    let message = status["Message"].as_str().unwrap_or_default();
    match status["State"].as_str().unwrap_or_default() {
        "paused" => return Progress::Failed(format!("its update is paused: {message}{why}")),
        "rollback_paused" => return Progress::Failed(format!("its way back is paused: {message}{why}")),
        "rollback_completed" => return Progress::Failed(format!("its update was taken back: {message}{why}")),
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
        Progress::Converged
    } else {
        Progress::Under(format!("{running} of {needed} run{why}"))
    }
}

/// What the task that failed last has said.
fn last_error(tasks: &[Json]) -> Option<String> {
    let failed = tasks.iter().filter(|task| task["Status"]["Err"].as_str().is_some_and(|error| !error.is_empty()));
    let newest = failed.max_by_key(|task| task["Status"]["Timestamp"].as_str().unwrap_or_default().to_owned())?;
    newest["Status"]["Err"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(replicas: u64, image: &str) -> Json {
        json!({"Spec": {"Mode": {"Replicated": {"Replicas": replicas}}, "TaskTemplate": {"ContainerSpec": {"Image": image}}}})
    }

    fn task(image: &str, state: &str, error: &str) -> Json {
        json!({"DesiredState": "running", "Spec": {"ContainerSpec": {"Image": image, "Isolation": "default"}},
            "Status": {"State": state, "Err": error, "Timestamp": "2026"}})
    }

    #[test]
    fn only_tasks_of_the_present_spec_count() {
        assert_eq!(judge(&service(1, "a"), &[task("a", "running", "")]), Progress::Converged);
        assert_eq!(judge(&service(0, "a"), &[]), Progress::Converged);
        for (tasks, said) in [
            (vec![task("b", "running", "")], "0 of 1 run"),
            (vec![task("a", "running", ""), task("b", "running", "")], "1 of 1 run"),
            (vec![task("a", "starting", "No such image: a")], "0 of 1 run (No such image: a)"),
        ] {
            assert_eq!(judge(&service(1, "a"), &tasks), Progress::Under(said.to_owned()));
        }
    }

    #[test]
    fn an_update_that_was_given_up_has_failed() {
        let mut service = service(1, "a");
        service["UpdateStatus"] = json!({"State": "paused", "Message": "task failure"});
        let told = judge(&service, &[task("a", "failed", "exit 1")]);
        assert_eq!(told, Progress::Failed("its update is paused: task failure (exit 1)".to_owned()));
        service["UpdateStatus"]["State"] = json!("updating");
        assert!(matches!(judge(&service, &[task("a", "running", "")]), Progress::Under(_)));
    }
}
