//! A lock on a host that lives as long as the connection it was taken over, and no longer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::AbortHandle,
};

use super::{
    super::{Connection, Reader, Writer, escalation::Become, process::Exit},
    SessionError, helpers,
    relay::{Greeted, greeted},
};
use crate::protocol::{Failure, call::LEASE_HELD};

/// Seconds of silence after which a host takes the lock back: a cut network shows itself in no other way.
const PATIENCE_SECONDS: u64 = 30;

/// Time between signs of life: several fit into the patience, so that a slow network loses no lock.
const PULSE: Duration = Duration::from_secs(5);

/// A lock that is held, and given back when this is dropped.
pub struct Lease {
    held: Arc<AtomicBool>,
    pulse: AbortHandle,
}

impl Lease {
    /// Takes the lock of a file as a user of the host. `holder` is what others are told meanwhile.
    ///
    /// # Errors
    /// When the host takes no helper, the user cannot be become, or somebody else has it ([`SessionError::Failed`]).
    pub async fn take(
        connection: &Connection,
        how: Option<&Become>,
        path: &str,
        holder: &str,
    ) -> Result<Self, SessionError> {
        let words = ["lease".to_owned(), path.to_owned(), holder.to_owned(), PATIENCE_SECONDS.to_string()];
        let Greeted { said, stdin, stdout, exit } = greeted(connection, how, helpers(), &words).await?;
        match said {
            Some(said) if said == LEASE_HELD => {}
            Some(said) => {
                let failure = Failure::new(format!("the lock {path} is taken: {said}"));
                return Err(SessionError::Failed(failure.hint("it is given back when that run ends or is lost")));
            }
            None => return Err(SessionError::Lost { reason: "it said nothing of the lock".into() }),
        }
        let held = Arc::new(AtomicBool::new(true));
        let pulse = tokio::spawn(beat(stdin, stdout, exit, held.clone())).abort_handle();
        Ok(Self { held, pulse })
    }

    /// Whether it is still held, as far as is known here.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pulse.abort();
    }
}

/// Shows signs of life until the other side ends.
async fn beat(mut stdin: Writer, mut stdout: Reader, exit: Exit, held: Arc<AtomicBool>) {
    let mut word = [0; 1];
    loop {
        tokio::select! {
            // Nothing more is said: whatever comes is its end.
            _ = stdout.read(&mut word) => break,
            () = tokio::time::sleep(PULSE) => {
                if stdin.write_all(b".").await.is_err() || stdin.flush().await.is_err() {
                    break;
                }
            }
        }
    }
    held.store(false, Ordering::Relaxed);
    drop(exit);
}
