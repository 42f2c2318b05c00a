//! Files of known hosts, each read once in a run, and again when it has changed.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::{
    PublicKey,
    ssh_key::known_hosts::{HostPatterns, Marker},
};
use sha1::Sha1;

use super::patterns;

/// The files that the connections of a run have read.
#[derive(Debug, Default)]
pub(super) struct KnownFiles(Mutex<HashMap<PathBuf, (Stamp, Arc<KnownFile>)>>);

/// By which a file is known to be as it was: its length and when it was written.
type Stamp = (u64, Option<SystemTime>);

/// One file's entries.
#[derive(Debug, Default)]
pub(super) struct KnownFile {
    pub(super) path: PathBuf,
    entries: Vec<Entry>,
    /// Entries by the names that are written out.
    named: HashMap<String, Vec<usize>>,
    /// Entries whose names have to be matched one by one.
    matched: Vec<usize>,
}

/// One line of a file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) marker: Option<Marker>,
    pub(super) key: PublicKey,
    pattern: Option<Pattern>,
}

/// Names that are not written out.
#[derive(Debug)]
enum Pattern {
    List(Vec<String>),
    Hashed { salt: Vec<u8>, hash: [u8; 20] },
}

impl KnownFiles {
    /// A file as it is now; `None` where there is none.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    pub(super) fn file(&self, path: &Path) -> io::Result<Option<Arc<KnownFile>>> {
        // Held while reading: whoever needs the same file waits, and has it read.
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let missing =
            |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        let stamp = match std::fs::metadata(path) {
            Ok(metadata) => (metadata.len(), metadata.modified().ok()),
            Err(error) if missing(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Some((before, file)) = files.get(path)
            && *before == stamp
        {
            return Ok(Some(Arc::clone(file)));
        }
        match std::fs::read(path) {
            Ok(text) => {
                let file = Arc::new(KnownFile::parse(path, &String::from_utf8_lossy(&text)));
                files.insert(path.to_owned(), (stamp, Arc::clone(&file)));
                Ok(Some(file))
            }
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl KnownFile {
    /// Reads a file's text; lines that make no sense are skipped as OpenSSH does.
    pub(super) fn parse(path: &Path, text: &str) -> Self {
        let mut file = Self { path: path.to_owned(), ..Self::default() };
        for (entry, names) in text.lines().enumerate().filter_map(|(index, line)| parse(index, line)) {
            let at = file.entries.len();
            if entry.pattern.is_some() {
                file.matched.push(at);
            }
            for name in names {
                file.named.entry(name).or_default().push(at);
            }
            file.entries.push(entry);
        }
        file
    }

    /// Entries of a name (lower case), in the order of their lines.
    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = &Entry> {
        let named = self.named.get(name).into_iter().flatten();
        let matched = self.matched.iter().filter(|at| self.entries[**at].is_for(name));
        let mut found: Vec<usize> = named.chain(matched).copied().collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|at| &self.entries[at])
    }
}

impl Entry {
    fn is_for(&self, name: &str) -> bool {
        match &self.pattern {
            Some(Pattern::List(list)) => patterns::matches_list(list.iter().map(String::as_str), name),
            Some(Pattern::Hashed { salt, hash }) => digest(salt, name).is_some_and(|digest| digest == hash[..]),
            None => false,
        }
    }
}

/// One line; `None` for comments, blanks and what cannot be understood.
fn parse(index: usize, line: &str) -> Option<(Entry, Vec<String>)> {
    let mut words = line.split_ascii_whitespace().peekable();
    if words.peek()?.starts_with('#') {
        return None;
    }
    let marker = match words.next_if(|word| word.starts_with('@')) {
        Some(word) => Some(word.parse::<Marker>().ok()?),
        None => None,
    };
    let hosts = words.next()?.parse().ok()?;
    let (algorithm, key) = (words.next()?, words.next()?);
    let key = PublicKey::from_openssh(&format!("{algorithm} {key}")).ok()?;
    let (names, pattern) = match hosts {
        HostPatterns::HashedName { salt, hash } => (Vec::new(), Some(Pattern::Hashed { salt, hash })),
        HostPatterns::Patterns(list) => {
            let list: Vec<String> = list.iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
            if list.iter().any(|pattern| pattern.contains(['*', '?', '!'])) {
                (Vec::new(), Some(Pattern::List(list)))
            } else {
                (list, None)
            }
        }
    };
    Some((Entry { line: index + 1, marker, key, pattern }, names))
}

/// The hash under which a name is hidden.
pub(super) fn digest(salt: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}
