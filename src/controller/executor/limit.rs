//! The `timeout` keyword: how long a task may take, and what it becomes when its time is up.

use std::time::Duration;

use serde_json::json;

use super::turn::Done;
use crate::protocol::Outcome;

/// The largest `timeout` that Ansible takes, in seconds.
const TIMEOUT_MAX: i64 = 100_000_000;

/// What a rendered `timeout` allows; 0 is no limit.
///
/// # Errors
/// The message of the failed task, in Ansible's words, when it is no number of seconds.
pub(super) fn of(text: &str) -> Result<Option<Duration>, String> {
    let seconds: i64 = text.trim().parse().map_err(|_| format!("Task failed: Timeout {text} is not an integer."))?;
    if !(0..=TIMEOUT_MAX).contains(&seconds) {
        return Err(format!("Task failed: Timeout {seconds} is invalid, it must be between 0 and {TIMEOUT_MAX}."));
    }
    Ok(u64::try_from(seconds).ok().filter(|&seconds| seconds > 0).map(Duration::from_secs))
}

/// A task whose time is up.
pub(super) fn up(limit: Duration) -> Done {
    let seconds = limit.as_secs();
    let mut outcome = Outcome::failed(format!("Task failed: Timed out after {seconds} second(s)."));
    outcome.result.insert("timedout".to_owned(), json!({ "period": seconds }));
    outcome.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nought_is_no_limit_and_what_is_out_of_range_fails() {
        assert_eq!(of("0"), Ok(None));
        assert_eq!(of("100000000"), Ok(Some(Duration::from_secs(100_000_000))));
        for wrong in ["-1", "100000001"] {
            assert!(of(wrong).unwrap_err().contains(&format!("Timeout {wrong} is invalid")));
        }
        assert!(of("soon").is_err());
    }
}
