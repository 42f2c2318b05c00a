//! `postgresql_user`: users and roles of a PostgreSQL server.

use serde_json::json;

use crate::{
    options,
    protocol::{Effect, Json},
    remote::{Applied, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::{
    postgresql::{Session, judge, name, push, text},
    user::State,
};

mod password;

options! {
    /// Makes, changes and removes users of a server, with the host's `psql`. Passwords are compared with what the server keeps.
    ///
    /// ## Example
    /// ```yaml
    /// - postgresql_user:
    ///     name: rates
    ///     password: "{{ rates_password }}"
    ///     role_attr_flags: NOSUPERUSER,CREATEDB
    ///   become: true
    ///   become_user: postgres
    /// ```
    ///
    /// ## Returns
    /// `user`, `queries`, and `user_removed` where one was to go.
    pub struct PostgresqlUser {
        /// The user.
        name: String [user],
        /// The password, plain or as the server keeps it; empty takes it away.
        password: Option<String>,
        /// Whether the user should be there.
        state: State = State::Present,
        /// The database that the session is opened with.
        login_db: String [db] = "",
        /// Attributes such as `CREATEDB,NOLOGIN`.
        role_attr_flags: String = "",
        /// Accepted for Ansible's sake; servers keep digests only.
        encrypted: bool = true,
        /// When the password ends, or `infinity`.
        expires: Option<String>,
        /// Leave the password of a user that is there alone.
        no_password_changes: bool = false,
        /// How many sessions the user may have.
        conn_limit: Option<i64>,
        /// A remark.
        comment: Option<String>,
        /// Fail when the user cannot be removed.
        fail_on_user: bool [fail_on_role] = true,
        ..login: Session
    }
}

const DOMAIN: &str = "postgresql/user";
/// Attributes as SQL writes them, and where the server keeps them.
const FLAGS: &[(&str, &str)] = &[
    ("SUPERUSER", "rolsuper"),
    ("CREATEROLE", "rolcreaterole"),
    ("CREATEUSER", "rolsuper"),
    ("CREATEDB", "rolcreatedb"),
    ("INHERIT", "rolinherit"),
    ("LOGIN", "rolcanlogin"),
    ("REPLICATION", "rolreplication"),
    ("BYPASSRLS", "rolbypassrls"),
];

impl Module for PostgresqlUser {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let flags = self.flags()?;
        let mut plan = Plan::new();
        plan.set("user", self.name.as_str());
        plan.set("queries", json!([]));
        let current = self.current(probe)?;
        let user = name(&self.name);
        // Each with how it is shown, for one may hold a password.
        let mut statements: Vec<(String, String)> = Vec::new();
        let plain = |statement: String| (statement.clone(), statement);
        let after = match (&current, self.state) {
            (None, State::Absent) => return Ok(plan),
            (Some(_), State::Absent) => {
                plan.set("user_removed", true);
                statements.push(plain(format!("DROP USER {user}")));
                Json::Null
            }
            (_, State::Present) => {
                let clauses = self.clauses(&flags, current.as_ref());
                if current.is_none() || !clauses.is_empty() {
                    let verb = if current.is_none() { "CREATE" } else { "ALTER" };
                    let words = |shown: bool| clauses.iter().map(move |(real, show)| if shown { show } else { real }.as_str());
                    let with = |shown| words(shown).fold(format!("{verb} USER {user}"), |all, word| format!("{all} {word}"));
                    statements.push((with(false), with(true)));
                }
                let remark = current.as_ref().and_then(|current| current.get("comment")).and_then(Json::as_str).unwrap_or_default();
                if let Some(comment) = self.comment.as_ref().filter(|comment| *comment != remark) {
                    statements.push(plain(format!("COMMENT ON ROLE {user} IS {}", text(comment))));
                }
                json!({"predicted": true})
            }
        };
        for (statement, shown) in &statements {
            let mut run = self.login.session(self.database(), statement);
            if self.state == State::Absent && !self.fail_on_user {
                run.success = vec![crate::protocol::Run::ANY_CODE];
            }
            let run = run.effect(Effect::new(DOMAIN, &self.name, after.clone()));
            push(&mut plan, "queries", shown, run);
            plan.diff(self.name.as_str(), "", format!("{shown}\n"));
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        if self.state == State::Absent && !self.fail_on_user && applied.iter().any(|applied| applied.code != 0) {
            plan.set("user_removed", false);
            return Ok(());
        }
        judge(applied)
    }
}

impl PostgresqlUser {
    fn database(&self) -> &str {
        if self.login_db.is_empty() { "postgres" } else { &self.login_db }
    }

    /// Attributes as words of SQL, with the server's column and the wanted value.
    fn flags(&self) -> Result<Vec<(String, &'static str, bool)>, Stop> {
        let words = self.role_attr_flags.split(',').map(|word| word.trim().to_uppercase()).filter(|word| !word.is_empty());
        words
            .map(|word| {
                let known = FLAGS.iter().find_map(|(flag, column)| match word.strip_suffix(flag)? {
                    "" => Some((*column, true)),
                    "NO" => Some((*column, false)),
                    _ => None,
                });
                let (column, on) = known.ok_or_else(|| {
                    let flags: Vec<&str> = FLAGS.iter().map(|(flag, _)| *flag).collect();
                    Stop::failed(format!("Invalid role_attr_flags specified: {word}"))
                        .hint(format!("known are {}, each also with NO in front", flags.join(", ")))
                })?;
                Ok((word, column, on))
            })
            .collect()
    }

    fn current(&self, probe: &Probe<'_>) -> Found<Option<Json>> {
        match probe.assumed(DOMAIN, &self.name) {
            Some(Json::Null) => return Ok(None),
            Some(predicted) => return Ok(Some(predicted.clone())),
            None => {}
        }
        let columns: Vec<&str> = FLAGS.iter().filter(|(flag, _)| *flag != "CREATEUSER").map(|(_, column)| *column).collect();
        let until = self.expires.as_ref().map(|time| format!("rolvaliduntil IS NOT DISTINCT FROM {}::timestamptz", text(time)));
        // Only a superuser may read the digests, and others must still be able to see who is there.
        let digests = self.password.is_some() && !self.no_password_changes;
        let query = format!(
            "SELECT {}, rolconnlimit, {} AS until, {} AS password, coalesce(shobj_description(oid, 'pg_authid'), '') AS comment \
             FROM {} WHERE rolname = {}",
            columns.join(", "),
            until.as_deref().unwrap_or("true"),
            if digests { "rolpassword" } else { "NULL" },
            if digests { "pg_authid" } else { "pg_roles" },
            text(&self.name)
        );
        Ok(self.login.rows(probe, self.database(), &query)?.into_iter().next())
    }

    /// What a statement has to say behind the name, each as it is and as it is shown.
    fn clauses(&self, flags: &[(String, &str, bool)], current: Option<&Json>) -> Vec<(String, String)> {
        let mut clauses = Vec::new();
        // What is only predicted is as the prediction's own statement wanted it.
        if current.is_some_and(|current| current.get("predicted").is_some()) {
            return clauses;
        }
        let differs = |key: &str, wanted: &Json| current.is_none_or(|current| current.get(key) != Some(wanted));
        let kept = current.and_then(|current| current.get("password")).and_then(Json::as_str);
        if let Some(password) = &self.password {
            let settled = current.is_some() && self.no_password_changes;
            if !settled && !password::is_kept(&self.name, password, kept) {
                let (real, shown) =
                    if password.is_empty() { ("NULL".to_owned(), "NULL") } else { (text(password), "********") };
                clauses.push((format!("PASSWORD {real}"), format!("PASSWORD {shown}")));
            }
        }
        let mut plain = |word: String| clauses.push((word.clone(), word));
        for (word, column, on) in flags {
            if differs(column, &json!(on)) {
                plain(word.clone());
            }
        }
        if let Some(limit) = self.conn_limit.filter(|limit| differs("rolconnlimit", &json!(limit))) {
            plain(format!("CONNECTION LIMIT {limit}"));
        }
        if let Some(expires) = self.expires.as_ref().filter(|_| differs("until", &json!(true))) {
            plain(format!("VALID UNTIL {}", text(expires)));
        }
        clauses
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::remote::{
        machine::{fake::Fake, system::Output},
        modules::trial::{Trial, failure},
    };
    use crate::protocol::Verdict;

    fn server(row: &'static str) -> Trial {
        Trial::new(Fake::new().program("/usr/bin/psql").respond(move |run| {
            let asked = run.stdin.as_ref().is_some_and(|text| text.starts_with("SELECT"));
            Some(Output { stdout: if asked { row.to_owned() } else { String::new() }, ..Output::default() })
        }))
    }

    #[test]
    fn a_user_is_made_and_its_password_is_neither_shown_nor_an_argument() {
        let mut trial = server("");
        let options = json!({"name": "a\"b", "password": "secret'", "role_attr_flags": "CREATEDB,nosuperuser"});
        let outcome = trial.apply("postgresql_user", options);
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(outcome.result["queries"], json!(["CREATE USER \"a\"\"b\" PASSWORD ******** CREATEDB NOSUPERUSER"]));
        assert!(!serde_json::to_string(&outcome).unwrap().contains("secret"));
        assert!(trial.commands().iter().all(|command| !command.contains("secret")));
    }

    #[test]
    fn only_what_differs_is_altered() {
        let row = r#"{"rolsuper":false,"rolcreatedb":true,"rolcanlogin":true,"rolconnlimit":-1,"until":true,"password":null,"comment":""}"#;
        let mut trial = server(row);
        let same = json!({"name": "a", "role_attr_flags": "CREATEDB,NOSUPERUSER"});
        assert_eq!(trial.apply("postgresql_user", same).verdict, Verdict::Unchanged);
        let outcome = trial.apply("postgresql_user", json!({"name": "a", "role_attr_flags": "CREATEDB,NOLOGIN"}));
        assert_eq!(outcome.result["queries"], json!(["ALTER USER \"a\" NOLOGIN"]));
        let outcome = trial.apply("postgresql_user", json!({"name": "a", "role_attr_flags": "CREATEDBS"}));
        assert!(failure(&outcome).contains("Invalid role_attr_flags"));
    }
}
