//! Reads of a host through what is predicted: the only thing a module sees while it plans.

use std::{
    cell::RefCell,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::protocol::{Json, Run};

use super::{
    overlay::{Overlay, PredictedFile},
    system::{Duplex, FileKind, Inode, Output, Stat, System},
};
use crate::remote::Stop;

/// A read, or why there is none.
pub type Found<T> = Result<T, Stop>;

/// The read-only view of a host that modules plan with.
pub struct Probe<'a> {
    system: &'a dyn System,
    overlay: &'a Overlay,
    check: bool,
    diff: bool,
    environment: &'a indexmap::IndexMap<String, String>,
    progress: RefCell<&'a mut dyn FnMut(&str, Option<(u64, u64)>)>,
}

impl<'a> Probe<'a> {
    /// A view of `system` as it will be once `overlay` is true.
    pub fn new(
        system: &'a dyn System,
        overlay: &'a Overlay,
        call: &'a crate::protocol::Call,
        progress: &'a mut dyn FnMut(&str, Option<(u64, u64)>),
    ) -> Self {
        Self {
            system,
            overlay,
            check: call.check,
            diff: call.diff,
            environment: &call.environment,
            progress: RefCell::new(progress),
        }
    }

    /// What is at a path, not following a link at its end.
    ///
    /// # Errors
    /// When it cannot be looked at or known.
    pub fn stat(&self, path: &Path) -> Found<Option<Stat>> {
        match self.overlay.file(path) {
            Some(PredictedFile::Absent) => Ok(None),
            Some(PredictedFile::Present { stat, .. }) => Ok(Some(*stat)),
            Some(PredictedFile::Unknown(reason)) => Err(Stop::Unknown(reason.clone())),
            None => self.system.stat(path).map_err(|error| refused("look at", path, &error)),
        }
    }

    /// What a path leads to, links followed; `None` when it leads nowhere.
    ///
    /// # Errors
    /// When it cannot be looked at, or links lead in a circle.
    pub fn stat_followed(&self, path: &Path) -> Found<Option<Stat>> {
        match self.resolve(path)? {
            Some(resolved) => self.stat(&resolved),
            None => Ok(None),
        }
    }

    /// The path behind symbolic links at the end of a path; `None` when a link leads nowhere.
    ///
    /// # Errors
    /// When links lead in a circle.
    pub fn resolve(&self, path: &Path) -> Found<Option<PathBuf>> {
        const LINKS_MAX: usize = 40;
        let mut at = path.to_owned();
        for _ in 0..LINKS_MAX {
            match self.stat(&at)? {
                Some(stat) if stat.kind == FileKind::Symlink => {
                    let target = self.read_link(&at)?;
                    at = at.parent().unwrap_or(Path::new("/")).join(target);
                }
                Some(_) => return Ok(Some(at)),
                None => return Ok(None),
            }
        }
        Err(Stop::failed(format!("too many symbolic links at {}", path.display())))
    }

