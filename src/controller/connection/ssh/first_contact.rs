//! The first contact with hosts whose key no file knows: settled once for all of them, before anything else happens.

use std::{path::PathBuf, sync::Arc};

use russh::keys::{Algorithm, PublicKey};

use super::{
    super::{ConnectError, HostKeyChecking, Kind, Target},
    keyring::Keyring,
    known_hosts::{self, Addition, KnownHosts},
};

/// Hosts that are asked for their key at the same time.
const SCANS_MAX: usize = 32;

/// A host that no file knows, and the key it shows.
#[derive(Clone, Debug)]
pub struct Unknown {
    /// The inventory's name.
    pub alias: String,
    /// What `ssh` would be called with.
    pub destination: String,
    /// What it is filed under: `host` or `[host]:port`.
    pub name: String,
    /// Key type.
    pub algorithm: String,
    /// `SHA256:…`
    pub fingerprint: String,
    /// The key.
    pub key: PublicKey,
    /// The file that takes it.
    pub file: Option<PathBuf>,
    /// Hide the name there (`HashKnownHosts`).
    pub hash: bool,
}

impl Unknown {
    /// The key type as the host's own files are named.
    #[must_use]
    pub fn short_algorithm(&self) -> &'static str {
        match self.key.algorithm() {
            Algorithm::Ecdsa { .. } => "ecdsa",
            Algorithm::Rsa { .. } => "rsa",
            _ => "ed25519",
        }
    }
}

/// Asks all hosts that no file knows for their keys, without logging in anywhere.
///
/// # Errors
/// When the SSH configuration or a file of known hosts is wrong.
pub(in super::super) async fn scan(targets: &[Target], keyring: &Arc<Keyring>) -> Result<Vec<Unknown>, ConnectError> {
    let places = Arc::new(tokio::sync::Semaphore::new(SCANS_MAX));
    let mut scans = tokio::task::JoinSet::new();
    for (index, target) in targets.iter().enumerate().filter(|(_, target)| target.kind == Kind::Ssh) {
        let settings = super::settings_of(target)?;
        if settings.strict != HostKeyChecking::Strict {
            continue;
        }
        let known = KnownHosts::read(settings.known_hosts(), &keyring.known)?;
        // A host with a jump in front is looked at even when known, because the jump may not be.
        if settings.jumps.is_empty() && known.knows(&settings.known_name(), &settings.hostname) {
            continue;
        }
        let (places, target, keyring) = (Arc::clone(&places), target.clone(), Arc::clone(keyring));
        scans.spawn(async move {
            let _place = places.acquire_owned().await;
            (index, super::handshake(&target, &settings, &keyring, 0).await.err())
        });
    }
    let mut found: Vec<(usize, Unknown)> = Vec::new();
    while let Some(scan) = scans.join_next().await {
        if let Ok((index, Some(error))) = scan
            && let Some(unknown) = innermost(error)
        {
            found.push((index, unknown));
        }
    }
    found.sort_by_key(|(index, _)| *index);
    let mut distinct: Vec<Unknown> = Vec::new();
    for (_, unknown) in found {
        if !distinct.iter().any(|other| other.name == unknown.name && other.key == unknown.key) {
            distinct.push(unknown);
        }
    }
    Ok(distinct)
}

fn innermost(error: ConnectError) -> Option<Unknown> {
    match error {
        ConnectError::UnknownHostKey(unknown) => Some(*unknown),
        ConnectError::Jump { source, .. } => innermost(*source),
        _ => None,
    }
}

/// Remembers hosts in the user's files of known hosts.
///
/// # Errors
/// When a file cannot be written.
pub fn accept(unknown: &[Unknown]) -> Result<(), ConnectError> {
    let mut files: Vec<&PathBuf> = unknown.iter().filter_map(|unknown| unknown.file.as_ref()).collect();
    files.sort();
    files.dedup();
    for file in files {
        let additions: Vec<Addition> = unknown
            .iter()
            .filter(|unknown| unknown.file.as_ref() == Some(file))
            .map(|unknown| Addition { name: unknown.name.clone(), key: unknown.key.clone(), hash: unknown.hash })
            .collect();
        known_hosts::append(file, &additions).map_err(|source| ConnectError::KnownHosts {
            doing: "write",
            path: file.clone(),
            source,
        })?;
    }
    Ok(())
}
