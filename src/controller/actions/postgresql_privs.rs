//! `postgresql_privs`: who may do what with the objects of a PostgreSQL database.

use serde_json::json;

use super::postgres::{
    Login, PgError, Session,
    names::{identifier as name, literal},
    predictions,
};
use crate::{
    choices,
    controller::executor::{Done, Turn},
    options,
    protocol::{Diff, Failure, Outcome, Verdict},
    remote::{Choice, OptionSpec, Options, modules::user::State},
};

options! {
    /// Grants and revokes privileges.
    ///
    /// Whether something changes is found out by the server, in a transaction; a check takes it back.
    ///
    /// ## Example
    /// ```yaml
    /// - postgresql_privs:
    ///     login_db: rates
    ///     roles: reader
    ///     privs: SELECT
    ///     objs: ALL_IN_SCHEMA
    ///   become: true
    ///   become_user: postgres
    /// ```
    ///
    /// ## Returns
    /// `queries`: the statements.
    pub struct Privs {
        /// The database.
        login_db: String [db database],
        /// Whether privileges are granted or revoked.
        state: State = State::Present,
        /// Privileges, with commas between.
        privs: Option<String> [priv],
        /// What they are about.
        r#type: Type = Type::Table,
        /// The objects, with commas between, or `ALL_IN_SCHEMA`; kinds such as `TABLES` or `ALL_DEFAULT` for default privileges; colons stand for the commas of a function's signature.
        objs: Option<String> [obj],
        /// Where the objects are; `not-specified` leaves it to the search path.
        schema: Option<String>,
        /// Who gets them, with commas between.
        roles: String [role],
        /// Whose new objects default privileges are about, with commas between.
        target_roles: Option<String>,
        /// Fail when a role does not exist, instead of a warning.
        fail_on_role: bool = true,
        /// Whether the roles may pass them on.
        grant_option: Option<bool> [admin_option],
        /// Accepted as Ansible has it; names are always quoted.
        trust_input: bool = true,
        ..login: Login,
    }
}

choices! {
    /// What privileges are about.
    pub enum Type {
        /// Tables and views.
        Table = "table",
        /// Sequences.
        Sequence = "sequence",
        /// Functions.
        Function = "function",
        /// Procedures.
        Procedure = "procedure",
        /// Types.
        Type = "type",
        /// Databases.
        Database = "database",
        /// Schemas.
        Schema = "schema",
        /// Languages.
        Language = "language",
        /// Tablespaces.
        Tablespace = "tablespace",
        /// Foreign data wrappers.
        ForeignDataWrapper = "foreign_data_wrapper",
        /// Foreign servers.
        ForeignServer = "foreign_server",
        /// What objects that are made later get.
        DefaultPrivs = "default_privs",
        /// Membership in roles.
        Group = "group",
    }
}

/// The manual page.
pub const DOC: &str = Privs::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Privs::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    act(turn).await.into()
}

async fn act(turn: &Turn) -> Result<Outcome, Failure> {
    let privs: Privs = turn.parsed()?;
    let session = match privs.login.connect(turn, &privs.login_db).await {
        Ok(session) => session,
        Err(error) => {
            let foretold = predictions::of(turn, &privs.login, &privs.login_db).await;
            if turn.check && (foretold.database || error.is_unanswered() && foretold.anything) {
                return Ok(unknown(&privs.login_db));
            }
            return Err(error.failure("cannot log in to PostgreSQL"));
        }
    };
    if turn.check {
        for role in listed(&privs.roles) {
            if predictions::of(turn, &privs.login, &super::postgresql_user::predicted(role)).await.database {
                return Ok(unknown(role));
            }
        }
    }
    let failed = |error: PgError| error.failure(&format!("cannot set privileges in {}", privs.login_db));
    let rows = session.rows("SELECT rolname FROM pg_catalog.pg_roles").await.map_err(failed)?;
    let there: Vec<String> = rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
    let mut outcome = Outcome::new(Verdict::Unchanged);
    let (roles, missing) = privs.known_roles(&there)?;
    outcome.warnings.extend(missing.iter().map(|role| format!("Role {role} does not exist")));
    let mut queries: Vec<String> = Vec::new();
    if !roles.is_empty() {
        let statement = privs.statement(&roles)?;
        let (before, after) = privs.carry_out(&session, &statement, turn.check).await.map_err(failed)?;
        if before != after {
            outcome.verdict = Verdict::Changed;
            outcome.diffs.push(Diff { name: privs.login_db.clone(), before, after });
            queries.push(statement);
        }
    }
    outcome.result.insert("queries".into(), json!(queries));
    Ok(outcome)
}

