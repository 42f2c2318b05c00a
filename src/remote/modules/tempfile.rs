//! `tempfile`: a new file or directory with a name that nothing has yet.

use std::path::{Path, PathBuf};

use super::{attributes, directories};
use crate::{
    choices, options,
    protocol::{Attributes, Change, Content, Json},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        machine::{digest, probe::Found},
    },
};

choices! {
    /// What to make.
    pub enum State {
        /// A file that only its owner may read and write.
        File = "file",
        /// A directory that only its owner may enter.
        Directory = "directory",
    }
}

options! {
    /// Makes a temporary file or directory. It stays until a later task removes it; every run makes another one.
    ///
    /// ## Example
    /// ```yaml
    /// - tempfile: state=directory suffix=build
    ///   register: scratch
    /// ```
    ///
    /// ## Returns
    /// `path`, `state`, `mode`, `owner`, `group`, `uid`, `gid`, `size`.
    pub struct TempFile {
        /// What to make.
        state: State = State::File,
        /// The directory to make it in; the host's temporary directory when it is left out.
        path: Option<PathBuf>,
        /// How its name starts.
        prefix: String = "ansible.",
        /// How its name ends.
        suffix: String = "",
    }
}

impl Module for TempFile {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        for (name, text) in [("prefix", &self.prefix), ("suffix", &self.suffix)] {
            if text.contains('/') {
                return Err(Stop::failed(format!("{name} must be a valid file name component: {text}")));
            }
        }
        let directory = match &self.path {
            Some(path) => path.clone(),
            None => directory(probe),
        };
        if !directories::is_directory(probe, &directory)? {
            return Err(Stop::failed(format!("cannot make anything in {}: it is no directory", directory.display())));
        }
        let path = unused(probe, &directory, &self.prefix, &self.suffix)?;
        let mut plan = Plan::new();
        plan.set("path", path.to_string_lossy());
        plan.set("state", crate::remote::Choice::word(self.state));
        plan.push(match self.state {
            State::Directory => {
                Change::Directory { path, attributes: Attributes { mode: Some(0o700), ..Attributes::default() } }
            }
            State::File => Change::Write {
                path,
                content: Content::Text(String::new()),
                attributes: Attributes { mode: Some(0o600), ..Attributes::default() },
                in_place: false,
            },
        });
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, _applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        match plan.result.get("path").and_then(Json::as_str).map(PathBuf::from) {
            Some(path) => attributes::describe(plan, probe, &path),
            None => Ok(()),
        }
    }
}

/// The host's directory for temporary files.
pub fn directory(probe: &Probe<'_>) -> PathBuf {
    PathBuf::from(probe.variable("TMPDIR").filter(|path| path.starts_with('/')).unwrap_or_else(|| "/tmp".to_owned()))
}

/// A path in a directory that nothing has yet.
///
/// # Errors
/// When the directory cannot be looked at.
pub fn unused(probe: &Probe<'_>, directory: &Path, prefix: &str, suffix: &str) -> Found<PathBuf> {
    const LETTERS: usize = 12;
    loop {
        let seed = format!("{} {} {}", probe.now(), probe.uid(), directory.display());
        let path = directory.join(format!("{prefix}{}{suffix}", &digest(seed.as_bytes())[..LETTERS]));
        if probe.stat(&path)?.is_none() {
            return Ok(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rehearsal::Rehearsal;
    use crate::{
        protocol::Verdict,
        remote::machine::{fake::Fake, system::System},
    };

    #[test]
    fn every_call_makes_another_one() {
        let mut host = Rehearsal::on(Fake::new());
        assert_eq!(host.check("tempfile", json!({})).verdict, Verdict::Changed);
        assert_eq!(host.host.read_dir("/tmp".as_ref()).unwrap().len(), 0);
        let file = host.apply("tempfile", json!({"prefix": "p.", "suffix": "-s"}));
        let path = file.result["path"].as_str().unwrap();
        assert!(path.starts_with("/tmp/p.") && path.ends_with("-s"));
        assert_eq!(file.result["mode"], "0600");
        let directory = host.apply("tempfile", json!({"state": "directory"}));
        assert_eq!((&directory.result["mode"], &directory.result["state"]), (&json!("0700"), &json!("directory")));
        assert!(host.fails("tempfile", json!({"path": "/none"})).contains("no directory"));
    }
}
