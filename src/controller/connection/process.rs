//! A command that runs on a host, seen the same way whatever carries it.

use std::{
    fmt, io,
    path::PathBuf,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::oneshot,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// How long a command that nobody waits for any more may take to end itself before it is killed; more than the helper
/// needs to end what it runs.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// The watchers of all commands of this process, whichever connection carries them.
static WATCHED: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// Starts what waits for a command's end, and ends the command when nobody else waits.
pub(super) fn watch(watcher: impl Future<Output = ()> + Send + 'static) {
    WATCHED.spawn(watcher);
}

/// Waits until every command has ended: what is given up is on its way to its end, and must not outlive us.
pub async fn ended() {
    WATCHED.close();
    WATCHED.wait().await;
}

/// Bytes that come from a host.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// Bytes that go to a host; shutting it down or dropping it is the end of input for the other side.
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// A connection in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A boxed connection in both directions.
pub type Stream = Box<dyn Duplex>;

/// What can be dialled from a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket by its absolute path.
    Unix(PathBuf),
    /// A TCP port, the host name resolved there.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// How a command that nobody waits for any more learns that it shall end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By the end of its input, for what watches that and has things of its own to end.
    InputEnds,
    /// By a signal.
    Asked,
}

/// A running command.
pub struct Process {
    /// Its standard input.
    pub stdin: Writer,
    /// Its standard output.
    pub stdout: Reader,
    /// Its standard error.
    pub stderr: Reader,
    /// Its end; dropped before that, the command is ended.
    pub exit: Exit,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// With this code.
    Code(i32),
    /// By this signal, without `SIG`.
    Signal(String),
}

impl ExitStatus {
    /// The exit code as a shell would say it: 128 + number for the usual signals.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Code(code) => *code,
            Self::Signal(name) => {
                128 + match name.as_str() {
                    "HUP" => 1,
                    "INT" => 2,
                    "QUIT" => 3,
                    "ILL" => 4,
                    "ABRT" => 6,
                    "FPE" => 8,
                    "KILL" => 9,
                    "SEGV" => 11,
                    "PIPE" => 13,
                    "ALRM" => 14,
                    "TERM" => 15,
                    _ => 0,
                }
            }
        }
    }
}

/// The end of a command, to be waited for.
pub struct Exit {
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
    kill: DropGuard,
}

impl Exit {
    /// An end that comes through a channel; `kill` is cancelled when nobody waits any more.
    #[must_use]
    pub(super) fn new(ended: oneshot::Receiver<io::Result<ExitStatus>>, kill: CancellationToken) -> Self {
        Self { ended, kill: kill.drop_guard() }
    }

    /// Waits until the command has ended.
    ///
    /// # Errors
    /// When the connection was lost before the exit status arrived.
    pub async fn wait(self) -> io::Result<ExitStatus> {
        let status = self.ended.await.unwrap_or_else(|_| Err(lost()));
        let _ = self.kill.disarm();
        status
    }
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection ended before the command did")
}

/// All that a command left behind.
#[derive(Clone, Debug)]
pub struct Collected {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Process {
    /// Feeds `input`, collects everything, waits for the end.
    ///
    /// # Errors
    /// When the connection was lost.
    pub async fn collect(self, input: &[u8]) -> io::Result<Collected> {
        let Self { mut stdin, mut stdout, mut stderr, exit } = self;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let feed = async {
            // A command may end without reading its input: that is its right, and its status tells.
            let _ = stdin.write_all(input).await;
            let _ = stdin.shutdown().await;
            drop(stdin);
        };
        let ((), read_out, read_err) = tokio::join!(feed, stdout.read_to_end(&mut out), stderr.read_to_end(&mut err));
        read_out?;
        read_err?;
        Ok(Collected { status: exit.wait().await?, stdout: out, stderr: err })
    }
}

/// A writer whose shutdown really closes what is behind it.
///
/// The pipes of child processes ignore shutdown and close only when dropped; without this a peer that waits for the end
/// of its input waits for ever.
pub(super) struct ClosingWriter<W>(Option<W>);

impl<W> ClosingWriter<W> {
    pub(super) const fn new(writer: W) -> Self {
        Self(Some(writer))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for ClosingWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(writer) => Pin::new(writer).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(writer) => Pin::new(writer).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(writer) = &mut self.0 {
            match Pin::new(writer).poll_flush(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => {
                    self.0 = None;
                    return Poll::Ready(result);
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Bytes that were read already, then the rest.
pub(super) struct Prefixed<R> {
    prefix: io::Cursor<Vec<u8>>,
    rest: R,
}

impl<R> Prefixed<R> {
    pub(super) const fn new(prefix: Vec<u8>, rest: R) -> Self {
        Self { prefix: io::Cursor::new(prefix), rest }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Prefixed<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.prefix).poll_read(cx, buffer)
            && (result.is_err() || buffer.filled().len() > before)
        {
            return Poll::Ready(result);
        }
        Pin::new(&mut self.rest).poll_read(cx, buffer)
    }
}