fn unknown(name: &str) -> Outcome {
    Outcome::new(Verdict::Unknown(format!("what may be done with {name} is known after apply")))
}

impl Privs {
    /// Who holds what before and after the statement, which is taken back in a check.
    async fn carry_out(&self, session: &Session, statement: &str, check: bool) -> Result<(String, String), PgError> {
        // Repeatable, so that nobody else's grant in between looks like this one's.
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        let before = shown(&session.rows(&self.holders()).await?);
        session.run(statement).await?;
        let after = shown(&session.rows(&self.holders()).await?);
        session.run(if check || before == after { "ROLLBACK" } else { "COMMIT" }).await?;
        Ok((before, after))
    }

    /// The roles as SQL writes them, and those that do not exist where that is no failure.
    fn known_roles(&self, there: &[String]) -> Result<(Vec<String>, Vec<&str>), Failure> {
        const IMPLICIT: &[&str] = &["PUBLIC", "CURRENT_ROLE", "CURRENT_USER", "SESSION_USER"];
        let (mut roles, mut missing) = (Vec::new(), Vec::new());
        for role in listed(&self.roles) {
            if IMPLICIT.contains(&role.to_uppercase().as_str()) {
                roles.push(role.to_uppercase());
            } else if there.iter().any(|known| known == role) {
                roles.push(name(role));
            } else if self.fail_on_role {
                return Err(Failure::new(format!("Role {role} does not exist")));
            } else {
                missing.push(role);
            }
        }
        Ok((roles, missing))
    }

