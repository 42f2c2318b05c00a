//! `postgresql_ping`: whether a server answers, and which it is.

use serde_json::json;

use super::postgres::{Login, PgError, Session};
use crate::{
    controller::executor::{Done, Turn},
    options,
    protocol::{Json, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Asks whether a PostgreSQL server answers and lets us in. It is no failure when it does not: `until` can wait for it.
    ///
    /// ## Example
    /// ```yaml
    /// - postgresql_ping:
    ///     login_host: 127.0.0.1
    ///   register: server
    ///   until: server.is_available
    ///   retries: 30
    /// ```
    ///
    /// ## Returns
    /// `is_available`, `server_version` (`major`, `minor`, `patch` before 10, `full`, `raw`), `conn_err_msg` (empty when it answers).
    pub struct Ping {
        /// The database to enter.
        db: String [login_db] = "postgres",
        /// Accepted as Ansible has it; names are always quoted.
        trust_input: bool = true,
        ..login: Login,
    }
}

/// The manual page.
pub const DOC: &str = Ping::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Ping::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let given = match turn.json_options() {
        Ok(given) => given,
        Err(error) => return Done::failed(error.message),
    };
    let ping = match Ping::parse(&given) {
        Ok(ping) => ping,
        Err(problems) => return Done::failed(problems.join("; ")),
    };
    let said = match ping.login.connect(turn, &ping.db).await {
        Ok(session) => versions(&session).await,
        Err(error) => Err(error),
    };
    outcome(said).into()
}

fn outcome(said: Result<Json, PgError>) -> Outcome {
    let mut outcome = Outcome::new(Verdict::Unchanged);
    outcome.result.insert("is_available".into(), json!(said.is_ok()));
    let (version, problem) = match said {
        Ok(version) => (version, String::new()),
        Err(error) => (json!({}), error.to_string()),
    };
    outcome.result.insert("server_version".into(), version);
    outcome.result.insert("conn_err_msg".into(), json!(problem));
    outcome
}

async fn versions(session: &Session) -> Result<Json, PgError> {
    let number = session.version().await?;
    let raw = session.word("SELECT pg_catalog.version()").await?;
    Ok(described(number, &raw))
}

/// The parts of a version number; the meaning of its digits changed with 10.
pub(super) fn described(number: u32, raw: &str) -> Json {
    if number >= 100_000 {
        let (major, minor) = (number / 10_000, number % 10_000);
        json!({ "major": major, "minor": minor, "full": format!("{major}.{minor}"), "raw": raw })
    } else {
        let (major, minor, patch) = (number / 10_000, number / 100 % 100, number % 100);
        json!({ "major": major, "minor": minor, "patch": patch, "full": format!("{major}.{minor}.{patch}"), "raw": raw })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_taken_apart() {
        assert_eq!(described(90_624, "x")["full"], "9.6.24");
        assert_eq!(described(150_020, "x")["full"], "15.20");
    }

    #[test]
    fn nobody_there_is_no_failure() {
        let outcome = outcome(Err(PgError::Silent { at: "h:5432".into(), seconds: 30 }));
        assert_eq!(outcome.verdict, Verdict::Unchanged);
        assert_eq!(outcome.result["is_available"], false);
        assert_eq!(outcome.result["conn_err_msg"], "h:5432 does not answer within 30 s");
    }
}
