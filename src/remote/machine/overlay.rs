//! What check mode takes as made: predicted files and facts that later probes read through.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::protocol::Json;

use super::system::Stat;

/// Predictions over a host; empty outside check mode.
#[derive(Debug, Default)]
pub struct Overlay {
    pub(super) files: BTreeMap<PathBuf, PredictedFile>,
    pub(super) facts: BTreeMap<String, Json>,
}

/// What a path is predicted to be.
#[derive(Clone, Debug)]
pub enum PredictedFile {
    /// Nothing is there.
    Absent,
    /// Something is, possibly without its content being known.
    Present {
        /// What it looks like.
        stat: Stat,
        /// Its content, where the prediction has it.
        content: Option<Vec<u8>>,
        /// The hash of its content, where only that is known.
        sha256: Option<String>,
        /// Where a symbolic link points.
        target: Option<PathBuf>,
        /// A file on the host that holds the same.
        copy_of: Option<PathBuf>,
    },
    /// It depends, and on what.
    Unknown(String),
}

impl Overlay {
    /// What is predicted for a path; parents that will be gone or renamed count.
    #[must_use]
    pub fn file(&self, path: &Path) -> Option<&PredictedFile> {
        if let Some(predicted) = self.files.get(path) {
            return Some(predicted);
        }
        path.ancestors().skip(1).find_map(|parent| match self.files.get(parent) {
            Some(gone @ PredictedFile::Absent) => Some(gone),
            _ => None,
        })
    }

    /// The names in a directory once predictions are true.
    #[must_use]
    pub fn names(&self, directory: &Path, real: Vec<String>) -> Vec<String> {
        let mut names: std::collections::BTreeSet<String> = real.into_iter().collect();
        for (path, predicted) in &self.files {
            if path.parent() == Some(directory)
                && let Some(name) = path.file_name()
            {
                let name = name.to_string_lossy().into_owned();
                match predicted {
                    PredictedFile::Absent => names.remove(&name),
                    _ => names.insert(name),
                };
            }
        }
        names.into_iter().collect()
    }

    /// What is predicted under a key.
    #[must_use]
    pub fn assumed(&self, key: &str) -> Option<&Json> {
        self.facts.get(key)
    }

    /// All that is predicted in a domain, by name.
    pub fn domain<'s>(&'s self, domain: &'s str) -> impl Iterator<Item = (&'s str, &'s Json)> + 's {
        self.facts.iter().filter_map(move |(key, value)| {
            let name = key.strip_prefix(domain)?.strip_prefix('/')?;
            Some((name, value))
        })
    }
}
