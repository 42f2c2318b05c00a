//! Events for the tests of renderers.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::controller::event::{Event, Report, Status, Tally, TaskInfo};

pub(super) fn task(id: u64, name: &str, module: &str, role: Option<&str>) -> Arc<TaskInfo> {
    let place = format!("site.yml:{}:7", id * 10);
    let role = role.map(str::to_owned);
    Arc::new(TaskInfo { id, name: name.to_owned(), module: module.to_owned(), role, place, handler: false })
}

pub(super) fn report(status: Status, result: Json) -> Report {
    Report { status, reason: None, failure: None, result, diffs: Vec::new(), warnings: Vec::new() }
}

pub(super) fn ended(host: &str, task: &Arc<TaskInfo>, report: Report) -> Event {
    let (host, task) = (host.to_owned(), Arc::clone(task));
    Event::Ended { host, task, delegated_to: None, looped: false, report: Arc::new(report) }
}

pub(super) fn item(host: &str, task: &Arc<TaskInfo>, label: &str, report: Report) -> Event {
    let (host, task, label) = (host.to_owned(), Arc::clone(task), label.to_owned());
    Event::Item { host, task, label, report: Arc::new(report) }
}

pub(super) fn play(hosts: &[&str]) -> Event {
    Event::PlayStarted { name: "Web servers".to_owned(), hosts: hosts.iter().map(|host| (*host).to_owned()).collect() }
}

pub(super) fn recap(hosts: &[(&str, Tally)], check: bool, custom: Json) -> Event {
    let hosts = hosts.iter().map(|(host, tally)| ((*host).to_owned(), *tally)).collect();
    let custom: IndexMap<String, Json> = serde_json::from_value(custom).unwrap();
    Event::Recap { hosts, check, seconds: 4.25, custom }
}
