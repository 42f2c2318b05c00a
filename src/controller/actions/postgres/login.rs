//! Options that say where a server is and who logs in, and the way there.

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use tokio_postgres::{Config, NoTls, config::SslMode};

use super::{
    PgError, Session,
    secured::{Secured, Wire},
};
use crate::{
    choices,
    controller::{
        actions::{
            dialling::Dial,
            http::tls::{HostTrust, Trust},
        },
        connection::{Endpoint, Stream},
        executor::Turn,
    },
    options,
};

/// Seconds that a server may take to let somebody in; one that recovers from a crash says so earlier.
const LOGIN_SECONDS_MAX: u64 = 30;

choices! {
    /// Whether TLS is spoken.
    pub enum Ssl {
        Disable = "disable", Allow = "allow", Prefer = "prefer", Require = "require", VerifyCa = "verify-ca", VerifyFull = "verify-full",
    }
}

options! {
    /// Where the server is, as the host sees it, and who logs in.
    pub struct Login {
        /// Name or address of the server as the host reaches it; a path means the folder of its Unix socket.
        login_host: String [host] = "localhost",
        /// Its port.
        login_port: i64 [port] = 5432,
        /// Who logs in.
        login_user: String [login] = "postgres",
        /// The password, never shown.
        login_password: String = "",
        /// Folder of the server's Unix socket on the host; goes before `login_host` when that is `localhost`.
        login_unix_socket: Option<PathBuf> [unix_socket],
        /// `require` speaks TLS, `verify-ca` and `verify-full` also have the server prove its name; anything less is plain, as the way to the host is encrypted already.
        ssl_mode: Ssl [sslmode] = Ssl::Prefer,
        /// File on the host with the authorities to trust.
        ca_cert: Option<PathBuf> [ssl_rootcert],
        /// File on the host with a certificate to show.
        ssl_cert: Option<PathBuf>,
        /// File on the host with its key.
        ssl_key: Option<PathBuf>,
        /// A role to act as after logging in.
        session_role: Option<String>,
    }
}

