//! An open session with a server.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::AbortHandle,
};
use tokio_postgres::{Client, Connection, SimpleQueryMessage};

use super::PgError;

/// An open session, ended when dropped.
pub struct Session {
    /// The library's own view of it.
    pub client: Client,
    /// The database it is in.
    pub database: String,
    driver: AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Drives a connection.
    #[must_use]
    pub fn new<S, T>(client: Client, connection: Connection<S, T>, database: &str) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let driver = tokio::spawn(async move {
            // What goes wrong shows where an answer is awaited.
            let _ = connection.await;
        });
        Self { client, database: database.to_owned(), driver: driver.abort_handle() }
    }

    /// Runs statements; gives the number of rows that the last one touched.
    ///
    /// # Errors
    /// What the server says.
    pub async fn run(&self, sql: &str) -> Result<u64, PgError> {
        Ok(touched(&self.client.simple_query(sql).await?))
    }

    /// Runs a query; gives rows of columns as text.
    ///
    /// # Errors
    /// What the server says.
    pub async fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, PgError> {
        let messages = self.client.simple_query(sql).await?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The first column of the first row; empty for NULL and for no row.
    ///
    /// # Errors
    /// What the server says.
    pub async fn word(&self, sql: &str) -> Result<String, PgError> {
        let rows = self.rows(sql).await?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten().unwrap_or_default())
    }

    /// Whether a query answers with `t`.
    ///
    /// # Errors
    /// What the server says.
    pub async fn is(&self, sql: &str) -> Result<bool, PgError> {
        Ok(self.word(sql).await? == "t")
    }

    /// The version as a number: 90624, 150020.
    ///
    /// # Errors
    /// What the server says.
    pub async fn version(&self) -> Result<u32, PgError> {
        self.word("SHOW server_version_num")
            .await?
            .parse()
            .map_err(|_| PgError::Other("the server does not say its version".into()))
    }
}

/// How many rows the last statement touched.
#[must_use]
pub fn touched(messages: &[SimpleQueryMessage]) -> u64 {
    messages
        .iter()
        .rev()
        .find_map(|message| match message {
            SimpleQueryMessage::CommandComplete(count) => Some(*count),
            _ => None,
        })
        .unwrap_or(0)
}
