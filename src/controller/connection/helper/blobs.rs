//! Content that the controller has and a host may ask for, addressed by its SHA-256.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io::{self, Cursor, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};

use crate::{protocol::Blob, remote::machine::hex};

/// Bytes that are hashed at a time, at the most.
const HASH_BYTES: u64 = 256 << 10;
/// At the least: some files do not tell their size.
const HASH_BYTES_LEAST: u64 = 4 << 10;

/// A file that has changed this recently may change again and look the same.
const RECENT: Duration = Duration::from_secs(2);

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
pub struct Blobs {
    sources: RwLock<HashMap<String, Source>>,
    /// What files were when they were hashed, so that every host after the first finds the hash.
    hashed: RwLock<HashMap<PathBuf, (Stamp, Blob)>>,
}

/// What tells a file from what it was before: device, inode, size, and when it changed.
type Stamp = (u64, u64, u64, i64, i64);

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
        let metadata = file.metadata()?;
        let stamp = stamp(&metadata);
        if let Some(stamp) = stamp
            && let Ok(hashed) = self.hashed.read()
            && let Some((_, blob)) = hashed.get(path).filter(|(known, _)| *known == stamp)
        {
            return Ok(blob.clone());
        }
        // One byte more than there is, so that the end is found by the first read.
        let room = (metadata.len() + 1).clamp(HASH_BYTES_LEAST, HASH_BYTES);
        let (mut hash, mut size, mut chunk) = (Sha256::new(), 0, vec![0; usize::try_from(room).unwrap_or_default()]);
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
        if let (Some(stamp), Ok(mut hashed)) = (stamp, self.hashed.write()) {
            hashed.insert(path.to_owned(), (stamp, blob.clone()));
        }
        Ok(blob)
    }

    fn put(&self, blob: &Blob, source: Source) {
        if let Ok(mut sources) = self.sources.write() {
            sources.insert(blob.sha256.clone(), source);
        }
    }
}

/// The stamp of a file that has not changed of late.
fn stamp(metadata: &Metadata) -> Option<Stamp> {
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(metadata.ctime()).ok()?);
    let old = SystemTime::now().duration_since(changed).is_ok_and(|age| age > RECENT);
    old.then(|| (metadata.dev(), metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec()))
}

impl BlobStore for Blobs {
    fn open(&self, blob: &Blob) -> io::Result<Box<dyn Read + Send>> {
        let source = self.sources.read().ok().and_then(|sources| sources.get(&blob.sha256).cloned());
        match source {
            Some(Source::Bytes(bytes)) => Ok(Box::new(Cursor::new(bytes))),
            Some(Source::File(path)) => Ok(Box::new(File::open(path)?)),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("content {} is not known", blob.sha256))),
        }
    }
}
