//! A helper that has been asked for: what is called meanwhile goes out behind that, in the same flight.
//!
//! It is kept until the helper is known to run. Where the host has none, one is brought, and what was meant for it is sent again: nothing has
//! been carried out until then.

use std::sync::{Arc, Weak};

use tokio::{
    io::AsyncWriteExt,
    sync::{Mutex, OwnedMutexGuard, mpsc},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{Connection, Process, Writer, escalation::Become},
    Helper, SessionError,
    bootstrap::{self, Begun},
    hearing::Hearing,
    pace::Pace,
    session::{OUTGOING_FRAMES, Shared},
};

/// Bytes that may go out before the helper is known to run.
const AHEAD_BYTES_MAX: usize = 256 << 10;

/// How a helper is brought and started where asking for it is not enough.
pub(super) struct Whole {
    pub(super) connection: Connection,
    pub(super) how: Option<Become>,
    pub(super) helpers: Vec<Helper>,
}

/// Sees a session through its opening, and then hears its helper to the end.
pub(super) async fn open(
    session: Weak<Shared>,
    mut begun: Begun,
    whole: Whole,
    frames: mpsc::Receiver<Vec<u8>>,
    pace: Arc<Pace>,
) {
    let outlet = Arc::new(Mutex::new(Outlet { frames, kept: Vec::new() }));
    let runs = CancellationToken::new();
    let write = |outlet, stdin| tokio::spawn(Outlet::write(outlet, stdin, runs.clone(), Arc::clone(&pace)));
    let mut writer = write(Arc::clone(&outlet).lock_owned().await, begun.take_input());
    let mut started = begun.running().await;
    if let Ok(None) = started {
        writer.abort();
        // It gives back what it has: only then can another have it.
        let _ = writer.await;
        started = bootstrap::start(&whole.connection, whole.how.as_ref(), &whole.helpers, &[]).await.map(Some);
        let stdin = match &mut started {
            Ok(Some(process)) => std::mem::replace(&mut process.stdin, Box::new(tokio::io::sink())),
            _ => Box::new(tokio::io::sink()),
        };
        writer = write(Arc::clone(&outlet).lock_owned().await, stdin);
    }
    let greeting = match started {
        Ok(Some(Process { stdout, stderr, exit, .. })) => {
            runs.cancel();
            Hearing::new(stdout, stderr, exit).ready().await
        }
        Ok(None) => Err(SessionError::Lost { reason: "the host says both that it has it and that it has not".into() }),
        Err(error) => Err(error),
    };
    let Some(shared) = session.upgrade() else { return };
    match greeting {
        Ok((ready, hearing)) => {
            shared.greeted(ready);
            drop((shared, outlet));
            hearing.hear(session).await;
        }
        Err(error) => {
            // Callers learn the reason before they find nobody who takes what they send.
            shared.end(error);
            writer.abort();
        }
    }
}

/// The sending side of a session.
pub(super) struct Outlet {
    frames: mpsc::Receiver<Vec<u8>>,
    /// What has gone out before the helper was known to run.
    kept: Vec<u8>,
}

impl Outlet {
    /// Sends what is called to a helper that runs.
    pub(super) async fn running(frames: mpsc::Receiver<Vec<u8>>, stdin: Writer, pace: Arc<Pace>) {
        let runs = CancellationToken::new();
        runs.cancel();
        let outlet = Arc::new(Mutex::new(Self { frames, kept: Vec::new() }));
        Self::write(outlet.lock_owned().await, stdin, runs, pace).await;
    }

    /// Sends what was kept for another and what is called, until nobody calls any more.
    async fn write(mut outlet: OwnedMutexGuard<Self>, mut stdin: Writer, runs: CancellationToken, pace: Arc<Pace>) {
        if stdin.write_all(&outlet.kept).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
        let mut waiting = Vec::with_capacity(OUTGOING_FRAMES);
        loop {
            if outlet.kept.len() >= AHEAD_BYTES_MAX {
                runs.cancelled().await;
            }
            let Self { frames, kept } = &mut *outlet;
            tokio::select! {
                biased;
                () = runs.cancelled(), if !kept.is_empty() => {
                    *kept = Vec::new();
                    continue;
                }
                count = frames.recv_many(&mut waiting, OUTGOING_FRAMES) => if count == 0 {
                    break;
                },
            }
            // Small frames that wait go out in one piece.
            let bytes = if waiting.len() == 1 { waiting.remove(0) } else { waiting.concat() };
            waiting.clear();
            if !runs.is_cancelled() {
                kept.extend_from_slice(&bytes);
            }
            let began = std::time::Instant::now();
            // A broken pipe is told by the reading side, with its reason.
            if stdin.write_all(&bytes).await.is_err() || stdin.flush().await.is_err() {
                return;
            }
            pace.note(bytes.len(), began.elapsed());
        }
        let _ = stdin.shutdown().await;
    }
}