impl Login {
    /// Where the server listens.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        let port = u16::try_from(self.login_port).unwrap_or(5432);
        let local = matches!(self.login_host.as_str(), "" | "localhost");
        let folder = match &self.login_unix_socket {
            Some(folder) if local && !folder.as_os_str().is_empty() => Some(folder.clone()),
            _ => self.login_host.starts_with('/').then(|| PathBuf::from(&self.login_host)),
        };
        match folder {
            Some(path) if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".s.PGSQL.")) => {
                Endpoint::Unix(path)
            }
            Some(folder) => Endpoint::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            None if self.login_host.is_empty() => Endpoint::Tcp { host: "localhost".into(), port },
            None => Endpoint::Tcp { host: self.login_host.clone(), port },
        }
    }

    /// Logs in from the task's host.
    ///
    /// # Errors
    /// When there is no server, or it does not let us in.
    pub async fn connect(&self, turn: &Turn, database: &str) -> Result<Session, PgError> {
        let session = self.open(turn, &self.trust(turn), database).await?;
        for (name, value) in settings(turn.environment.get("PGOPTIONS").map_or("", String::as_str)) {
            session.run(&format!("SET {} TO {}", super::names::identifier(name), super::names::literal(value))).await?;
        }
        Ok(session)
    }

    /// Whom to trust when TLS is asked for.
    #[must_use]
    pub fn trust<'t>(&'t self, turn: &'t Turn) -> HostTrust<'t> {
        HostTrust {
            turn,
            validate: matches!(self.ssl_mode, Ssl::VerifyCa | Ssl::VerifyFull),
            ca_path: self.ca_cert.as_deref(),
            client_cert: self.ssl_cert.as_deref(),
            client_key: self.ssl_key.as_deref(),
        }
    }

    /// Logs in through any dialler.
    ///
    /// # Errors
    /// When there is no server, or it does not let us in.
    pub async fn open(&self, dial: &dyn Dial, trust: &dyn Trust, database: &str) -> Result<Session, PgError> {
        let endpoint = self.endpoint();
        let limit = std::time::Duration::from_secs(LOGIN_SECONDS_MAX);
        tokio::time::timeout(limit, self.enter(dial, trust, &endpoint, database))
            .await
            .unwrap_or(Err(PgError::Silent { at: endpoint.to_string(), seconds: LOGIN_SECONDS_MAX }))
    }

    async fn enter(
        &self,
        dial: &dyn Dial,
        trust: &dyn Trust,
        at: &Endpoint,
        database: &str,
    ) -> Result<Session, PgError> {
        let mut config = Config::new();
        config.user(&self.login_user).dbname(database).application_name("deployer");
        if !self.login_password.is_empty() {
            config.password(&self.login_password);
        }
        let stream = dial.open(at).await.map_err(PgError::Dial)?;
        let secure = matches!(self.ssl_mode, Ssl::Require | Ssl::VerifyCa | Ssl::VerifyFull);
        let session = match at {
            // TLS is for TCP; a Unix socket has no use for it.
            Endpoint::Tcp { host, .. } if secure => {
                let settings = trust.settings().await.map_err(|error| PgError::Other(error.to_string()))?;
                config.ssl_mode(SslMode::Require);
                secured(config, stream, Secured { settings, host: host.clone() }, database.to_owned()).await?
            }
            _ => {
                config.ssl_mode(SslMode::Disable);
                plain(config, stream, database.to_owned()).await?
            }
        };
        self.take_role(&session).await?;
        Ok(session)
    }

    /// Acts as the role that is asked for: after logging in, and again after a dump that has set others.
    ///
    /// # Errors
    /// When the server does not let who logs in.
    pub async fn take_role(&self, session: &Session) -> Result<(), PgError> {
        match &self.session_role {
            Some(role) => session.run(&format!("SET ROLE {}", super::names::identifier(role))).await.map(drop),
            None => Ok(()),
        }
    }
}

/// What a task's `PGOPTIONS` sets, in the forms `-c name=value`, `-cname=value` and `--name=value`.
fn settings(options: &str) -> impl Iterator<Item = (&str, &str)> {
    options.split_whitespace().filter_map(|word| {
        let word = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).unwrap_or(word);
        word.split_once('=')
    })
}

// Boxed with everything owned: the compiler cannot prove the bare futures to be `Send`.

fn plain(config: Config, stream: Stream, database: String) -> BoxFuture<'static, Result<Session, PgError>> {
    Box::pin(async move {
        let (client, connection) = config.connect_raw(Wire(stream), NoTls).await?;
        Ok(Session::new(client, connection, &database))
    })
}

fn secured(
    config: Config,
    stream: Stream,
    tls: Secured,
    database: String,
) -> BoxFuture<'static, Result<Session, PgError>> {
    Box::pin(async move {
        let (client, connection) = config.connect_raw(Wire(stream), tls).await?;
        Ok(Session::new(client, connection, &database))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::remote::Options;

    #[test]
    fn the_server_is_found() {
        for (options, at) in [
            (json!({}), "localhost:5432"),
            (json!({ "login_host": "db", "port": "6000" }), "db:6000"),
            (json!({ "login_unix_socket": "/run/postgresql" }), "/run/postgresql/.s.PGSQL.5432"),
            (json!({ "login_unix_socket": "/run/postgresql", "login_host": "db" }), "db:5432"),
            (json!({ "login_host": "/tmp", "login_port": 1 }), "/tmp/.s.PGSQL.1"),
            (json!({ "login_unix_socket": "/x/.s.PGSQL.7" }), "/x/.s.PGSQL.7"),
        ] {
            let login = Login::parse(options.as_object().unwrap()).unwrap();
            assert_eq!(login.endpoint().to_string(), at);
        }
    }
}
