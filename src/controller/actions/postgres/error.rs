//! Why a database did not do what it was asked.

use tokio_postgres::error::SqlState;

use crate::{controller::actions::http::error::chain, protocol::Failure};

/// What went wrong with a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PgError {
    /// Nobody listens there.
    #[error("{0}")]
    Dial(Failure),
    /// Somebody listens, but says nothing.
    #[error("{at} does not answer within {seconds} s")]
    Silent {
        /// Host and port, or socket.
        at: String,
        /// The limit.
        seconds: u64,
    },
    /// The server, or the way to it, says no.
    #[error("{}", said(.0))]
    Server(#[from] tokio_postgres::Error),
    /// Certificates cannot be used, or an answer is not what was expected.
    #[error("{0}")]
    Other(String),
}

impl PgError {
    /// Whether there is no server that would answer, as while it is still to be started.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        match self {
            Self::Dial(_) | Self::Silent { .. } => true,
            Self::Server(error) => match error.code() {
                Some(code) => *code == SqlState::CANNOT_CONNECT_NOW,
                // What forwards ports for containers accepts first and hangs up when nobody is behind.
                None => error.is_closed() || is_io(error),
            },
            Self::Other(_) => false,
        }
    }

    /// Whether the server has this to say.
    #[must_use]
    pub fn is(&self, code: &SqlState) -> bool {
        matches!(self, Self::Server(error) if error.code() == Some(code))
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Dial(failure) => Some(failure.hint.clone().unwrap_or_else(|| {
                "is the server started, and are login_host, login_port or login_unix_socket right as seen from the host?".into()
            })),
            Self::Server(error) => hint(error),
            _ => None,
        }
    }

    /// The failure of a task.
    #[must_use]
    pub fn failure(&self, doing: &str) -> Failure {
        Failure { message: format!("{doing}: {self}"), hint: self.hint() }
    }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    use std::error::Error;
    error.source().is_some_and(|source| source.downcast_ref::<std::io::Error>().is_some())
}

fn hint(error: &tokio_postgres::Error) -> Option<String> {
    let Some(code) = error.code() else {
        return chain(error)
            .contains("password missing")
            .then(|| "the server wants a password: set login_password".to_owned());
    };
    Some(match *code {
        SqlState::INVALID_PASSWORD => "check login_user and login_password".into(),
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "check login_user, and pg_hba.conf for a line that lets it in from where the host connects".into()
        }
        SqlState::INVALID_CATALOG_NAME => "create the database with postgresql_db".into(),
        SqlState::INSUFFICIENT_PRIVILEGE => "log in as the owner or a superuser".into(),
        SqlState::TOO_MANY_CONNECTIONS => "raise max_connections, or end sessions that are not needed".into(),
        SqlState::DISK_FULL => "the disk of the server is full: make room and run again".into(),
        SqlState::UNDEFINED_OBJECT if said(error).contains("role \"") => {
            "create the role with postgresql_user, or dump with --no-owner --no-privileges".into()
        }
        SqlState::UNDEFINED_OBJECT if said(error).contains("unrecognized configuration parameter") => {
            "the dump was written for a newer PostgreSQL than this server: dump with the server's own version of pg_dump, or start a newer server".into()
        }
        _ => return None,
    })
}

/// What a server says, with all that helps; passwords are in none of it.
#[must_use]
pub fn said(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else { return chain(error) };
    let mut text = format!("{}: {}", said.severity(), said.message());
    for (word, more) in [("DETAIL", said.detail()), ("HINT", said.hint())] {
        if let Some(more) = more {
            text.extend([" (", word, ": ", more, ")"]);
        }
    }
    text
}
