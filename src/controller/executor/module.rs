//! Carries a module out on a host: over its helper, or through plain `sh` where no helper runs.

use minijinja::Value;

use super::{
    reach::{Lost, Way, lost},
    turn::Turn,
};
use crate::{
    controller::{
        connection::helper::{Progress, Session, SessionError},
        source::{Node, Shape},
        template,
    },
    protocol::{Blob, Call, Failure, Map, Outcome, Verdict, call::Kept},
};

/// Blobs up to this size travel in the frame of their call: one round trip, whatever they replace.
const INLINE_BYTES_MAX: u64 = 64 << 10;

/// Modules that start the Python of a host, and the variable that names it.
const INTERPRETED: &[&str] = &["pip"];
const INTERPRETER: &str = "ansible_python_interpreter";

/// How a module ended, or that the host is gone.
pub enum Called {
    /// It ended.
    Outcome(Box<Outcome>),
    /// The host could not be reached.
    Unreachable(Failure),
    /// It was not carried out: it is to be done later, or not at all.
    NotRun,
}

impl Called {
    /// It ended with a failure.
    pub(super) fn failed(failure: Failure) -> Self {
        Self::Outcome(Box::new(Outcome::new(Verdict::Failed(failure))))
    }
}

impl From<Lost> for Called {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unreachable(failure) => Self::Unreachable(failure),
            Lost::Refused(failure) | Lost::NoUser(failure) => Self::failed(failure),
            Lost::NoHelper(reason) => Self::Unreachable(Failure::new(reason)),
        }
    }
}

impl Turn {
    /// Carries out a module with these options. `blobs` are contents that its options name.
    pub async fn call(&self, module: &str, options: Map, blobs: &[Blob]) -> Called {
        // Many together are only sent if the host turns out to lack them.
        let together: u64 = blobs.iter().map(|blob| blob.size).sum();
        let inline = if together <= INLINE_BYTES_MAX { blobs.to_vec() } else { Vec::new() };
        self.send(Call { inline, ..self.call_of(module, options) }).await
    }

    /// A module with these options as a call that carries no content.
    pub(super) fn call_of(&self, module: &str, mut options: Map) -> Call {
        if INTERPRETED.contains(&module)
            && let Ok(python) = self.context.get_attr(INTERPRETER)
            && let Some(path) = template::resolve(&python).ok().as_ref().and_then(Value::as_str)
            && path.starts_with('/')
        {
            options.insert("_python".to_owned(), path.into());
        }
        Call {
            id: 0,
            module: module.to_owned(),
            options,
            check: self.check,
            rehearsal: self.run.settings.check,
            diff: self.diff,
            environment: self.environment.clone(),
            inline: Vec::new(),
            background: None,
            place: None,
            when: Vec::new(),
            kept: None,
        }
    }

    /// Has a call carried out.
    pub(super) async fn send(&self, call: Call) -> Called {
        let link = self.run.link(&self.way.host);
        let session = {
            let mut link = link.lock().await;
            self.way.session(&self.run, &mut link).await
        };
        let session = match session {
            Ok(session) => session,
            // A task before it may still bring what is missing: the user, or the right to act as them.
            Err(Lost::NoHelper(_) | Lost::NoUser(_) | Lost::Refused(_)) if self.lane.is_ahead() => {
                self.lane.give_way();
                return Called::NotRun;
            }
            Err(Lost::NoHelper(reason)) => return self.without_helper(call, &reason).await,
            Err(Lost::NoUser(failure)) if self.run.settings.check => return self.without_user(call, failure).await,
            Err(lost) => return lost.into(),
        };
        self.send_over(&self.way, &session, call).await
    }

    /// Has a call carried out over a session that is open.
    pub(super) async fn send_over(&self, way: &Way, session: &Session, mut call: Call) -> Called {
        if call.place.is_none() && call.background.is_none() {
            call.place = self.lane.place(way, session, self.stops);
            if call.place.is_none() {
                return Called::NotRun;
            }
            call.when = self.lane.conditions();
            call.kept = self.keep();
        }
        let shows = |progress: Progress| {
            if !self.lane.is_ahead() {
                self.progress(progress.text, progress.amount);
            }
        };
        let done = session.call(call, &self.run.blobs, shows, || self.lane.sent(way)).await;
        match done {
            Ok(outcome) => {
                if !outcome.predicted.is_empty() {
                    let link = self.run.link(&way.host);
                    let mut link = link.lock().await;
                    let before = link.predicted.len();
                    link.predicted.extend(outcome.predicted.iter().cloned());
                    // The session that made them knows them, provided it knew all before.
                    let all = link.predicted.len();
                    let told = link.told.entry(way.key()).or_default();
                    if *told == before {
                        *told = all;
                    }
                }
                Called::Outcome(Box::new(outcome))
            }
            Err(SessionError::NotRun) => {
                self.lane.give_way();
                Called::NotRun
            }
            Err(SessionError::LeftOut) => {
                self.lane.leave_to_turn();
                Called::NotRun
            }
            Err(error) => lost(error).into(),
        }
    }

    /// Tells those behind what they may know of the result, if it is registered, and the host how to keep it for them.
    fn keep(&self) -> Option<Kept> {
        let name = self.task.register.as_ref().and_then(Node::as_str)?;
        let result = self.lane.result().filter(|_| self.task.each.is_none());
        self.lane.sets(name, result.clone());
        let changed = self.task.changed_when.as_ref().and_then(|node| match node.shape {
            Shape::Bool(value) => Some(value),
            _ => None,
        });
        // What an action makes of a module's result is not known there, but for how it ended.
        result.map(|_| Kept { changed, whole: self.bare })
    }
}
