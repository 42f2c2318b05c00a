//! A running helper: calls go out as they are made, answers find their callers, content is streamed when asked for.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, Read as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
};

use super::{
    super::{Connection, Process, Reader, escalation::Become, process::Exit},
    BlobStore, Helper, SessionError, bootstrap, helpers,
    pace::Pace,
    ticket::Ticket,
};
use crate::protocol::{
    Blob, Call, Change, Claim, FromHost, Outcome, Ready, ToHost, Verdict,
    call::{PROTOCOL, Place},
    frame::{self, FRAME_BYTES_MAX},
};

/// Frames that wait to be sent; more makes callers wait, so that content is not piled up in memory.
const OUTGOING_FRAMES: usize = 4;

/// Bytes of the helper's standard error kept for messages.
const STDERR_BYTES_MAX: usize = 4 << 10;

/// Seconds for the helper's first frame.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// Seconds for the helper's last words when it ended by itself.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(2);

/// Something to show while a call runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// One line for people.
    pub text: String,
    /// Done and total in the same unit, where known.
    pub amount: Option<(u64, u64)>,
}

/// A running helper as one user of one host; clones share it.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    outgoing: mpsc::Sender<Vec<u8>>,
    pace: Arc<Pace>,
    pending: Mutex<Pending>,
    next: AtomicU64,
    ready: Ready,
}

#[derive(Default)]
struct Pending {
    callers: HashMap<u64, mpsc::UnboundedSender<Answer>>,
    /// Why there will be no more answers.
    lost: Option<String>,
}

pub(super) enum Answer {
    Progress(Progress),
    Need(Vec<Blob>),
    Data(Vec<u8>),
    Done(Box<Outcome>),
    NotRun,
    LeftOut,
}

impl Session {
    /// Brings the helper to a host, starts it as a user and waits for its first frame.
    ///
    /// # Errors
    /// When the host takes no helper ([`SessionError::HelperRefused`]), the user cannot be become, or the connection
    /// fails.
    pub async fn start(connection: &Connection, how: Option<&Become>) -> Result<Self, SessionError> {
        Self::start_with(connection, how, helpers()).await
    }

