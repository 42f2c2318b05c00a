//! `postgresql_privs`: who may do what with the objects of a PostgreSQL database.

use serde_json::json;

use crate::{
    choices, options,
    remote::{Applied, Choice, Module, Plan, Planned, Probe, Stop},
};

use super::{
    postgresql::{Session, judge, name, push, text},
    user::State,
};

options! {
    /// Grants and revokes privileges, with the host's `psql`.
    ///
    /// Whether something would change is found out by the server: in a transaction that is rolled back.
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
    pub struct PostgresqlPrivs {
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
        ..login: Session
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

impl Module for PostgresqlPrivs {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let mut plan = Plan::new();
        plan.set("queries", json!([]));
        for (domain, name) in self.needed() {
            if probe.assumed(domain, &name).is_some_and(|value| !value.is_null()) {
                return Err(Stop::Unknown(format!("what may be done with {name} is known after apply")));
            }
        }
        let roles = self.known_roles(probe, &mut plan)?;
        if roles.is_empty() {
            return Ok(plan);
        }
        let statement = self.statement(&roles)?;
        let state = self.holders();
        // Repeatable, so that nobody else's grant in between looks like this one's.
        let rehearsal = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ;\n{state};\n{statement};\n\\echo deployer-rehearsed\n{state};\nROLLBACK"
        );
        let said = self.login.ask(probe, &self.login_db, &rehearsal)?;
        let (before, after) = said.split_once("deployer-rehearsed\n").unwrap_or_default();
        if before != after {
            plan.diff(self.login_db.as_str(), before, after);
            let whole = format!("BEGIN;\n{statement};\nCOMMIT");
            push(&mut plan, "queries", &statement, self.login.session(&self.login_db, &whole));
        }
        Ok(plan)
    }

    fn report(&self, _plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        judge(applied)
    }
}

impl PostgresqlPrivs {
    fn needed(&self) -> Vec<(&'static str, String)> {
        let roles = listed(&self.roles).map(|role| ("postgresql/user", role.to_owned()));
        std::iter::once(("postgresql/database", self.login_db.clone())).chain(roles).collect()
    }

    /// The roles as SQL writes them, those that do not exist left out with a warning where that is wanted.
    fn known_roles(&self, probe: &Probe<'_>, plan: &mut Plan) -> Result<Vec<String>, Stop> {
        const IMPLICIT: &[&str] = &["PUBLIC", "CURRENT_ROLE", "CURRENT_USER", "SESSION_USER"];
        let rows = self.login.rows(probe, &self.login_db, "SELECT rolname FROM pg_roles")?;
        let there: Vec<&str> = rows.iter().filter_map(|row| row.get("rolname")?.as_str()).collect();
        let mut roles = Vec::new();
        for role in listed(&self.roles) {
            if IMPLICIT.contains(&role.to_uppercase().as_str()) {
                roles.push(role.to_uppercase());
            } else if there.contains(&role) {
                roles.push(name(role));
            } else if self.fail_on_role {
                return Err(Stop::failed(format!("Role {role} does not exist")));
            } else {
                plan.warnings.push(format!("Role {role} does not exist"));
            }
        }
        Ok(roles)
    }

    fn statement(&self, roles: &[String]) -> Result<String, Stop> {
        let what = match (self.r#type, &self.privs) {
            (Type::Group, Some(_)) => return Err(Stop::failed("privs cannot be given for type=group")),
            (Type::Group, None) => self.objects()?,
            (_, None) => return Err(Stop::failed("privs is needed for this type")),
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
            return Err(Stop::failed("target_roles can only be given for type=default_privs"));
        }
        Ok(match (self.state, self.grant_option) {
            (State::Absent, _) => format!("REVOKE {what} FROM {roles}"),
            (State::Present, None) => format!("GRANT {what} TO {roles}"),
            (State::Present, Some(true)) => format!("GRANT {what} TO {roles}{with}"),
            (State::Present, Some(false)) => format!("GRANT {what} TO {roles};\nREVOKE {option}{what} FROM {roles}"),
        })
    }

