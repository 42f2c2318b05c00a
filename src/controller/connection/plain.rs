//! A user of a host that takes no helper, reached through plain `sh`.

use std::{
    io::{self, Cursor, Read},
    sync::{Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;

use super::{
    helper::{BlobStore, Blobs},
    shell::ShellSystem,
};
use crate::{
    protocol::{Blob, Call, Change, Outcome},
    remote::{
        execute::execute,
        machine::{apply, digest, overlay::Overlay},
    },
};

/// One user of one host, reached through `sh`, and what check mode has predicted there.
pub struct Plain {
    system: ShellSystem,
    /// The predictions, and how many of the host's it knows.
    pub known: Mutex<(Overlay, usize)>,
}

impl Plain {
    /// A user as `sh` shows them, without predictions.
    #[must_use]
    pub fn new(system: ShellSystem) -> Self {
        Self { system, known: Mutex::default() }
    }

    /// Carries out a call; `before` are the host's predictions so far. Blocks.
    pub fn carry_out(
        &self,
        call: &Call,
        before: &[Change],
        blobs: &Blobs,
        ended: CancellationToken,
        progress: apply::Progress<'_>,
    ) -> Outcome {
        let system = self.system.until(ended);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (overlay, told) = &mut *known;
        before.iter().skip(*told).for_each(|change| overlay.predict(change, &system));
        *told = before.len().max(*told);
        execute(&system, overlay, call, &mut Kept(blobs), progress)
    }
}

/// The controller's own content; it is compared with its name before any of it is used.
struct Kept<'a>(&'a Blobs);

impl apply::Blobs for Kept<'_> {
    fn open<'s>(&'s mut self, blob: &Blob) -> io::Result<Box<dyn Read + 's>> {
        let mut content = Vec::new();
        self.0.open(blob)?.read_to_end(&mut content)?;
        if digest(&content) != blob.sha256 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "content changed since the task began"));
        }
        Ok(Box::new(Cursor::new(content)))
    }
}
