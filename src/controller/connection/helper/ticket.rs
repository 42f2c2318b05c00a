//! One caller's place among those who wait for a helper, and the contents that it is asked for.

use std::{
    collections::VecDeque,
    io::{self, Read},
};

use tokio::sync::mpsc;

use super::{
    BlobStore, SessionError,
    session::{Answer, Session},
};
use crate::protocol::{
    Blob, ToHost,
    frame::CHUNK_BYTES,
    packing::{self, Effort},
};

/// One caller's place among those who wait.
pub(super) struct Ticket<'a> {
    session: &'a Session,
    pub(super) id: u64,
    pub(super) answers: mpsc::UnboundedReceiver<Answer>,
    /// Contents that the helper is waiting for.
    owed: VecDeque<Blob>,
}

impl<'a> Ticket<'a> {
    pub(super) fn new(session: &'a Session, id: u64, answers: mpsc::UnboundedReceiver<Answer>) -> Self {
        Self { session, id, answers, owed: VecDeque::new() }
    }

    pub(super) async fn send(&self, header: &ToHost, body: &[u8]) -> Result<(), SessionError> {
        self.session.send(header, body).await
    }

    /// Sends contents in their order: small ones together, large ones piece by piece.
    pub(super) async fn deliver(&mut self, wanted: Vec<Blob>, blobs: &dyn BlobStore) -> Result<(), SessionError> {
        self.owed.extend(wanted);
        while !self.owed.is_empty() {
            let mut bytes = 0;
            let small = self.owed.iter().take_while(|blob| {
                bytes += blob.size;
                bytes <= CHUNK_BYTES as u64
            });
            match small.count() {
                0 | 1 => self.stream(blobs).await?,
                count => self.bundle(count, blobs).await?,
            }
        }
        Ok(())
    }

    /// Sends the first of the contents that are owed together, as far as they can be read.
    async fn bundle(&mut self, count: usize, blobs: &dyn BlobStore) -> Result<(), SessionError> {
        let (whole, body) = read_together(self.owed.iter().take(count), blobs);
        let effort = self.session.pace().effort();
        let packed = tokio::task::spawn_blocking(move || Piece::new(body, effort)).await;
        let (Ok(body), [_, ..]) = (packed, whole.as_slice()) else {
            // The first one cannot be read: it is told why by itself.
            return self.stream(blobs).await;
        };
        let sent = whole.len();
        self.send(&ToHost::Blobs { blobs: whole, packed: body.packed }, &body.bytes).await?;
        self.owed.drain(..sent);
        Ok(())
    }

    /// Sends the first of the contents that are owed.
    async fn stream(&mut self, blobs: &dyn BlobStore) -> Result<(), SessionError> {
        let Some(blob) = self.owed.front().cloned() else { return Ok(()) };
        let sha256 = blob.sha256.clone();
        let mut content = match blobs.open(&blob) {
            Ok(content) => content,
            Err(error) => return self.give_up(sha256, &error).await,
        };
        // What did not become smaller once is not tried again.
        let mut worth = true;
        loop {
            let effort = self.session.pace().effort().filter(|_| worth);
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES);
                content.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
                let last = chunk.len() < CHUNK_BYTES;
                Ok::<_, io::Error>((content, Piece::new(chunk, effort), last))
            });
            let (back, piece, last) = match read.await.map_err(io::Error::other).and_then(|read| read) {
                Ok(read) => read,
                Err(error) => return self.give_up(sha256, &error).await,
            };
            content = back;
            worth &= piece.packed || effort.is_none();
            let header = ToHost::Blob { sha256: sha256.clone(), last, error: None, packed: piece.packed };
            self.send(&header, &piece.bytes).await?;
            if last {
                self.owed.pop_front();
                return Ok(());
            }
        }
    }

    async fn give_up(&mut self, sha256: String, error: &io::Error) -> Result<(), SessionError> {
        self.owed.pop_front();
        let header = ToHost::Blob { sha256, last: true, error: Some(error.to_string()), packed: false };
        self.send(&header, &[]).await
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            if let Answer::Need(blobs) = answer {
                self.owed.extend(blobs);
            }
        }
        self.session.leave(self.id, self.owed.drain(..));
    }
}

/// A body as it goes out.
struct Piece {
    bytes: Vec<u8>,
    packed: bool,
}

impl Piece {
    /// Packed with so much effort, where that makes it smaller.
    fn new(bytes: Vec<u8>, effort: Option<Effort>) -> Self {
        match effort.and_then(|effort| packing::pack(&bytes, effort)) {
            Some(bytes) => Self { bytes, packed: true },
            None => Self { bytes, packed: false },
        }
    }
}

/// Contents one behind the other, with the length of each; those that changed since they were hashed are found out on the host.
/// One is open at a time: many hosts may be given trees at once. Ends before the first that cannot be read.
fn read_together<'b>(wanted: impl Iterator<Item = &'b Blob>, blobs: &dyn BlobStore) -> (Vec<Blob>, Vec<u8>) {
    let (mut whole, mut body) = (Vec::new(), Vec::with_capacity(CHUNK_BYTES));
    for blob in wanted {
        let before = body.len();
        let read = blobs.open(blob).and_then(|content| content.take(blob.size + 1).read_to_end(&mut body));
        if read.is_err() {
            body.truncate(before);
            break;
        }
        whole.push(Blob { sha256: blob.sha256.clone(), size: (body.len() - before) as u64 });
    }
    (whole, body)
}
