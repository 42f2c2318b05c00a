//! A running helper: calls go out as they are made, answers find their callers, content is streamed when asked for.

use std::{
    collections::HashMap,
    io::Read as _,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        Connection, Process,
        escalation::{self, Become},
    },
    BlobStore, Helper, SessionError, bootstrap,
    hearing::Hearing,
    helpers,
    opening::{self, Outlet, Whole},
    pace::Pace,
    ticket::Ticket,
};
use crate::protocol::{Blob, Call, Change, Claim, FromHost, Outcome, Ready, ToHost, Verdict, call::Place, frame};

/// Frames that wait to be sent; more makes callers wait, so that content is not piled up in memory.
pub(super) const OUTGOING_FRAMES: usize = 4;

/// Seconds for the helper to be gone once it has been told to.
const GONE_LIMIT: Duration = Duration::from_secs(2);

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

pub(super) struct Shared {
    outgoing: mpsc::Sender<Vec<u8>>,
    pace: Arc<Pace>,
    pending: Mutex<Pending>,
    next: AtomicU64,
    /// What the helper has greeted with; nothing where it has not started.
    ready: OnceLock<Ready>,
    /// It is known whether the helper has started.
    settled: CancellationToken,
}

#[derive(Default)]
struct Pending {
    callers: HashMap<u64, mpsc::UnboundedSender<Answer>>,
    /// Why there will be no more answers.
    lost: Option<SessionError>,
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

    /// Asks a host for the helper and does not wait for it: what is called meanwhile follows in the same flight. Why it does not start is told
    /// to all callers, and by [`Session::opened`]. Where the helper's input is needed for something else first, as [`Session::start`].
    ///
    /// # Errors
    /// As [`Session::start`], as far as is known at once.
    pub async fn begin(connection: &Connection, how: Option<&Become>) -> Result<Self, SessionError> {
        Self::begin_with(connection, how, helpers()).await
    }

    /// The same with helpers of one's own.
    ///
    /// # Errors
    /// As [`Session::begin`].
    pub async fn begin_with(
        connection: &Connection,
        how: Option<&Become>,
        helpers: &[Helper],
    ) -> Result<Self, SessionError> {
        if matches!(connection, Connection::Local) || !escalation::leaves_input(how) {
            return Self::start_with(connection, how, helpers).await;
        }
        let begun = bootstrap::begin(connection, how, helpers).await?;
        let (session, frames) = Self::unopened();
        let whole = Whole { connection: connection.clone(), how: how.cloned(), helpers: helpers.to_vec() };
        tokio::spawn(opening::open(Arc::downgrade(&session.0), begun, whole, frames, Arc::clone(&session.0.pace)));
        Ok(session)
    }

    /// Speaks to a helper that runs already.
    ///
    /// # Errors
    /// When its first frame does not come or is of another version.
    pub async fn over(process: Process) -> Result<Self, SessionError> {
        let Process { stdin, stdout, stderr, exit } = process;
        let (ready, hearing) = Hearing::new(stdout, stderr, exit).ready().await?;
        let (session, frames) = Self::unopened();
        tokio::spawn(Outlet::running(frames, stdin, Arc::clone(&session.0.pace)));
        session.0.greeted(ready);
        tokio::spawn(hearing.hear(Arc::downgrade(&session.0)));
        Ok(session)
    }

    fn unopened() -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (outgoing, frames) = mpsc::channel(OUTGOING_FRAMES);
        let shared = Shared {
            outgoing,
            pace: Arc::default(),
            pending: Mutex::default(),
            next: AtomicU64::new(1),
            ready: OnceLock::new(),
            settled: CancellationToken::new(),
        };
        (Self(Arc::new(shared)), frames)
    }

    /// Who the helper runs as, once it does.
    #[must_use]
    pub fn ready(&self) -> Option<&Ready> {
        self.0.ready.get()
    }

    /// Waits until the helper runs.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub async fn opened(&self) -> Result<(), SessionError> {
        self.0.settled.cancelled().await;
        if self.has_not_started() { Err(self.lost()) } else { Ok(()) }
    }

    /// Whether it is not known yet if the helper starts.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        !self.0.settled.is_cancelled()
    }

    /// Whether the helper has not started, and will not.
    #[must_use]
    pub fn has_not_started(&self) -> bool {
        self.0.settled.is_cancelled() && self.ready().is_none()
    }

    /// Whether both are the same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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
        let _ = tokio::time::timeout(GONE_LIMIT, gone).await;
        Ok(())
    }

    fn register(&self) -> Result<Ticket<'_>, SessionError> {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answers) = mpsc::unbounded_channel();
        {
            let mut pending = self.0.pending.lock().map_err(|_| self.lost())?;
            if let Some(error) = &pending.lost {
                return Err(error.again());
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
        let error = self.0.pending.lock().ok().and_then(|pending| pending.lost.as_ref().map(SessionError::again));
        error.unwrap_or_else(|| SessionError::Lost { reason: "the connection to it was closed".into() })
    }
}

impl Shared {
    /// The helper runs.
    pub(super) fn greeted(&self, ready: Ready) {
        // It greets once.
        let _ = self.ready.set(ready);
        self.settled.cancel();
    }

    /// There will be no more answers.
    pub(super) fn end(&self, error: SessionError) {
        if let Ok(mut pending) = self.pending.lock() {
            pending.lost = Some(error);
            self.settled.cancel();
            pending.callers.clear();
        }
    }

    pub(super) fn deliver(&self, header: FromHost, body: Vec<u8>) {
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
