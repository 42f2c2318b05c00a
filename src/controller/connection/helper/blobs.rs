//! Content that the controller has and a host may ask for, addressed by its SHA-256.

use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use sha2::{Digest, Sha256};

use crate::{
    protocol::Blob,
    remote::{image::scratch::Window, machine::hex},
};

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

/// Bytes in memory, files on disk, and parts of files one behind the other.
#[derive(Default)]
pub struct Blobs(RwLock<HashMap<String, Source>>);

#[derive(Clone)]
enum Source {
    Bytes(Arc<[u8]>),
    File(PathBuf),
    Parts(Arc<[Window]>),
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
        let blob = named(&mut File::open(path)?)?;
        self.put(&blob, Source::File(path.to_owned()));
        Ok(blob)
    }

    /// Takes parts of files, one behind the other; they are read once now and again for every host that asks.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn add_parts(&self, parts: impl Into<Arc<[Window]>>) -> io::Result<Blob> {
        let parts = parts.into();
        let mut content = Joined::of(&parts);
        let blob = tokio::task::spawn_blocking(move || named(&mut content)).await.map_err(io::Error::other)??;
        self.put(&blob, Source::Parts(parts));
        Ok(blob)
    }

    fn put(&self, blob: &Blob, source: Source) {
        if let Ok(mut sources) = self.0.write() {
            sources.insert(blob.sha256.clone(), source);
        }
    }
}

/// Content by what it is.
fn named(content: &mut dyn Read) -> io::Result<Blob> {
    let (mut hash, mut size, mut chunk) = (Sha256::new(), 0, vec![0; HASH_BYTES]);
    loop {
        let count = content.read(&mut chunk)?;
        if count == 0 {
            return Ok(Blob { sha256: hex(&hash.finalize()), size });
        }
        hash.update(&chunk[..count]);
        size += count as u64;
    }
}

/// Parts of files, one behind the other.
struct Joined(VecDeque<Window>);

impl Joined {
    fn of(parts: &[Window]) -> Self {
        Self(parts.iter().cloned().collect())
    }
}

impl Read for Joined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(part) = self.0.front_mut() {
            match part.read(buffer)? {
                0 if !buffer.is_empty() => drop(self.0.pop_front()),
                count => return Ok(count),
            }
        }
        Ok(0)
    }
}

impl BlobStore for Blobs {
    fn open(&self, blob: &Blob) -> io::Result<Box<dyn Read + Send>> {
        let source = self.0.read().ok().and_then(|sources| sources.get(&blob.sha256).cloned());
        match source {
            Some(Source::Bytes(bytes)) => Ok(Box::new(Cursor::new(bytes))),
            Some(Source::File(path)) => Ok(Box::new(File::open(path)?)),
            Some(Source::Parts(parts)) => Ok(Box::new(Joined::of(&parts))),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("content {} is not known", blob.sha256))),
        }
    }
}
