//! What failures do to a batch: who leaves it, who goes on, and when it ends.

use std::sync::Arc;

use serde_json::json;

use super::{After, Through, is_flush};
use crate::{
    controller::{
        executor::reach::truthy,
        playbook::{Item, Task},
        scheduler::{Cursor, Ending},
        source::Span,
        template,
        variables::{Layer, Var},
    },
    protocol::Json,
};

impl Through {
    /// Takes the failure of one host to all, once nobody is at that task any more: each goes the way of a failure from there.
    pub(super) fn fail_together(&mut self) {
        let Some((position, cause)) = self.fatal.take_if(|(position, _)| !self.busy.values().any(|at| at == position))
        else {
            return;
        };
        for host in (0..self.cursors.len()).filter(|host| *host != cause) {
            let name = self.batch.hosts[host].clone();
            if self.run.with_host(&name, |state| state.failed || state.unreachable) {
                continue;
            }
            if self.before[host].position().as_ref() == Some(&position) {
                self.cursors[host] = self.before[host].clone();
            } else if self.cursors[host].task().is_none() {
                continue;
            }
            self.lose(host);
        }
        if self.lost >= self.batch.hosts.len() {
            self.after = After::EndRun;
        }
    }

    pub(super) fn fail(&mut self, host: usize, task: &Task, result: &crate::protocol::Map) {
        let name = self.batch.hosts[host].clone();
        if self.cursors[host].would_rescue() {
            let task_name = task.title();
            let failed_task = template::from_json(&json!({ "name": task_name, "action": task.module }));
            let failed_result = template::from_json(&Json::Object(result.clone()));
            let layer = Layer::from_iter([
                (Arc::from("ansible_failed_task"), Var::Data(failed_task)),
                (Arc::from("ansible_failed_result"), Var::Data(failed_result)),
            ]);
            self.run.set_variables(&name, layer);
        }
        self.lose(host);
    }

    /// Lets a failure take a host where it takes it: to a rescue, to its handlers, or out.
    fn lose(&mut self, host: usize) {
        let before = self.cursors[host].clone();
        self.cursors[host].advance(Ending::Failed);
        self.before[host] = before;
        if self.cursors[host].failed() {
            self.note(host);
        }
    }

    /// Notes hosts that have failed since: a failure inside a block counts once its `always` is through.
    pub(super) fn note_failures(&mut self) {
        for host in 0..self.cursors.len() {
            if self.cursors[host].failed() && !self.gone.contains(&host) && !self.busy.contains_key(&host) {
                let place =
                    self.before[host].task().map_or_else(|| Span::synthetic("play", ""), |task| task.span.clone());
                self.note(host);
                self.check_losses(&place);
            }
        }
    }

    /// Takes a host that has failed out of the batch; it still does its handlers where the play forces them.
    fn note(&mut self, host: usize) {
        let name = self.batch.hosts[host].clone();
        self.run.with_host(&name, |state| state.failed = true);
        if self.gone.insert(host) {
            self.dead(&name);
        }
        let notified = self.run.with_host(&name, |state| !state.notified.is_empty());
        if notified && self.forces_handlers() && !self.before[host].in_handlers() {
            self.forced.insert(host);
            self.cursors[host] = self.before[host].clone();
            self.cursors[host].skip_to(|item| matches!(item, Item::Task(task) if is_flush(task)));
        }
    }

    /// Whether hosts that have failed still do their handlers: what the play says, else what the run was asked for.
    fn forces_handlers(&self) -> bool {
        let said = self.batch.play.play.get("force_handlers").filter(|node| !node.is_null());
        said.map_or(self.run.settings.force_handlers, |node| {
            template::lazy::value(node, &template::context(&self.run.loader.scope)).is_ok_and(|value| truthy(&value))
        })
    }

    pub(super) fn dead(&mut self, name: &str) {
        self.lost += 1;
        self.batch.lose(name);
    }

    /// `max_fail_percentage`, and a batch of which nobody is left.
    pub(super) fn check_losses(&mut self, place: &Span) {
        let all = self.batch.hosts.len();
        if let Some(node) = self.batch.play.play.get("max_fail_percentage") {
            let value = template::lazy::value(node, &template::context(&self.run.loader.scope));
            let limit: Option<f64> = value.ok().and_then(|value| value.to_string().trim_end_matches('%').parse().ok());
            #[expect(clippy::cast_precision_loss, reason = "counts of hosts")]
            let share = self.lost as f64 / all as f64 * 100.0;
            if limit.is_some_and(|limit| share > limit) && self.after != After::EndRun {
                self.run.warn(format!("{place}: more hosts failed than max_fail_percentage allows"));
                self.cursors.iter_mut().for_each(Cursor::end);
                self.after = After::EndRun;
            }
        }
        if self.lost >= all && self.after == After::GoOn {
            self.after = After::EndRun;
        }
    }
}
