//! `postgresql_query`: runs SQL and hands back rows.

use serde_json::json;
use tokio_postgres::SimpleQueryMessage;

use super::postgres::{
    Login, PgError, Session,
    dump::{Piece, Splitter, Statement},
    names::{identifier, literal},
    predictions,
    session::touched,
    values,
};
use crate::{
    controller::executor::{Done, Turn},
    options,
    protocol::{Failure, Json, Map, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Runs SQL and hands back rows. In check mode it runs too, and everything is rolled back.
    ///
    /// ## Example
    /// ```yaml
    /// - postgresql_query:
    ///     login_db: rates
    ///     query: SELECT count(*) AS n FROM prices WHERE orig_code = %s
    ///     positional_args: [CNGGZ]
    ///   register: prices
    /// - debug: msg="{{ prices.query_result[0].n }}"
    /// ```
    ///
    /// ## Returns
    /// `query_result` (a list of mappings, of the last statement), `query_all_results` (of all), `rowcount`, `statusmessage`, `query`, `query_list`.
    pub struct Query {
        /// A statement, or a list of them.
        query: Json,
        /// Values for `%s` in the statement.
        positional_args: Vec<Json>,
        /// Values for `%(name)s` in the statement.
        named_args: Map,
        /// The database.
        login_db: String [db] = "postgres",
        /// Every statement by itself instead of all in one transaction, for those that can be in none (`VACUUM`).
        autocommit: bool = false,
        /// Encoding of the session.
        encoding: Option<String>,
        /// Schemas to look in.
        search_path: Vec<String>,
        /// Accepted as Ansible has it.
        trust_input: bool = true,
        ..login: Login,
    }
}

/// The manual page.
pub const DOC: &str = Query::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Query::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    act(turn).await.into()
}

async fn act(turn: &Turn) -> Result<Outcome, Failure> {
    let query: Query = turn.parsed()?;
    let session = match query.login.connect(turn, &query.login_db).await {
        Ok(session) => session,
        Err(error) => {
            let soon = predictions::of(turn, &query.login, &query.login_db).await;
            let missing = error.is(&tokio_postgres::error::SqlState::INVALID_CATALOG_NAME) && soon.database;
            if turn.check && (missing || (error.is_unanswered() && soon.anything)) {
                return Ok(Outcome::new(Verdict::Unknown("the database does not answer yet".into())));
            }
            return Err(error.failure(&format!("cannot enter database {}", query.login_db)));
        }
    };
    query.carry_out(&session, turn.check).await
}

impl Query {
    pub(super) async fn carry_out(&self, session: &Session, check: bool) -> Result<Outcome, Failure> {
        let texts: Vec<String> = match &self.query {
            Json::Array(items) => {
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
            }
            Json::String(text) => vec![text.clone()],
            other => vec![other.to_string()],
        };
        if self.autocommit && check {
            return Err(Failure::new("check mode and autocommit exclude each other: nothing could be rolled back"));
        }
        if !self.positional_args.is_empty() && !self.named_args.is_empty() {
            return Err(Failure::new("positional_args and named_args are mutually exclusive"));
        }
        let failed = |error: PgError| error.failure("cannot run the query");
        if let Some(encoding) = &self.encoding {
            session.run(&format!("SET client_encoding = {}", literal(encoding))).await.map_err(failed)?;
        }
        if !self.search_path.is_empty() {
            let path: Vec<String> = self.search_path.iter().map(|name| identifier(name)).collect();
            session.run(&format!("SET search_path TO {}", path.join(", "))).await.map_err(failed)?;
        }
        if !self.autocommit {
            session.run("BEGIN").await.map_err(failed)?;
        }
        let mut total = Total::default();
        for text in &texts {
            let filled = values::fill(text, &self.positional_args, &self.named_args).map_err(Failure::new)?;
            for statement in statements(&filled)? {
                let done = one(session, &statement)
                    .await
                    .map_err(|error| error.failure(&format!("cannot run {}", statement.head())))?;
                total.add(done);
            }
            total.queries.push(filled);
            total.results.push(json!(total.last));
        }
        if !self.autocommit {
            session.run(if check { "ROLLBACK" } else { "COMMIT" }).await.map_err(failed)?;
        }
        Ok(total.outcome())
    }
}

#[derive(Default)]
struct Total {
    changed: bool,
    rows: u64,
    status: String,
    last: Vec<Json>,
    queries: Vec<String>,
    results: Vec<Json>,
}

impl Total {
    fn add(&mut self, done: Ran) {
        self.changed |= done.changes();
        self.rows += done.touched;
        self.status = done.status;
        self.last = done.rows;
    }

    fn outcome(self) -> Outcome {
        let mut outcome = Outcome::new(if self.changed { Verdict::Changed } else { Verdict::Unchanged });
        for (name, value) in [
            ("query", json!(self.queries.last())),
            ("query_list", json!(self.queries)),
            ("query_result", json!(self.last)),
            ("query_all_results", json!(self.results)),
            ("rowcount", json!(self.rows)),
            ("statusmessage", json!(self.status)),
        ] {
            outcome.result.insert(name.into(), value);
        }
        outcome
    }
}

/// What came of one statement.
struct Ran {
    rows: Vec<Json>,
    touched: u64,
    status: String,
}

