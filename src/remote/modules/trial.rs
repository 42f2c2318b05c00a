//! Runs modules against made-up hosts, for the tests of this folder.

use std::io::{self, Read};

use crate::{
    protocol::{Blob, Call, Json, Outcome, Verdict},
    remote::{
        execute::execute,
        machine::{apply::Blobs, fake::Fake, overlay::Overlay},
    },
};

/// A made-up host and what has been predicted for it.
pub(crate) struct Trial {
    pub(crate) host: Fake,
    overlay: Overlay,
}

struct NoBlobs;

impl Blobs for NoBlobs {
    fn open<'s>(&'s mut self, _blob: &Blob) -> io::Result<Box<dyn Read + 's>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

impl Trial {
    pub(crate) fn new(host: Fake) -> Self {
        Self { host, overlay: Overlay::default() }
    }

    /// Predicts a task; later ones see what it would have done.
    pub(crate) fn check(&mut self, module: &str, options: Json) -> Outcome {
        self.call(module, options, true)
    }

    /// Carries a task out.
    pub(crate) fn apply(&mut self, module: &str, options: Json) -> Outcome {
        self.call(module, options, false)
    }

    fn call(&mut self, module: &str, options: Json, check: bool) -> Outcome {
        let options = serde_json::from_value(options).unwrap();
        let call = Call { module: module.to_owned(), options, check, rehearsal: true, diff: true, ..Call::default() };
        execute(&self.host, &mut self.overlay, &call, &mut NoBlobs, &mut |_, _| {})
    }

    /// The commands that ran, a line each.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.host.ran().iter().map(|run| run.argv.join(" ")).collect()
    }
}

/// The message of a failure.
pub(crate) fn failure(outcome: &Outcome) -> &str {
    match &outcome.verdict {
        Verdict::Failed(failure) => &failure.message,
        other => panic!("not a failure: {other:?}"),
    }
}
