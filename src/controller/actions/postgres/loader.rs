//! Reads a dump twice: once to know it and refuse what cannot be loaded, once to send it, never held in memory whole.

use std::{collections::VecDeque, path::Path, pin::Pin, task::Poll};

use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
};
use tokio_postgres::SimpleQueryMessage;

use super::{
    PgError, Session,
    dump::{Piece, Splitter, Statement},
    session::touched,
};
use crate::{protocol::Failure, remote::machine::hex};

/// A line or statement of a dump: the server takes no message of more than 1 GiB, and refuses it only after all was sent.
const STATEMENT_BYTES_MAX: usize = 512 << 20;
/// Statements on their way while the first of them is not answered yet, so that a far server does not cost a round trip each.
const STATEMENTS_IN_FLIGHT: usize = 128;
/// Bytes of COPY data that are sent together.
const DATA_BYTES: usize = 64 << 10;
/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;
/// Bytes between two words of progress.
const PROGRESS_BYTES: u64 = 4 << 20;

/// Hears how far it is: what is done, bytes done, bytes in all.
pub type Progress<'p> = &'p (dyn Fn(&str, u64, u64) + Sync);

/// A dump that can be loaded.
#[derive(Clone, Debug)]
pub struct Known {
    /// In hexadecimal.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

/// What the dump is, if nothing in it is refused.
///
/// # Errors
/// When it cannot be read, is no plain-text dump, or has a line that cannot be loaded.
pub async fn examine(path: &Path, progress: Progress<'_>) -> Result<Known, Failure> {
    let mut lines = Lines::open(path).await?;
    let (mut hash, mut splitter, mut pieces) = (Sha256::new(), Splitter::default(), Vec::new());
    while lines.next().await? {
        if lines.line == 1 {
            refuse_binary(path, &lines.buffer)?;
        }
        hash.update(&lines.buffer);
        splitter.line(&lines.buffer, &mut pieces);
        if splitter.held() > STATEMENT_BYTES_MAX {
            return Err(lines.failure(lines.line, &format!("a statement is longer than {STATEMENT_BYTES_MAX} bytes")));
        }
        for piece in pieces.drain(..) {
            refuse(&lines, &piece)?;
        }
        lines.tell("reading the dump", progress);
    }
    splitter.end(&mut pieces);
    pieces.iter().try_for_each(|piece| refuse(&lines, piece))?;
    Ok(Known { sha256: hex(&hash.finalize()), size: lines.done })
}

/// Sends a dump's statements within the transaction that is open; gives the number of rows.
///
/// # Errors
/// The first one, with the line of the dump.
pub async fn send(session: &Session, path: &Path, progress: Progress<'_>) -> Result<u64, Failure> {
    let mut lines = Lines::open(path).await?;
    let (mut splitter, mut pieces) = (Splitter::default(), Vec::new());
    let mut flight = Flight { session, waiting: VecDeque::new(), bytes: 0, rows: 0 };
    let mut copy: Option<Copy> = None;
    while lines.next().await? {
        splitter.line(&lines.buffer, &mut pieces);
        for piece in pieces.drain(..) {
            refuse(&lines, &piece)?;
            match piece {
                Piece::Statement(statement) if statement.copies => {
                    flight.land(0, &lines).await?;
                    copy = Some(Copy::begin(session, statement, &lines).await?);
                }
                Piece::Statement(statement) => flight.start(statement, &lines).await?,
                Piece::Data(data) => {
                    if let Some(copy) = &mut copy {
                        copy.add(&data, &lines).await?;
                    }
                }
                Piece::DataEnd(_) => {
                    if let Some(copy) = copy.take() {
                        flight.rows += copy.end(&lines).await?;
                    }
                }
                Piece::Meta { .. } | Piece::Rest { .. } => {}
            }
        }
        lines.tell("loading the dump", progress);
    }
    splitter.end(&mut pieces);
    pieces.iter().try_for_each(|piece| refuse(&lines, piece))?;
    flight.land(0, &lines).await?;
    Ok(flight.rows)
}

fn refuse_binary(path: &Path, line: &[u8]) -> Result<(), Failure> {
    let refused = |what: &str, hint: &str| Err(Failure::new(format!("{} is {what}", path.display())).hint(hint));
    match line {
        [b'P', b'G', b'D', b'M', b'P', ..] => {
            refused("a dump in custom format, not plain text", "turn it into plain text: pg_restore -f dump.sql DUMP")
        }
        [0x1f, 0x8b, ..] | [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            refused("compressed", "unpack it first")
        }
        _ => Ok(()),
    }
}

/// What cannot be part of one transaction that is loaded by something else than psql.
fn refuse(lines: &Lines, piece: &Piece) -> Result<(), Failure> {
    match piece {
        Piece::Meta { line, text } => {
            let text = String::from_utf8_lossy(text);
            let word = text.split_whitespace().next().unwrap_or_default();
            // Written around every dump by newer versions of pg_dump; they only concern psql.
            if matches!(word, "\\restrict" | "\\unrestrict") {
                return Ok(());
            }
            let hint = match word {
                "\\connect" | "\\c" => "dump one database without --create; db says where it is loaded",
                _ => "only SQL can be loaded; take the command out of the dump",
            };
            Err(lines.failure(*line, &format!("{word} is a command to psql")).hint(hint))
        }
        Piece::Rest { line, trouble: Some(trouble), .. } => Err(lines.failure(*line, trouble)),
        Piece::Statement(statement) => {
            let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
            let (what, hint) = match words.as_slice() {
                words if controls_transactions(words) => (
                    "controls transactions",
                    "the whole dump is loaded in one transaction: take the statement out (pg_dump writes none)",
                ),
                ["CREATE" | "DROP", "DATABASE", ..] => {
                    ("makes or drops a database", "dump without --create; postgresql_db makes databases")
                }
                _ => return Ok(()),
            };
            Err(lines.failure(statement.line, &format!("{} {what}", statement.head())).hint(hint))
        }
        _ => Ok(()),
    }
}

/// Whether a statement of these words begins or ends a transaction, or part of one.
pub fn controls_transactions(words: &[&str]) -> bool {
    matches!(
        words,
        ["BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE", ..]
            | ["PREPARE", "TRANSACTION", ..]
    )
}

type Answer<'s> = Pin<Box<dyn Future<Output = Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>> + Send + 's>>;

/// Statements that were sent and not answered yet, in order.
struct Flight<'s> {
    session: &'s Session,
    waiting: VecDeque<(Answer<'s>, Statement)>,
    bytes: usize,
    rows: u64,
}

impl<'s> Flight<'s> {
    async fn start(&mut self, statement: Statement, lines: &Lines) -> Result<(), Failure> {
        let sql = text_of(&statement, lines)?.to_owned();
        let session = self.session;
        let mut answer: Answer<'s> = Box::pin(async move { session.client.simple_query(&sql).await });
        // The first look at it is what sends it, so the order on the wire is the dump's.
        let early = std::future::poll_fn(|cx| {
            Poll::Ready(match answer.as_mut().poll(cx) {
                Poll::Ready(done) => Some(done),
                Poll::Pending => None,
            })
        })
        .await;
        if let Some(done) = early {
            answer = Box::pin(std::future::ready(done));
        }
        self.bytes += statement.text.len();
        self.waiting.push_back((answer, statement));
        let most = if self.bytes > READ_BYTES { 0 } else { STATEMENTS_IN_FLIGHT };
        self.land(most, lines).await
    }

