//! One SSH channel as a process or a stream: a task always drains it, so that no slow reader blocks its neighbours.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client::Msg};
use tokio::{
    io::{AsyncRead, AsyncReadExt, DuplexStream, ReadBuf},
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::super::{
    Process, Stream,
    process::{Ending, Exit, ExitStatus, GRACE, watch},
};

/// Bytes a reader may lag behind: the library cannot slow one channel down without stopping all, so memory takes it.
const BACKLOG_BYTES_MAX: usize = 256 << 20;

/// Bytes of input waiting to be sent per channel: a packet or two, the window on the other side is the real buffer.
const OUTGOING_BYTES: usize = 64 << 10;

/// Room for what is sent next, as long as little is: each of a thousand hosts keeps its own.
const LITTLE_BYTES: usize = 8 << 10;

/// The standard-error stream of a session channel.
const EXTENDED_STDERR: u32 = 1;

/// A session channel that runs a command already; `permit` is given back when the channel is closed, and what needs
/// none stays until its input ends.
pub(super) fn process(channel: Channel<Msg>, permit: Option<OwnedSemaphorePermit>) -> Process {
    let (reads, writes) = channel.split();
    let writes = Arc::new(writes);
    let (stdout, out) = received();
    let (stderr, err) = received();
    let (stdin, outgoing) = tokio::io::duplex(OUTGOING_BYTES);
    let (ended, end) = oneshot::channel();
    let kill = CancellationToken::new();
    let closed = CancellationToken::new();
    tokio::spawn(feed(Arc::clone(&writes), outgoing, closed.clone()));
    let killed = kill.clone();
    let ending = if permit.is_some() { Ending::Asked } else { Ending::InputEnds };
    watch(async move {
        let mut reading = pin!(drain(reads, &out, Some(&err)));
        let drained = tokio::select! {
            drained = &mut reading => drained,
            () = killed.cancelled() => {
                closed.cancel();
                match ending {
                    Ending::InputEnds => drop(writes.eof().await),
                    // sshd without a terminal sends no signal by itself when a channel closes.
                    Ending::Asked => drop(writes.signal(russh::Sig::TERM).await),
                }
                if let Ok(drained) = tokio::time::timeout(GRACE, reading).await {
                    drained
                } else {
                    let _ = writes.signal(russh::Sig::KILL).await;
                    let _ = writes.close().await;
                    Err(io::ErrorKind::Interrupted.into())
                }
            }
        };
        closed.cancel();
        // The end is told only after the last byte is in the readers' queues.
        let _ = ended.send(drained.and_then(|status| {
            status.ok_or_else(|| {
                io::Error::new(io::ErrorKind::ConnectionAborted, "the channel closed without an exit status")
            })
        }));
        drop(permit);
    });
    Process { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), exit: Exit::new(end, kill) }
}

/// A forwarding channel as a stream that keeps `guard` alive.
pub(super) fn stream<G: Send + Unpin + 'static>(channel: Channel<Msg>, guard: G) -> Stream {
    let (reads, writes) = channel.split();
    let writes = Arc::new(writes);
    let (reader, into) = received();
    let (writer, outgoing) = tokio::io::duplex(OUTGOING_BYTES);
    let closed = CancellationToken::new();
    tokio::spawn(feed(Arc::clone(&writes), outgoing, closed.clone()));
    tokio::spawn(async move {
        tokio::select! {
            _ = drain(reads, &into, None) => {}
            // The owner dropped the stream: nobody will read any more.
            () = into.abandoned() => {}
        }
        closed.cancel();
        let _ = writes.close().await;
        drop(guard);
    });
    Box::new(tokio::io::join(reader, writer))
}

/// Sends what is written, then the end of input; gives up when the channel is closed, however full its window.
async fn feed(writes: Arc<ChannelWriteHalf<Msg>>, mut outgoing: DuplexStream, closed: CancellationToken) {
    let send = async {
        let mut buffer = bytes::BytesMut::new();
        let mut room = LITTLE_BYTES;
        loop {
            buffer.reserve(room);
            match outgoing.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    room = if buffer.len() == buffer.capacity() { OUTGOING_BYTES } else { LITTLE_BYTES };
                    if writes.data_bytes(buffer.split().freeze()).await.is_err() {
                        return;
                    }
                }
            }
        }
        let _ = writes.eof().await;
    };
    tokio::select! {
        () = send => {}
        () = closed.cancelled() => {}
    }
}

/// Reads the channel to its close.
async fn drain(mut reads: ChannelReadHalf, out: &Incoming, err: Option<&Incoming>) -> io::Result<Option<ExitStatus>> {
    let mut status = None;
    loop {
        match reads.wait().await {
            Some(ChannelMsg::Data { data }) => out.put(data)?,
            Some(ChannelMsg::ExtendedData { data, ext: EXTENDED_STDERR }) => {
                if let Some(err) = err {
                    err.put(data)?;
                }
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                status = Some(ExitStatus::Code(i32::try_from(exit_status).unwrap_or(-1)));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                let name = format!("{signal_name:?}");
                status = Some(ExitStatus::Signal(match signal_name {
                    russh::Sig::Custom(name) => name,
                    _ => name,
                }));
            }
            // The other direction may stay open for long; whoever reads must learn now that nothing more comes.
            Some(ChannelMsg::Eof) => {
                out.end();
                if let Some(err) = err {
                    err.end();
                }
            }
            Some(ChannelMsg::Failure) => {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the server refuses to run commands"));
            }
            // Closed in order with a status, or the whole connection went.
            Some(ChannelMsg::Close) | None => return Ok(status),
            Some(_) => {}
        }
    }
}

/// The writing end of a reader's queue.
struct Incoming {
    queue: mpsc::UnboundedSender<Bytes>,
    backlog: Arc<AtomicUsize>,
}

impl Incoming {
    fn put(&self, data: Bytes) -> io::Result<()> {
        let length = data.len();
        if length == 0 {
            return Ok(());
        }
        // Counted first: the reader may take the data, and count it off, before `send` returns.
        let waiting = self.backlog.fetch_add(length, Ordering::Relaxed) + length;
        // A reader that is gone does not want the rest; the command still runs to its end.
        if self.queue.send(data).is_ok() && waiting > BACKLOG_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                format!("output was not read in time and {} MiB of it were waiting", BACKLOG_BYTES_MAX >> 20),
            ));
        }
        Ok(())
    }

    /// Marks the end with an empty piece, which never stands for data.
    fn end(&self) {
        let _ = self.queue.send(Bytes::new());
    }

    async fn abandoned(&self) {
        self.queue.closed().await;
    }
}

/// What came through a channel and waits to be read.
struct Received {
    queue: mpsc::UnboundedReceiver<Bytes>,
    current: Bytes,
    backlog: Arc<AtomicUsize>,
}

fn received() -> (Received, Incoming) {
    let (sender, queue) = mpsc::unbounded_channel();
    let backlog = Arc::new(AtomicUsize::new(0));
    (Received { queue, current: Bytes::new(), backlog: Arc::clone(&backlog) }, Incoming { queue: sender, backlog })
}

impl AsyncRead for Received {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.current.is_empty() {
            match self.queue.poll_recv(cx) {
                Poll::Ready(Some(bytes)) if !bytes.is_empty() => self.current = bytes,
                Poll::Ready(_) => {
                    self.queue.close();
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        let take = self.current.len().min(buffer.remaining());
        buffer.put_slice(&self.current[..take]);
        self.current.advance(take);
        self.backlog.fetch_sub(take, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}
