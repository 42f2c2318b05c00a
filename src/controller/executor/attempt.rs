//! One item's, or the whole task's, way to an end, and why it may not come to that of its action.

use serde_json::json;

use super::{
    turn::{Done, Effect},
    verdict,
};
use crate::{
    controller::template::{TemplateError, error::Trouble},
    protocol::{Failure, Map, Outcome, Verdict},
};

/// How a try ended, judged.
pub(super) struct Attempt {
    pub(super) outcome: Outcome,
    pub(super) result: Map,
    pub(super) effects: Vec<Effect>,
    pub(super) unreachable: Option<Failure>,
}

/// How a try ended, before the task's own judgement of it.
pub(super) enum Tried {
    /// By the action or module.
    Done(Done),
    /// Without one: there is nothing to judge.
    Ended(Attempt),
}

/// Why an attempt did not come to its action's end.
pub(in crate::controller) enum Stopped {
    Template(TemplateError),
    Unreachable(Failure),
}

impl From<TemplateError> for Stopped {
    fn from(error: TemplateError) -> Self {
        Self::Template(error)
    }
}

impl From<minijinja::Error> for Stopped {
    fn from(error: minijinja::Error) -> Self {
        Self::Template(error.into())
    }
}

impl Tried {
    /// Whether what comes behind may go on, as far as the host's own word tells.
    pub(super) fn is_well(&self) -> bool {
        let (Self::Done(Done { outcome, .. }) | Self::Ended(Attempt { outcome, .. })) = self;
        !matches!(outcome.verdict, Verdict::Failed(_))
    }

    /// Whether the host was lost on the way.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Ended(attempt) if attempt.unreachable.is_some())
    }
}

impl Attempt {
    pub(super) fn of(verdict: Verdict) -> Self {
        let outcome = Outcome::new(verdict);
        let result = outcome.registered();
        Self { outcome, result, effects: Vec::new(), unreachable: None }
    }

    pub(super) fn skipped(reason: &str) -> Self {
        Self::of(Verdict::Skipped(reason.to_owned()))
    }

    pub(super) fn template(error: &TemplateError) -> Self {
        if error.kind == Trouble::Unknown {
            return Self::of(Verdict::Unknown(error.message.clone()));
        }
        let mut attempt = Self::of(Verdict::Failed(verdict::failure(error)));
        attempt.result.insert(verdict::EXCEPTION.to_owned(), json!(error.message));
        let about = error.about.as_ref().map_or_else(String::new, |about| format!("{about}: "));
        attempt.result.insert("msg".to_owned(), json!(format!("Task failed: {about}{}", error.message)));
        attempt
    }

    pub(super) fn unreachable(failure: Failure) -> Self {
        let mut attempt = Self::of(Verdict::Failed(failure.clone()));
        attempt.result.shift_remove("failed");
        attempt.result.insert("unreachable".to_owned(), json!(true));
        attempt.unreachable = Some(failure);
        attempt
    }
}
