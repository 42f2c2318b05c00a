//! `postgresql_db`: databases of a PostgreSQL server.

use serde_json::json;

use crate::{
    options,
    protocol::{Effect, Json},
    remote::{Applied, Module, Plan, Planned, Probe, Stop},
};

use super::{
    postgresql::{Session, judge, name, push, text},
    user::State,
};

options! {
    /// Makes databases and removes them, with the host's `psql`; dumps are for `command` and `pg_dump`.
    ///
    /// ## Example
    /// ```yaml
    /// - postgresql_db:
    ///     name: rates
    ///     owner: rates
    ///   become: true
    ///   become_user: postgres
    /// ```
    ///
    /// ## Returns
    /// `db`; `executed_commands`: the statements.
    pub struct PostgresqlDb {
        /// The database.
        name: String [db],
        /// Whether it should be there.
        state: State = State::Present,
        /// The role that owns it.
        owner: String = "",
        /// What it is copied from when it is made.
        template: String = "",
        /// The encoding, which cannot be changed later.
        encoding: String = "",
        /// The order of its texts, which cannot be changed later.
        lc_collate: String = "",
        /// What its letters are, which cannot be changed later.
        lc_ctype: String = "",
        /// The locale of ICU, which cannot be changed later.
        icu_locale: String = "",
        /// `icu` or `libc`.
        locale_provider: String = "",
        /// Where it is kept.
        tablespace: String = "",
        /// How many sessions it takes at most.
        conn_limit: Option<i64>,
        /// A remark.
        comment: Option<String>,
        /// End the sessions of a database that is removed.
        force: bool = false,
        /// The database that the session is opened with.
        maintenance_db: String = "postgres",
        ..login: Session
    }
}

const DOMAIN: &str = "postgresql/database";

impl Module for PostgresqlDb {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let mut plan = Plan::new();
        plan.set("db", self.name.as_str());
        plan.set("executed_commands", json!([]));
        let current = match probe.assumed(DOMAIN, &self.name) {
            Some(Json::Null) => None,
            Some(predicted) => Some(predicted.clone()),
            None => self.login.rows(probe, &self.maintenance_db, &self.query())?.into_iter().next(),
        };
        let database = name(&self.name);
        let mut statements = Vec::new();
        let after = match (&current, self.state) {
            (None, State::Absent) => return Ok(plan),
            (Some(_), State::Absent) => {
                let force = if self.force { " WITH (FORCE)" } else { "" };
                statements.push(format!("DROP DATABASE {database}{force}"));
                Json::Null
            }
            (None, State::Present) => {
                statements.push(self.create());
                statements.extend(self.comment.as_ref().map(|comment| remark(&database, comment)));
                self.described()
            }
            (Some(current), State::Present) => {
                self.fixed(current)?;
                let differs = |key: &str, wanted: &Json| current.get(key).is_some_and(|value| value != wanted);
                if !self.owner.is_empty() && differs("owner", &json!(self.owner)) {
                    statements.push(format!("ALTER DATABASE {database} OWNER TO {}", name(&self.owner)));
                }
                if let Some(limit) = self.conn_limit.filter(|limit| differs("conn_limit", &json!(limit))) {
                    statements.push(format!("ALTER DATABASE {database} CONNECTION LIMIT {limit}"));
                }
                if !self.tablespace.is_empty() && differs("tablespace", &json!(self.tablespace)) {
                    statements.push(format!("ALTER DATABASE {database} SET TABLESPACE {}", name(&self.tablespace)));
                }
                if let Some(comment) = self.comment.as_ref().filter(|comment| differs("comment", &json!(comment))) {
                    statements.push(remark(&database, comment));
                }
                self.described()
            }
        };
        for statement in &statements {
            let run = self.login.session(&self.maintenance_db, statement);
            let run = run.effect(Effect::new(DOMAIN, &self.name, after.clone()));
            push(&mut plan, "executed_commands", statement, run);
            plan.diff(self.name.as_str(), "", format!("{statement}\n"));
        }
        Ok(plan)
    }

    fn report(&self, _plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        judge(applied)
    }
}

impl PostgresqlDb {
    fn query(&self) -> String {
        format!(
            "SELECT pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS lc_collate, \
             d.datctype AS lc_ctype, d.datconnlimit AS conn_limit, t.spcname AS tablespace, \
             coalesce(shobj_description(d.oid, 'pg_database'), '') AS comment \
             FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = {}",
            text(&self.name)
        )
    }

    fn create(&self) -> String {
        let mut statement = format!("CREATE DATABASE {}", name(&self.name));
        let mut add = |word: &str, value: String, given: bool| {
            if given {
                statement.extend([" ", word, " ", &value]);
            }
        };
        add("OWNER", name(&self.owner), !self.owner.is_empty());
        add("TEMPLATE", name(&self.template), !self.template.is_empty());
        for (word, value) in [
            ("ENCODING", &self.encoding),
            ("LC_COLLATE", &self.lc_collate),
            ("LC_CTYPE", &self.lc_ctype),
            ("ICU_LOCALE", &self.icu_locale),
            ("LOCALE_PROVIDER", &self.locale_provider),
        ] {
            add(word, text(value), !value.is_empty());
        }
        add("TABLESPACE", name(&self.tablespace), !self.tablespace.is_empty());
        add("CONNECTION LIMIT", self.conn_limit.unwrap_or_default().to_string(), self.conn_limit.is_some());
        statement
    }

    /// What the options say of it, as [`Self::query`] would find it.
    fn described(&self) -> Json {
        let mut described = serde_json::Map::new();
        let given = [
            ("owner", &self.owner),
            ("encoding", &self.encoding),
            ("lc_collate", &self.lc_collate),
            ("lc_ctype", &self.lc_ctype),
            ("tablespace", &self.tablespace),
        ];
        for (key, value) in given.into_iter().filter(|(_, value)| !value.is_empty()) {
            described.insert(key.to_owned(), json!(value));
        }
        if let Some(limit) = self.conn_limit {
            described.insert("conn_limit".to_owned(), json!(limit));
        }
        if let Some(comment) = &self.comment {
            described.insert("comment".to_owned(), json!(comment));
        }
        Json::Object(described)
    }

    /// What cannot be changed once a database is there.
    fn fixed(&self, current: &Json) -> Result<(), Stop> {
        let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase();
        for (what, key, wanted) in [
            ("encoding", "encoding", &self.encoding),
            ("LC_COLLATE", "lc_collate", &self.lc_collate),
            ("LC_CTYPE", "lc_ctype", &self.lc_ctype),
        ] {
            let Some(is) = current.get(key).and_then(Json::as_str) else { continue };
            if !wanted.is_empty() && plain(is) != plain(wanted) {
                let message = format!("Changing {what} of a database is not supported. Current {what}: {is}");
                return Err(Stop::failed(message));
            }
        }
        Ok(())
    }
}

fn remark(database: &str, comment: &str) -> String {
    format!("COMMENT ON DATABASE {database} IS {}", text(comment))
}
