//! HTTP/1.1 over a connected stream: one request, one answer, nothing kept open.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};

use crate::remote::machine::system::Duplex;

/// The largest head of an answer that is read, in bytes: engines send a few hundred.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Headers that are looked at in one answer.
const HEADERS_MAX: usize = 64;

/// Bytes handed over at a time when a body is sent.
const COPY_BYTES: usize = 64 << 10;

/// What goes out besides the head.
pub enum Body<'a> {
    /// Nothing.
    Empty,
    /// A JSON document.
    Json(Vec<u8>),
    /// An archive of known length.
    Upload(&'a mut dyn Read, u64),
}

/// The head of an answer, and its body still to be read.
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The body, however it was framed.
    pub body: Box<dyn BufRead>,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// A header by its name, whatever the case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The whole body; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// When the connection breaks before its end.
    pub fn text(mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.body.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Sends a request and reads the head of its answer. `sent` hears how many bytes of an upload are through.
///
/// # Errors
/// When the connection breaks or the peer does not speak HTTP.
pub fn send<'h>(
    mut stream: Box<dyn Duplex>,
    method: &str,
    path: &str,
    headers: impl IntoIterator<Item = (&'h str, &'h str)>,
    body: Body<'_>,
    sent: &mut dyn FnMut(u64),
) -> io::Result<Answer> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n");
    for (name, value) in headers {
        if [name, value].iter().any(|text| text.contains(['\r', '\n'])) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("line break in the header {name}")));
        }
        _ = write!(head, "{name}: {value}\r\n");
    }
    match &body {
        Body::Empty => head.push_str("Content-Length: 0\r\n"),
        Body::Json(json) => {
            _ = write!(head, "Content-Type: application/json\r\nContent-Length: {}\r\n", json.len());
        }
        Body::Upload(_, size) => {
            _ = write!(head, "Content-Type: application/x-tar\r\nContent-Length: {size}\r\n");
        }
    }
    head.push_str("\r\n");
    let written = stream.write_all(head.as_bytes()).and_then(|()| write_body(&mut stream, body, sent));
    match written {
        // An engine that refuses early closes its end while the body is still going out: its answer says more than the pipe.
        Err(error) if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
            return Err(error);
        }
        _ => {}
    }
    let mut reader = BufReader::new(stream);
    match (read_head(&mut reader), written) {
        (Ok((status, headers)), _) => Ok(Answer { status, body: frame(reader, status, &headers), headers }),
        (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
    }
}

fn write_body(stream: &mut Box<dyn Duplex>, body: Body<'_>, sent: &mut dyn FnMut(u64)) -> io::Result<()> {
    match body {
        Body::Empty => {}
        Body::Json(json) => stream.write_all(&json)?,
        Body::Upload(from, size) => {
            let mut through = 0;
            copy(&mut from.take(size), |piece| {
                stream.write_all(piece)?;
                through += piece.len() as u64;
                sent(through);
                Ok(())
            })?;
            if through < size {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("the archive ended after {through} of {size} bytes"),
                ));
            }
        }
    }
    stream.flush()
}

fn copy(from: &mut dyn Read, mut put: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => put(&buffer[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Never taken for an engine that hung up: it still waits for the rest and would not answer.
            Err(error) => return Err(io::Error::other(format!("cannot read the archive: {error}"))),
        }
    }
}

type Headers = Vec<(String, String)>;

fn read_head(reader: &mut impl BufRead) -> io::Result<(u16, Headers)> {
    loop {
        let (status, headers) = read_one_head(reader)?;
        // 1xx only announces the answer that follows.
        if status >= 200 {
            return Ok((status, headers));
        }
    }
}

fn read_one_head(reader: &mut impl BufRead) -> io::Result<(u16, Headers)> {
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        let left = (HEAD_BYTES_MAX - before) as u64;
        reader.by_ref().take(left).read_until(b'\n', &mut bytes)?;
        if bytes.len() == before {
            return Err(if before < HEAD_BYTES_MAX {
                io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed without an answer")
            } else {
                invalid("the head of the answer is too long")
            });
        }
        if bytes.ends_with(b"\r\n\r\n") || bytes.ends_with(b"\n\n") {
            break;
        }
    }
    let mut parsed = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut parsed);
    match response.parse(&bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(invalid("the head of the answer is cut short")),
        Err(error) => return Err(invalid(&format!("the answer is not HTTP: {error}"))),
    }
    let headers = response
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    Ok((response.code.unwrap_or_default(), headers))
}

fn frame(reader: BufReader<Box<dyn Duplex>>, status: u16, headers: &Headers) -> Box<dyn BufRead> {
    let find = |name: &str| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    if status == 204 || status == 304 {
        Box::new(io::empty())
    } else if find("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked")) {
        Box::new(BufReader::new(Chunks { inner: reader, left: 0, started: false, ended: false }))
    } else if let Some(length) = find("content-length").and_then(|length| length.trim().parse().ok()) {
        Box::new(BufReader::new(Exactly { inner: reader, left: length }))
    } else {
        Box::new(reader)
    }
}

/// A body of announced length; ending early is an error, not an end.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        let n = self.inner.read(&mut buffer[..room])?;
        if n == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut short"));
        }
        self.left -= n as u64;
        Ok(n)
    }
}

/// A body in chunks.
struct Chunks<R> {
    inner: R,
    left: u64,
    started: bool,
    ended: bool,
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            if self.started {
                self.line()?;
            }
            self.started = true;
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            self.left = u64::from_str_radix(size, 16).map_err(|_| invalid(&format!("bad chunk size `{size}`")))?;
            if self.left == 0 {
                while !self.line()?.is_empty() {}
                self.ended = true;
                return Ok(0);
            }
        }
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.inner.read(&mut buffer[..room])?;
        if n == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut short"));
        }
        self.left -= n as u64;
        Ok(n)
    }
}

impl<R: BufRead> Chunks<R> {
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        // A size, an extension nobody uses, or a trailer: short in any case.
        if self.inner.by_ref().take(4096).read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut short"));
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