    async fn land(&mut self, most: usize, lines: &Lines) -> Result<(), Failure> {
        while self.waiting.len() > most {
            let Some((answer, statement)) = self.waiting.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(statement.text.len());
            let messages = answer.await.map_err(|error| lines.refused(statement.line, &statement, error))?;
            if statement.words.first().is_some_and(|word| word == "INSERT") {
                self.rows += touched(&messages);
            }
        }
        Ok(())
    }
}

/// A COPY whose data is being sent.
struct Copy {
    sink: Pin<Box<tokio_postgres::CopyInSink<Bytes>>>,
    statement: Statement,
    buffer: BytesMut,
}

impl Copy {
    async fn begin(session: &Session, statement: Statement, lines: &Lines) -> Result<Self, Failure> {
        let sink = session.client.copy_in(text_of(&statement, lines)?).await;
        let sink = Box::pin(sink.map_err(|error| lines.refused(statement.line, &statement, error))?);
        Ok(Self { sink, statement, buffer: BytesMut::with_capacity(DATA_BYTES) })
    }

    async fn add(&mut self, data: &[u8], lines: &Lines) -> Result<(), Failure> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() < DATA_BYTES {
            return Ok(());
        }
        let full = self.buffer.split().freeze();
        if self.sink.send(full).await.is_ok() {
            return Ok(());
        }
        // Sending fails when the server has given up; why, it says at the end.
        match self.sink.as_mut().finish().await {
            Err(error) => Err(lines.refused(self.place(&error), &self.statement, error)),
            Ok(_) => Err(lines.failure(self.statement.line, "the server stopped taking data")),
        }
    }

