//! What the connections of a run share: private keys that are unlocked once, jump hosts that are entered once, files that are read once.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use russh::keys::{PrivateKey, PublicKey};
use tokio::sync::Mutex;

use super::{
    super::{Ask, Secret},
    Ssh,
    known_files::KnownFiles,
};

/// Tries at the passphrase of one key, as many as OpenSSH gives.
const PASSPHRASE_TRIES: usize = 3;

/// Shared by all connections.
pub struct Keyring {
    pub(super) known: KnownFiles,
    ask: Arc<dyn Ask>,
    unlocked: Mutex<HashMap<PathBuf, Option<Arc<PrivateKey>>>>,
    jumps: Mutex<HashMap<String, Arc<Mutex<Option<Ssh>>>>>,
}

/// A private key file as far as it can be read without its passphrase.
pub(super) enum KeyFile {
    /// Ready to sign.
    Open(Arc<PrivateKey>),
    /// Needs its passphrase; the public half may be known.
    Locked(Option<PublicKey>),
    /// Only the public half is there; an agent may hold the rest.
    Public(PublicKey),
}

impl Keyring {
    /// An empty keyring whose questions go to `ask`.
    #[must_use]
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Self { known: KnownFiles::default(), ask, unlocked: Mutex::default(), jumps: Mutex::default() }
    }

    /// The place of a jump host that all hosts behind it share.
    pub(super) async fn jump(&self, name: &str) -> Arc<Mutex<Option<Ssh>>> {
        Arc::clone(self.jumps.lock().await.entry(name.to_owned()).or_default())
    }

    /// Asks a server's question of the user.
    pub(super) async fn answer(&self, host: &str, question: &str, echo: bool) -> Option<Secret> {
        let (ask, host, question) = (Arc::clone(&self.ask), host.to_owned(), question.to_owned());
        tokio::task::spawn_blocking(move || ask.answer(&host, &question, echo)).await.ok().flatten()
    }

    /// The key in a file, its passphrase asked for once in a run; `None` when the user gave up on it.
    pub(super) async fn unlock(&self, path: &Path) -> Option<Arc<PrivateKey>> {
        // Held while asking: another host that needs the same key waits for the answer instead of asking again.
        let mut unlocked = self.unlocked.lock().await;
        if let Some(key) = unlocked.get(path) {
            return key.clone();
        }
        let (ask, file) = (Arc::clone(&self.ask), path.to_owned());
        let key = tokio::task::spawn_blocking(move || {
            let text = std::fs::read_to_string(&file).ok()?;
            (0..PASSPHRASE_TRIES).find_map(|_| {
                let passphrase = ask.passphrase(&file)?;
                russh::keys::decode_secret_key(&text, Some(passphrase.reveal())).ok()
            })
        })
        .await
        .ok()
        .flatten()
        .map(Arc::new);
        unlocked.insert(path.to_owned(), key.clone());
        key
    }
}

/// Looks at a private key file, or at the public one beside it.
///
/// # Errors
/// Why neither can be used, in words.
pub(super) fn read_key(path: &Path) -> Result<Option<KeyFile>, String> {
    use std::os::unix::fs::PermissionsExt;
    let beside = || {
        let mut name = path.as_os_str().to_owned();
        name.push(".pub");
        std::fs::read_to_string(PathBuf::from(name)).ok().and_then(|text| PublicKey::from_openssh(&text).ok())
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(beside().map(KeyFile::Public)),
        Err(error) => return Err(error.to_string()),
    };
    if let Ok(key) = PublicKey::from_openssh(text.trim()) {
        return Ok(Some(KeyFile::Public(key)));
    }
    let mode = std::fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("its mode {mode:04o} lets others read it; run `chmod 600 {}`", path.display()));
    }
    match russh::keys::decode_secret_key(&text, None) {
        Ok(key) => Ok(Some(KeyFile::Open(Arc::new(key)))),
        Err(russh::keys::Error::KeyIsEncrypted) => {
            let public = PrivateKey::from_openssh(&text).ok().map(|key| key.public_key().clone());
            Ok(Some(KeyFile::Locked(public.or_else(beside))))
        }
        Err(error) => match PrivateKey::from_openssh(&text) {
            Ok(key) if key.is_encrypted() => Ok(Some(KeyFile::Locked(Some(key.public_key().clone())))),
            // Old formats say that they are encrypted only in their header.
            _ if text.contains("ENCRYPTED") => Ok(Some(KeyFile::Locked(beside()))),
            _ => Err(error.to_string()),
        },
    }
}
