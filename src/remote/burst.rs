//! Calls that were sent one behind the other: which of them are carried out, given how those before them ended.

use std::collections::HashMap;

use crate::protocol::{
    Call, Claim, Json, Outcome, Verdict,
    call::Place,
    claim::{self, Undecided},
};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is carried out.
    Go,
    /// Its condition says that it is not.
    LeftOut,
    /// Something before it has ended the burst.
    Stopped,
}

/// The burst that is being carried out.
#[derive(Debug, Default)]
pub struct Burst {
    number: u64,
    /// Nothing behind this step is carried out any more.
    stopped_at: Option<u64>,
    /// Results that later steps may ask for, by step.
    results: HashMap<u64, Json>,
}

impl Burst {
    /// Whether a call is carried out.
    pub fn admits(&mut self, call: &Call) -> Admission {
        let Some(place) = call.place else { return Admission::Go };
        if self.is_behind(place) {
            return Admission::Stopped;
        }
        for condition in &call.when {
            match self.holds(condition) {
                Ok(true) => {}
                Ok(false) => {
                    if call.kept.is_some() {
                        self.results.insert(place.step, Json::Object(claim::skipped()));
                    }
                    return Admission::LeftOut;
                }
                Err(Undecided) => {
                    // Neither this call nor any behind it: what they do may depend on it.
                    self.stopped_at = Some(place.step);
                    return Admission::Stopped;
                }
            }
        }
        Admission::Go
    }

    /// Takes in how a call ended.
    pub fn note(&mut self, call: &Call, outcome: &Outcome) {
        let Some(place) = call.place else { return };
        if place.stops && matches!(outcome.verdict, Verdict::Failed(_)) {
            self.stopped_at = Some(place.step);
        }
        if let Some(kept) = call.kept {
            let mut result = outcome.registered();
            if !kept.whole {
                result.retain(|name, _| matches!(name.as_str(), "changed" | "failed"));
            }
            if let Some(changed) = kept.changed {
                result.insert("changed".to_owned(), changed.into());
            }
            self.results.insert(place.step, Json::Object(result));
        }
    }

    /// Ends the burst at a place unless a claim is true.
    pub fn fence(&mut self, place: Place, claim: &Claim) {
        if !self.is_behind(place) && self.holds(claim) != Ok(true) {
            self.stopped_at = Some(place.step);
        }
    }

    fn holds(&self, claim: &Claim) -> Result<bool, Undecided> {
        claim.holds(&|step| self.results.get(&step).cloned())
    }

    /// Whether a place is behind the one where its burst has ended; a new burst begins afresh.
    fn is_behind(&mut self, place: Place) -> bool {
        if place.burst != self.number {
            *self = Self { number: place.burst, ..Self::default() };
        }
        self.stopped_at.is_some_and(|at| at < place.step)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::call::Kept;

    fn call(step: u64) -> Call {
        Call { place: Some(Place { burst: 1, step, stops: true }), ..Call::default() }
    }

    fn outcome(exists: bool) -> Outcome {
        let mut outcome = Outcome::new(Verdict::Changed);
        outcome.result.insert("exists".to_owned(), json!(exists));
        outcome
    }

    fn part(name: &str) -> Claim {
        Claim::Part(Box::new(Claim::Result(1)), Box::new(Claim::Value(json!(name))))
    }

    /// A burst whose first step has found that something exists, or not.
    fn burst(exists: bool) -> Burst {
        let mut burst = Burst::default();
        let first = Call { kept: Some(Kept { changed: Some(false), whole: true }), ..call(1) };
        assert_eq!(burst.admits(&first), Admission::Go);
        burst.note(&first, &outcome(exists));
        burst
    }

    #[test]
    fn a_call_goes_by_the_results_before_it() {
        for (exists, admission) in [(true, Admission::Go), (false, Admission::LeftOut)] {
            let mut burst = burst(exists);
            assert_eq!(burst.admits(&Call { when: vec![part("exists")], ..call(2) }), admission);
            assert_eq!(burst.admits(&call(3)), Admission::Go);
        }
    }

    #[test]
    fn what_cannot_be_decided_ends_the_burst() {
        let mut burst = burst(true);
        assert_eq!(burst.admits(&Call { when: vec![part("absent")], ..call(2) }), Admission::Stopped);
        assert_eq!(burst.admits(&call(3)), Admission::Stopped);
        assert_eq!(
            burst.admits(&Call { place: Some(Place { burst: 2, step: 1, stops: true }), ..Call::default() }),
            Admission::Go
        );
    }

    #[test]
    fn a_fence_stops_those_behind_it_only_when_its_claim_is_not_true() {
        for (claim, admission) in [
            (part("exists"), Admission::Go),
            (Claim::Not(Box::new(part("exists"))), Admission::Stopped),
            (part("absent"), Admission::Stopped),
        ] {
            let mut burst = burst(true);
            burst.fence(Place { burst: 1, step: 2, stops: true }, &claim);
            assert_eq!(burst.admits(&call(3)), admission, "{claim:?}");
        }
    }

    #[test]
    fn changed_is_what_the_task_says_it_is() {
        let burst = burst(true);
        assert_eq!(burst.holds(&part("changed")), Ok(false));
    }

    #[test]
    fn a_failure_ends_the_burst_unless_it_is_ignored() {
        for (stops, admission) in [(true, Admission::Stopped), (false, Admission::Go)] {
            let mut burst = Burst::default();
            let first = Call { place: Some(Place { burst: 1, step: 1, stops }), ..Call::default() };
            burst.admits(&first);
            burst.note(&first, &Outcome::failed("no"));
            assert_eq!(burst.admits(&call(2)), admission);
            // The items of a loop do not stop each other.
            assert_eq!(burst.admits(&call(1)), Admission::Go);
        }
    }
}
