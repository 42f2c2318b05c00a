//! Which tasks may be done before the results of those in front of them are known, and what those will set.

use std::sync::Arc;

use crate::controller::{
    actions,
    executor::foresight::INNER,
    playbook::Task,
    source::{Node, Shape},
    template,
    variables::FACTS,
};

/// Keywords under which a task waits for its turn: they concern other hosts, time, or what came before.
const WAITING: &[&str] = &[
    "delegate_to",
    "delegate_facts",
    "run_once",
    "throttle",
    "timeout",
    "any_errors_fatal",
    "ignore_unreachable",
    "debugger",
    "check_mode",
    "connection",
];

/// Modules that change nothing outside of their own host, nor look there: where several hosts work in step, only these overtake.
const HOME: &[&str] = &[
    "assert",
    "authorized_key",
    "blockinfile",
    "copy",
    "cron",
    "debug",
    "fail",
    "file",
    "find",
    "group",
    "lineinfile",
    "ping",
    "replace",
    "set_fact",
    "slurp",
    "stat",
    "sysctl",
    "tempfile",
    "template",
    "user",
];

/// Modules whose results are facts.
const TELLING: &[&str] = &["getent", "hostname", "mount_facts", "package_facts", "service_facts"];

/// Whether a task makes one call to its host and nothing follows that.
fn is_single(task: &Task) -> bool {
    task.custom.is_none()
        && actions::find(&task.module).is_none_or(|action| action.single)
        && task.asynchronous.is_none()
}

/// Whether a task is over as soon as it is begun, so that nothing is gained by overtaking it.
pub(super) fn is_inner(task: &Task) -> bool {
    INNER.contains(&task.module.as_str())
}

/// Whether the host's own word decides if a task has failed.
pub(super) fn is_plain(task: &Task) -> bool {
    let judged = task.changed_when.as_ref().is_some_and(|node| !matches!(node.shape, Shape::Bool(_)));
    let inner = INNER.contains(&task.module.as_str());
    task.failed_when.is_none()
        && !judged
        && task.until.is_none()
        && task.retries.is_none()
        && (inner || is_single(task))
}

/// Whether a task may be done before its turn; `in_step` where several hosts go through the play task by task.
pub(super) fn may_overtake(task: &Task, in_step: bool) -> bool {
    let module = task.module.as_str();
    let known = INNER.contains(&module)
        || actions::find(module).map_or_else(|| crate::remote::modules::find(module).is_some(), |action| action.single);
    known
        && task.custom.is_none()
        && !task.handler
        && task.each.is_none()
        && task.until.is_none()
        && task.retries.is_none()
        && task.asynchronous.is_none()
        && (!in_step || HOME.contains(&module))
        && WAITING.iter().all(|name| task.keyword(name).is_none_or(Node::is_null))
}

/// The variables that a task sets; nothing where they cannot be told beforehand.
pub(super) fn sets(task: &Task) -> Option<Vec<Arc<str>>> {
    let mut names = Vec::new();
    let plain = |text: &str| (!template::is_template(text)).then(|| Arc::from(text));
    if TELLING.contains(&task.module.as_str()) || task.custom.is_some() || template::is_template(&task.module) {
        return None;
    }
    if actions::find(&task.module).is_some_and(|action| action.name == "setup") {
        names.push(Arc::from(FACTS));
    }
    if let Some(node) = &task.register {
        names.push(plain(node.as_str()?)?);
    }
    if task.module == "set_fact" {
        if task.arguments.template.is_some() || task.arguments.free_form.is_some() {
            return None;
        }
        for (key, _) in &task.arguments.options {
            let name = key.as_str()?;
            if name == "cacheable" {
                return None;
            }
            names.push(plain(name)?);
        }
    } else if actions::find(&task.module).is_some_and(|action| !action.single) && !INNER.contains(&task.module.as_str())
    {
        return None;
    }
    Some(names)
}
