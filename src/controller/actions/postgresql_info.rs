//! `postgresql_info`: what a server is and holds.

use serde_json::json;

use super::{
    postgres::{Login, PgError, Session, predictions},
    postgresql_ping,
};
use crate::{
    controller::executor::{Done, Turn},
    options,
    protocol::{Failure, Json, Map, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Looks at a server: version, databases, roles, settings.
    ///
    /// ## Example
    /// ```yaml
    /// - postgresql_info:
    ///     filter: [version, databases]
    ///   register: server
    /// - debug: msg="{{ server.databases.rates.size }} bytes"
    /// ```
    ///
    /// ## Returns
    /// `version`, `databases` (by name: `owner`, `encoding`, `collate`, `ctype`, `size` in bytes, `access_priv`), `roles` (by name: `superuser`,
    /// `canlogin`, `valid_until`), `settings` (by name: `setting`, `unit`, `context`, `boot_val`, `sourcefile`, `pending_restart`), `in_recovery`.
    pub struct Info {
        /// Only these (`ver*` takes all that begin so), or all but those with `!`.
        filter: Vec<String>,
        /// The database to enter.
        db: String [login_db] = "postgres",
        /// Accepted as Ansible has it.
        trust_input: bool = true,
        ..login: Login,
    }
}

/// The manual page.
pub const DOC: &str = Info::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Info::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    act(turn).await.into()
}

async fn act(turn: &Turn) -> Result<Outcome, Failure> {
    let info: Info = turn.parsed()?;
    let session = match info.login.connect(turn, &info.db).await {
        Ok(session) => session,
        Err(error) => {
            let soon = predictions::of(turn, &info.login, &info.db).await.anything;
            if turn.check && error.is_unanswered() && soon {
                return Ok(Outcome::new(Verdict::Unknown("the server does not answer yet".into())));
            }
            return Err(error.failure("cannot log in to PostgreSQL"));
        }
    };
    let mut outcome = Outcome::new(Verdict::Unchanged);
    outcome.result = info.look(&session).await.map_err(|error| error.failure("cannot look at the server"))?;
    Ok(outcome)
}

impl Info {
    async fn look(&self, session: &Session) -> Result<Map, PgError> {
        let mut result = Map::new();
        if self.wants("version") {
            let raw = session.word("SELECT pg_catalog.version()").await?;
            result.insert("version".into(), postgresql_ping::described(session.version().await?, &raw));
        }
        if self.wants("in_recovery") {
            result.insert("in_recovery".into(), json!(session.is("SELECT pg_catalog.pg_is_in_recovery()").await?));
        }
        if self.wants("databases") {
            // The size of a database that we may not enter cannot be asked for.
            let sql = "SELECT datname, pg_catalog.pg_get_userbyid(datdba) AS owner, pg_catalog.pg_encoding_to_char(encoding) AS encoding, \
                datcollate AS collate, datctype AS ctype, CASE WHEN pg_catalog.has_database_privilege(datname, 'CONNECT') \
                THEN pg_catalog.pg_database_size(oid) END AS size, datacl AS access_priv FROM pg_catalog.pg_database WHERE NOT datistemplate";
            let columns = ["owner", "encoding", "collate", "ctype", "size", "access_priv"];
            result.insert("databases".into(), by_name(session.rows(sql).await?, &columns));
        }
        if self.wants("roles") {
            let sql = "SELECT rolname, rolsuper, rolcanlogin, rolvaliduntil FROM pg_catalog.pg_roles";
            result.insert("roles".into(), by_name(session.rows(sql).await?, &["superuser", "canlogin", "valid_until"]));
        }
        if self.wants("settings") {
            let sql = "SELECT name, setting, unit, context, boot_val, sourcefile, pending_restart FROM pg_catalog.pg_settings";
            let columns = ["setting", "unit", "context", "boot_val", "sourcefile", "pending_restart"];
            result.insert("settings".into(), by_name(session.rows(sql).await?, &columns));
        }
        Ok(result)
    }

    fn wants(&self, subset: &str) -> bool {
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => subset.starts_with(start),
            None => subset == pattern,
        };
        let (without, with): (Vec<&str>, Vec<&str>) =
            self.filter.iter().map(|name| name.trim()).partition(|name| name.starts_with('!'));
        let left_out = without.iter().any(|name| fits(name.trim_start_matches('!')));
        !left_out && (with.is_empty() || with.iter().any(|name| fits(name)))
    }
}

/// Rows by their first column.
fn by_name(rows: Vec<Vec<Option<String>>>, columns: &[&str]) -> Json {
    let named = rows.into_iter().filter_map(|row| {
        let mut cells = row.into_iter();
        let name = cells.next()??;
        let about: Map =
            columns.iter().zip(cells).map(|(column, cell)| ((*column).to_owned(), value(column, cell))).collect();
        Some((name, Json::Object(about)))
    });
    Json::Object(named.collect())
}

fn value(column: &str, cell: Option<String>) -> Json {
    match (column, cell.as_deref()) {
        ("superuser" | "canlogin" | "pending_restart", Some(word)) => json!(word == "t"),
        ("valid_until" | "access_priv" | "unit" | "sourcefile", None) => json!(""),
        _ => json!(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(filter: &[&str]) -> Vec<&'static str> {
        let info = Info::parse(json!({ "filter": filter }).as_object().unwrap()).unwrap();
        ["version", "databases", "roles", "settings"].into_iter().filter(|name| info.wants(name)).collect()
    }

    #[test]
    fn filters_choose() {
        assert_eq!(wants(&[]).len(), 4);
        assert_eq!(wants(&["ver*", "roles"]), ["version", "roles"]);
        assert_eq!(wants(&["!settings"]), ["version", "databases", "roles"]);
    }

    #[test]
    fn rows_go_by_name() {
        let row = |cells: &[Option<&str>]| cells.iter().map(|cell| cell.map(str::to_owned)).collect::<Vec<_>>();
        let roles =
            by_name(vec![row(&[Some("me"), Some("t"), Some("f"), None])], &["superuser", "canlogin", "valid_until"]);
        assert_eq!(roles, json!({ "me": { "superuser": true, "canlogin": false, "valid_until": "" } }));
    }
}