    /// The same with helpers of one's own.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub async fn start_with(
        connection: &Connection,
        how: Option<&Become>,
        helpers: &[Helper],
    ) -> Result<Self, SessionError> {
        Self::over(bootstrap::start(connection, how, helpers, &[]).await?).await
    }

    /// Speaks to a helper that runs already.
    ///
    /// # Errors
    /// When its first frame does not come or is of another version.
    pub async fn over(process: Process) -> Result<Self, SessionError> {
        let Process { mut stdin, mut stdout, stderr, exit } = process;
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (silent, last_words) = oneshot::channel();
        tokio::spawn(keep_tail(stderr, Arc::clone(&tail), silent));
        let first = tokio::time::timeout(READY_LIMIT, read_frame(&mut stdout)).await;
        let ready = match first {
            Ok(Ok(Some((FromHost::Ready(ready), _)))) if ready.protocol == PROTOCOL => ready,
            Ok(Ok(Some((FromHost::Ready(ready), _)))) => {
                return Err(SessionError::Lost {
                    reason: format!("it speaks version {} of the protocol, not {PROTOCOL}", ready.protocol),
                });
            }
            Ok(Ok(Some(_))) => return Err(SessionError::Lost { reason: "it did not greet".into() }),
            Ok(Ok(None)) => {
                return Err(SessionError::Lost { reason: epitaph(None, exit, last_words, &tail).await });
            }
            Ok(Err(error)) => {
                return Err(SessionError::Lost { reason: epitaph(Some(error), exit, last_words, &tail).await });
            }
            Err(_) => {
                return Err(SessionError::Lost { reason: format!("it said nothing for {} s", READY_LIMIT.as_secs()) });
            }
        };
        let (outgoing, mut frames) = mpsc::channel::<Vec<u8>>(OUTGOING_FRAMES);
        let pace = Arc::new(Pace::default());
        let measured = Arc::clone(&pace);
        tokio::spawn(async move {
            let mut waiting = Vec::with_capacity(OUTGOING_FRAMES);
            while frames.recv_many(&mut waiting, OUTGOING_FRAMES).await > 0 {
                // Small frames that wait go out in one piece.
                let bytes = if waiting.len() == 1 { waiting.remove(0) } else { waiting.concat() };
                waiting.clear();
                let began = Instant::now();
                // A broken pipe is told by the reading side, with its reason.
                if stdin.write_all(&bytes).await.is_err() || stdin.flush().await.is_err() {
                    break;
                }
                measured.note(bytes.len(), began.elapsed());
            }
            let _ = stdin.shutdown().await;
        });
        let shared = Arc::new(Shared { outgoing, pace, pending: Mutex::default(), next: AtomicU64::new(1), ready });
        let weak = Arc::downgrade(&shared);
        tokio::spawn(async move {
            let error = loop {
                match read_frame(&mut stdout).await {
                    Ok(Some((header, body))) => {
                        let Some(shared) = weak.upgrade() else { return };
                        shared.deliver(header, body);
                    }
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            let reason = epitaph(error, exit, last_words, &tail).await;
            if let Some(shared) = weak.upgrade()
                && let Ok(mut pending) = shared.pending.lock()
            {
                pending.lost = Some(reason);
                pending.callers.clear();
            }
        });
        Ok(Self(shared))
    }

    /// Who the helper runs as.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.0.ready
    }

    /// Whether it can still be called.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.pending.lock().is_ok_and(|pending| pending.lost.is_none())
    }

    /// Sends a call and waits for its end, delivering content that it asks for. The call's id is set here; calls may
    /// overlap and are carried out in the order they were sent. `on_sent` hears that it is on its way.
    ///
    /// # Errors
    /// When the helper is lost; a failed call is an [`Outcome`].
    pub async fn call(
        &self,
        mut call: Call,
        blobs: &dyn BlobStore,
        mut on_progress: impl FnMut(Progress),
        on_sent: impl FnOnce(),
    ) -> Result<Outcome, SessionError> {
        let mut body = Vec::new();
        for blob in &call.inline {
            let read = blobs.open(blob).and_then(|mut content| content.read_to_end(&mut body));
            if let Err(error) = read {
                return Ok(Outcome::failed(format!("cannot read the content to send: {error}")));
            }
        }
        let mut ticket = self.register()?;
        call.id = ticket.id;
        ticket.send(&ToHost::Call(call), &body).await?;
        drop(body);
        on_sent();
        while let Some(answer) = ticket.answers.recv().await {
            match answer {
                Answer::Progress(progress) => on_progress(progress),
                Answer::Need(wanted) => ticket.deliver(wanted, blobs).await?,
                Answer::Data(_) => {}
                Answer::Done(outcome) => return Ok(*outcome),
                Answer::NotRun => return Err(SessionError::NotRun),
                Answer::LeftOut => return Err(SessionError::LeftOut),
            }
        }
        Err(self.lost())
    }

    /// Has nothing behind a place of a burst carried out unless a claim is true.
    ///
    /// # Errors
    /// When the helper is lost.
    pub async fn fence(&self, place: Place, claim: Claim) -> Result<(), SessionError> {
        self.send(&ToHost::Fence { place, claim }, &[]).await
    }

    /// Tells the helper what another session on the same host has predicted.
    ///
    /// # Errors
    /// When the helper is lost.
    pub async fn assume(&self, changes: Vec<Change>) -> Result<(), SessionError> {
        self.send(&ToHost::Assume { changes }, &[]).await
    }

    /// Copies a file of the host to a writer and returns its length.
    ///
    /// # Errors
    /// [`SessionError::Failed`] when it cannot be read there or written here.
    pub async fn read(&self, path: &str, to: &mut (impl AsyncWrite + Unpin)) -> Result<u64, SessionError> {
        let mut ticket = self.register()?;
        ticket.send(&ToHost::Read { id: ticket.id, path: path.to_owned() }, &[]).await?;
        let mut length = 0;
        while let Some(answer) = ticket.answers.recv().await {
            match answer {
                Answer::Data(bytes) => {
                    length += bytes.len() as u64;
                    to.write_all(&bytes).await.map_err(|error| {
                        SessionError::Failed(crate::protocol::Failure::new(format!("cannot write here: {error}")))
                    })?;
                }
                Answer::Done(outcome) => match outcome.verdict {
                    Verdict::Failed(failure) => return Err(SessionError::Failed(failure)),
                    _ => return Ok(length),
                },
                Answer::Progress(_) | Answer::Need(_) | Answer::NotRun | Answer::LeftOut => {}
            }
        }
        Err(self.lost())
    }

    /// Makes the helper remove its own file from the host and end.
    ///
    /// # Errors
    /// When the helper is lost already.
    pub async fn forget(&self) -> Result<(), SessionError> {
        self.send(&ToHost::Forget, &[]).await?;
        let gone = async {
            while self.is_open() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS_LIMIT, gone).await;
        Ok(())
    }

    fn register(&self) -> Result<Ticket<'_>, SessionError> {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answers) = mpsc::unbounded_channel();
        {
            let mut pending = self.0.pending.lock().map_err(|_| self.lost())?;
            if let Some(reason) = &pending.lost {
                return Err(SessionError::Lost { reason: reason.clone() });
            }
            pending.callers.insert(id, sender);
        }
        Ok(Ticket::new(self, id, answers))
    }

    /// Nobody waits for these answers any more, nor will deliver what the helper still waits for.
    pub(super) fn leave(&self, id: u64, owed: impl Iterator<Item = Blob>) {
        if let Ok(mut pending) = self.0.pending.lock() {
            pending.callers.remove(&id);
        }
        owed.for_each(|blob| refuse(&self.0.outgoing, blob.sha256));
    }

    /// How quickly bytes leave.
    pub(super) fn pace(&self) -> &Pace {
        &self.0.pace
    }

    pub(super) async fn send(&self, header: &ToHost, body: &[u8]) -> Result<(), SessionError> {
        let mut bytes = Vec::new();
        frame::encode(header, body, &mut bytes)
            .map_err(|error| SessionError::Failed(crate::protocol::Failure::new(error.to_string())))?;
        self.0.outgoing.send(bytes).await.map_err(|_| self.lost())
    }

    fn lost(&self) -> SessionError {
        let reason = self.0.pending.lock().ok().and_then(|pending| pending.lost.clone());
        SessionError::Lost { reason: reason.unwrap_or_else(|| "the connection to it was closed".into()) }
    }
}

