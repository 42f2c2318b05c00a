//! The helper's loop: frames in, frames out, one call after the other.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, Read, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::{
    burst::{Admission, Burst},
    execute::execute,
    job,
    machine::{apply::Blobs, hex, overlay::Overlay, system::System},
};
use crate::protocol::{
    Blob, FromHost, Outcome, Ready, ToHost, Verdict,
    call::PROTOCOL,
    frame::{self, CHUNK_BYTES},
};

/// Serves a controller until it closes its side.
///
/// # Errors
/// When the connection breaks or carries something that is no frame.
pub fn serve(system: &dyn System, input: &mut dyn Read, output: &mut dyn Write, program: &Path) -> io::Result<()> {
    let mut wire = Wire { input, output, queue: VecDeque::new() };
    let user = user_name(system);
    wire.send(&FromHost::Ready(Ready { protocol: PROTOCOL, uid: system.uid(), user }), &[])?;
    let mut overlay = Overlay::default();
    let mut burst = Burst::default();
    while let Some((request, body)) = wire.next()? {
        match request {
            ToHost::Call(call) => {
                let id = call.id;
                match burst.admits(&call) {
                    Admission::Go => {}
                    Admission::LeftOut => {
                        wire.send(&FromHost::LeftOut { id }, &[])?;
                        continue;
                    }
                    Admission::Stopped => {
                        wire.send(&FromHost::NotRun { id }, &[])?;
                        continue;
                    }
                }
                if let Some(background) = &call.background {
                    let outcome = job::start(system, &call, background, &body);
                    wire.send(&FromHost::Done { id, outcome }, &[])?;
                    continue;
                }
                let inline = job::inline(&call, &body);
                let wire_cell = std::cell::RefCell::new(&mut wire);
                let mut blobs = FromController { wire: &wire_cell, call: id, inline, announced: VecDeque::new() };
                let mut progress = |text: &str, amount: Option<(u64, u64)>| {
                    let shown = FromHost::Progress { id, text: text.to_owned(), amount };
                    // A broken connection is found by the next frame that matters.
                    if let Ok(mut wire) = wire_cell.try_borrow_mut() {
                        let _ = wire.send(&shown, &[]);
                    }
                };
                let outcome = execute(system, &mut overlay, &call, &mut blobs, &mut progress);
                burst.note(&call, &outcome);
                wire.send(&FromHost::Done { id, outcome }, &[])?;
            }
            ToHost::Fence { place, claim } => burst.fence(place, &claim),
            ToHost::Assume { changes } => changes.iter().for_each(|change| overlay.predict(change, system)),
            ToHost::Read { id, path } => {
                let outcome = match send_file(system, &mut wire, id, &path) {
                    Ok(()) => Outcome::new(Verdict::Unchanged),
                    Err(error) => Outcome::failed(format!("cannot read {path}: {error}")),
                };
                wire.send(&FromHost::Done { id, outcome }, &[])?;
            }
            ToHost::Forget => return system.remove(program),
            // An answer that came too late for the call that asked.
            ToHost::Blob { .. } => {}
        }
    }
    Ok(())
}

/// How much is asked for ahead of its turn: small contents, as many as fit into memory if they are not fetched in the end.
const AHEAD_BYTES_EACH: u64 = 256 << 10;
const AHEAD_BYTES_MAX: u64 = 64 << 20;
const AHEAD_MAX: usize = 20_000;

struct Wire<'a> {
    input: &'a mut dyn Read,
    output: &'a mut dyn Write,
    queue: VecDeque<(ToHost, Vec<u8>)>,
}

impl Wire<'_> {
    fn next(&mut self) -> io::Result<Option<(ToHost, Vec<u8>)>> {
        match self.queue.pop_front() {
            Some(waiting) => Ok(Some(waiting)),
            None => frame::read(&mut self.input),
        }
    }

    fn send(&mut self, message: &FromHost, body: &[u8]) -> io::Result<()> {
        frame::write(&mut self.output, message, body)
    }

    /// The next piece of a blob; whatever else comes first waits for its turn.
    fn piece(&mut self, wanted: &str) -> io::Result<(Vec<u8>, bool)> {
        loop {
            match frame::read(&mut self.input)? {
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some((ToHost::Blob { sha256, last, error }, body)) if sha256 == wanted => {
                    return error.map_or(Ok((body, last)), |error| Err(io::Error::other(error)));
                }
                Some(other) => self.queue.push_back(other),
            }
        }
    }
}

