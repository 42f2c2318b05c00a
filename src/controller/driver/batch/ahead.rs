//! Tasks whose calls go out before the results of those in front of them are back.
//!
//! Who comes to a task looks at what follows it, and begins that as far as nothing is known to stand in the way. Results are taken
//! in, shown and counted in their turn, so a play ends as if every task had waited for the one before it; what could not be begun
//! after all is done in its turn. The host carries out nothing behind a failure.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::oneshot;

use super::{
    super::look_ahead::{is_inner, is_plain, may_overtake, sets},
    Through, is_flush,
};
use crate::controller::{
    executor::{foresight::Early, lane::Lane},
    playbook::{Role, Task},
    scheduler::{Ending, Position},
    source::Node,
};

/// Tasks that one host may begin before their turn.
const STEPS_MAX: usize = 128;

/// What a host has begun, in order.
pub(super) type Ahead = VecDeque<(Position, oneshot::Receiver<Early>)>;

impl Through {
    /// What has been begun of the task a host has come to. If it came to another one, all that is void.
    pub(super) fn begun(&mut self, host: usize, position: &Position) -> Option<oneshot::Receiver<Early>> {
        let begun = self.ahead.get_mut(&host)?;
        match begun.pop_front() {
            Some((at, early)) if at == *position => Some(early),
            _ => {
                self.ahead.remove(&host);
                None
            }
        }
    }

    /// The place of a task that nothing follows before it has ended.
    pub(super) fn alone(&mut self, host: usize, task: &Task) -> Arc<Lane> {
        Arc::new(Lane::first(is_plain(task), self.near.entry(host).or_default().clone()))
    }

    /// Begins what follows a task that a host is about to do; gives the task's own place in the row.
    pub(super) fn look_ahead(&mut self, host: usize, task: &Arc<Task>) -> Arc<Lane> {
        let first = self.alone(host, task);
        let steps = if self.near.get(&host).is_some_and(|near| near.load(Ordering::Relaxed)) {
            Vec::new()
        } else {
            self.following(host, task)
        };
        let mut lane = first.clone();
        let mut pending = sets(task).unwrap_or_default();
        let mut row = Vec::with_capacity(steps.len());
        let mut begun = Ahead::new();
        for (task, position) in steps {
            let next = Arc::new(lane.next(is_plain(&task), pending.iter()));
            pending.extend(sets(&task).unwrap_or_default());
            let info = self.info(host, &task);
            let (sender, receiver) = oneshot::channel();
            begun.push_back((position, receiver));
            row.push((self.step(host, task, info), next.clone(), sender));
            lane = next;
        }
        if !row.is_empty() {
            tokio::spawn(async move {
                for (step, lane, sender) in row {
                    if sender.is_closed() || !lane.turn().await {
                        break;
                    }
                    tokio::spawn(async move {
                        // Nobody listens any more where the host has gone another way.
                        let _ = step.ahead(lane).await.map(|early| sender.send(early));
                    });
                }
            });
        }
        self.ahead.insert(host, begun);
        first
    }

    /// The tasks behind one that may overtake it and each other.
    fn following(&mut self, host: usize, task: &Arc<Task>) -> Vec<(Arc<Task>, Position)> {
        let settings = &self.run.settings;
        let several = self.batch.play.hosts.len() > 1;
        let off = settings.serial_tasks
            || settings.check
            || self.start_at.is_some()
            || task.handler
            || self.cursors[host].in_handlers()
            || (several && self.batch.play.play.get("max_fail_percentage").is_some());
        let mut found = Vec::new();
        if off || is_inner(task) || sets(task).is_none() || !is_followed(task) {
            return found;
        }
        let in_step = several && self.strategy.name() == "linear";
        let mut cursor = self.cursors[host].clone();
        cursor.advance(Ending::Passed);
        let role = task.role.clone();
        while let (Some(task), Some(position)) = (cursor.task().cloned(), cursor.position()) {
            let no_handlers = self.batch.handlers.read().is_ok_and(|handlers| handlers.is_empty());
            if is_flush(&task) && no_handlers {
                cursor.advance(Ending::Passed);
                continue;
            }
            if is_flush(&task) || !may_overtake(&task, in_step) || !self.has_entered(host, role.as_ref(), &task) {
                break;
            }
            if !self.is_chosen(host, &task) {
                cursor.advance(Ending::Passed);
                continue;
            }
            let goes_on = sets(&task).is_some();
            found.push((task, position));
            if !goes_on || found.len() >= STEPS_MAX {
                break;
            }
            cursor.advance(Ending::Passed);
        }
        found
    }

    /// Whether the host is in the task's role already, so that it is certain to be this use of the role that runs.
    fn has_entered(&self, host: usize, here: Option<&Arc<Role>>, task: &Task) -> bool {
        task.role.as_ref().is_none_or(|role| {
            here.is_some_and(|here| Arc::ptr_eq(here, role)) || self.ran.contains_key(&(host, role.key.clone()))
        })
    }
}

/// Whether anything may follow a task before it has ended.
fn is_followed(task: &Task) -> bool {
    ["delegate_to", "run_once", "any_errors_fatal", "ignore_unreachable", "timeout"]
        .iter()
        .all(|name| task.keyword(name).is_none_or(Node::is_null))
        && task.asynchronous.is_none()
}
