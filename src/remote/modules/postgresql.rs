//! What the modules of PostgreSQL share: how they log in, ask and write statements.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    choices, options,
    protocol::{Change, Json, Run},
    remote::{Applied, Choice, Plan, Probe, Stop, machine::probe::Found},
};

options! {
    /// How a session with the server is opened, with `psql`.
    pub struct Session {
        /// The user of the session.
        login_user: String [login] = "postgres",
        /// Its password.
        login_password: String = "",
        /// The server's host; the socket when left out.
        login_host: String [host] = "",
        /// The folder of the server's socket, used when the host is `localhost` or left out.
        login_unix_socket: String [unix_socket] = "",
        /// The server's port.
        login_port: i64 [port] = 5432,
        /// Whether the session is encrypted.
        ssl_mode: SslMode = SslMode::Prefer,
        /// Certificates of authorities to hold the server's against.
        ca_cert: Option<PathBuf> [ssl_rootcert],
        /// The client's certificate.
        ssl_cert: Option<PathBuf>,
        /// The client's key.
        ssl_key: Option<PathBuf>,
        /// A role that the session takes.
        session_role: Option<String>,
        /// Accepted for Ansible's sake; names are always quoted.
        trust_input: bool = true,
    }
}

choices! {
    /// When a session is encrypted.
    pub enum SslMode {
        /// Only if the server insists.
        Allow = "allow",
        /// Never.
        Disable = "disable",
        /// Where the server can.
        Prefer = "prefer",
        /// Always.
        Require = "require",
        /// Always, with a certificate of a known authority.
        VerifyCa = "verify-ca",
        /// Always, with a certificate of that very host.
        VerifyFull = "verify-full",
    }
}

impl Session {
    /// Statements for one session; what is secret in them goes through standard input.
    pub fn session(&self, database: &str, statements: &str) -> Run {
        let mut run = Run::new(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        let mut set = |name: &str, value: &str| {
            if !value.is_empty() {
                run.environment.insert(name.to_owned(), value.to_owned());
            }
        };
        let by_socket = matches!(self.login_host.as_str(), "" | "localhost") && !self.login_unix_socket.is_empty();
        set("PGHOST", if by_socket { &self.login_unix_socket } else { &self.login_host });
        set("PGPORT", &self.login_port.to_string());
        set("PGUSER", &self.login_user);
        set("PGPASSWORD", &self.login_password);
        set("PGDATABASE", database);
        set("PGSSLMODE", self.ssl_mode.word());
        for (name, path) in
            [("PGSSLROOTCERT", &self.ca_cert), ("PGSSLCERT", &self.ssl_cert), ("PGSSLKEY", &self.ssl_key)]
        {
            set(name, &path.as_ref().map(|path| path.to_string_lossy()).unwrap_or_default());
        }
        let role = self.session_role.as_ref().map(|role| format!("SET ROLE {};\n", name(role))).unwrap_or_default();
        run.stdin = Some(format!("{role}{statements};\n"));
        run
    }

    /// The rows of a query, one JSON object each.
    ///
    /// # Errors
    /// When the server cannot be asked; unknown where a predicted package would bring it.
    pub fn rows(&self, probe: &Probe<'_>, database: &str, query: &str) -> Found<Vec<Json>> {
        let said = self.ask(probe, database, &format!("SELECT row_to_json(answer) FROM ({query}) AS answer"))?;
        Ok(said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// What statements that change nothing for good give.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn ask(&self, probe: &Probe<'_>, database: &str, statements: &str) -> Found<String> {
        let unknown = probe.predicting() && probe.all_assumed("package").any(|(_, value)| !value.is_null());
        let unknown = || unknown.then(|| Stop::Unknown("the server's databases are known after apply".to_owned()));
        if probe.program("psql")?.is_none() {
            let missing = || Stop::failed("psql is not on this host").hint("install the package `postgresql-client`");
            return Err(unknown().unwrap_or_else(missing));
        }
        let output = probe.query_run(&self.session(database, statements))?;
        if output.success() {
            return Ok(output.stdout);
        }
        Err(unknown().unwrap_or_else(|| Stop::failed(complaint(&output.stderr))))
    }
}

/// Fails with what the server said, if a statement failed.
///
/// # Errors
/// When one did.
pub fn judge(applied: &[Applied]) -> Result<(), Stop> {
    match applied.iter().find(|applied| applied.code != 0) {
        Some(bad) => Err(Stop::failed(complaint(&bad.stderr))),
        None => Ok(()),
    }
}

/// Adds a statement; its text is shown in `shown`, which holds no secret.
pub fn push(plan: &mut Plan, key: &str, shown: &str, run: Run) {
    plan.push(Change::Run(run));
    match plan.result.get_mut(key).and_then(Json::as_array_mut) {
        Some(list) => list.push(shown.into()),
        None => plan.set(key, json!([shown])),
    }
}

/// The server's own words, without the lines that quote the statement (which may hold a password).
fn complaint(stderr: &str) -> String {
    let said = |line: &&str| ["ERROR:", "FATAL:", "DETAIL:", "HINT:", "error:"].iter().any(|word| line.contains(word));
    let lines: Vec<&str> = stderr.lines().filter(said).map(str::trim).collect();
    format!("PostgreSQL refused: {}", if lines.is_empty() { "psql gave no reason".to_owned() } else { lines.join(" ") })
}

/// A name as SQL writes it.
pub fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A text as SQL writes it, whatever the server takes backslashes for.
pub fn text(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_break_out() {
        assert_eq!(name("a\"; DROP"), "\"a\"\"; DROP\"");
        assert_eq!(text("it's \\'"), "E'it''s \\\\'''");
    }

    #[test]
    fn a_refusal_does_not_quote_the_statement() {
        let stderr = "psql:<stdin>:1: ERROR:  role \"a\" already exists\nLINE 1: CREATE USER a PASSWORD 'secret'\n";
        let said = complaint(stderr);
        assert!(said.contains("already exists") && !said.contains("secret"), "{said}");
    }
}
