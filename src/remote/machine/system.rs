//! What a system can be asked and told; real, over a plain shell, or made up for tests.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::protocol::{Attributes, Run};

/// Everything that touches a host. All paths are absolute.
pub trait System {
    /// What is at a path, not following a link at its end; `None` when nothing is.
    ///
    /// # Errors
    /// When it cannot be looked at, missing permission for one.
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>>;
    /// The whole content of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// A file to read piece by piece, and its length in bytes.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, path: &Path) -> io::Result<(Box<dyn Read>, u64)> {
        let content = self.read(path)?;
        let size = content.len() as u64;
        Ok((Box::new(io::Cursor::new(content)), size))
    }
    /// The lower-case hex SHA-256 of a file's content, without holding the content in memory.
    ///
    /// # Errors
    /// When it cannot be read.
    fn sha256(&self, path: &Path) -> io::Result<String>;
    /// What a symbolic link holds.
    ///
    /// # Errors
    /// When it is none.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;
    /// What the file system keeps with an inode; `None` where this cannot be asked without a program.
    ///
    /// # Errors
    /// When it keeps no such thing.
    fn inode(&self, _path: &Path) -> Option<io::Result<Inode>> {
        None
    }
    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Runs a command to its end. `line` sees its output lines as they come when the run asks for progress.
    ///
    /// # Errors
    /// When it cannot be started; a bad exit code is no error.
    fn run(&self, command: &Run, line: &mut dyn FnMut(&str)) -> io::Result<Output>;
    /// A connection to a Unix socket.
    ///
    /// # Errors
    /// When nobody listens there.
    fn dial(&self, socket: &Path) -> io::Result<Box<dyn Duplex>>;
    /// A TCP connection from the host, given up after `seconds`.
    ///
    /// # Errors
    /// When nobody answers there.
    fn dial_tcp(&self, host: &str, port: u16, seconds: u64) -> io::Result<Box<dyn Duplex>>;

    /// Writes a file: a temporary one in the same directory with its final attributes from birth, then a rename.
    ///
    /// # Errors
    /// When any step fails; the old file is then untouched and no temporary file stays.
    fn write(&self, path: &Path, content: &mut dyn Read, attributes: &Attributes) -> io::Result<()>;
    /// Many files are about to be written: they may wait for each other, until `settle` puts all of them in place.
    fn hold(&self) {}
    /// Puts files that wait in place, once all of them are on the disk.
    ///
    /// # Errors
    /// When one cannot be put there; those behind it are then left out, and no temporary file stays.
    fn settle(&self) -> io::Result<()> {
        Ok(())
    }
    /// Leaves out the files that wait.
    fn abandon(&self) {}
    /// Overwrites the existing file in place.
    ///
    /// # Errors
    /// When it cannot be written.
    fn overwrite(&self, path: &Path, content: &mut dyn Read) -> io::Result<()>;
    /// Makes one directory.
    ///
    /// # Errors
    /// When it cannot be made.
    fn make_dir(&self, path: &Path, attributes: &Attributes) -> io::Result<()>;
    /// Makes or replaces a symbolic link.
    ///
    /// # Errors
    /// When it cannot be made.
    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()>;
    /// Makes or replaces a hard link.
    ///
    /// # Errors
    /// When it cannot be made.
    fn hard_link(&self, target: &Path, path: &Path) -> io::Result<()>;
    /// Sets mode, owner and times.
    ///
    /// # Errors
    /// When one cannot be set.
    fn set_attributes(&self, path: &Path, attributes: &Attributes) -> io::Result<()>;
    /// Removes what is there, directories with all they hold.
    ///
    /// # Errors
    /// When something cannot be removed.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames on the same file system.
    ///
    /// # Errors
    /// When it cannot be renamed.
    fn rename(&self, path: &Path, to: &Path) -> io::Result<()>;

    /// A variable of the environment that commands run in.
    fn variable(&self, name: &str) -> Option<String>;
    /// Effective user id.
    fn uid(&self) -> u32;
    /// Umask of new files.
    fn umask(&self) -> u32;
    /// Waits.
    fn sleep(&self, time: std::time::Duration);
    /// Nanoseconds since 1970.
    fn now(&self) -> i128;
}

/// A connection in both directions.
pub trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

/// What some file systems keep beside permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode {
    /// The inode's generation.
    pub version: u32,
    /// The letters that `lsattr` prints, without dashes.
    pub attributes: String,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What kind of thing.
    pub kind: FileKind,
    /// Permission bits, `0o7777` at most.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Number of hard links.
    pub links: u64,
    /// Inode number.
    pub inode: u64,
    /// Device number.
    pub device: u64,
    /// Access time in nanoseconds since 1970.
    pub atime: i128,
    /// Modification time, likewise.
    pub mtime: i128,
    /// Change time, likewise.
    pub ctime: i128,
    /// Block size for I/O.
    pub block_size: u64,
    /// Number of 512-byte blocks.
    pub blocks: u64,
}

/// Kinds of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit code; 128 + signal when a signal ended it.
    pub code: i32,
    /// Standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// Whether its time was up.
    pub timed_out: bool,
}

impl Output {
    /// Whether the exit code is 0.
    #[must_use]
    pub const fn success(&self) -> bool {
        self.code == 0 && !self.timed_out
    }
}
