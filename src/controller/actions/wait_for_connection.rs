//! `wait_for_connection`: waits until a host can be reached and asked.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    controller::executor::{Done, Turn, module::Called},
    options,
    protocol::{Failure, Map, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Waits until a host can be reached and modules run there, for instance after it was started anew.
    ///
    /// ## Example
    /// ```yaml
    /// - wait_for_connection:
    ///     timeout: 300
    /// ```
    ///
    /// ## Returns
    /// `elapsed`: seconds.
    pub struct WaitForConnection {
        /// Seconds for one try.
        connect_timeout: i64 = 5,
        /// Seconds before the first try.
        delay: f64 = 0.0,
        /// Seconds between tries.
        sleep: f64 = 1.0,
        /// Seconds in all.
        timeout: f64 = 600.0,
    }
}

/// The manual page.
pub const DOC: &str = WaitForConnection::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    WaitForConnection::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let number = |name: &str, default: f64| turn.text(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let seconds = |value: f64| Duration::from_secs_f64(value.max(0.0));
    let (sleep, timeout) = (number("sleep", 1.0), seconds(number("timeout", 600.0)));
    let started = Instant::now();
    tokio::time::sleep(seconds(number("delay", 0.0))).await;
    loop {
        let problem = match turn.call("ping", Map::new(), &[]).await {
            Called::Outcome(outcome) if outcome.verdict == Verdict::Unchanged => {
                let mut outcome = Outcome::new(Verdict::Unchanged);
                outcome.result.insert("elapsed".to_owned(), json!(started.elapsed().as_secs()));
                return outcome.into();
            }
            Called::Outcome(outcome) => match outcome.verdict {
                Verdict::Failed(failure) => failure,
                _ => Failure::new("the host does not answer as it should"),
            },
            Called::NotRun => return Done::failed("not carried out"),
            Called::Unreachable(failure) => failure,
        };
        if started.elapsed() > timeout {
            let message = format!("timed out waiting for the connection: {}", problem.message);
            return Outcome::new(Verdict::Failed(Failure { message, hint: problem.hint })).into();
        }
        let link = turn.run.link(&turn.way.host);
        let mut link = link.lock().await;
        link.sessions.clear();
        link.connection = None;
        drop(link);
        tokio::time::sleep(seconds(sleep)).await;
    }
}