impl Shared {
    fn deliver(&self, header: FromHost, body: Vec<u8>) {
        let (id, answer) = match header {
            FromHost::Ready(_) => return,
            FromHost::Progress { id, text, amount } => (id, Answer::Progress(Progress { text, amount })),
            FromHost::Need { id, blobs } => (id, Answer::Need(blobs)),
            FromHost::Data { id } => (id, Answer::Data(body)),
            FromHost::NotRun { id } => (id, Answer::NotRun),
            FromHost::LeftOut { id } => (id, Answer::LeftOut),
            FromHost::Done { id, outcome } => (id, Answer::Done(Box::new(outcome))),
        };
        let caller = self.pending.lock().ok().and_then(|pending| pending.callers.get(&id).cloned());
        let unwanted = match caller {
            Some(caller) => caller.send(answer).err().map(|error| error.0),
            None => Some(answer),
        };
        // The helper waits for what it asked for; a caller that went away must not leave it waiting.
        if let Some(Answer::Need(blobs)) = unwanted {
            blobs.into_iter().for_each(|blob| refuse(&self.outgoing, blob.sha256));
        }
    }
}

/// Tells the helper that content will not come.
fn refuse(outgoing: &mpsc::Sender<Vec<u8>>, sha256: String) {
    let header = ToHost::Blob { sha256, last: true, error: Some("the task was given up".into()), packed: false };
    let mut bytes = Vec::new();
    if frame::encode(&header, &[], &mut bytes).is_ok()
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        let outgoing = outgoing.clone();
        runtime.spawn(async move { outgoing.send(bytes).await });
    }
}

pub(super) async fn read_frame<H: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<(H, Vec<u8>)>> {
    let mut length = [0; 4];
    let mut filled = 0;
    while filled < length.len() {
        match from.read(&mut length[filled..]).await? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    let total = u32::from_be_bytes(length) as usize;
    if total > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no frame"));
    }
    let mut payload = vec![0; total];
    from.read_exact(&mut payload).await?;
    frame::decode(&payload).map(Some)
}

async fn keep_tail(mut stderr: Reader, tail: Arc<Mutex<VecDeque<u8>>>, silent: oneshot::Sender<()>) {
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        if let Ok(mut tail) = tail.lock() {
            tail.extend(&chunk[..count]);
            let excess = tail.len().saturating_sub(STDERR_BYTES_MAX);
            tail.drain(..excess);
        }
    }
    let _ = silent.send(());
}

/// How the helper ended, in one sentence.
async fn epitaph(
    error: Option<io::Error>,
    exit: Exit,
    last_words: oneshot::Receiver<()>,
    tail: &Mutex<VecDeque<u8>>,
) -> String {
    let status = tokio::time::timeout(LAST_WORDS_LIMIT, exit.wait()).await;
    let _ = tokio::time::timeout(LAST_WORDS_LIMIT, last_words).await;
    let mut reason = match (error, status) {
        (_, Ok(Ok(status))) => format!("exit code {}", status.code()),
        (_, Ok(Err(error))) | (Some(error), Err(_)) => error.to_string(),
        (None, Err(_)) => "it closed its output".into(),
    };
    let said = tail.lock().map(|tail| tail.iter().copied().collect::<Vec<u8>>()).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if !said.is_empty() {
        reason.push_str(": ");
        reason.push_str(&said);
    }
    reason
}
