//! An image on a host, read through a helper there that does nothing else.

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::super::{SessionError, bootstrap, helpers, session::read_frame};
use crate::{
    controller::connection::{Connection, Exit, Process, Reader, Writer, escalation::Become},
    protocol::{
        Failure, frame,
        image::{Ask, Image, Tell},
    },
    remote::image::WORD,
};

/// Hears how many bytes there are so far.
pub type Heard<'h> = &'h (dyn Fn(&'static str, u64) + Send + Sync);

/// A helper that reads an image; it ends when this is dropped.
pub struct ImageReader {
    stdin: Writer,
    stdout: Reader,
    _exit: Exit,
}

impl ImageReader {
    /// Starts a helper that reads an image, as a user of the host. `place` says where it is, in words of `remote::image`.
    ///
    /// # Errors
    /// When the host takes no helper, the user cannot be become, or there is no such image ([`SessionError::Failed`]).
    pub async fn open(
        connection: &Connection,
        how: Option<&Become>,
        place: &[String],
        heard: Heard<'_>,
    ) -> Result<(Self, Image), SessionError> {
        let words: Vec<String> = std::iter::once(WORD.to_owned()).chain(place.iter().cloned()).collect();
        let Process { stdin, stdout, mut stderr, exit } = bootstrap::start(connection, how, helpers(), &words).await?;
        // Nothing is said there; a full pipe would stop it all the same.
        tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        let mut reader = Self { stdin, stdout, _exit: exit };
        loop {
            match reader.next().await? {
                (Tell::Image(image), _) => return Ok((reader, image)),
                (Tell::Saved { bytes }, _) => heard("saving", bytes),
                (Tell::Failed(failure), _) => return Err(SessionError::Failed(failure)),
                (Tell::Piece | Tell::End, _) => return Err(confused()),
            }
        }
    }

    /// The image's configuration as it is.
    ///
    /// # Errors
    /// When it cannot be read or the helper is lost.
    pub async fn configuration(&mut self, heard: Heard<'_>) -> Result<Vec<u8>, SessionError> {
        let mut bytes = Vec::new();
        self.ask(&Ask::Configuration, &mut bytes, heard).await?;
        Ok(bytes)
    }

    /// Writes the archive of a layer to a file; compressed, if that is wanted and makes it smaller.
    ///
    /// # Errors
    /// When it cannot be read or written, or the helper is lost.
    pub async fn layer(
        &mut self,
        number: usize,
        compress: bool,
        to: &mut (impl AsyncWrite + Unpin),
        heard: Heard<'_>,
    ) -> Result<(), SessionError> {
        self.ask(&Ask::Layer { number, compress }, to, heard).await
    }

    async fn ask(
        &mut self,
        ask: &Ask,
        to: &mut (impl AsyncWrite + Unpin),
        heard: Heard<'_>,
    ) -> Result<(), SessionError> {
        let mut request = Vec::new();
        let lost = |error: std::io::Error| SessionError::Lost { reason: error.to_string() };
        frame::encode(ask, &[], &mut request).map_err(lost)?;
        self.stdin.write_all(&request).await.map_err(lost)?;
        self.stdin.flush().await.map_err(lost)?;
        let mut bytes = 0;
        // Why it cannot be kept here; the rest is read all the same, for the next answer stands behind it.
        let mut wrong = None;
        loop {
            match self.next().await? {
                (Tell::Piece, piece) if wrong.is_none() => {
                    bytes += piece.len() as u64;
                    wrong = to.write_all(&piece).await.err();
                    heard("reading", bytes);
                }
                (Tell::Piece, _) => {}
                (Tell::Saved { bytes }, _) => heard("saving", bytes),
                (Tell::Failed(failure), _) => return Err(SessionError::Failed(failure)),
                (Tell::Image(_), _) => return Err(confused()),
                (Tell::End, _) => break,
            }
        }
        if wrong.is_none() {
            // What was written last may still be on its way to the disk.
            wrong = to.flush().await.err();
        }
        wrong.map_or(Ok(()), |error| {
            let failure = Failure::new(format!("cannot keep the layers of the image on the controller: {error}"));
            Err(SessionError::Failed(failure.hint("set TMPDIR to a folder that has more space")))
        })
    }

    async fn next(&mut self) -> Result<(Tell, Vec<u8>), SessionError> {
        match read_frame(&mut self.stdout).await {
            Ok(Some(told)) => Ok(told),
            Ok(None) => Err(SessionError::Lost { reason: "it ended while it read the image".into() }),
            Err(error) => Err(SessionError::Lost { reason: error.to_string() }),
        }
    }
}

fn confused() -> SessionError {
    SessionError::Lost { reason: "it said what nobody had asked for".into() }
}