impl Ran {
    /// As Ansible judges: what reads changes nothing, what writes does when it touched a row, all else does.
    fn changes(&self) -> bool {
        let verb = self.status.split(' ').next().unwrap_or_default();
        match verb {
            "SELECT" => false,
            "INSERT" | "UPDATE" | "DELETE" => self.touched > 0,
            _ => true,
        }
    }
}

async fn one(session: &Session, statement: &Statement) -> Result<Ran, PgError> {
    let sql = String::from_utf8_lossy(&statement.text);
    // The text protocol gives values without their types; preparing tells them.
    let prepared = session.client.prepare(sql.trim().trim_end_matches(';')).await?;
    let columns = prepared.columns();
    let messages = session.client.simple_query(&sql).await?;
    let rows: Vec<Json> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let cells = columns.iter().enumerate().map(|(at, column)| {
                    let value = row.get(at).map_or(Json::Null, |text| values::typed(text, column.type_()));
                    (column.name().to_owned(), value)
                });
                Some(Json::Object(cells.collect()))
            }
            _ => None,
        })
        .collect();
    let touched = touched(&messages);
    let status = status(&statement.words, !columns.is_empty(), touched);
    Ok(Ran { rows, touched, status })
}

/// What the server calls what it did; the library keeps only the number.
fn status(words: &[String], gives_rows: bool, touched: u64) -> String {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let verb = match word(0) {
        // The statement behind the common table expressions, which stand in parentheses.
        "WITH" => words
            .iter()
            .map(String::as_str)
            .find(|word| matches!(*word, "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE"))
            .unwrap_or("SELECT"),
        "VALUES" | "TABLE" | "" if gives_rows => "SELECT",
        other => other,
    };
    match verb {
        "INSERT" => format!("INSERT 0 {touched}"),
        "SELECT" | "UPDATE" | "DELETE" | "MERGE" | "FETCH" | "MOVE" | "COPY" => format!("{verb} {touched}"),
        "CREATE" | "ALTER" | "DROP" => {
            let skipped = ["OR", "REPLACE", "TEMP", "TEMPORARY", "UNLOGGED", "UNIQUE", "GLOBAL", "LOCAL"];
            let kind = words.iter().skip(1).find(|word| !skipped.contains(&word.as_str()));
            format!("{verb} {}", kind.map_or("", String::as_str)).trim_end().to_owned()
        }
        "TRUNCATE" => "TRUNCATE TABLE".into(),
        other => other.to_owned(),
    }
}

/// The statements of a text, each to be run by itself.
pub(super) fn statements(text: &str) -> Result<Vec<Statement>, Failure> {
    let (mut splitter, mut pieces, mut found) = (Splitter::default(), Vec::new(), Vec::new());
    let trimmed = text.trim_end();
    // The last semicolon may be left out; a comment at the end must not swallow the one that is added.
    let whole = format!("{trimmed}\n;");
    for line in whole.as_bytes().split_inclusive(|byte| *byte == b'\n') {
        splitter.line(line, &mut pieces);
    }
    splitter.end(&mut pieces);
    for piece in pieces {
        match piece {
            Piece::Statement(statement) if statement.copies => {
                return Err(Failure::new("COPY … FROM stdin has no data here").hint("postgresql_load loads dumps"));
            }
            Piece::Statement(statement)
                if statement.text.trim_ascii() != b";"
                    && !(statement.words.is_empty() && is_blank(&statement.text)) =>
            {
                found.push(statement);
            }
            Piece::Meta { text, .. } => {
                return Err(Failure::new(format!(
                    "{} is a command to psql, not SQL",
                    String::from_utf8_lossy(&text).trim()
                )));
            }
            Piece::Rest { trouble: Some(trouble), .. } => {
                return Err(Failure::new(format!("the query is not complete: {trouble}")));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Whether nothing but comments stands before the semicolon.
fn is_blank(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.lines().all(|line| matches!(line.trim(), "" | ";") || line.trim().starts_with("--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_may_hold_several_statements() {
        assert_eq!(statements("SELECT 1").unwrap().len(), 1);
        assert_eq!(statements("SELECT 1;").unwrap().len(), 1);
        assert_eq!(statements("SELECT 1; SELECT ';' -- the end").unwrap().len(), 2);
        assert_eq!(statements("-- nothing\n").unwrap().len(), 0);
        assert!(statements("SELECT 'x").is_err());
        assert!(statements("\\d").is_err());
    }

    #[test]
    fn the_status_is_what_the_server_calls_it() {
        for (sql, rows, expected) in [
            ("select 1", true, "SELECT 4"),
            ("INSERT INTO t VALUES (1)", false, "INSERT 0 4"),
            ("WITH x AS (SELECT 1) UPDATE t SET a = 1", false, "UPDATE 4"),
            ("CREATE UNIQUE INDEX i ON t (a)", false, "CREATE INDEX"),
            ("CREATE OR REPLACE VIEW v AS SELECT 1", false, "CREATE VIEW"),
            ("VALUES (1)", true, "SELECT 4"),
            ("truncate t", false, "TRUNCATE TABLE"),
        ] {
            let words = &statements(sql).unwrap()[0].words;
            assert_eq!(status(words, rows, 4), expected, "{sql}");
        }
    }
}
