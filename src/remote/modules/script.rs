//! `script`: runs a script of the controller on the host.

use std::path::Path;

use super::{
    execution::{self, Conditions},
    tempfile, words,
};
use crate::{
    options,
    protocol::{Attributes, Blob, Change, Content, Json},
    remote::{Applied, Module, Plan, Planned, Probe, Stop},
};

options! {
    /// Sends a script to the host, runs it with the arguments behind its name, and removes it.
    ///
    /// The task is changed whenever the script runs; `creates`, `removes` and `changed_when` say otherwise.
    ///
    /// ## Example
    /// ```yaml
    /// - script: files/setup.py --fast
    ///   args:
    ///     executable: python3
    ///     creates: /var/lib/app/ready
    /// ```
    ///
    /// ## Returns
    /// `rc`, `stdout`, `stderr`, `stdout_lines`, `stderr_lines`, `start`, `end` (UTC), `delta`, `msg`.
    pub struct Script {
        /// The script and its arguments, written behind the module's name; a shell on the host reads the arguments.
        free_form: Option<String> [_raw_params],
        /// The script and its arguments.
        cmd: Option<String>,
        /// The program to run the script with; without one, its first line says it.
        executable: Option<String>,
        /// What the script holds, put there by the controller, which leaves only the arguments in the free form.
        content: Blob [_blob],
        ..conditions: Conditions
    }
}

impl Module for Script {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let path = tempfile::unused(probe, &tempfile::directory(probe), "deployer.", "")?;
        let arguments = self.free_form.as_deref().or(self.cmd.as_deref()).unwrap_or_default();
        let run = execution::run(self.argv(&path, arguments), &self.conditions, None, false);
        let attributes = Attributes { mode: Some(0o700), ..Attributes::default() };
        let content = Content::Blob(self.content.clone());
        let changes = vec![
            Change::Write { path: path.clone(), content, attributes, in_place: false },
            Change::Run(run),
            Change::Remove { path },
        ];
        let mut plan = self.conditions.plan(probe, Json::from(arguments), changes)?;
        if plan.changes.is_empty() && plan.skipped.is_none() {
            if let Some((path, why)) = self.conditions.needless(probe)? {
                let option = if why == "exists" { "creates" } else { "removes" };
                plan.set("msg", format!("{} {why}, matching {option} option", path.display()));
            }
            plan.skipped = plan.result.get("msg").and_then(Json::as_str).map(str::to_owned);
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        execution::report(plan, applied, 1, true)
    }
}

impl Script {
    fn argv(&self, path: &Path, arguments: &str) -> Vec<String> {
        let mut line = String::new();
        if let Some(executable) = &self.executable {
            line.push_str(executable);
            line.push(' ');
        }
        line.push_str(&words::quote(&path.to_string_lossy()));
        if !arguments.is_empty() {
            line.push(' ');
            line.push_str(arguments);
        }
        vec!["/bin/sh".to_owned(), "-c".to_owned(), line]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rehearsal::Rehearsal;
    use crate::{
        protocol::Verdict,
        remote::machine::{fake::Fake, system::System},
    };

    #[test]
    fn a_script_runs_and_does_not_stay() {
        let mut host = Rehearsal::on(Fake::new().file("/etc/done", "").command(&["/bin/sh"], 0, "out\n"));
        let blob = host.blob("#!/bin/sh\necho out\n");
        let outcome = host.apply("script", json!({"content": blob, "_raw_params": "-a 'b c'", "executable": "bash"}));
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(outcome.result["stdout"], "out");
        let line = &host.host.ran()[0].argv[2];
        assert!(line.starts_with("bash /tmp/deployer.") && line.ends_with(" -a 'b c'"), "{line}");
        assert_eq!(host.host.read_dir("/tmp".as_ref()).unwrap().len(), 0);
        let skipped = host.apply("script", json!({"content": blob, "creates": "/etc/done"}));
        assert!(matches!(skipped.verdict, Verdict::Skipped(reason) if reason.contains("/etc/done")));
    }
}
