//! `shell`: runs a command line with a shell.

use super::execution::{self, Conditions};
use crate::{
    options,
    protocol::{Change, Json},
    remote::{Applied, Module, Plan, Planned, Probe, Stop},
};

options! {
    /// Runs a command line with `/bin/sh`, or the shell given as `executable`.
    ///
    /// The task is changed whenever the command line runs; `creates`, `removes` and `changed_when` say otherwise.
    /// Check mode skips it, unless `creates` or `removes` decide. It fails when the exit code is not 0.
    ///
    /// ## Example
    /// ```yaml
    /// - shell: journalctl -u app | grep -c error > errors.txt
    ///   args:
    ///     chdir: /var/tmp
    ///     executable: /bin/bash
    /// ```
    ///
    /// ## Returns
    /// `cmd` (text), `rc`, `stdout`, `stderr`, `stdout_lines`, `stderr_lines`, `start`, `end` (UTC), `delta`, `msg`.
    pub struct Shell {
        /// The command line, written behind the module's name.
        free_form: Option<String> [_raw_params],
        /// The command line.
        cmd: Option<String>,
        /// Absolute path of the shell.
        executable: String = "/bin/sh",
        /// Text for standard input.
        stdin: Option<String>,
        /// Whether that text gets a line end.
        stdin_add_newline: bool = true,
        /// Whether empty lines at the end of the output are left out.
        strip_empty_ends: bool = true,
        ..conditions: Conditions
    }
}

impl Module for Shell {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let line = match (&self.free_form, &self.cmd) {
            (Some(_), Some(_)) => return Err(Stop::failed("parameters are mutually exclusive: free form, cmd")),
            (Some(line), None) | (None, Some(line)) if !line.trim().is_empty() => line,
            _ => return Err(Stop::failed("no command given")),
        };
        let argv = vec![self.executable.clone(), "-c".to_owned(), line.clone()];
        let run = execution::run(argv, &self.conditions, self.stdin.as_deref(), self.stdin_add_newline);
        self.conditions.plan(probe, Json::from(line.as_str()), vec![Change::Run(run)])
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        execution::report(plan, applied, 0, self.strip_empty_ends)
    }
}
