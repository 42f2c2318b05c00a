//! What a helper says: its greeting, its answers, and at last how it ended.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::oneshot,
};

use super::{
    super::{Reader, process::Exit},
    SessionError,
    session::Shared,
};
use crate::protocol::{
    FromHost, Ready,
    call::PROTOCOL,
    frame::{self, FRAME_BYTES_MAX},
};

/// Bytes of the helper's standard error kept for messages.
const STDERR_BYTES_MAX: usize = 4 << 10;

/// Seconds for the helper's first frame.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// Seconds for the helper's last words when it ended by itself.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(2);

/// The receiving side of a helper that runs.
pub(super) struct Hearing {
    stdout: Reader,
    exit: Exit,
    tail: Arc<Mutex<VecDeque<u8>>>,
    last_words: oneshot::Receiver<()>,
}

impl Hearing {
    pub(super) fn new(stdout: Reader, stderr: Reader, exit: Exit) -> Self {
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (silent, last_words) = oneshot::channel();
        tokio::spawn(keep_tail(stderr, Arc::clone(&tail), silent));
        Self { stdout, exit, tail, last_words }
    }

    /// Waits for the first frame.
    pub(super) async fn ready(mut self) -> Result<(Ready, Self), SessionError> {
        let first = tokio::time::timeout(READY_LIMIT, read_frame(&mut self.stdout)).await;
        let reason = match first {
            Ok(Ok(Some((FromHost::Ready(ready), _)))) if ready.protocol == PROTOCOL => return Ok((ready, self)),
            Ok(Ok(Some((FromHost::Ready(ready), _)))) => {
                format!("it speaks version {} of the protocol, not {PROTOCOL}", ready.protocol)
            }
            Ok(Ok(Some(_))) => "it did not greet".to_owned(),
            Ok(Ok(None)) => self.epitaph(None).await,
            Ok(Err(error)) => self.epitaph(Some(error)).await,
            Err(_) => format!("it said nothing for {} s", READY_LIMIT.as_secs()),
        };
        Err(SessionError::Lost { reason })
    }

    /// Hands answers on until there are no more, or nobody has the session any longer.
    pub(super) async fn hear(mut self, session: Weak<Shared>) {
        let error = loop {
            match read_frame(&mut self.stdout).await {
                Ok(Some((header, body))) => {
                    let Some(shared) = session.upgrade() else { return };
                    shared.deliver(header, body);
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let reason = self.epitaph(error).await;
        if let Some(shared) = session.upgrade() {
            shared.end(SessionError::Lost { reason });
        }
    }

    /// How the helper ended, in one sentence.
    async fn epitaph(self, error: Option<io::Error>) -> String {
        let status = tokio::time::timeout(LAST_WORDS_LIMIT, self.exit.wait()).await;
        let _ = tokio::time::timeout(LAST_WORDS_LIMIT, self.last_words).await;
        let mut reason = match (error, status) {
            (_, Ok(Ok(status))) => format!("exit code {}", status.code()),
            (_, Ok(Err(error))) | (Some(error), Err(_)) => error.to_string(),
            (None, Err(_)) => "it closed its output".into(),
        };
        let said = self.tail.lock().map(|tail| tail.iter().copied().collect::<Vec<u8>>()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        if !said.is_empty() {
            reason.push_str(": ");
            reason.push_str(&said);
        }
        reason
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
