//! The `async` and `poll` keywords: a task that runs on its host by itself, and is looked at from time to time.

use std::time::Duration;

use minijinja::Value;
use serde_json::json;

use super::{module::Called, turn::Turn};
use crate::{
    controller::{
        playbook::Task,
        source::Node,
        template::{self, TemplateError},
    },
    protocol::{Background, Blob, Call, Json, Map, Outcome, Verdict},
};

/// Seconds between looks at a task that does not say how many.
const POLL: i64 = 15;

/// Where the files that tell how jobs are stand, unless variables say otherwise.
const FOLDER: &str = "~/.ansible_async";

/// Looks at a job whose time is up that has not said so yet, and the time between them.
const LAST_LOOKS: u32 = 10;
const LAST_LOOK_PAUSE: Duration = Duration::from_millis(200);

/// Actions whose work is a module's on the host, under the same name.
const MODULES: &[&str] = &["setup"];

/// Actions that work from the controller where Ansible has a module: they are waited for.
const WAITED_FOR: &[&str] =
    &["get_url", "postgresql_db", "postgresql_info", "postgresql_load", "postgresql_ping", "postgresql_query", "uri"];

/// Actions that the keyword means nothing to, because it is for the tasks they bring.
const INDIFFERENT: &[&str] = &["include_role", "include_tasks", "meta"];

/// How a task is carried out that may run by itself.
pub(super) enum Manner {
    /// Like any other.
    Foreground,
    /// By itself.
    Background,
}

/// What `async` and `poll` say, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controller) struct Asked {
    limit: i64,
    poll: i64,
}

/// What a task asks for; none where `async` is 0 or missing.
///
/// # Errors
/// When a value cannot be rendered, or, in Ansible's words, is no whole number.
pub(super) fn asked(task: &Task, context: &Value) -> Result<Result<Option<Asked>, String>, TemplateError> {
    let number = |node: &Option<Node>, keyword: &str| -> Result<Result<Option<i64>, String>, TemplateError> {
        let Some(node) = node.as_ref().filter(|node| !node.is_null()) else { return Ok(Ok(None)) };
        let text = template::lazy::value(node, context)?.to_string();
        Ok(text.trim().parse().map(Some).map_err(|_| {
            format!(
                "Task failed: Error processing keyword '{keyword}': The value '{text}' could not be converted to 'int'."
            )
        }))
    };
    let (limit, poll) = (number(&task.asynchronous, "async_val")?, number(&task.poll, "poll")?);
    Ok(limit.and_then(|limit| {
        let poll = poll?.unwrap_or(POLL);
        Ok(limit.filter(|&limit| limit != 0).map(|limit| Asked { limit, poll }))
    }))
}

/// How a module or action takes being run in the background.
///
/// # Errors
/// That it cannot be, in Ansible's words.
pub(super) fn manner(module: &str, is_action: bool, asked: Asked) -> Result<Manner, String> {
    let refused = || Err(format!("This action ({module}) does not support async."));
    match module {
        "raw" | "async_status" => refused(),
        _ if !is_action || MODULES.contains(&module) => Ok(Manner::Background),
        _ if INDIFFERENT.contains(&module) => Ok(Manner::Foreground),
        _ if WAITED_FOR.contains(&module) && asked.poll > 0 => Ok(Manner::Foreground),
        _ if WAITED_FOR.contains(&module) => {
            Err(format!("{module} works from the controller: with `async` it needs a `poll` above 0"))
        }
        _ => refused(),
    }
}

/// Where the host keeps the files that tell how jobs are.
///
/// # Errors
/// When `ansible_async_dir` cannot be rendered.
pub(in crate::controller) fn folder(turn: &Turn) -> Result<String, TemplateError> {
    let variable = turn.context.get_attr("ansible_async_dir")?;
    if !variable.is_undefined() && !variable.is_none() {
        return Ok(template::resolve(&variable)?.to_string());
    }
    Ok(turn.environment.get("ANSIBLE_ASYNC_DIR").cloned().unwrap_or_else(|| FOLDER.to_owned()))
}

/// Keeps the facts that a task in the background has found out.
pub(in crate::controller) fn keep_facts(turn: &Turn, outcome: &Outcome) {
    if !matches!(outcome.verdict, Verdict::Failed(_))
        && let Some(Json::Object(facts)) = outcome.result.get("ansible_facts")
    {
        turn.run.add_facts(turn.facts_host(), facts);
    }
}

impl Turn {
    /// Starts a module in the background and, unless nobody wants to, waits for its end.
    pub(super) async fn in_background(
        &self,
        module: &str,
        options: Map,
        blobs: &[Blob],
        asked: Asked,
    ) -> Result<Called, TemplateError> {
        let folder = folder(self)?;
        let background = Background { seconds: u64::try_from(asked.limit).unwrap_or(0), folder: folder.clone() };
        // Nobody can be asked for content once the job is on its own.
        let inline = blobs.to_vec();
        let call = Call { background: Some(background), inline, ..self.call_of(module, options) };
        let started = self.send(call).await;
        let Called::Outcome(started) = started else { return Ok(started) };
        let id = started.result.get("ansible_job_id").and_then(Json::as_str).map(str::to_owned);
        let (Some(id), true) = (id, asked.poll > 0 && asked.limit > 0) else { return Ok(Called::Outcome(started)) };
        let mut left = asked.limit;
        while left > 0 {
            tokio::time::sleep(Duration::from_secs(asked.poll.unsigned_abs())).await;
            if let Some(end) = self.look(&id, &folder).await {
                return Ok(end);
            }
            self.progress(format!("still running in the background as {id}"), None);
            left -= asked.poll;
        }
        for _ in 0..LAST_LOOKS {
            tokio::time::sleep(LAST_LOOK_PAUSE).await;
            if let Some(end) = self.look(&id, &folder).await {
                return Ok(end);
            }
        }
        let limit = asked.limit;
        let message = format!("async task did not complete within the requested time - {limit}s");
        Ok(Called::Outcome(Box::new(Outcome { result: started.result, ..Outcome::failed(message) })))
    }

    /// The end of a job, once it has come to one; its file is removed then.
    async fn look(&self, id: &str, folder: &str) -> Option<Called> {
        let status = |mode: &str| {
            let mut options = Map::new();
            options.insert("jid".to_owned(), json!(id));
            options.insert("mode".to_owned(), json!(mode));
            options.insert("_async_dir".to_owned(), json!(folder));
            // Looking at a job is no part of what is checked.
            Call { check: false, ..self.call_of("async_status", options) }
        };
        let seen = self.send(status("status")).await;
        if let Called::Outcome(outcome) = &seen {
            if outcome.result.get("finished") == Some(&json!(false)) {
                return None;
            }
            keep_facts(self, outcome);
            // A file that stays is no reason to fail.
            drop(self.send(status("cleanup")).await);
        }
        Some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_works_on_the_controller_is_refused_in_the_words_of_ansible() {
        let asked = Asked { limit: 10, poll: 0 };
        let refused = |name| manner(name, true, asked).err();
        assert_eq!(refused("copy").as_deref(), Some("This action (copy) does not support async."));
        assert!(refused("get_url").unwrap().contains("poll"));
        assert!(matches!(manner("command", false, asked), Ok(Manner::Background)));
        assert!(matches!(manner("get_url", true, Asked { poll: 1, ..asked }), Ok(Manner::Foreground)));
    }
}
