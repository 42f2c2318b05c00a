//! `postgresql_load`: loads a dump into a database, wholly or not at all, and knows what it has loaded.

use std::{path::Path, time::Instant};

use serde_json::json;
use sha2::{Digest, Sha256};
use tokio_postgres::error::SqlState;

use super::{
    dialling::Dial,
    http::tls::Trust,
    postgres::{
        Login, PgError, Session,
        ledger::{self, State},
        loader::{self, Known, Progress},
        predictions::{self, Predicted},
        replacement::{self, Names},
    },
    postgresql_query::statements,
};
use crate::{
    choices,
    controller::executor::{Done, Turn},
    options,
    protocol::{Failure, Outcome, Verdict},
    remote::{OptionSpec, Options, machine::hex},
};

choices! {
    /// What to do when another dump was loaded before.
    pub enum OnChange { Report = "report", Refuse = "refuse", Replace = "replace" }
}

options! {
    /// Loads a plain-text dump of the controller into a database.
    ///
    /// Everything happens in one transaction: the first error ends it, with the line of the dump, and nothing is left behind. The database
    /// remembers the SHA-256 of what it was loaded from (`deployer.loads`), so loading the same dump again changes nothing, and another dump is
    /// noticed and never loaded on top. Two runs cannot load at once. Servers from 9.6 on are served; neither host nor controller needs `psql`.
    ///
    /// ## Example
    /// ```yaml
    /// - postgresql_load:
    ///     db: rates
    ///     src: db/rates.sql
    ///     on_change: replace
    ///     login_host: 127.0.0.1
    /// ```
    ///
    /// With `steps` (to cut the data down, to make it anonymous) these belong to the transaction too: nobody sees the data without them.
    ///
    /// ## Returns
    /// `loaded`, `sha256` of the dump (of dump and steps, where there are any), `previous_sha256` of what was loaded before (null: nothing), `dump_changed`, `rows`, `seconds`, `msg`.
    pub struct Load {
        /// The database; it has to exist (see `postgresql_db`).
        db: String [login_db database name],
        /// The dump: a path on the controller, or a name in `files/` or `db/` of the role or play.
        src: String,
        /// What to do when the database was loaded from another dump: `report` it and leave the data, `refuse` and fail, or `replace`: load it into a fresh database that takes the old one's name.
        on_change: OnChange = OnChange::Report,
        /// SQL that is run behind the dump, in its transaction. Other steps count as another dump.
        steps: Vec<String>,
        /// After `replace`, keep the old database as `NAME_old` (instead of the one kept before) until you drop it.
        keep_old: bool = false,
        /// A database with tables that were not loaded from here: take it as loaded from this dump, without loading.
        adopt: bool = false,
        /// Encoding of the dump, where it does not say itself.
        encoding: Option<String>,
        /// The database from which others are made and renamed.
        maintenance_db: String = "postgres",
        ..login: Login,
    }
}

/// The manual page.
pub const DOC: &str = Load::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Load::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    act(turn).await.into()
}

async fn act(turn: &Turn) -> Result<Outcome, Failure> {
    let load: Load = turn.parsed()?;
    let path =
        turn.find_file("files", &load.src).or_else(|failure| turn.find_file("db", &load.src).map_err(|_| failure))?;
    let trust = load.login.trust(turn);
    let progress = |what: &str, done: u64, all: u64| turn.progress(what, (all > 0).then_some((done, all)));
    let predicted = if turn.check { Some(predictions::of(turn, &load.login, &load.db).await) } else { None };
    carry_out(&load, turn, &trust, &path, predicted, &progress).await
}

/// Loads, or (with `predicted`) says what would happen.
pub(super) async fn carry_out(
    load: &Load,
    dial: &dyn Dial,
    trust: &dyn Trust,
    path: &Path,
    predicted: Option<Predicted>,
    progress: Progress<'_>,
) -> Result<Outcome, Failure> {
    let begun = Instant::now();
    load.steps.iter().try_for_each(|step| check_step(step))?;
    let mut known = loader::examine(path, progress).await?;
    known.sha256 = identity(known.sha256, &load.steps);
    let work = Work { load, dial, trust, path, known: &known, progress };
    let session = match load.login.open(dial, trust, &load.db).await {
        Ok(session) => session,
        Err(error) => {
            let soon = predicted.is_some_and(|predicted| {
                (error.is_unanswered() && predicted.anything)
                    || (error.is(&SqlState::INVALID_CATALOG_NAME) && predicted.database)
            });
            if soon {
                return Ok(work.outcome(Verdict::Changed, true, None, 0, "would load the dump"));
            }
            return Err(error.failure(&format!("cannot enter database {}", load.db)));
        }
    };
    let mut outcome = match predicted {
        Some(_) => work.predict(&session).await?,
        None => work.load(session).await?,
    };
    outcome.result.insert("seconds".into(), json!((begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0));
    Ok(outcome)
}

/// Refuses what would end the transaction that a step belongs to, or is no SQL.
fn check_step(step: &str) -> Result<(), Failure> {
    for statement in statements(step)? {
        let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
        if loader::controls_transactions(&words) {
            return Err(Failure::new(format!("the step {} controls transactions", statement.head()))
                .hint("dump and steps are one transaction: take the statement out"));
        }
    }
    Ok(())
}

/// What a load is known by: the dump's hash, and with steps that of both.
fn identity(dump: String, steps: &[String]) -> String {
    if steps.is_empty() {
        return dump;
    }
    let mut hash = Sha256::new();
    hash.update(dump);
    for step in steps {
        // With its length, so that no other steps come to the same text.
        hash.update(format!("\n{}\n{step}", step.len()));
    }
    hex(&hash.finalize())
}

/// What is to be done with a database that was looked at.
enum Step {
    Nothing(Outcome),
    Load,
    Adopt,
    Replace(String),
}

struct Work<'w> {
    load: &'w Load,
    dial: &'w dyn Dial,
    trust: &'w dyn Trust,
    path: &'w Path,
    known: &'w Known,
    progress: Progress<'w>,
}

