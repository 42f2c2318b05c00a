//! `command`: runs a program without a shell.

use super::{
    execution::{self, Conditions},
    words,
};
use crate::{
    options,
    protocol::{Change, Json},
    remote::{Applied, Module, Plan, Planned, Probe, Stop},
};

options! {
    /// Runs a program with its arguments. No shell sees them: pipes, redirections and `&&` need the `shell` module.
    ///
    /// The task is changed whenever the program runs; `creates`, `removes` and `changed_when` say otherwise.
    /// Check mode skips it, unless `creates` or `removes` decide. It ends with the program's exit code and fails when that is not 0.
    ///
    /// ## Example
    /// ```yaml
    /// - command: make install
    ///   args:
    ///     chdir: /usr/src/app
    ///     creates: /usr/local/bin/app
    /// ```
    ///
    /// ## Returns
    /// `cmd` (a list), `rc`, `stdout`, `stderr`, `stdout_lines`, `stderr_lines`, `start`, `end` (UTC), `delta`, `msg`.
    pub struct Command {
        /// The command line, written behind the module's name.
        free_form: Option<String> [_raw_params],
        /// The command line.
        cmd: Option<String>,
        /// Program and arguments as a list, taken as they are.
        argv: Vec<String>,
        /// Text for the program's standard input.
        stdin: Option<String>,
        /// Whether that text gets a line end.
        stdin_add_newline: bool = true,
        /// Whether empty lines at the end of the output are left out.
        strip_empty_ends: bool = true,
        /// Whether `$VARIABLES` and a leading `~` in the arguments are replaced.
        expand_argument_vars: bool = true,
        /// Not used by this module; only `shell` has one.
        executable: Option<String>,
        ..conditions: Conditions
    }
}

impl Module for Command {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let given = [self.free_form.is_some(), self.cmd.is_some(), !self.argv.is_empty()];
        if given.into_iter().filter(|given| *given).count() > 1 {
            return Err(Stop::failed("parameters are mutually exclusive: free form, cmd, argv"));
        }
        let shown = match self.free_form.as_ref().or(self.cmd.as_ref()) {
            Some(line) => words::split(line)
                .map_err(|problem| Stop::failed(format!("cannot split the command into words: {problem}: {line}")))?,
            None => self.argv.clone(),
        };
        if shown.first().is_none_or(String::is_empty) {
            return Err(Stop::failed("no command given: one of the following is required: free form, cmd, argv"));
        }
        let argv = if self.expand_argument_vars {
            shown.iter().map(|word| words::expand(probe, word)).collect()
        } else {
            shown.clone()
        };
        let run = execution::run(argv, &self.conditions, self.stdin.as_deref(), self.stdin_add_newline);
        let mut plan = self.conditions.plan(probe, Json::from(shown), vec![Change::Run(run)])?;
        if let Some(executable) = &self.executable {
            plan.warnings.push(format!(
                "the option executable is no longer supported by command, which runs no shell: {executable} is not used"
            ));
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        execution::report(plan, applied, 0, self.strip_empty_ends)
    }
}