    /// One statement for each kind of object that is to be made with other privileges.
    fn defaults(&self, roles: &str) -> Result<String, Stop> {
        const KINDS: &[&str] = &["TABLES", "SEQUENCES", "TYPES", "FUNCTIONS", "SCHEMAS"];
        const IN_ALL: &str = "TABLES,SEQUENCES,TYPES,FUNCTIONS";
        let privs = privileges(self.privs.as_deref().unwrap_or_default())?;
        let objs = self.objs.as_deref().map(str::to_uppercase).unwrap_or_default();
        let kinds: Vec<&str> = listed(if objs == "ALL_DEFAULT" { IN_ALL } else { &objs }).collect();
        if kinds.is_empty() || kinds.iter().any(|kind| !KINDS.contains(kind)) {
            let message = format!("objs of default privileges must be ALL_DEFAULT or of {}", KINDS.join(", "));
            return Err(Stop::failed(message));
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
    fn objects(&self) -> Result<String, Stop> {
        let kind = self.r#type.word().to_uppercase().replace('_', " ");
        let in_schema = matches!(self.r#type, Type::Table | Type::Sequence | Type::Function | Type::Procedure | Type::Type);
        if self.schema.is_some() && !in_schema {
            return Err(Stop::failed(format!("schema cannot be given for type={}", self.r#type.word())));
        }
        let schema = match self.schema.as_deref() {
            Some("not-specified") => None,
            schema => Some(schema.unwrap_or("public")),
        };
        let objs = match (self.objs.as_deref(), self.r#type) {
            (None, Type::Database) => &self.login_db,
            (None, _) => return Err(Stop::failed("objs is needed for this type")),
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
            return "SELECT roleid::regrole, member::regrole, admin_option FROM pg_auth_members ORDER BY 1, 2, 3".to_owned();
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

/// Privileges as words; anything else could end the statement.
fn privileges(privs: &str) -> Result<String, Stop> {
    let words: Vec<String> = listed(privs).map(str::to_uppercase).collect();
    match words.iter().find(|word| !word.chars().all(|letter| letter.is_ascii_alphabetic() || letter == ' ')) {
        Some(bad) => Err(Stop::failed(format!("Invalid privileges specified: {}", text(bad)))),
        None => Ok(words.join(", ")),
    }
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{
            machine::{fake::Fake, system::Output},
            modules::trial::{Trial, failure},
        },
    };

    /// A server that keeps grants: what a rehearsal says differs until the statement was carried out.
    fn server() -> Trial {
        let granted = std::cell::Cell::new(false);
        Trial::new(Fake::new().program("/usr/bin/psql").respond(move |run| {
            let text = run.stdin.clone().unwrap_or_default();
            let stdout = if text.starts_with("SELECT") {
                "{\"rolname\":\"reader\"}\n"
            } else if text.starts_with("BEGIN ISOLATION") {
                if granted.get() { "x\ndeployer-rehearsed\nx\n" } else { "deployer-rehearsed\nx\n" }
            } else {
                granted.set(true);
                ""
            };
            Some(Output { stdout: stdout.to_owned(), ..Output::default() })
        }))
    }

    #[test]
    fn a_grant_is_made_once() {
        let mut trial = server();
        let options = json!({"db": "d", "roles": "reader,public", "privs": "select", "objs": "ALL_IN_SCHEMA"});
        let first = trial.apply("postgresql_privs", options.clone());
        let statement = "GRANT SELECT ON ALL TABLES IN SCHEMA \"public\" TO \"reader\", PUBLIC";
        assert_eq!((&first.verdict, &first.result["queries"]), (&Verdict::Changed, &json!([statement])));
        assert_eq!(trial.apply("postgresql_privs", options).verdict, Verdict::Unchanged);
    }

    #[test]
    fn objects_are_written_by_their_kind() {
        for (options, statement) in [
            (json!({"type": "database", "privs": "ALL"}), "GRANT ALL ON DATABASE \"d\" TO \"reader\""),
            (
                json!({"type": "function", "objs": "f(int:text)", "privs": "EXECUTE", "schema": "s", "state": "absent"}),
                "REVOKE EXECUTE ON FUNCTION \"s\".\"f\"(int,text) FROM \"reader\"",
            ),
            (
                json!({"type": "default_privs", "privs": "SELECT", "objs": "TABLES", "target_roles": "a"}),
                "ALTER DEFAULT PRIVILEGES FOR ROLE \"a\" IN SCHEMA \"public\" GRANT SELECT ON TABLES TO \"reader\"",
            ),
            (json!({"type": "group", "objs": "g", "grant_option": true}), "GRANT \"g\" TO \"reader\" WITH ADMIN OPTION"),
        ] {
            let mut options = options;
            options["db"] = json!("d");
            options["roles"] = json!("reader");
            assert_eq!(server().apply("postgresql_privs", options).result["queries"], json!([statement]));
        }
    }

    #[test]
    fn roles_that_are_not_there_fail_or_are_left_out() {
        let mut options = json!({"db": "d", "type": "database", "roles": "nobody", "privs": "ALL"});
        assert!(failure(&server().apply("postgresql_privs", options.clone())).contains("Role nobody does not exist"));
        options["fail_on_role"] = json!(false);
        assert_eq!(server().apply("postgresql_privs", options.clone()).verdict, Verdict::Unchanged);
        options["roles"] = json!("reader");
        options["privs"] = json!("ALL; DROP");
        assert!(failure(&server().apply("postgresql_privs", options)).contains("Invalid privileges"));
    }
}
