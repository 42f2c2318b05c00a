//! Which host keys are trusted: `known_hosts` files with hashes, patterns, authorities and revocations, as OpenSSH judges.

use std::{
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::{
    Algorithm, HashAlg, PublicKey, PublicKeyOrCertificate,
    ssh_key::{
        certificate::CertType,
        known_hosts::{HostPatterns, Marker},
    },
};
use sha1::Sha1;

use super::{super::ConnectError, patterns};

/// Entries of all files, in order.
#[derive(Debug, Default)]
pub struct KnownHosts(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    file: PathBuf,
    line: usize,
    marker: Option<Marker>,
    hosts: HostPatterns,
    key: PublicKey,
}

/// What the files say about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the host's.
    Trusted,
    /// Nothing is known about the host, or nothing of this key type.
    Unknown,
    /// The host has another key of this type.
    Changed {
        /// Where that stands.
        file: PathBuf,
        /// Its line.
        line: usize,
    },
    /// It must not be used.
    Revoked {
        /// Where that stands.
        file: PathBuf,
        /// Its line.
        line: usize,
    },
    /// It is a certificate of a trusted authority, but does not hold for this host now.
    BadCertificate(String),
}

impl KnownHosts {
    /// Reads files; missing ones are empty, lines that make no sense are skipped as OpenSSH does.
    ///
    /// # Errors
    /// When a file is there but cannot be read.
    pub fn read<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Result<Self, ConnectError> {
        let mut all = Self::default();
        for file in files {
            match std::fs::read(file) {
                Ok(text) => all.add(file, &String::from_utf8_lossy(&text)),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(source) => {
                    return Err(ConnectError::KnownHosts { doing: "read", path: file.clone(), source });
                }
            }
        }
        Ok(all)
    }

    fn add(&mut self, file: &Path, text: &str) {
        for (index, line) in text.lines().enumerate() {
            if let Some((marker, hosts, key)) = parse(line) {
                self.0.push(Entry { file: file.to_owned(), line: index + 1, marker, hosts, key });
            }
        }
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.0.iter().filter(move |entry| names(&entry.hosts, name))
    }

    /// Whether any key or authority is known for a host.
    #[must_use]
    pub fn knows(&self, name: &str, host: &str) -> bool {
        let known = |name| self.of(name).any(|entry| entry.marker != Some(Marker::Revoked));
        known(name) || known(host)
    }

    /// Key types that are known for a host, without repetition.
    #[must_use]
    pub fn algorithms(&self, name: &str, host: &str) -> Vec<Algorithm> {
        let mut found = Vec::new();
        for entry in self.of(name).chain(self.of(host)).filter(|entry| entry.marker.is_none()) {
            let algorithm = entry.key.algorithm();
            if !found.contains(&algorithm) {
                found.push(algorithm);
            }
        }
        found
    }

    /// Whether certificates can be trusted for a host.
    #[must_use]
    pub fn has_authority(&self, name: &str, host: &str) -> bool {
        self.of(name).chain(self.of(host)).any(|entry| entry.marker == Some(Marker::CertAuthority))
    }

    /// Judges what a host offers. `name` is what it is filed under, `host` the same without the port.
    #[must_use]
    pub fn check(&self, name: &str, host: &str, offered: &PublicKeyOrCertificate) -> Verdict {
        match self.check_name(name, host, offered) {
            // OpenSSH takes a key that is filed without the port, but draws no other conclusion from it.
            Verdict::Unknown if name != host && self.check_name(host, host, offered) == Verdict::Trusted => {
                Verdict::Trusted
            }
            verdict => verdict,
        }
    }