struct FromController<'w, 'a> {
    wire: &'w std::cell::RefCell<&'w mut Wire<'a>>,
    call: u64,
    inline: HashMap<String, Vec<u8>>,
    /// Hashes of what has been asked for ahead.
    announced: VecDeque<String>,
}

impl Blobs for FromController<'_, '_> {
    fn open<'s>(&'s mut self, blob: &Blob) -> io::Result<Box<dyn Read + 's>> {
        if let Some(content) = self.inline.get(&blob.sha256) {
            return Ok(Box::new(content.as_slice()));
        }
        match self.announced.iter().position(|sha256| *sha256 == blob.sha256) {
            Some(at) => drop(self.announced.drain(..=at)),
            None => self.need(blob)?,
        }
        Ok(Box::new(Streamed {
            wire: self.wire,
            sha256: blob.sha256.clone(),
            hash: Sha256::new(),
            piece: Vec::new(),
            at: 0,
            last: false,
        }))
    }

    fn announce(&mut self, blobs: &[&Blob]) -> io::Result<()> {
        let (mut count, mut bytes) = (0, 0);
        for blob in blobs.iter().filter(|blob| !self.inline.contains_key(&blob.sha256)) {
            count += 1;
            bytes += blob.size;
            if blob.size > AHEAD_BYTES_EACH || bytes > AHEAD_BYTES_MAX || count > AHEAD_MAX {
                break;
            }
            self.announced.push_back(blob.sha256.clone());
            self.need(blob)?;
        }
        Ok(())
    }
}

impl FromController<'_, '_> {
    fn need(&self, blob: &Blob) -> io::Result<()> {
        self.wire.borrow_mut().send(&FromHost::Need { id: self.call, blob: blob.clone() }, &[])
    }
}

/// Content as it comes over the wire; its end is only reached with the right hash.
struct Streamed<'w, 'a> {
    wire: &'w std::cell::RefCell<&'w mut Wire<'a>>,
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
            (self.piece, self.last) = self.wire.borrow_mut().piece(&self.sha256)?;
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

fn send_file(system: &dyn System, wire: &mut Wire<'_>, id: u64, path: &str) -> io::Result<()> {
    let (mut file, _) = system.open(Path::new(path))?;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => wire.send(&FromHost::Data { id }, &buffer[..n])?,
        }
    }
}

fn user_name(system: &dyn System) -> String {
    let passwd = system.read(Path::new("/etc/passwd")).unwrap_or_default();
    let uid = system.uid().to_string();
    String::from_utf8_lossy(&passwd)
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&uid.as_str()))
        .and_then(|fields| fields.first().map(|&name| name.to_owned()))
        .unwrap_or(uid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        protocol::Call,
        remote::machine::{digest, real::Real},
    };

    #[test]
    fn contents_of_a_tree_are_asked_for_before_the_first_one_comes() {
        let folder = tempfile::tempdir().unwrap();
        let content = |at: usize| format!("content {at}\n").repeat(20_000).into_bytes();
        let blobs: Vec<Blob> =
            (0..2).map(|at| Blob { sha256: digest(&content(at)), size: content(at).len() as u64 }).collect();
        let file = |at: usize| json!({"kind": "file", "path": format!("f{at}"), "mode": 0o644, "blob": blobs[at]});
        let options = json!({"dest": folder.path(), "_tree": [file(0), file(1)]});
        let call =
            Call { id: 7, module: "copy".to_owned(), options: options.as_object().unwrap().clone(), ..Call::default() };
        let mut input = Vec::new();
        frame::encode(&ToHost::Call(call), b"", &mut input).unwrap();
        for (at, blob) in blobs.iter().enumerate() {
            let answer = ToHost::Blob { sha256: blob.sha256.clone(), last: true, error: None };
            frame::encode(&answer, &content(at), &mut input).unwrap();
        }
        let mut output = Vec::new();
        serve(&Real::new(), &mut input.as_slice(), &mut output, Path::new("/nonexistent")).unwrap();
        let mut said = output.as_slice();
        let mut needs = Vec::new();
        let outcome = loop {
            match frame::read::<FromHost>(&mut said).unwrap().unwrap().0 {
                FromHost::Need { id: 7, blob } => needs.push(blob.sha256),
                FromHost::Done { id: 7, outcome } => break outcome,
                _ => {}
            }
        };
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(needs, [blobs[0].sha256.as_str(), &blobs[1].sha256]);
        assert_eq!(std::fs::read(folder.path().join("f1")).unwrap(), content(1));
    }
}
