//! Content that the controller has and a host may ask for, addressed by its SHA-256.

use std::{
    collections::{HashMap, VecDeque},
    fs::{File, Metadata},
    io::{self, Cursor, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};

use crate::{
    protocol::Blob,
    remote::{image::scratch::Window, machine::hex},
};

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

/// Bytes in memory, files on disk, and parts of files one behind the other.
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
        let blob = named(&mut file, (metadata.len() + 1).clamp(HASH_BYTES_LEAST, HASH_BYTES))?;
        self.put(&blob, Source::File(path.to_owned()));
        if let (Some(stamp), Ok(mut hashed)) = (stamp, self.hashed.write()) {
            hashed.insert(path.to_owned(), (stamp, blob.clone()));
        }
        Ok(blob)
    }

    /// Takes parts of files, one behind the other; they are read once now and again for every host that asks.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn add_parts(&self, parts: impl Into<Arc<[Window]>>) -> io::Result<Blob> {
        let parts = parts.into();
        let mut content = Joined::of(&parts);
        let hashed = tokio::task::spawn_blocking(move || named(&mut content, HASH_BYTES));
        let blob = hashed.await.map_err(io::Error::other)??;
        self.put(&blob, Source::Parts(parts));
        Ok(blob)
    }

    fn put(&self, blob: &Blob, source: Source) {
        if let Ok(mut sources) = self.sources.write() {
            sources.insert(blob.sha256.clone(), source);
        }
    }
}

/// Content by what it is, so many bytes at a time.
fn named(content: &mut dyn Read, room: u64) -> io::Result<Blob> {
    let (mut hash, mut size, mut chunk) = (Sha256::new(), 0, vec![0; usize::try_from(room).unwrap_or_default()]);
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
            Some(Source::Parts(parts)) => Ok(Box::new(Joined::of(&parts))),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("content {} is not known", blob.sha256))),
        }
    }
}
