//! Length-prefixed frames: a JSON header and raw bytes behind it.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

/// The largest frame either side accepts, in bytes: bounds memory when the peer is confused.
pub const FRAME_BYTES_MAX: usize = 64 << 20;

/// Body bytes that a sender puts into one blob frame: large enough to stream, small enough to interleave.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Appends one frame to `out`: total length and header length (both big-endian `u32`), header, body.
///
/// # Errors
/// When the header cannot be written as JSON or the frame would exceed [`FRAME_BYTES_MAX`].
pub fn encode<H: Serialize>(header: &H, body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let header = serde_json::to_vec(header)?;
    let total = 4 + header.len() + body.len();
    if total > FRAME_BYTES_MAX {
        return Err(too_large(total));
    }
    let (Ok(total), Ok(head)) = (u32::try_from(total), u32::try_from(header.len())) else {
        return Err(too_large(total));
    };
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&head.to_be_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(body);
    Ok(())
}

/// Splits the payload of one frame (everything behind the total length) into header and body.
///
/// # Errors
/// When the lengths do not fit or the header is not the JSON expected.
pub fn decode<H: DeserializeOwned>(payload: &[u8]) -> io::Result<(H, Vec<u8>)> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let (head, rest) = payload.split_first_chunk::<4>().ok_or_else(|| invalid("frame too short"))?;
    let head = u32::from_be_bytes(*head) as usize;
    if head > rest.len() {
        return Err(invalid("frame header longer than the frame"));
    }
    let (header, body) = rest.split_at(head);
    Ok((serde_json::from_slice(header)?, body.to_vec()))
}

/// Writes one frame and flushes it.
///
/// # Errors
/// As [`encode`], or when the writer fails.
pub fn write<H: Serialize>(to: &mut impl Write, header: &H, body: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(body.len() + 256);
    encode(header, body, &mut bytes)?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads one frame; `None` when the stream ends between frames.
///
/// # Errors
/// When the stream breaks inside a frame or the frame is malformed.
pub fn read<H: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(H, Vec<u8>)>> {
    let mut length = [0; 4];
    let mut filled = 0;
    while filled < length.len() {
        match from.read(&mut length[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    let total = u32::from_be_bytes(length) as usize;
    if total > FRAME_BYTES_MAX {
        return Err(too_large(total));
    }
    let short = || io::Error::new(io::ErrorKind::InvalidData, "frame header longer than the frame");
    from.read_exact(&mut length)?;
    let head = u32::from_be_bytes(length) as usize;
    let rest = total.checked_sub(length.len() + head).ok_or_else(short)?;
    let mut header = vec![0; head];
    from.read_exact(&mut header)?;
    // Straight into its place: most bytes that come over the wire are bodies.
    let mut body = Vec::with_capacity(rest);
    if from.by_ref().take(rest as u64).read_to_end(&mut body)? < rest {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((serde_json::from_slice(&header)?, body)))
}

fn too_large(total: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a frame of {total} bytes is over the limit of {FRAME_BYTES_MAX}"),
    )
}
