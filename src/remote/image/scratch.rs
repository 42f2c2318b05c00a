//! Large content on the disk, in files that have no name and go with whoever has them open, and parts of files to read.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::fs::{CWD, Mode, OFlags, openat};

/// The folder for large passing files: `/tmp` is often memory.
#[must_use]
pub fn folder() -> PathBuf {
    let named = env::var_os("TMPDIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    named.unwrap_or_else(|| {
        let folder = PathBuf::from("/var/tmp");
        if folder.is_dir() { folder } else { env::temp_dir() }
    })
}

/// A new file without a name, for its owner alone.
///
/// # Errors
/// When the folder takes none; the folder is named.
pub fn file() -> io::Result<File> {
    let folder = folder();
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let mode = Mode::RUSR | Mode::WUSR;
    #[cfg(target_os = "linux")]
    if let Ok(file) = openat(CWD, &folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        return Ok(File::from(file));
    }
    // Some file systems know no files without a name: it is taken away at once.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let path = folder.join(format!(".deployer-{}-{now}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(named)?;
    std::fs::remove_file(&path).map_err(named)?;
    Ok(file)
}

/// A part of a file. It is read without moving the place at which others read the same file.
#[derive(Clone, Debug)]
pub struct Window {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Window {
    /// `size` bytes from `at` on.
    #[must_use]
    pub fn new(file: Arc<File>, at: u64, size: u64) -> Self {
        Self { file, at, end: at.saturating_add(size) }
    }

    /// The whole of a file.
    ///
    /// # Errors
    /// When its length cannot be told.
    pub fn whole(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self::new(Arc::new(file), 0, size))
    }

    /// Bytes that are left to read.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.end - self.at
    }

    /// A part of this part.
    #[must_use]
    pub fn part(&self, from: u64, size: u64) -> Self {
        let at = self.end.min(self.at.saturating_add(from));
        Self { file: self.file.clone(), at, end: self.end.min(at.saturating_add(size)) }
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.size()).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        let count = self.file.read_at(&mut buffer[..room], self.at)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was"));
        }
        self.at += count as u64;
        Ok(count)
    }
}