    fn check_name(&self, name: &str, host: &str, offered: &PublicKeyOrCertificate) -> Verdict {
        let key = offered.public_key();
        let revoked = |key: &russh::keys::ssh_key::public::KeyData| {
            self.of(name)
                .find(|entry| entry.marker == Some(Marker::Revoked) && entry.key.key_data() == key)
                .map(|entry| Verdict::Revoked { file: entry.file.clone(), line: entry.line })
        };
        if let Some(verdict) = revoked(key.key_data()) {
            return verdict;
        }
        if let Some(certificate) = offered.certificate() {
            if let Some(verdict) = revoked(certificate.signature_key()) {
                return verdict;
            }
            let signed = self.of(name).any(|entry| {
                entry.marker == Some(Marker::CertAuthority) && entry.key.key_data() == certificate.signature_key()
            });
            if signed {
                return check_certificate(certificate, host);
            }
        }
        let mut changed = None;
        for entry in self.of(name).filter(|entry| entry.marker.is_none()) {
            if entry.key.key_data() == key.key_data() {
                return Verdict::Trusted;
            }
            if changed.is_none() && entry.key.algorithm() == key.algorithm() {
                changed = Some(Verdict::Changed { file: entry.file.clone(), line: entry.line });
            }
        }
        changed.unwrap_or(Verdict::Unknown)
    }
}

fn check_certificate(certificate: &russh::keys::Certificate, host: &str) -> Verdict {
    let bad = |reason: &str| Verdict::BadCertificate(reason.to_owned());
    if certificate.cert_type() != CertType::Host {
        return bad("it is a user's certificate, not a host's");
    }
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    if certificate.validate([&authority]).is_err() {
        return bad("its signature is wrong, or it has expired or is not valid yet");
    }
    if certificate.critical_options().iter().next().is_some() {
        return bad("it has critical options, which hosts cannot have");
    }
    let principals = certificate.valid_principals();
    if !principals.is_empty() && !principals.iter().any(|principal| patterns::matches(principal, host)) {
        return bad(&format!("it is for {}, not for {host}", principals.join(", ")));
    }
    Verdict::Trusted
}

/// One line; `None` for comments, blanks and what cannot be understood.
fn parse(line: &str) -> Option<(Option<Marker>, HostPatterns, PublicKey)> {
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
    Some((marker, hosts, PublicKey::from_openssh(&format!("{algorithm} {key}")).ok()?))
}

fn names(hosts: &HostPatterns, name: &str) -> bool {
    match hosts {
        HostPatterns::Patterns(list) => {
            let list: Vec<String> = list.iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
            patterns::matches_list(list.iter().map(String::as_str), name)
        }
        HostPatterns::HashedName { salt, hash } => digest(salt, name).is_some_and(|digest| digest == hash[..]),
    }
}

fn digest(salt: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

/// One line to be added.
#[derive(Clone, Debug)]
pub struct Addition {
    /// What the host is filed under.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
    /// Hide the name.
    pub hash: bool,
}

impl Addition {
    fn line(&self) -> Option<String> {
        let mut key = self.key.clone();
        key.set_comment("");
        let name = if self.hash {
            let salt: [u8; 20] = rand::random();
            let digest = digest(&salt, &self.name)?;
            format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(digest))
        } else {
            self.name.clone()
        };
        Some(format!("{name} {}\n", key.to_openssh().ok()?.trim()))
    }
}

/// Appends lines to a file under a lock, skipping those that are there already; the file is made with mode 0600.
///
/// Appending in one write, rather than renaming a new file into place, keeps what `ssh` itself may add at the same time.
///
/// # Errors
/// When the file or its folder cannot be made or written.
pub fn append(path: &Path, additions: &[Addition]) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = std::fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    file.lock()?;
    let mut before = String::new();
    file.rewind()?;
    file.read_to_string(&mut before)?;
    let mut known = KnownHosts::default();
    known.add(path, &before);
    let mut text = if before.is_empty() || before.ends_with('\n') { String::new() } else { "\n".to_owned() };
    for addition in additions {
        let offered = PublicKeyOrCertificate::from(addition.key.clone());
        if known.check_name(&addition.name, &addition.name, &offered) == Verdict::Trusted {
            continue;
        }
        let line = addition.line().ok_or(io::ErrorKind::InvalidData)?;
        known.add(path, &line);
        text.push_str(&line);
    }
    if !text.trim().is_empty() {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
    }
    Ok(())
}
