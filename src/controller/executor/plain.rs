//! Modules on a host that takes no helper: planned here, looked at and changed through plain `sh`.

use std::{
    io::{self, Cursor, Read},
    sync::Mutex,
};

use tokio_util::sync::CancellationToken;

use super::{module::Called, turn::Turn};
use crate::{
    controller::{
        connection::{
            ConnectError,
            helper::{BlobStore, Blobs, without_helper_hint},
            shell::ShellSystem,
        },
        event::Event,
        state::lock,
    },
    protocol::{Blob, Call, Change, Failure, Outcome, Verdict},
    remote::{
        execute::execute,
        machine::{apply, digest, overlay::Overlay},
        modules,
    },
};

/// One user of one host, reached through `sh`, and what check mode has predicted there.
pub struct Plain {
    system: ShellSystem,
    /// The predictions, and how many of the host's it knows.
    known: Mutex<(Overlay, usize)>,
}

impl Plain {
    /// A user as `sh` shows them, without predictions.
    #[must_use]
    pub fn new(system: ShellSystem) -> Self {
        Self { system, known: Mutex::default() }
    }

    /// Carries out a call; `before` are the host's predictions so far. Blocks.
    fn carry_out(
        &self,
        call: &Call,
        before: &[Change],
        blobs: &Blobs,
        ended: CancellationToken,
        progress: apply::Progress<'_>,
    ) -> Outcome {
        let system = self.system.until(ended);
        let mut known = lock(&self.known);
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

impl Turn {
    /// Carries out a module where no helper runs, if it needs no more than `sh`.
    pub(super) async fn without_helper(&self, call: Call, reason: &str) -> Called {
        let host = &self.way.host;
        if let Some(entry) = modules::find(&call.module)
            && !entry.portable
        {
            let failure = Failure::new(format!("{} needs the helper, and {host} takes none: {reason}", entry.name));
            let mut hint = without_helper_hint(reason);
            if entry.name == "setup" {
                hint.push_str("; `gather_facts: false` leaves facts out");
            }
            return failed(failure.hint(hint));
        }
        let link = self.run.link(host);
        let (plain, connection, before) = {
            let mut link = link.lock().await;
            let connection = match self.way.connection(&self.run, &mut link).await {
                Ok(connection) => connection,
                Err(lost) => return lost.into(),
            };
            match self.way.plain(&mut link, &connection).await {
                Ok(plain) => (plain, connection, link.predicted.clone()),
                Err(lost) => return lost.into(),
            }
        };
        let told = before.len();
        let ended = CancellationToken::new();
        // A task that is given up ends what it runs: the thread itself cannot be ended.
        let _guard = ended.clone().drop_guard();
        let (run, shown, task, user) = (self.run.clone(), self.host.clone(), self.info.clone(), plain.clone());
        let carried = tokio::task::spawn_blocking(move || {
            let mut progress = |text: &str, amount: Option<(u64, u64)>| {
                run.events.emit(Event::Progress {
                    host: shown.clone(),
                    task: task.clone(),
                    text: run.mask(text),
                    amount,
                });
            };
            user.carry_out(&call, &before, &run.blobs, ended, &mut progress)
        });
        let outcome = match carried.await {
            Ok(outcome) => outcome,
            Err(error) => return failed(Failure::new(format!("the task was interrupted: {error}"))),
        };
        if !connection.is_open() && matches!(outcome.verdict, Verdict::Failed(_)) {
            return Called::Unreachable(lost_while(host));
        }
        if !outcome.predicted.is_empty() {
            let mut link = link.lock().await;
            let unchanged = link.predicted.len() == told;
            link.predicted.extend(outcome.predicted.iter().cloned());
            let mut known = lock(&plain.known);
            // It made them itself, and knows them, provided nobody else made some meanwhile.
            if unchanged && known.1 == told {
                known.1 = link.predicted.len();
            }
        }
        Called::Outcome(Box::new(outcome))
    }
}

fn lost_while(host: &str) -> Failure {
    let error = ConnectError::Lost { alias: host.to_owned(), reason: "it closed while a command ran".to_owned() };
    Failure { message: error.to_string(), hint: error.hint() }
}

fn failed(failure: Failure) -> Called {
    Called::Outcome(Box::new(Outcome::new(Verdict::Failed(failure))))
}