    async fn end(mut self, lines: &Lines) -> Result<u64, Failure> {
        let rest = self.buffer.split().freeze();
        let sent = if rest.is_empty() { Ok(()) } else { self.sink.send(rest).await };
        let ended = self.sink.as_mut().finish().await;
        let rows = ended.and_then(|rows| sent.map(|()| rows));
        rows.map_err(|error| lines.refused(self.place(&error), &self.statement, error))
    }

    /// The line of the dump that the server complains about: it counts lines of data.
    fn place(&self, error: &tokio_postgres::Error) -> u64 {
        let inside = error.as_db_error().and_then(tokio_postgres::error::DbError::where_).and_then(|text| {
            let number = text.split(", line ").nth(1)?;
            let end = number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len());
            number[..end].parse::<u64>().ok()
        });
        inside.map_or(self.statement.line, |inside| self.statement.last_line + inside)
    }
}

fn text_of<'t>(statement: &'t Statement, lines: &Lines) -> Result<&'t str, Failure> {
    let text = std::str::from_utf8(&statement.text).map_err(|_| {
        lines.failure(statement.line, "a statement is not UTF-8").hint("dump again with --encoding=UTF8")
    })?;
    Ok(text.trim_start_matches('\u{feff}'))
}

/// The lines of a dump.
struct Lines {
    name: String,
    reader: BufReader<File>,
    buffer: Vec<u8>,
    line: u64,
    done: u64,
    size: u64,
    told: u64,
}

impl Lines {
    async fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let unreadable = |error: std::io::Error| Failure::new(format!("cannot read the dump {name}: {error}"));
        let file = File::open(path).await.map_err(unreadable)?;
        let about = file.metadata().await.map_err(unreadable)?;
        if !about.is_file() {
            return Err(Failure::new(format!("the dump {name} is not a file")));
        }
        let reader = BufReader::with_capacity(READ_BYTES, file);
        Ok(Self { name, reader, buffer: Vec::new(), line: 0, done: 0, size: about.len(), told: 0 })
    }

    /// Reads the next line into the buffer; false at the end.
    async fn next(&mut self) -> Result<bool, Failure> {
        self.buffer.clear();
        let mut bounded = (&mut self.reader).take(STATEMENT_BYTES_MAX as u64 + 1);
        let read = bounded.read_until(b'\n', &mut self.buffer).await;
        let count = read.map_err(|error| Failure::new(format!("cannot read the dump {}: {error}", self.name)))?;
        if count == 0 {
            return Ok(false);
        }
        self.line += 1;
        self.done += count as u64;
        if count > STATEMENT_BYTES_MAX {
            return Err(self.failure(self.line, &format!("the line is longer than {STATEMENT_BYTES_MAX} bytes")));
        }
        Ok(true)
    }

    fn tell(&mut self, what: &str, progress: Progress<'_>) {
        if self.done - self.told >= PROGRESS_BYTES {
            self.told = self.done;
            progress(what, self.done, self.size);
        }
    }

    fn failure(&self, line: u64, message: &str) -> Failure {
        Failure::new(format!("{}:{line}: {message}", self.name))
    }

    fn refused(&self, line: u64, statement: &Statement, error: tokio_postgres::Error) -> Failure {
        let error = PgError::from(error);
        let message = format!("{error}, in: {} — everything was rolled back", statement.head());
        Failure { hint: error.hint(), ..self.failure(line, &message) }
    }
}
