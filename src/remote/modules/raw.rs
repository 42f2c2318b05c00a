//! `raw`: sends a command line to the host's shell, for hosts where nothing else works yet.

use super::execution;
use crate::{
    options,
    protocol::{Change, Run},
    remote::{Applied, Module, Plan, Planned, Probe, Stop},
};

options! {
    /// Runs a command line with a shell and needs nothing else on the host. Always changed; check mode skips it.
    ///
    /// ## Example
    /// ```yaml
    /// - raw: apt-get install -y iproute2
    /// ```
    ///
    /// ## Returns
    /// `rc`, `stdout`, `stderr`, `stdout_lines`, `stderr_lines`, `msg`.
    pub struct Raw {
        /// The command line, written behind the module's name.
        free_form: String [_raw_params],
        /// The shell to run it with.
        executable: String = "/bin/sh",
    }
}

impl Module for Raw {
    fn plan(&self, _probe: &Probe<'_>) -> Planned {
        let mut plan = Plan::new();
        plan.push(Change::Run(Run {
            success: vec![Run::ANY_CODE],
            ..Run::new([self.executable.as_str(), "-c", self.free_form.as_str()])
        }));
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        plan.set("msg", "");
        let reported = execution::report(plan, applied, 0, false);
        for timed in ["start", "end", "delta"] {
            plan.result.shift_remove(timed);
        }
        reported
    }
}
