//! `expect`: runs a command and answers what it asks.

use super::{
    execution::{self, Conditions},
    expression::{self, Lines},
    words,
};
use crate::{
    options,
    protocol::{
        Change, Failure, Json, Map, Run,
        change::{Answer, Dialogue},
    },
    remote::{Applied, Module, Plan, Planned, Probe, Stop},
};

options! {
    /// Runs a command on a terminal of its own and answers its questions.
    ///
    /// Questions are recognised with regular expressions. Check mode skips it. No shell runs the command.
    ///
    /// ## Example
    /// ```yaml
    /// - expect:
    ///     command: passwd app
    ///     responses:
    ///       (?i)password: '{{ app_password }}'
    ///   no_log: true
    /// ```
    ///
    /// ## Returns
    /// `cmd`, `rc`, `stdout` (all that the terminal showed), `stdout_lines`, `start`, `end`, `delta`.
    pub struct Expect {
        /// The command line.
        command: String,
        /// Regular expressions and what to answer: a text for every time, or a list of texts for one time each.
        responses: Map,
        /// Seconds to wait for the next question or the end.
        timeout: i64 = 30,
        /// Whether answers appear in the output.
        echo: bool = false,
        ..conditions: Conditions
    }
}

impl Module for Expect {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        /// What Ansible returns where nothing ran.
        const NOTHING_RAN: i32 = 256;
        let refused = |message: String| {
            Stop::Failed(Failure::new(message), Map::from_iter([("rc".to_owned(), Json::from(NOTHING_RAN))]))
        };
        if self.command.trim().is_empty() {
            return Err(refused("no command given".to_owned()));
        }
        let argv = words::split(&self.command).map_err(|problem| {
            Stop::failed(format!("cannot split the command into words: {problem}: {}", self.command))
        })?;
        let run = Run {
            dialogue: Some(Dialogue {
                answers: self.answers()?,
                echo: self.echo,
                patience: u64::try_from(self.timeout).ok(),
            }),
            ..execution::run(argv.clone(), &self.conditions, None, false)
        };
        let plan = self.conditions.plan(probe, Json::from(self.command.as_str()), vec![Change::Run(run)])?;
        let program = argv.first().map_or("", String::as_str);
        if !plan.changes.is_empty() && probe.program(program)?.is_none() {
            return Err(refused(format!("The command was not found or was not executable: {program}.")));
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        execution::report(plan, applied, 0, true)
    }
}

impl Expect {
    fn answers(&self) -> Result<Vec<Answer>, Stop> {
        let text = |value: &Json| match value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let answer = |(pattern, value): (&String, &Json)| {
            // The engine that listens takes the expression as it was translated here.
            let translated = expression::compile(pattern, Lines { dot_all: true, ..Lines::default() })?;
            Ok(Answer {
                pattern: translated.as_str().to_owned(),
                replies: match value {
                    Json::Array(values) => values.iter().map(text).collect(),
                    value => vec![text(value)],
                },
                repeated: !value.is_array(),
            })
        };
        self.responses.iter().map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rehearsal::Rehearsal;
    use crate::{protocol::Verdict, remote::machine::real::Real};

    const ASKS: &str = "/bin/sh -c 'printf one:; read a; printf two:; read b; echo \"$a-$b\"'";

    #[test]
    fn questions_are_answered_on_a_terminal() {
        let mut host = Rehearsal::on(Real::new());
        let outcome = host.apply("expect", json!({"command": ASKS, "responses": {"(?i)ONE": "1", "tw.": "2"}}));
        assert_eq!(outcome.verdict, Verdict::Changed, "{:?}", outcome.result);
        assert_eq!(outcome.result["stdout"], "one:two:1-2");
        let outcome = host.apply("expect", json!({"command": ASKS, "responses": {":": ["x", "y"]}, "echo": true}));
        assert_eq!(outcome.result["stdout_lines"], json!(["one:x", "two:y", "x-y"]));
        assert_eq!(host.apply("expect", json!({"command": "test -t 0", "responses": {}})).result["rc"], 0);
    }

    #[test]
    fn what_nobody_answers_ends() {
        let mut host = Rehearsal::on(Real::new());
        let few = host.fails("expect", json!({"command": ASKS, "responses": {":": ["x"]}}));
        assert!(few.contains("No remaining responses for ':'"), "{few}");
        let slow = host.fails("expect", json!({"command": ASKS, "responses": {}, "timeout": 1}));
        assert_eq!(slow, "command exceeded timeout");
        assert_eq!(host.fails("expect", json!({"command": " ", "responses": {}})), "no command given");
        let none = host.fails("expect", json!({"command": "/none/x", "responses": {}}));
        assert!(none.contains("not found"), "{none}");
    }
}
