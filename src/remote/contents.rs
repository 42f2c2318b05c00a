//! Contents that a call needs, as the controller sends them: asked for in time, checked at their end.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    io::{self, Read},
};

use sha2::{Digest, Sha256};

use super::{
    answers::Answers,
    machine::{apply::Blobs, hex},
};
use crate::protocol::{Blob, FromHost, ToHost, frame, packing};

/// How much is asked for ahead of its turn: small contents, as many as fit into memory if they are not fetched in the end.
const AHEAD_BYTES_EACH: u64 = 256 << 10;
const AHEAD_BYTES_MAX: u64 = 64 << 20;
const AHEAD_MAX: usize = 20_000;
/// The largest body when it is unpacked: a piece, or small contents together, of which the last may have grown.
const BODY_BYTES_MAX: usize = 2 * frame::CHUNK_BYTES;
/// Contents that are asked for in one frame.
const ASKED_AT_ONCE: usize = 500;

/// What comes from the controller.
pub(super) struct Requests<'a> {
    input: &'a mut dyn Read,
    /// What came while something else was waited for.
    queue: VecDeque<(ToHost, Vec<u8>)>,
    /// Whole contents that came together with one that was waited for.
    arrived: VecDeque<(String, Vec<u8>)>,
}

impl<'a> Requests<'a> {
    pub(super) fn new(input: &'a mut dyn Read) -> Self {
        Self { input, queue: VecDeque::new(), arrived: VecDeque::new() }
    }

    /// The next request; what a call before it left of its contents is dropped.
    pub(super) fn next(&mut self) -> io::Result<Option<(ToHost, Vec<u8>)>> {
        self.arrived.clear();
        match self.queue.pop_front() {
            Some(waiting) => Ok(Some(waiting)),
            None => frame::read(&mut self.input),
        }
    }

    /// The next piece of a content; whatever else comes first waits for its turn.
    fn piece(&mut self, wanted: &str) -> io::Result<(Vec<u8>, bool)> {
        loop {
            if let Some(at) = self.arrived.iter().position(|(sha256, _)| sha256 == wanted)
                && let Some((_, content)) = self.arrived.drain(..=at).next_back()
            {
                return Ok((content, true));
            }
            match frame::read(&mut self.input)? {
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some((ToHost::Blob { sha256, last, error, packed }, body)) if sha256 == wanted => {
                    return error
                        .map_or_else(|| Ok((plain(body, packed)?, last)), |error| Err(io::Error::other(error)));
                }
                Some((ToHost::Blobs { blobs, packed }, body)) => {
                    self.arrived.extend(parts(blobs, &plain(body, packed)?)?);
                }
                Some(other) => self.queue.push_back(other),
            }
        }
    }
}

/// A body as it was before its way.
fn plain(body: Vec<u8>, packed: bool) -> io::Result<Vec<u8>> {
    if packed { packing::unpack(&body, BODY_BYTES_MAX) } else { Ok(body) }
}

/// A body's contents.
fn parts(blobs: Vec<Blob>, body: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut rest = body;
    let part = |blob: Blob| {
        let size = usize::try_from(blob.size).ok().filter(|size| *size <= rest.len());
        let size =
            size.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a body shorter than its contents"))?;
        let (content, behind) = rest.split_at(size);
        rest = behind;
        Ok((blob.sha256, content.to_vec()))
    };
    blobs.into_iter().map(part).collect()
}

/// What one call may open.
pub(super) struct FromController<'w, 'a> {
    requests: &'w RefCell<&'w mut Requests<'a>>,
    answers: &'w Answers,
    call: u64,
    inline: HashMap<String, Vec<u8>>,
    /// Hashes of what has been asked for ahead.
    announced: VecDeque<String>,
}

impl<'w, 'a> FromController<'w, 'a> {
    pub(super) fn new(
        requests: &'w RefCell<&'w mut Requests<'a>>,
        answers: &'w Answers,
        call: u64,
        inline: HashMap<String, Vec<u8>>,
    ) -> Self {
        Self { requests, answers, call, inline, announced: VecDeque::new() }
    }

    fn need(&self, blobs: Vec<Blob>) -> io::Result<()> {
        self.answers.send(FromHost::Need { id: self.call, blobs }, Vec::new())
    }
}

impl Blobs for FromController<'_, '_> {
    fn open<'s>(&'s mut self, blob: &Blob) -> io::Result<Box<dyn Read + 's>> {
        if let Some(content) = self.inline.get(&blob.sha256) {
            return Ok(Box::new(content.as_slice()));
        }
        match self.announced.iter().position(|sha256| *sha256 == blob.sha256) {
            Some(at) => drop(self.announced.drain(..=at)),
            None => self.need(vec![blob.clone()])?,
        }
        Ok(Box::new(Streamed {
            requests: self.requests,
            sha256: blob.sha256.clone(),
            hash: Sha256::new(),
            piece: Vec::new(),
            at: 0,
            last: false,
        }))
    }

    fn announce(&mut self, blobs: &[&Blob]) -> io::Result<()> {
        let mut bytes = 0;
        let ahead = blobs.iter().filter(|blob| !self.inline.contains_key(&blob.sha256)).take(AHEAD_MAX);
        let ahead = ahead.take_while(|blob| {
            bytes += blob.size;
            blob.size <= AHEAD_BYTES_EACH && bytes <= AHEAD_BYTES_MAX
        });
        let ahead: Vec<Blob> = ahead.map(|&blob| blob.clone()).collect();
        self.announced.extend(ahead.iter().map(|blob| blob.sha256.clone()));
        ahead.chunks(ASKED_AT_ONCE).try_for_each(|blobs| self.need(blobs.to_vec()))
    }
}

/// Content as it comes over the wire; its end is only reached with the right hash.
struct Streamed<'w, 'a> {
    requests: &'w RefCell<&'w mut Requests<'a>>,
    sha256: String,
    hash: Sha256,
    piece: Vec<u8>,
    at: usize,
    last: bool,
}

impl Read for Streamed<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            if self.last {
                return Ok(0);
            }
            (self.piece, self.last) = self.requests.borrow_mut().piece(&self.sha256)?;
            self.at = 0;
            self.hash.update(&self.piece);
            if self.last && hex(&self.hash.clone().finalize()) != self.sha256 {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "content changed on the way or while it was sent",
                ));
            }
        }
        let n = buffer.len().min(self.piece.len() - self.at);
        buffer[..n].copy_from_slice(&self.piece[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