impl Work<'_> {
    fn decide(&self, state: State) -> Result<Step, Failure> {
        let (db, sha256) = (&self.load.db, &self.known.sha256);
        match state {
            State::Empty => Ok(Step::Load),
            State::Strange(_) if self.load.adopt => Ok(Step::Adopt),
            State::Strange(table) => Err(Failure::new(format!(
                "database {db} is not empty ({table} is there), and nothing says which dump it was loaded from; nothing was touched"
            ))
            .hint("name a fresh database, or say adopt: true if it holds this dump already")),
            State::Loaded(entry) if entry.sha256 == *sha256 => Ok(Step::Nothing(self.outcome(
                Verdict::Unchanged,
                false,
                Some(&entry.sha256),
                entry.rows,
                "the database was loaded from this dump",
            ))),
            State::Loaded(entry) => match self.load.on_change {
                OnChange::Replace => Ok(Step::Replace(entry.sha256)),
                OnChange::Refuse => Err(Failure::new(format!(
                    "the dump {} has changed: database {db} was loaded from {}, the dump is {sha256}; nothing was touched",
                    self.load.src, entry.sha256
                ))
                .hint("on_change: replace loads it into a fresh database that takes the old one's name, report leaves the data")),
                OnChange::Report => {
                    let message = format!(
                        "the dump {} has changed: database {db} keeps what was loaded from {}, the dump is {sha256}",
                        self.load.src, entry.sha256
                    );
                    let mut outcome = self.outcome(Verdict::Unchanged, false, Some(&entry.sha256), entry.rows, &message);
                    outcome.warnings.push(message);
                    Ok(Step::Nothing(outcome))
                }
            },
        }
    }

    async fn predict(&self, session: &Session) -> Result<Outcome, Failure> {
        let failed = |error: PgError| error.failure(&format!("cannot look into database {}", self.load.db));
        session.run("SET default_transaction_read_only = on").await.map_err(failed)?;
        Ok(match self.decide(ledger::look(session).await.map_err(failed)?)? {
            Step::Nothing(outcome) => outcome,
            Step::Load => self.outcome(Verdict::Changed, true, None, 0, "would load the dump"),
            Step::Adopt => {
                self.outcome(Verdict::Changed, false, None, 0, "would take the database as loaded from the dump")
            }
            Step::Replace(before) => {
                let message = "would load the dump into a fresh database that takes the old one's name";
                self.outcome(Verdict::Changed, true, Some(&before), 0, message)
            }
        })
    }

    async fn load(&self, session: Session) -> Result<Outcome, Failure> {
        let failed = |error: PgError| error.failure(&format!("cannot load into database {}", self.load.db));
        self.begin(&session).await.map_err(failed)?;
        // Looked at only now: whoever had the lock before may have loaded.
        match self.decide(ledger::look(&session).await.map_err(failed)?)? {
            Step::Nothing(outcome) => Ok(outcome),
            Step::Load => {
                let rows = self.fill(&session).await?;
                Ok(self.outcome(Verdict::Changed, true, None, rows, "the dump was loaded"))
            }
            Step::Adopt => {
                self.record(&session, 0).await.map_err(failed)?;
                Ok(self.outcome(Verdict::Changed, false, None, 0, "the database was taken as loaded from the dump"))
            }
            Step::Replace(before) => {
                drop(session);
                self.replace(&before).await
            }
        }
    }

    async fn begin(&self, session: &Session) -> Result<(), PgError> {
        // Limits that are meant for requests of users would cut a long load.
        session
            .run("SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")
            .await?;
        session.run("BEGIN").await?;
        ledger::lock(session, || (self.progress)("waiting for another run that is loading", 0, 0)).await
    }

    /// Sends the dump and ends the transaction.
    async fn fill(&self, session: &Session) -> Result<u64, Failure> {
        let failed = |error: PgError| error.failure("cannot finish the load; everything was rolled back");
        if let Some(encoding) = &self.load.encoding {
            let set = format!("SET client_encoding = {}", super::postgres::names::literal(encoding));
            session.run(&set).await.map_err(failed)?;
        }
        let rows = loader::send(session, self.path, self.progress).await?;
        // The dump's own settings, and whoever it acted as, end with it.
        session.run("RESET ALL; RESET SESSION AUTHORIZATION").await.map_err(failed)?;
        // What is written down belongs to whom the tables belong to, or the next run could not read it.
        self.load.login.take_role(session).await.map_err(failed)?;
        self.take_steps(session).await?;
        self.record(session, rows).await.map_err(failed)?;
        Ok(rows)
    }

    async fn take_steps(&self, session: &Session) -> Result<(), Failure> {
        let count = self.load.steps.len() as u64;
        for (number, step) in (1..).zip(&self.load.steps) {
            (self.progress)("taking the steps behind the dump", number, count);
            session.run(step).await.map_err(|error| {
                error.failure(&format!("cannot take step {number} behind the dump; everything was rolled back"))
            })?;
        }
        Ok(())
    }

    async fn record(&self, session: &Session, rows: u64) -> Result<(), PgError> {
        ledger::record(session, &self.known.sha256, &self.load.src, rows).await?;
        session.run("COMMIT").await.map(|_| ())
    }

    async fn replace(&self, before: &str) -> Result<Outcome, Failure> {
        let names = Names::of(&self.load.db, self.load.keep_old);
        let failed = |error: PgError| error.failure(&format!("cannot replace database {}", names.own));
        let over = self.load.login.open(self.dial, self.trust, &self.load.maintenance_db).await.map_err(failed)?;
        replacement::lock(&over, || (self.progress)("waiting for another run that is loading", 0, 0))
            .await
            .map_err(failed)?;
        // Another run may have replaced it while this one waited.
        let now = self.load.login.open(self.dial, self.trust, &names.own).await.map_err(failed)?;
        if let Step::Nothing(outcome) = self.decide(ledger::look(&now).await.map_err(failed)?)? {
            return Ok(outcome);
        }
        drop(now);
        replacement::make(&over, &names).await.map_err(failed)?;
        let rows = match self.fill_fresh(&names).await {
            Ok(rows) => rows,
            Err(failure) => {
                // What cannot be dropped now is dropped by the next run.
                let _ = replacement::drop_database(&over, &names.fresh).await;
                return Err(failure);
            }
        };
        replacement::swap(&over, &names).await.map_err(failed)?;
        let mut outcome =
            self.outcome(Verdict::Changed, true, Some(before), rows, "the dump was loaded into a fresh database");
        if !self.load.keep_old
            && let Err(error) = replacement::drop_database(&over, &names.old).await
        {
            outcome.warnings.push(format!("the old database stays as {}: {error}", names.old));
        }
        Ok(outcome)
    }

    async fn fill_fresh(&self, names: &Names) -> Result<u64, Failure> {
        let failed = |error: PgError| error.failure(&format!("cannot enter database {}", names.fresh));
        let session = self.load.login.open(self.dial, self.trust, &names.fresh).await.map_err(failed)?;
        self.begin(&session).await.map_err(failed)?;
        self.fill(&session).await
    }

    fn outcome(&self, verdict: Verdict, loaded: bool, before: Option<&str>, rows: u64, message: &str) -> Outcome {
        let mut outcome = Outcome::new(verdict);
        let sha256 = &self.known.sha256;
        for (name, value) in [
            ("loaded", json!(loaded)),
            ("sha256", json!(sha256)),
            ("previous_sha256", json!(before)),
            ("dump_changed", json!(before.is_some_and(|before| before != sha256))),
            ("rows", json!(rows)),
            ("seconds", json!(0.0)),
            ("db", json!(self.load.db)),
            ("msg", json!(message)),
        ] {
            outcome.result.insert(name.into(), value);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_steps_are_another_load() {
        let of = |steps: &[&str]| identity("dump".into(), &steps.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(of(&[]), "dump");
        let all = [of(&[]), of(&["SELECT 1"]), of(&["SELECT 2"]), of(&["SELECT 1", ""]), of(&["SELECT 1\n0\n"])];
        for (at, one) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|other| other != one), "{at}: {one}");
        }
    }

    #[test]
    fn a_step_may_not_end_the_transaction() {
        assert!(check_step("DELETE FROM prices; UPDATE prices SET price = 1").is_ok());
        for step in ["COMMIT", "DELETE FROM prices; rollback;", "SELECT 'x", "\\d"] {
            assert!(check_step(step).is_err(), "{step}");
        }
    }
}
