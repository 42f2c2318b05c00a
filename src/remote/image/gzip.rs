//! Packs and unpacks with the machine's own `gzip`, so that the helper need not carry one.

use std::{
    fs::File,
    io::{self, Read, Write},
    process::{Command, Stdio},
    thread,
};

use super::scratch::Window;

/// How content begins that is packed already: gzip, zstd, xz, bzip2.
const PACKED: &[&[u8]] = &[b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh"];

/// Bytes from the middle that stand for the whole when it is tried whether packing pays.
const SAMPLE_BYTES: u64 = 1 << 20;

/// In a hundred: what is not smaller than this afterwards is not worth the time.
const WORTH_PERCENT: u64 = 90;

/// Content below this is a matter of a few packets either way.
const SMALL_BYTES: u64 = 4 << 10;

/// Bytes handed on at a time.
const PIECE_BYTES: usize = 256 << 10;

/// Whether content is packed, by how it begins.
pub(super) fn is_packed(content: &Window) -> io::Result<bool> {
    let mut start = Vec::new();
    content.part(0, 8).read_to_end(&mut start)?;
    Ok(PACKED.iter().any(|mark| start.starts_with(mark)))
}

/// Whether it would become smaller, as far as a sample tells; not where there is no `gzip`.
pub(super) fn pays(content: &Window) -> bool {
    if content.size() < SMALL_BYTES {
        return false;
    }
    let sample = content.part((content.size() / 2).saturating_sub(SAMPLE_BYTES / 2), SAMPLE_BYTES);
    let (whole, mut small) = (sample.size(), 0);
    let packed = pack(sample, &mut |piece| {
        small += piece.len() as u64;
        Ok(())
    });
    packed.is_ok() && small * 100 < whole * WORTH_PERCENT
}

/// Packs content; the fastest way, for most of what there is to gain comes with it.
pub(super) fn pack(content: Window, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    through("-1", content, put)
}

/// Unpacks content into a file.
pub(super) fn unpack(content: Window, mut to: &File) -> io::Result<()> {
    through("-d", content, &mut |piece| to.write_all(piece))
}

/// Hands over piece by piece.
pub(super) fn copy(content: &mut dyn Read, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match content.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => put(&piece[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn through(way: &str, mut content: Window, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut gzip = Command::new("gzip")
        .args([way, "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot run gzip: {error}")))?;
    let (stdin, stdout) = (gzip.stdin.take(), gzip.stdout.take());
    let fed = thread::spawn(move || match stdin {
        Some(mut stdin) => io::copy(&mut content, &mut stdin).map(drop),
        None => Ok(()),
    });
    let taken = stdout.map_or(Ok(()), |mut stdout| copy(&mut stdout, put));
    let status = gzip.wait();
    let fed = fed.join().unwrap_or(Ok(()));
    taken?;
    if !status?.success() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "gzip cannot read it: it is damaged"));
    }
    fed
}
