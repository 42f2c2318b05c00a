//! A socket of the host through the helper, as the user it runs as: where sshd or file modes keep the login user out.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader, ReadBuf};

use super::{
    super::{Connection, Endpoint, Exit, Process, Reader, Stream, Writer, escalation::Become},
    Helper, SessionError, bootstrap, helpers,
};
use crate::protocol::{Failure, call::RELAY_CONNECTED};

/// Bytes of the line that says whether there is a connection.
const LINE_BYTES_MAX: u64 = 4 << 10;

/// Seconds for that line: an address that drops packets takes about as long to be given up.
const CONNECT_LIMIT: Duration = Duration::from_secs(150);

/// Connects to a socket as a user of the host.
///
/// # Errors
/// When the host takes no helper, the user cannot be become, or nobody listens ([`SessionError::Failed`]).
pub async fn dial(connection: &Connection, how: Option<&Become>, endpoint: &Endpoint) -> Result<Stream, SessionError> {
    dial_with(connection, how, endpoint, helpers()).await
}

/// The same with helpers of one's own.
pub(super) async fn dial_with(
    connection: &Connection,
    how: Option<&Become>,
    endpoint: &Endpoint,
    helpers: &[Helper],
) -> Result<Stream, SessionError> {
    let words = match endpoint {
        Endpoint::Unix(path) => vec!["relay".to_owned(), "unix".to_owned(), path.to_string_lossy().into_owned()],
        Endpoint::Tcp { host, port } => vec!["relay".to_owned(), "tcp".to_owned(), host.clone(), port.to_string()],
    };
    let Greeted { said, stdin, stdout, exit } = greeted(connection, how, helpers, &words).await?;
    let said = said.unwrap_or_else(|| "nobody answers there".to_owned());
    if said != RELAY_CONNECTED {
        let who = how.map_or_else(|| "the login user".to_owned(), |how| how.user.clone());
        let failure = Failure::new(format!("cannot connect to {endpoint} as {who}: {said}"));
        return Err(SessionError::Failed(failure.hint("is the service running there, and may this user reach it?")));
    }
    Ok(Box::new(Relayed { stdin, stdout, _exit: exit }))
}

/// A helper that was started for one thing and has said how that went.
pub(super) struct Greeted {
    /// Its first line; nothing where it took too long.
    pub(super) said: Option<String>,
    /// To it.
    pub(super) stdin: Writer,
    /// From it, behind that line.
    pub(super) stdout: Reader,
    /// It ends when this is dropped.
    pub(super) exit: Exit,
}

/// Starts a helper with these words and reads its first line.
pub(super) async fn greeted(
    connection: &Connection,
    how: Option<&Become>,
    helpers: &[Helper],
    words: &[String],
) -> Result<Greeted, SessionError> {
    let Process { stdin, stdout, mut stderr, exit } = bootstrap::start(connection, how, helpers, words).await?;
    // Nothing is said there; a full pipe would stop it all the same.
    tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    let mut first = (&mut stdout).take(LINE_BYTES_MAX);
    let read = first.read_until(b'\n', &mut line);
    let said = match tokio::time::timeout(CONNECT_LIMIT, read).await {
        Ok(Ok(0)) => return Err(SessionError::Lost { reason: "it ended without a word".into() }),
        Ok(Ok(_)) => Some(String::from_utf8_lossy(&line).trim().to_owned()),
        Ok(Err(error)) => return Err(SessionError::Lost { reason: error.to_string() }),
        Err(_) => None,
    };
    Ok(Greeted { said, stdin, stdout: Box::new(stdout), exit })
}

/// Both directions of a running relay, which ends when this is dropped.
struct Relayed {
    stdin: Writer,
    stdout: Reader,
    _exit: Exit,
}

impl AsyncRead for Relayed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Relayed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}
