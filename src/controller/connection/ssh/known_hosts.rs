//! Which host keys are trusted: `known_hosts` files with hashes, patterns, authorities and revocations, as OpenSSH judges.

use std::{
    io::{self, Read, Seek, Write},
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use russh::keys::{
    Algorithm, HashAlg, PublicKey, PublicKeyOrCertificate,
    ssh_key::{certificate::CertType, known_hosts::Marker},
};

use super::{
    super::ConnectError,
    known_files::{Entry, KnownFile, KnownFiles, digest},
    patterns,
};

/// What several files say, in their order.
#[derive(Debug, Default)]
pub struct KnownHosts(Vec<Arc<KnownFile>>);

/// An entry and the file it stands in.
struct Known<'a> {
    file: &'a Path,
    entry: &'a Entry,
}

impl Deref for Known<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.entry
    }
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
    /// Reads files, as far as they are not `read` already; missing ones are empty.
    ///
    /// # Errors
    /// When a file is there but cannot be read.
    pub fn read<'a>(files: impl IntoIterator<Item = &'a PathBuf>, read: &KnownFiles) -> Result<Self, ConnectError> {
        let of_file = |path: &PathBuf| {
            read.file(path).map_err(|source| ConnectError::KnownHosts { doing: "read", path: path.clone(), source })
        };
        files.into_iter().filter_map(|path| of_file(path).transpose()).collect::<Result<_, _>>().map(Self)
    }

    fn add(&mut self, path: &Path, text: &str) {
        self.0.push(Arc::new(KnownFile::parse(path, text)));
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Known<'a>> {
        self.0.iter().flat_map(move |file| file.of(name).map(|entry| Known { file: &file.path, entry }))
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
                .find(|known| known.marker == Some(Marker::Revoked) && known.key.key_data() == key)
                .map(|known| Verdict::Revoked { file: known.file.to_owned(), line: known.line })
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
                changed = Some(Verdict::Changed { file: entry.file.to_owned(), line: entry.line });
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
