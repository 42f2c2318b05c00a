//! `pause`: waits.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    controller::executor::{Done, Turn},
    options,
    protocol::{Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Waits for some time, once for all hosts. Asking a person is not supported: a run must be able to go on by itself.
    ///
    /// ## Example
    /// ```yaml
    /// - pause:
    ///     seconds: 5
    /// ```
    ///
    /// ## Returns
    /// `delta`: seconds waited.
    pub struct Pause {
        /// Seconds to wait.
        seconds: Option<f64>,
        /// Minutes to wait.
        minutes: Option<f64>,
        /// What to ask; refused when nothing says how long to wait.
        prompt: Option<String>,
        /// Whether an answer would be shown.
        echo: bool = true,
    }
}

/// The manual page.
pub const DOC: &str = Pause::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Pause::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let number = |name: &str| turn.text(name).and_then(|text| text.parse::<f64>().ok());
    let seconds = match (number("seconds"), number("minutes")) {
        (Some(seconds), _) => seconds,
        (None, Some(minutes)) => minutes * 60.0,
        (None, None) => {
            return Done::failed("pause does not say how long: add `seconds` or `minutes`; it cannot ask a person");
        }
    };
    let started = Instant::now();
    if !turn.check {
        tokio::time::sleep(Duration::from_secs_f64(seconds.max(0.0))).await;
    }
    let mut outcome = Outcome::new(Verdict::Unchanged);
    outcome.result.insert("delta".to_owned(), json!(started.elapsed().as_secs()));
    outcome.result.insert("stdout".to_owned(), json!(format!("Paused for {seconds} seconds")));
    outcome.into()
}
