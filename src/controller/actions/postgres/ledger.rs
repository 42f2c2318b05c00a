//! What a database knows of the dumps that were loaded into it.

use super::{PgError, Session, names::literal};

/// The advisory lock that one load at a time holds, the same for everybody.
pub const LOCK: i64 = i64::from_be_bytes(*b"deployer");

/// The last load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Of the dump, in hexadecimal.
    pub sha256: String,
    /// Rows that were loaded.
    pub rows: u64,
}

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing that somebody made.
    Empty,
    /// Tables, but nobody knows where from; the name of one of them.
    Strange(String),
    /// What was loaded last.
    Loaded(Entry),
}

/// Takes the lock until the transaction ends; `waiting` is called when somebody else has it.
///
/// # Errors
/// What the server says.
pub async fn lock(session: &Session, waiting: impl FnOnce()) -> Result<(), PgError> {
    if !session.is(&format!("SELECT pg_catalog.pg_try_advisory_xact_lock({LOCK})")).await? {
        waiting();
        session.run(&format!("SELECT pg_catalog.pg_advisory_xact_lock({LOCK})")).await?;
    }
    Ok(())
}

/// Looks what the database holds.
///
/// # Errors
/// What the server says.
pub async fn look(session: &Session) -> Result<State, PgError> {
    if session.is("SELECT pg_catalog.to_regclass('deployer.loads') IS NOT NULL").await? {
        let last = "SELECT sha256, \"rows\" FROM deployer.loads ORDER BY loaded_at DESC LIMIT 1";
        if let [row] = session.rows(last).await?.as_slice()
            && let [Some(sha256), rows] = row.as_slice()
        {
            let rows = rows.as_deref().and_then(|rows| rows.parse().ok()).unwrap_or(0);
            return Ok(State::Loaded(Entry { sha256: sha256.clone(), rows }));
        }
    }
    // What an extension brings along is nobody's data.
    let other = "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_' \
        AND n.nspname NOT IN ('information_schema', 'deployer') \
        AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
        AND d.objid = c.oid AND d.deptype = 'e') ORDER BY c.relkind <> 'r', 1 LIMIT 1";
    let name = session.word(other).await?;
    Ok(if name.is_empty() { State::Empty } else { State::Strange(name) })
}

/// Writes down a load, in the transaction that is open.
///
/// # Errors
/// What the server says.
pub async fn record(session: &Session, sha256: &str, source: &str, rows: u64) -> Result<(), PgError> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    session
        .run(&format!(
            "SET LOCAL client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS deployer; \
             CREATE TABLE IF NOT EXISTS deployer.loads (sha256 text NOT NULL, source text NOT NULL, \"rows\" bigint NOT NULL, \
             loaded_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(), deployer_version text NOT NULL); \
             INSERT INTO deployer.loads (sha256, source, \"rows\", deployer_version) VALUES ({}, {}, {rows}, {})",
            literal(sha256),
            literal(source),
            literal(env!("CARGO_PKG_VERSION")),
        ))
        .await
        .map(|_| ())
}
