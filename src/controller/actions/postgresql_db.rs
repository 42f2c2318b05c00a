//! `postgresql_db`: makes, alters and drops databases.

use serde_json::json;

use super::postgres::{
    Login, PgError, Session,
    names::{identifier, literal},
    predictions, replacement,
};
use crate::{
    choices,
    controller::executor::{Done, Turn},
    options,
    protocol::{Failure, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

choices! {
    /// What should be with the database.
    pub enum DbState { Present = "present", Absent = "absent", Rename = "rename", Dump = "dump", Restore = "restore" }
}

options! {
    /// Makes, alters, renames or drops a database.
    ///
    /// Owner, connection limit and tablespace of an existing database are changed where they differ; encoding and locale cannot be.
    /// Data is loaded by `postgresql_load`; `dump` and `restore` are refused.
    ///
    /// ## Example
    /// ```yaml
    /// - postgresql_db:
    ///     name: rates
    ///     owner: app
    ///     encoding: UTF-8
    ///     login_host: 127.0.0.1
    /// ```
    ///
    /// ## Returns
    /// `db`, `executed_commands`.
    pub struct Db {
        /// The database.
        name: String [db],
        /// `present`, `absent`, or `rename` to `target`.
        state: DbState = DbState::Present,
        /// Role that owns it.
        owner: Option<String>,
        /// Encoding of a new one.
        encoding: Option<String>,
        /// Database that a new one is copied from.
        template: Option<String>,
        /// Collation of a new one.
        lc_collate: Option<String>,
        /// Character classes of a new one.
        lc_ctype: Option<String>,
        /// Most sessions at a time; -1: no limit.
        conn_limit: Option<i64>,
        /// Where its files are.
        tablespace: Option<String>,
        /// End sessions in a database that is to be dropped.
        force: bool = false,
        /// The new name, with `rename`.
        target: Option<String>,
        /// The database from which others are made and dropped.
        maintenance_db: String = "postgres",
        /// Accepted as Ansible has it; names are always quoted.
        trust_input: bool = true,
        ..login: Login,
    }
}

/// The manual page.
pub const DOC: &str = Db::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Db::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    act(turn).await.into()
}

async fn act(turn: &Turn) -> Result<Outcome, Failure> {
    let db: Db = turn.parsed()?;
    if matches!(db.state, DbState::Dump | DbState::Restore) {
        return Err(Failure::new("state dump and restore are not supported")
            .hint("postgresql_load loads a dump of the controller, wholly or not at all; pg_dump runs with command"));
    }
    let there = db.state == DbState::Present;
    let session = match db.login.connect(turn, &db.maintenance_db).await {
        Ok(session) => session,
        Err(error) => {
            let soon = turn.check && error.is_unanswered() && predictions::of(turn, &db.login, &db.name).await.anything;
            if !soon {
                return Err(error.failure("cannot log in to PostgreSQL"));
            }
            // A server that is only foretold has none of our databases yet.
            if there {
                predictions::foretell(turn, &db.login, &db.name, true).await;
            }
            let verdict = if there { Verdict::Changed } else { Verdict::Unchanged };
            return Ok(outcome(&db, verdict, &[], "the server does not answer yet"));
        }
    };
    let failed = |error: PgError| error.failure(&format!("cannot bring database {} into state", db.name));
    let commands = db.commands(&session).await.map_err(failed)??;
    if turn.check {
        predictions::foretell(turn, &db.login, &db.name, there).await;
        if let (DbState::Rename, Some(target)) = (db.state, &db.target) {
            predictions::foretell(turn, &db.login, target, true).await;
        }
    } else if db.state == DbState::Absent && db.force && !commands.is_empty() {
        // Ends sessions on the way; servers before 13 know no DROP … WITH (FORCE).
        replacement::drop_database(&session, &db.name).await.map_err(failed)?;
    } else {
        for command in &commands {
            session.run(command).await.map_err(failed)?;
        }
    }
    let verdict = if commands.is_empty() { Verdict::Unchanged } else { Verdict::Changed };
    Ok(outcome(&db, verdict, &commands, ""))
}

fn outcome(db: &Db, verdict: Verdict, commands: &[String], message: &str) -> Outcome {
    let mut outcome = Outcome::new(verdict);
    outcome.result.insert("db".into(), json!(db.name));
    outcome.result.insert("executed_commands".into(), json!(commands));
    if !message.is_empty() {
        outcome.result.insert("msg".into(), json!(message));
    }
    outcome
}

/// A database as it is.
struct Found {
    owner: String,
    encoding: String,
    collate: String,
    ctype: String,
    limit: String,
    tablespace: String,
}

impl Db {
    /// What has to be done, in SQL; the inner failure is one of the options.
    async fn commands(&self, session: &Session) -> Result<Result<Vec<String>, Failure>, PgError> {
        let found = look(session, &self.name).await?;
        Ok(match (self.state, found) {
            (DbState::Absent, None) => Ok(Vec::new()),
            (DbState::Absent, Some(_)) => Ok(vec![format!("DROP DATABASE {}", identifier(&self.name))]),
            (DbState::Rename, found) => {
                let Some(target) = &self.target else {
                    return Ok(Err(Failure::new("state is rename but target is missing")));
                };
                match (found.is_some(), look(session, target).await?.is_some()) {
                    (true, false) => {
                        Ok(vec![format!("ALTER DATABASE {} RENAME TO {}", identifier(&self.name), identifier(target))])
                    }
                    (false, true) => Ok(Vec::new()),
                    (true, true) => Err(Failure::new(format!(
                        "both the source and the target databases exist: {}, {target}",
                        self.name
                    ))),
                    (false, false) => Err(Failure::new(format!("the source database {} does not exist", self.name))),
                }
            }
            (_, None) => Ok(vec![self.creation()]),
            (_, Some(found)) => {
                // What one server calls UTF-8 another calls UTF8.
                let encoding = match &self.encoding {
                    Some(encoding) => Some(
                        session
                            .word(&format!(
                                "SELECT pg_catalog.pg_encoding_to_char(pg_catalog.pg_char_to_encoding({}))",
                                literal(encoding)
                            ))
                            .await?,
                    ),
                    None => None,
                };
                self.alterations(&found, encoding.as_deref())
            }
        })
    }

    fn creation(&self) -> String {
        let mut sql = format!("CREATE DATABASE {}", identifier(&self.name));
        let mut add = |word: &str, value: Option<String>| {
            if let Some(value) = value {
                sql.extend([" ", word, " ", &value]);
            }
        };
        let named = |value: &Option<String>| value.as_deref().filter(|value| !value.is_empty()).map(identifier);
        let text = |value: &Option<String>| value.as_deref().filter(|value| !value.is_empty()).map(literal);
        add("OWNER", named(&self.owner));
        add("TEMPLATE", named(&self.template));
        add("ENCODING", text(&self.encoding));
        add("LC_COLLATE", text(&self.lc_collate));
        add("LC_CTYPE", text(&self.lc_ctype));
        add("TABLESPACE", named(&self.tablespace));
        add("CONNECTION LIMIT", self.conn_limit.map(|limit| limit.to_string()));
        sql
    }

    fn alterations(&self, found: &Found, encoding: Option<&str>) -> Result<Vec<String>, Failure> {
        let wanted = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        for (what, wanted, is) in [
            ("encoding", encoding.map(str::to_owned).filter(|name| !name.is_empty()), &found.encoding),
            ("LC_COLLATE", wanted(&self.lc_collate), &found.collate),
            ("LC_CTYPE", wanted(&self.lc_ctype), &found.ctype),
        ] {
            if let Some(wanted) = wanted
                && wanted != *is
            {
                return Err(Failure::new(format!(
                    "changing {what} of database {} is not supported: it is {is}, wanted is {wanted}",
                    self.name
                )));
            }
        }
        let alter = format!("ALTER DATABASE {}", identifier(&self.name));
        let mut commands = Vec::new();
        if let Some(owner) = wanted(&self.owner).filter(|owner| *owner != found.owner) {
            commands.push(format!("{alter} OWNER TO {}", identifier(&owner)));
        }
        if let Some(limit) = self.conn_limit.filter(|limit| limit.to_string() != found.limit) {
            commands.push(format!("{alter} CONNECTION LIMIT {limit}"));
        }
        if let Some(space) = wanted(&self.tablespace).filter(|space| *space != found.tablespace) {
            commands.push(format!("{alter} SET TABLESPACE {}", identifier(&space)));
        }
        Ok(commands)
    }
}

async fn look(session: &Session, name: &str) -> Result<Option<Found>, PgError> {
    let rows = session
        .rows(&format!(
            "SELECT pg_catalog.pg_get_userbyid(d.datdba), pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, \
             d.datconnlimit, t.spcname FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace \
             WHERE d.datname = {}",
            literal(name)
        ))
        .await?;
    Ok(rows.into_iter().next().map(|row| {
        let mut columns = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || columns.next().unwrap_or_default();
        Found { owner: next(), encoding: next(), collate: next(), ctype: next(), limit: next(), tablespace: next() }
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn db(options: Value) -> Db {
        Db::parse(options.as_object().unwrap()).unwrap()
    }

    fn found() -> Found {
        let word = |text: &str| text.to_owned();
        Found {
            owner: word("postgres"),
            encoding: word("UTF8"),
            collate: word("C"),
            ctype: word("C"),
            limit: word("-1"),
            tablespace: word("pg_default"),
        }
    }

    #[test]
    fn a_new_database_is_made_as_described() {
        let sql = db(json!({ "name": "a\"b", "owner": "me", "encoding": "UTF-8", "conn_limit": 5, "template": "" }))
            .creation();
        assert_eq!(sql, "CREATE DATABASE \"a\"\"b\" OWNER \"me\" ENCODING 'UTF-8' CONNECTION LIMIT 5");
    }

    #[test]
    fn only_differences_are_altered() {
        assert!(
            db(json!({ "name": "x", "owner": "postgres", "conn_limit": -1 }))
                .alterations(&found(), Some("UTF8"))
                .unwrap()
                .is_empty()
        );
        let commands = db(json!({ "name": "x", "owner": "me", "conn_limit": 3 })).alterations(&found(), None).unwrap();
        assert_eq!(commands, ["ALTER DATABASE \"x\" OWNER TO \"me\"", "ALTER DATABASE \"x\" CONNECTION LIMIT 3"]);
        assert!(
            db(json!({ "name": "x" })).alterations(&found(), Some("LATIN1")).unwrap_err().message.contains("encoding")
        );
        assert!(db(json!({ "name": "x", "lc_ctype": "de_DE.UTF-8" })).alterations(&found(), None).is_err());
    }
}
