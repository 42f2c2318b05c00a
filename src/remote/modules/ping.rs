//! `ping`: shows that a host can be reached and modules run there.

use crate::{
    options,
    remote::{Module, Plan, Planned, Probe, Stop},
};

options! {
    /// Answers `pong`, or whatever it was given; needs nothing on the host and changes nothing.
    ///
    /// ## Example
    /// ```yaml
    /// - ping:
    /// ```
    ///
    /// ## Returns
    /// `ping`: the value of `data`.
    pub struct Ping {
        /// What to answer; `crash` fails.
        data: String = "pong",
    }
}

impl Module for Ping {
    fn plan(&self, _probe: &Probe<'_>) -> Planned {
        if self.data == "crash" {
            return Err(Stop::failed("Task failed: Module failed: boom"));
        }
        let mut plan = Plan::new();
        plan.set("ping", self.data.as_str());
        Ok(plan)
    }
}
