//! Where bodies go: into memory or a file, unpacked and never more than allowed.

use std::{
    io::{self, Write},
    time::Duration,
};

use flate2::write::MultiGzDecoder;
use hyper::header;

use super::{Answer, HttpError};

/// Reads the body of an answer into `to`, unpacking gzip where `decompress` says so, and gives `to` back.
/// `progress` hears of bytes received so far and in all.
///
/// # Errors
/// When the server stops in the middle, more than `limit` bytes come, or they cannot be written.
pub async fn drain<W: Write>(
    answer: &mut Answer,
    to: W,
    decompress: bool,
    limit: Option<u64>,
    patience: Duration,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<W, HttpError> {
    let packed = decompress
        && answer
            .headers
            .get(header::CONTENT_ENCODING)
            .is_some_and(|value| matches!(value.as_bytes().to_ascii_lowercase().as_slice(), b"gzip" | b"x-gzip"));
    let total = answer.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut bounded = Bounded { to, left: limit.unwrap_or(u64::MAX), over: false };
    let mut done = 0;
    let failed = |over: bool, error: &io::Error| match limit {
        Some(limit) if over => HttpError::TooLarge { limit },
        _ => HttpError::Sink(error.to_string()),
    };
    if packed {
        let mut unpacker = MultiGzDecoder::new(bounded);
        while let Some(piece) = answer.piece(patience).await? {
            done += piece.len() as u64;
            let written = unpacker.write_all(&piece);
            written.map_err(|error| failed(unpacker.get_ref().over, &error))?;
            progress(done, total);
        }
        unpacker.try_finish().map_err(|error| failed(unpacker.get_ref().over, &error))?;
        return unpacker.finish().map(|bounded| bounded.to).map_err(|error| failed(false, &error));
    }
    while let Some(piece) = answer.piece(patience).await? {
        done += piece.len() as u64;
        let written = bounded.write_all(&piece);
        written.map_err(|error| failed(bounded.over, &error))?;
        progress(done, total);
    }
    bounded.flush().map_err(|error| failed(false, &error))?;
    Ok(bounded.to)
}

struct Bounded<W> {
    to: W,
    left: u64,
    over: bool,
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            self.over = true;
            return Err(io::Error::other("more than allowed"));
        }
        let count = self.to.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
