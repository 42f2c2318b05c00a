//! Content that the controller has and a host may ask for, addressed by its SHA-256.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use sha2::{Digest, Sha256};

use crate::{protocol::Blob, remote::machine::hex};

/// Bytes that are hashed at a time.
const HASH_BYTES: usize = 256 << 10;

/// Where content comes from.
pub trait BlobStore: Send + Sync {
    /// Opens content for reading from its start.
    ///
    /// # Errors
    /// When the store does not have it or cannot read it.
    fn open(&self, blob: &Blob) -> io::Result<Box<dyn Read + Send>>;
}

/// Bytes in memory and files on disk.
#[derive(Default)]
pub struct Blobs(RwLock<HashMap<String, Source>>);

#[derive(Clone)]
enum Source {
    Bytes(Arc<[u8]>),
    File(PathBuf),
}

impl Blobs {
    /// Takes bytes.
    pub fn add_bytes(&self, bytes: impl Into<Arc<[u8]>>) -> Blob {
        let bytes = bytes.into();
        let blob = Blob { sha256: hex(&Sha256::digest(&bytes)), size: bytes.len() as u64 };
        self.put(&blob, Source::Bytes(bytes));
        blob
    }

    /// Takes a file, which is read once now and again for every host that asks.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add_file(&self, path: &Path) -> io::Result<Blob> {
        let mut file = File::open(path)?;
        let (mut hash, mut size, mut chunk) = (Sha256::new(), 0, vec![0; HASH_BYTES]);
        loop {
            let count = file.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            hash.update(&chunk[..count]);
            size += count as u64;
        }
        let blob = Blob { sha256: hex(&hash.finalize()), size };
        self.put(&blob, Source::File(path.to_owned()));
        Ok(blob)
    }

    fn put(&self, blob: &Blob, source: Source) {
        if let Ok(mut sources) = self.0.write() {
            sources.insert(blob.sha256.clone(), source);
        }
    }
}

impl BlobStore for Blobs {
    fn open(&self, blob: &Blob) -> io::Result<Box<dyn Read + Send>> {
        let source = self.0.read().ok().and_then(|sources| sources.get(&blob.sha256).cloned());
        match source {
            Some(Source::Bytes(bytes)) => Ok(Box::new(Cursor::new(bytes))),
            Some(Source::File(path)) => Ok(Box::new(File::open(path)?)),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("content {} is not known", blob.sha256))),
        }
    }
}
