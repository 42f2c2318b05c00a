//! `postgresql_user`: users and roles of a PostgreSQL server.

use serde_json::json;

use super::postgres::{
    Login, PgError, Session,
    names::{identifier as name, literal as text},
    password, predictions,
};
use crate::{
    controller::executor::{Done, Turn},
    options,
    protocol::{Diff, Failure, Outcome, Verdict},
    remote::{OptionSpec, Options, modules::user::State},
};

options! {
    /// Makes, changes and removes users of a server. Passwords are compared with what the server keeps.
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
    pub struct User {
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
        /// Accepted as Ansible has it; names are always quoted.
        trust_input: bool = true,
        ..login: Login,
    }
}

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

/// The manual page.
pub const DOC: &str = User::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    User::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    act(turn).await.into()
}

/// What a user is called among predictions, which are about databases otherwise.
pub(super) fn predicted(user: &str) -> String {
    format!("role/{user}")
}

async fn act(turn: &Turn) -> Result<Outcome, Failure> {
    let user: User = turn.parsed()?;
    let flags = user.flags()?;
    let there = user.state == State::Present;
    if turn.check && there && predictions::of(turn, &user.login, &predicted(&user.name)).await.database {
        // As the prediction's own task wanted it, as far as anybody can tell.
        return Ok(user.outcome(Verdict::Unchanged, &[]));
    }
    let database = if user.login_db.is_empty() { "postgres" } else { &user.login_db };
    let session = match user.login.connect(turn, database).await {
        Ok(session) => session,
        Err(error) => {
            let soon =
                turn.check && error.is_unanswered() && predictions::of(turn, &user.login, database).await.anything;
            if !soon {
                return Err(error.failure("cannot log in to PostgreSQL"));
            }
            if there {
                predictions::foretell(turn, &user.login, &predicted(&user.name), true).await;
            }
            return Ok(user.outcome(if there { Verdict::Changed } else { Verdict::Unchanged }, &[]));
        }
    };
    let failed = |error: PgError| error.failure(&format!("cannot bring user {} into state", user.name));
    let current = user.current(&session).await.map_err(failed)?;
    let statements = user.statements(&flags, current.as_ref());
    let verdict = if statements.is_empty() { Verdict::Unchanged } else { Verdict::Changed };
    let mut outcome = user.outcome(verdict, &statements);
    if turn.check {
        if !statements.is_empty() {
            predictions::foretell(turn, &user.login, &predicted(&user.name), there).await;
        }
        return Ok(outcome);
    }
    for (statement, _) in &statements {
        match session.run(statement).await {
            Ok(_) => {}
            Err(_) if !there && !user.fail_on_user => {
                outcome.result.insert("user_removed".into(), json!(false));
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(outcome)
}

/// A user as the server has it: columns by name, as text.
type Row = std::collections::HashMap<String, Option<String>>;

impl User {
    fn outcome(&self, verdict: Verdict, statements: &[(String, String)]) -> Outcome {
        let mut outcome = Outcome::new(verdict);
        let shown: Vec<&str> = statements.iter().map(|(_, shown)| shown.as_str()).collect();
        if !shown.is_empty() {
            let after = shown.join("\n") + "\n";
            outcome.diffs.push(Diff { name: self.name.clone(), before: String::new(), after });
            if self.state == State::Absent {
                outcome.result.insert("user_removed".into(), json!(true));
            }
        }
        outcome.result.insert("user".into(), json!(self.name));
        outcome.result.insert("queries".into(), json!(shown));
        outcome
    }

    /// What has to be done, each with how it is shown, for one may hold a password.
    fn statements(&self, flags: &[(String, &str, bool)], current: Option<&Row>) -> Vec<(String, String)> {
        let user = name(&self.name);
        let plain = |statement: String| (statement.clone(), statement);
        if self.state == State::Absent {
            return current.map(|_| plain(format!("DROP USER {user}"))).into_iter().collect();
        }
        let mut statements = Vec::new();
        let clauses = self.clauses(flags, current);
        if current.is_none() || !clauses.is_empty() {
            let verb = if current.is_none() { "CREATE" } else { "ALTER" };
            let mut pair = plain(format!("{verb} USER {user}"));
            for (real, shown) in &clauses {
                pair.0.extend([" ", real]);
                pair.1.extend([" ", shown]);
            }
            statements.push(pair);
        }
        let remark = current.and_then(|row| row.get("comment")?.as_deref()).unwrap_or_default();
        if let Some(comment) = self.comment.as_ref().filter(|comment| *comment != remark) {
            statements.push(plain(format!("COMMENT ON ROLE {user} IS {}", text(comment))));
        }
        statements
    }

    /// Attributes as words of SQL, with the server's column and the wanted value.
    fn flags(&self) -> Result<Vec<(String, &'static str, bool)>, Failure> {
        let words =
            self.role_attr_flags.split(',').map(|word| word.trim().to_uppercase()).filter(|word| !word.is_empty());
        words
            .map(|word| {
                let known = FLAGS.iter().find_map(|(flag, column)| match word.strip_suffix(flag)? {
                    "" => Some((*column, true)),
                    "NO" => Some((*column, false)),
                    _ => None,
                });
                let (column, on) = known.ok_or_else(|| {
                    let flags: Vec<&str> = FLAGS.iter().map(|(flag, _)| *flag).collect();
                    Failure::new(format!("Invalid role_attr_flags specified: {word}"))
                        .hint(format!("known are {}, each also with NO in front", flags.join(", ")))
                })?;
                Ok((word, column, on))
            })
            .collect()
    }

    async fn current(&self, session: &Session) -> Result<Option<Row>, PgError> {
        let columns: Vec<&str> =
            FLAGS.iter().filter(|(flag, _)| *flag != "CREATEUSER").map(|(_, column)| *column).collect();
        let until =
            self.expires.as_ref().map(|time| format!("rolvaliduntil IS NOT DISTINCT FROM {}::timestamptz", text(time)));
        // Only a superuser may read the digests, and others must still be able to see who is there.
        let digests = self.password.is_some() && !self.no_password_changes;
        let names = columns.iter().copied().chain(["rolconnlimit", "until", "password", "comment"]);
        let query = format!(
            "SELECT {}, rolconnlimit, {}, {}, pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_catalog.{} WHERE rolname = {}",
            columns.join(", "),
            until.as_deref().unwrap_or("true"),
            if digests { "rolpassword" } else { "NULL" },
            if digests { "pg_authid" } else { "pg_roles" },
            text(&self.name)
        );
        let row = session.rows(&query).await?.into_iter().next();
        Ok(row.map(|row| names.map(str::to_owned).zip(row).collect()))
    }

    /// What a statement has to say behind the name, each as it is and as it is shown.
    fn clauses(&self, flags: &[(String, &str, bool)], current: Option<&Row>) -> Vec<(String, String)> {
        let mut clauses = Vec::new();
        let is = |key: &str| current.and_then(|row| row.get(key)?.as_deref());
        let kept = is("password");
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
            if is(column) != Some(if *on { "t" } else { "f" }) {
                plain(word.clone());
            }
        }
        if let Some(limit) = self.conn_limit.filter(|limit| is("rolconnlimit") != Some(limit.to_string().as_str())) {
            plain(format!("CONNECTION LIMIT {limit}"));
        }
        if let Some(expires) = self.expires.as_ref().filter(|_| is("until") != Some("t")) {
            plain(format!("VALID UNTIL {}", text(expires)));
        }
        clauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(options: serde_json::Value, current: Option<&Row>) -> Vec<String> {
        let user = User::parse(options.as_object().unwrap()).unwrap();
        let statements = user.statements(&user.flags().unwrap(), current);
        let outcome = user.outcome(Verdict::Changed, &statements);
        assert!(!serde_json::to_string(&outcome).unwrap().contains("secret"));
        statements.into_iter().map(|(_, shown)| shown).collect()
    }

    #[test]
    fn a_user_is_made_and_its_password_is_not_shown() {
        let options = json!({"name": "a\"b", "password": "secret's", "role_attr_flags": "CREATEDB,nosuperuser"});
        let user = User::parse(options.as_object().unwrap()).unwrap();
        let statements = user.statements(&user.flags().unwrap(), None);
        assert_eq!(statements[0].0, r#"CREATE USER "a""b" PASSWORD 'secret''s' CREATEDB NOSUPERUSER"#);
        assert_eq!(shown(options, None), [r#"CREATE USER "a""b" PASSWORD ******** CREATEDB NOSUPERUSER"#]);
    }

    #[test]
    fn only_what_differs_is_altered() {
        let row: Row =
            [("rolsuper", "f"), ("rolcreatedb", "t"), ("rolcanlogin", "t"), ("rolconnlimit", "-1"), ("until", "t")]
                .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
                .into();
        for (options, statement) in [
            (json!({"role_attr_flags": "CREATEDB,NOSUPERUSER", "conn_limit": -1}), None),
            (json!({"role_attr_flags": "CREATEDB,NOLOGIN"}), Some(r#"ALTER USER "a" NOLOGIN"#)),
            (json!({"password": "secret"}), Some(r#"ALTER USER "a" PASSWORD ********"#)),
            (json!({"password": ""}), None),
            (json!({"password": "secret", "no_password_changes": true}), None),
            (json!({"conn_limit": 3}), Some(r#"ALTER USER "a" CONNECTION LIMIT 3"#)),
            (json!({"comment": "a remark"}), Some(r#"COMMENT ON ROLE "a" IS 'a remark'"#)),
            (json!({"state": "absent"}), Some(r#"DROP USER "a""#)),
        ] {
            let mut options = options;
            options["name"] = json!("a");
            let expected: Vec<String> = statement.into_iter().map(str::to_owned).collect();
            assert_eq!(shown(options.clone(), Some(&row)), expected, "{options}");
        }
    }

    #[test]
    fn attributes_that_do_not_exist_are_refused() {
        let options = json!({"name": "a", "role_attr_flags": "CREATEDBS"});
        let failure = User::parse(options.as_object().unwrap()).unwrap().flags().unwrap_err();
        assert_eq!(failure.message, "Invalid role_attr_flags specified: CREATEDBS");
    }
}