    fn statement(&self, roles: &[String]) -> Result<String, Failure> {
        let what = match (self.r#type, &self.privs) {
            (Type::Group, Some(_)) => return Err(Failure::new("privs cannot be given for type=group")),
            (Type::Group, None) => self.objects()?,
            (_, None) => return Err(Failure::new("privs is needed for this type")),
            (Type::DefaultPrivs, Some(_)) => String::new(),
            (_, Some(privs)) => format!("{} ON {}", privileges(privs)?, self.objects()?),
        };
        let roles = roles.join(", ");
        let (option, with) = match self.r#type {
            Type::Group => ("ADMIN OPTION FOR ", " WITH ADMIN OPTION"),
            _ => ("GRANT OPTION FOR ", " WITH GRANT OPTION"),
        };
        if self.r#type == Type::DefaultPrivs {
            return self.defaults(&roles);
        }
        if self.target_roles.is_some() {
            return Err(Failure::new("target_roles can only be given for type=default_privs"));
        }
        Ok(match (self.state, self.grant_option) {
            (State::Absent, _) => format!("REVOKE {what} FROM {roles}"),
            (State::Present, None) => format!("GRANT {what} TO {roles}"),
            (State::Present, Some(true)) => format!("GRANT {what} TO {roles}{with}"),
            (State::Present, Some(false)) => format!("GRANT {what} TO {roles};\nREVOKE {option}{what} FROM {roles}"),
        })
    }

    /// One statement for each kind of object that is to be made with other privileges.
    fn defaults(&self, roles: &str) -> Result<String, Failure> {
        const KINDS: &[&str] = &["TABLES", "SEQUENCES", "TYPES", "FUNCTIONS", "SCHEMAS"];
        const IN_ALL: &str = "TABLES,SEQUENCES,TYPES,FUNCTIONS";
        let privs = privileges(self.privs.as_deref().unwrap_or_default())?;
        let objs = self.objs.as_deref().map(str::to_uppercase).unwrap_or_default();
        let kinds: Vec<&str> = listed(if objs == "ALL_DEFAULT" { IN_ALL } else { &objs }).collect();
        if kinds.is_empty() || kinds.iter().any(|kind| !KINDS.contains(kind)) {
            let message = format!("objs of default privileges must be ALL_DEFAULT or of {}", KINDS.join(", "));
            return Err(Failure::new(message));
        }
        let mut head = "ALTER DEFAULT PRIVILEGES".to_owned();
        if let Some(targets) = &self.target_roles {
            let targets: Vec<String> = listed(targets).map(name).collect();
            head.extend([" FOR ROLE ", &targets.join(", ")]);
        }
        match self.schema.as_deref() {
            // A schema is in no schema.
            Some("not-specified") => {}
            None if kinds.contains(&"SCHEMAS") => {}
            schema => head.extend([" IN SCHEMA ", &name(schema.unwrap_or("public"))]),
        }
        let statements = kinds.iter().map(|kind| match (self.state, self.grant_option) {
            (State::Absent, _) => format!("{head} REVOKE {privs} ON {kind} FROM {roles}"),
            (State::Present, None) => format!("{head} GRANT {privs} ON {kind} TO {roles}"),
            (State::Present, Some(true)) => format!("{head} GRANT {privs} ON {kind} TO {roles} WITH GRANT OPTION"),
            (State::Present, Some(false)) => format!(
                "{head} GRANT {privs} ON {kind} TO {roles};\n{head} REVOKE GRANT OPTION FOR {privs} ON {kind} FROM {roles}"
            ),
        });
        Ok(statements.collect::<Vec<_>>().join(";\n"))
    }

    /// The objects behind `ON`; for groups only their names.
    fn objects(&self) -> Result<String, Failure> {
        let kind = self.r#type.word().to_uppercase().replace('_', " ");
        let in_schema =
            matches!(self.r#type, Type::Table | Type::Sequence | Type::Function | Type::Procedure | Type::Type);
        if self.schema.is_some() && !in_schema {
            return Err(Failure::new(format!("schema cannot be given for type={}", self.r#type.word())));
        }
        let schema = match self.schema.as_deref() {
            Some("not-specified") => None,
            schema => Some(schema.unwrap_or("public")),
        };
        let objs = match (self.objs.as_deref(), self.r#type) {
            (None, Type::Database) => &self.login_db,
            (None, _) => return Err(Failure::new("objs is needed for this type")),
            (Some("ALL_IN_SCHEMA"), Type::Table | Type::Sequence | Type::Function | Type::Procedure) => {
                return Ok(format!("ALL {kind}S IN SCHEMA {}", name(schema.unwrap_or("public"))));
            }
            (Some(objs), _) => objs,
        };
        let placed = |object: &str| {
            let object = match object.split_once('(') {
                Some((function, signature)) => format!("{}({}", name(function), signature.replace(':', ",")),
                None => name(object),
            };
            match schema.filter(|_| in_schema) {
                Some(schema) => format!("{}.{object}", name(schema)),
                None => object,
            }
        };
        let names = listed(objs).map(placed).collect::<Vec<_>>().join(", ");
        Ok(if self.r#type == Type::Group { names } else { format!("{kind} {names}") })
    }

    /// A query for who holds what, in an order that does not depend on when it was granted.
    fn holders(&self) -> String {
        if self.r#type == Type::Group {
            return "SELECT roleid::regrole, member::regrole, admin_option FROM pg_auth_members ORDER BY 1, 2, 3"
                .to_owned();
        }
        let (table, object, acl) = match self.r#type {
            Type::Table | Type::Sequence => ("pg_class", "oid::regclass::text", "relacl"),
            Type::Function | Type::Procedure => ("pg_proc", "oid::regprocedure::text", "proacl"),
            Type::Type => ("pg_type", "oid::regtype::text", "typacl"),
            Type::Database => ("pg_database", "datname", "datacl"),
            Type::Schema => ("pg_namespace", "nspname", "nspacl"),
            Type::Language => ("pg_language", "lanname", "lanacl"),
            Type::Tablespace => ("pg_tablespace", "spcname", "spcacl"),
            Type::ForeignDataWrapper => ("pg_foreign_data_wrapper", "fdwname", "fdwacl"),
            Type::DefaultPrivs => (
                "pg_default_acl",
                "defaclrole::regrole::text || '/' || defaclnamespace || '/' || defaclobjtype::text",
                "defaclacl",
            ),
            Type::ForeignServer | Type::Group => ("pg_foreign_server", "srvname", "srvacl"),
        };
        let list = format!("ARRAY(SELECT entry::text FROM unnest({acl}) AS entry ORDER BY 1)");
        format!("SELECT {object}, {list} FROM {table} WHERE {acl} IS NOT NULL ORDER BY 1, 2")
    }
}

/// Rows as lines, for people and to compare.
fn shown(rows: &[Vec<Option<String>>]) -> String {
    let line = |row: &Vec<Option<String>>| {
        let words: Vec<&str> = row.iter().map(|column| column.as_deref().unwrap_or_default()).collect();
        words.join(" ") + "\n"
    };
    rows.iter().map(line).collect()
}

/// Privileges as words; anything else could end the statement.
fn privileges(privs: &str) -> Result<String, Failure> {
    let words: Vec<String> = listed(privs).map(str::to_uppercase).collect();
    match words.iter().find(|word| !word.chars().all(|letter| letter.is_ascii_alphabetic() || letter == ' ')) {
        Some(bad) => Err(Failure::new(format!("Invalid privileges specified: {}", literal(bad)))),
        None => Ok(words.join(", ")),
    }
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privs(options: serde_json::Value) -> Privs {
        let mut options = options;
        options["db"] = json!("d");
        options["roles"] = options.get("roles").cloned().unwrap_or_else(|| json!("reader"));
        Privs::parse(options.as_object().unwrap()).unwrap()
    }

    #[test]
    fn objects_are_written_by_their_kind() {
        for (options, statement) in [
            (json!({"type": "database", "privs": "ALL"}), r#"GRANT ALL ON DATABASE "d" TO "reader""#),
            (
                json!({"privs": "select,insert", "objs": "ALL_IN_SCHEMA", "grant_option": true}),
                r#"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA "public" TO "reader" WITH GRANT OPTION"#,
            ),
            (
                json!({"type": "function", "objs": "f(int:text)", "privs": "EXECUTE", "schema": "s", "state": "absent"}),
                r#"REVOKE EXECUTE ON FUNCTION "s"."f"(int,text) FROM "reader""#,
            ),
            (
                json!({"type": "default_privs", "privs": "SELECT", "objs": "TABLES", "target_roles": "a"}),
                r#"ALTER DEFAULT PRIVILEGES FOR ROLE "a" IN SCHEMA "public" GRANT SELECT ON TABLES TO "reader""#,
            ),
            (json!({"type": "group", "objs": "g", "grant_option": true}), r#"GRANT "g" TO "reader" WITH ADMIN OPTION"#),
        ] {
            assert_eq!(privs(options).statement(&[name("reader")]).unwrap(), statement);
        }
        for options in [json!({"privs": "ALL; DROP", "objs": "t"}), json!({"privs": "ALL"}), json!({"objs": "t"})] {
            privs(options.clone()).statement(&[]).expect_err(&options.to_string());
        }
    }

    #[test]
    fn roles_that_are_not_there_fail_or_are_left_out() {
        let there = ["reader".to_owned()];
        let failure = privs(json!({"roles": "reader,nobody"})).known_roles(&there).unwrap_err();
        assert_eq!(failure.message, "Role nobody does not exist");
        let lenient = privs(json!({"roles": "reader,nobody,public", "fail_on_role": false}));
        let (roles, missing) = lenient.known_roles(&there).unwrap();
        assert_eq!((roles, missing), (vec![name("reader"), "PUBLIC".to_owned()], vec!["nobody"]));
    }
}
