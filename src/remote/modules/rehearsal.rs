//! Tries a module on a made-up host the way a run would, for the tests of modules.

use std::{
    collections::HashMap,
    io::{self, Read},
    path::PathBuf,
};

use crate::{
    protocol::{Blob, Call, Change, Effect, Json, Outcome, Verdict},
    remote::{
        execute::execute,
        machine::{
            apply::Blobs,
            digest,
            fake::Fake,
            overlay::Overlay,
            system::{FileKind, System},
        },
    },
};

/// Content that a controller would have.
#[derive(Default)]
pub(crate) struct Contents(HashMap<String, Vec<u8>>);

impl Blobs for Contents {
    fn open<'s>(&'s mut self, blob: &Blob) -> io::Result<Box<dyn Read + 's>> {
        match self.0.get(&blob.sha256) {
            Some(content) => Ok(Box::new(content.as_slice())),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// A made-up host with what check mode has predicted on it.
pub(crate) struct Rehearsal<S = Fake> {
    pub(crate) host: S,
    overlay: Overlay,
    contents: Contents,
}

impl<S: System> Rehearsal<S> {
    pub(crate) fn on(host: S) -> Self {
        Self { host, overlay: Overlay::default(), contents: Contents::default() }
    }

    /// Content as the option of that kind refers to it.
    pub(crate) fn blob(&mut self, content: &str) -> Json {
        self.bytes(content.as_bytes())
    }

    /// The same for content that is no text.
    pub(crate) fn bytes(&mut self, content: &[u8]) -> Json {
        let sha256 = digest(content);
        self.contents.0.insert(sha256.clone(), content.to_vec());
        serde_json::to_value(Blob { sha256, size: content.len() as u64 }).unwrap()
    }

    /// Makes the changes.
    pub(crate) fn apply(&mut self, module: &str, options: Json) -> Outcome {
        self.call(module, options, false)
    }

    /// Predicts the changes; later predictions take them as made.
    pub(crate) fn check(&mut self, module: &str, options: Json) -> Outcome {
        self.call(module, options, true)
    }

    /// What another module would have brought about.
    pub(crate) fn assume(&mut self, domain: &str, name: &str, value: Json) {
        self.overlay.predict(&Change::Assume(Effect::new(domain, name, value)), &self.host);
    }

    /// The contract of every module: a check changes nothing but says that something will, applying does it, and the second time all is well.
    pub(crate) fn converges(&mut self, module: &str, options: &Json) -> Outcome {
        let before = self.snapshot();
        let check = self.check(module, options.clone());
        assert_eq!(check.verdict, Verdict::Changed, "checking {module} with {options}: {check:?}");
        assert_eq!(self.snapshot(), before, "checking {module} changed the host");
        assert_eq!(
            self.check(module, options.clone()).verdict,
            Verdict::Unchanged,
            "checking {module} on its own prediction"
        );
        self.overlay = Overlay::default();
        let first = self.apply(module, options.clone());
        assert_eq!(first.verdict, Verdict::Changed, "applying {module} with {options}: {first:?}");
        assert_ne!(self.snapshot(), before, "applying {module} changed nothing");
        self.stays(module, options);
        first
    }

    /// Nothing is to be done, predicted or not.
    pub(crate) fn stays(&mut self, module: &str, options: &Json) {
        let check = self.check(module, options.clone());
        assert_eq!(check.verdict, Verdict::Unchanged, "checking {module} again with {options}: {check:?}");
        let again = self.apply(module, options.clone());
        assert_eq!(again.verdict, Verdict::Unchanged, "applying {module} again with {options}: {again:?}");
    }

    /// The message it fails with.
    #[expect(clippy::needless_pass_by_value, reason = "tests read better without borrows")]
    pub(crate) fn fails(&mut self, module: &str, options: Json) -> String {
        match self.apply(module, options.clone()).verdict {
            Verdict::Failed(failure) => failure.message,
            other => panic!("{module} with {options} was to fail but: {other:?}"),
        }
    }

    fn snapshot(&self) -> Vec<String> {
        let mut seen = Vec::new();
        let mut open = vec![PathBuf::from("/")];
        while let Some(path) = open.pop() {
            let stat = self.host.stat(&path).unwrap().unwrap();
            seen.push(format!("{} {:?} {:o} {} {}", path.display(), stat.kind, stat.mode, stat.uid, stat.gid));
            match stat.kind {
                FileKind::Directory => {
                    open.extend(self.host.read_dir(&path).unwrap().iter().map(|name| path.join(name)));
                }
                FileKind::File => seen.push(format!("{:?} {}", self.host.read(&path).unwrap(), stat.mtime)),
                _ => seen.push(self.host.read_link(&path).unwrap().display().to_string()),
            }
        }
        seen
    }

    fn call(&mut self, module: &str, options: Json, check: bool) -> Outcome {
        let Json::Object(options) = options else { panic!("options are a mapping") };
        let call = Call { module: module.to_owned(), options, check, rehearsal: true, diff: true, ..Call::default() };
        execute(&self.host, &mut self.overlay, &call, &mut self.contents, &mut |_, _| {})
    }
}

/// A directory of the machine that runs the tests; it goes when the test ends.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("deployer-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory that stays behind in the temporary one harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