    /// Whether something is there, links followed.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn exists(&self, path: &Path) -> Found<bool> {
        Ok(self.stat_followed(path)?.is_some())
    }

    /// The whole content of a file.
    ///
    /// # Errors
    /// When it cannot be read or is only predicted without its content.
    pub fn read(&self, path: &Path) -> Found<Vec<u8>> {
        let path = self.resolve(path)?.unwrap_or_else(|| path.to_owned());
        match self.overlay.file(&path) {
            Some(PredictedFile::Present { content: Some(content), .. }) => Ok(content.clone()),
            Some(PredictedFile::Present { copy_of: Some(original), .. }) => {
                self.system.read(original).map_err(|error| refused("read", &path, &error))
            }
            Some(PredictedFile::Present { stat, .. }) if stat.kind == FileKind::File => {
                Err(Stop::Unknown(format!("the content of {} is known after apply", path.display())))
            }
            Some(PredictedFile::Absent) => Err(refused("read", &path, &io::ErrorKind::NotFound.into())),
            Some(PredictedFile::Unknown(reason)) => Err(Stop::Unknown(reason.clone())),
            _ => self.system.read(&path).map_err(|error| refused("read", &path, &error)),
        }
    }

    /// The content of a file as text; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_text(&self, path: &Path) -> Found<String> {
        Ok(String::from_utf8_lossy(&self.read(path)?).into_owned())
    }

    /// The lower-case hex SHA-256 of a file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn sha256(&self, path: &Path) -> Found<String> {
        let path = self.resolve(path)?.unwrap_or_else(|| path.to_owned());
        if let Some(PredictedFile::Present { sha256: Some(sha256), .. }) = self.overlay.file(&path) {
            return Ok(sha256.clone());
        }
        if self.overlay.file(&path).is_some() {
            return self.read(&path).map(|content| crate::remote::machine::digest(&content));
        }
        self.system.sha256(&path).map_err(|error| refused("read", &path, &error))
    }

    /// What a symbolic link holds.
    ///
    /// # Errors
    /// When it is none.
    pub fn read_link(&self, path: &Path) -> Found<PathBuf> {
        if let Some(PredictedFile::Present { target: Some(target), .. }) = self.overlay.file(path) {
            return Ok(target.clone());
        }
        self.system.read_link(path).map_err(|error| refused("read the link", path, &error))
    }

    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_dir(&self, path: &Path) -> Found<Vec<String>> {
        let real = match self.overlay.file(path) {
            Some(PredictedFile::Absent) => return Err(refused("list", path, &io::ErrorKind::NotFound.into())),
            Some(PredictedFile::Unknown(reason)) => return Err(Stop::Unknown(reason.clone())),
            Some(PredictedFile::Present { .. }) => self.system.read_dir(path).unwrap_or_default(),
            None => self.system.read_dir(path).map_err(|error| refused("list", path, &error))?,
        };
        Ok(self.overlay.names(path, real))
    }

    /// What the file system keeps with an inode beside permissions; `None` where this cannot be asked without a program.
    #[must_use]
    pub fn inode(&self, path: &Path) -> Option<io::Result<Inode>> {
        self.system.inode(path)
    }

    /// Runs a command that only reads. Never use it for anything that changes the host.
    ///
    /// # Errors
    /// When it cannot be started. A bad exit code is for the caller to judge.
    pub fn query(&self, argv: &[&str]) -> Found<Output> {
        self.query_run(&Run::new(argv.iter().copied()))
    }

    /// As [`Self::query`], with directory, input and environment.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn query_run(&self, run: &Run) -> Found<Output> {
        let program = run.argv.first().cloned().unwrap_or_default();
        let mut run = run.clone();
        for (name, value) in self.environment {
            run.environment.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self.system.run(&run, &mut |_| {}).map_err(|error| Stop::failed(format!("cannot run {program}: {error}")))
    }

    /// The path of a program on the host's search path, predicted ones included.
    ///
    /// # Errors
    /// When the host cannot be looked at.
    pub fn program(&self, name: &str) -> Found<Option<PathBuf>> {
        if name.contains('/') {
            let path = PathBuf::from(name);
            return Ok(self.exists(&path)?.then_some(path));
        }
        let search = self.variable("PATH").unwrap_or_default();
        let extra = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        for directory in search.split(':').chain(extra.split(':')).filter(|directory| directory.starts_with('/')) {
            let path = Path::new(directory).join(name);
            if matches!(self.stat_followed(&path), Ok(Some(stat)) if stat.kind == FileKind::File && stat.mode & 0o111 != 0)
            {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// What a prediction says of `domain/name`: `Some(null)` when it will be gone, `None` when nothing is predicted.
    #[must_use]
    pub fn assumed(&self, domain: &str, name: &str) -> Option<&Json> {
        self.overlay.assumed(&format!("{domain}/{name}"))
    }

    /// All predictions of a domain as name and value.
    pub fn all_assumed<'s>(&'s self, domain: &'s str) -> impl Iterator<Item = (&'s str, &'s Json)> + 's {
        self.overlay.domain(domain)
    }

    /// Whether packages that earlier tasks would install may still bring what is not there: programs, folders, users.
    #[must_use]
    pub fn awaits_packages(&self) -> bool {
        self.check && self.overlay.domain("package").any(|(_, package)| !package.is_null())
    }

    /// The failure for something that has to be there; unknown where a package may still bring it.
    #[must_use]
    pub fn lacks(&self, failure: Stop) -> Stop {
        match failure {
            Stop::Failed(failure, _) if self.awaits_packages() => {
                Stop::Unknown(format!("{}, unless a package brings it that is to be installed before", failure.message))
            }
            other => other,
        }
    }

    /// A connection to a Unix socket, to ask and never to change.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn dial(&self, socket: &Path) -> io::Result<Box<dyn Duplex>> {
        self.system.dial(socket)
    }

    /// A TCP connection from the host.
    ///
    /// # Errors
    /// When nobody answers within `seconds`.
    pub fn dial_tcp(&self, host: &str, port: u16, seconds: u64) -> io::Result<Box<dyn Duplex>> {
        self.system.dial_tcp(host, port, seconds)
    }

    /// A variable of the environment: the task's, else the host's.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned().or_else(|| self.system.variable(name))
    }

    /// Whether changes will be predicted instead of made. For modules whose *reads* must differ; changes never ask.
    #[must_use]
    pub const fn predicting(&self) -> bool {
        self.check
    }

    /// Whether diffs were asked for: a hint to leave out expensive ones.
    #[must_use]
    pub const fn wants_diff(&self) -> bool {
        self.diff
    }

    /// Effective user id on the host.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.system.uid()
    }

    /// Umask of new files on the host.
    #[must_use]
    pub fn umask(&self) -> u32 {
        self.system.umask()
    }

    /// Waits, for modules that wait for something.
    pub fn sleep(&self, time: Duration) {
        self.system.sleep(time);
    }

    /// Nanoseconds since 1970 by the host's clock.
    #[must_use]
    pub fn now(&self) -> i128 {
        self.system.now()
    }

    /// Shows a line while the call runs, with done and total where known.
    pub fn progress(&self, text: &str, amount: Option<(u64, u64)>) {
        (self.progress.borrow_mut())(text, amount);
    }
}

fn refused(verb: &str, path: &Path, error: &io::Error) -> Stop {
    Stop::failed(format!("cannot {verb} {}: {error}", path.display()))
}
