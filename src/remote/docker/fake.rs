//! An engine that exists only in tests: scripted answers behind a made-up socket, and a note of what was asked.

use std::{
    collections::BTreeMap,
    io::{self, Cursor, Read, Write},
    sync::{Arc, Mutex},
};

use crate::{
    protocol::{Call, Json, Outcome},
    remote::{
        execute::execute,
        machine::{apply::Blobs, fake::Fake, overlay::Overlay, system::Duplex},
    },
};

/// The socket it listens on.
pub(super) const SOCKET: &str = "/var/run/docker.sock";

type Answers = BTreeMap<String, Vec<u8>>;

/// What was asked: method, path without version, body.
pub(super) type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// An engine under construction.
#[derive(Default)]
pub(super) struct FakeEngine {
    answers: Answers,
    asked: Asked,
}

impl FakeEngine {
    pub(super) fn new() -> Self {
        Self::default().json("GET /version", 200, r#"{"ApiVersion": "1.41", "MinAPIVersion": "1.12"}"#)
    }

    /// Answers a request, named by method and path without version and query, with JSON.
    pub(super) fn json(self, request: &str, status: u16, body: &str) -> Self {
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.raw(request, answer.as_bytes())
    }

    /// Answers with bytes as they are.
    pub(super) fn raw(mut self, request: &str, answer: &[u8]) -> Self {
        self.answers.insert(request.to_owned(), answer.to_vec());
        self
    }

    /// A host with this engine; what is not scripted is answered with 404 (GET) or 204.
    pub(super) fn host(self) -> (Fake, Asked) {
        let asked = Arc::clone(&self.asked);
        let answers = Arc::new(self.answers);
        let host = Fake::new().listen(SOCKET, move || -> Box<dyn Duplex> {
            Box::new(Connection {
                answers: Arc::clone(&answers),
                asked: Arc::clone(&self.asked),
                sent: Vec::new(),
                answer: None,
            })
        });
        (host, asked)
    }
}

struct Connection {
    answers: Arc<Answers>,
    asked: Asked,
    sent: Vec<u8>,
    answer: Option<Cursor<Vec<u8>>>,
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.answer.is_none() {
            let sent = String::from_utf8_lossy(&self.sent).into_owned();
            let (head, body) = sent.split_once("\r\n\r\n").unwrap();
            let mut words = head.split(' ');
            let (method, target) = (words.next().unwrap(), words.next().unwrap());
            let path = target.strip_prefix("/v1.41").unwrap_or(target);
            self.asked.lock().unwrap().push((format!("{method} {path}"), body.to_owned()));
            let plain = format!("{method} {}", path.split('?').next().unwrap());
            let unknown: &[u8] = match method {
                "GET" => b"HTTP/1.1 404 X\r\nContent-Length: 27\r\n\r\n{\"message\": \"no such thing\"}",
                _ => b"HTTP/1.1 204 X\r\n\r\n",
            };
            let answer = self.answers.get(&plain).map_or(unknown, Vec::as_slice);
            self.answer = Some(Cursor::new(answer.to_vec()));
        }
        self.answer.as_mut().unwrap().read(buffer)
    }
}

/// Requests that change something, in order, without queries.
pub(super) fn changes(asked: &Asked) -> Vec<String> {
    let asked = asked.lock().unwrap();
    let changing = asked.iter().filter(|(request, _)| !request.starts_with("GET "));
    changing.map(|(request, _)| request.split('?').next().unwrap().to_owned()).collect()
}

struct Nothing;

impl Blobs for Nothing {
    fn open<'s>(&'s mut self, _blob: &crate::protocol::Blob) -> io::Result<Box<dyn Read + 's>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Carries out one call.
pub(super) fn call(host: &Fake, overlay: &mut Overlay, module: &str, options: &Json, check: bool) -> Outcome {
    let options = options.as_object().unwrap().clone();
    let call = Call { module: module.to_owned(), options, check, rehearsal: true, diff: true, ..Call::default() };
    execute(host, overlay, &call, &mut Nothing, &mut |_, _| {})
}
