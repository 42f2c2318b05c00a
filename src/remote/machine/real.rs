//! The system this program runs on.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    net::{TcpStream, ToSocketAddrs},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::fs::{AtFlags, CWD, Gid, Timespec, Timestamps, UTIME_OMIT, Uid};
use sha2::{Digest, Sha256};

use super::{
    command, inode,
    system::{Duplex, FileKind, Inode, Output, Stat, System},
    writing::{Held, Writer, beside},
};
use crate::protocol::{Attributes, Run};

/// The host itself.
#[derive(Debug)]
pub struct Real {
    umask: u32,
    path: String,
    /// Whether commands end when standard input hangs up.
    attended: bool,
    /// When commands are ended.
    deadline: Option<Instant>,
    /// Files that wait for each other.
    held: Held,
}

/// Directories of system programs, which the search path of an ordinary user's SSH session lacks.
const SYSTEM_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

impl Real {
    /// The system of this process.
    #[must_use]
    pub fn new() -> Self {
        let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        rustix::process::umask(umask);
        let mut path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        for directory in SYSTEM_DIRECTORIES {
            if !path.split(':').any(|known| known == directory) {
                path.push(':');
                path.push_str(directory);
            }
        }
        Self { umask: umask.bits(), path, attended: false, deadline: None, held: Held::default() }
    }

    /// The system of this process, whose commands end when the controller behind standard input has gone.
    #[must_use]
    pub fn attended() -> Self {
        Self { attended: true, ..Self::new() }
    }
}

impl Real {
    /// The system of this process, whose commands end at a certain moment.
    #[must_use]
    pub fn until(deadline: Option<Instant>) -> Self {
        Self { deadline, ..Self::new() }
    }

    fn given_up(&self) -> bool {
        (self.attended && command::hung_up()) || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl Default for Real {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes that are hashed at a time, at the most.
const HASH_BYTES: u64 = 128 << 10;
/// At the least: the kernel's own files do not tell their size.
const HASH_BYTES_LEAST: u64 = 4 << 10;

/// Times that differ less from the present were meant to be it.
const NOW_NANOSECONDS: i128 = 10_000_000_000;

impl System for Real {
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(stat(&metadata))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn open(&self, path: &Path) -> io::Result<(Box<dyn Read>, u64)> {
        let file = fs::File::open(path)?;
        let size = file.metadata()?.len();
        Ok((Box::new(file), size))
    }

    fn sha256(&self, path: &Path) -> io::Result<String> {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        // One byte more than there is, so that most files take one small buffer and one read.
        let room = (file.metadata()?.len() + 1).clamp(HASH_BYTES_LEAST, HASH_BYTES);
        let mut buffer = vec![0; usize::try_from(room).unwrap_or_default()];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(super::hex(&hash.finalize())),
                n => hash.update(&buffer[..n]),
            }
        }
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        fs::read_link(path)
    }

    fn inode(&self, path: &Path) -> Option<io::Result<Inode>> {
        Some(inode::look(path))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn run(&self, command: &Run, line: &mut dyn FnMut(&str)) -> io::Result<Output> {
        let launcher = if self.attended || self.deadline.is_some() { std::env::current_exe().ok() } else { None };
        command::run(command, &self.path, launcher.as_deref(), &|| self.given_up(), line)
    }

    fn dial(&self, socket: &Path) -> io::Result<Box<dyn Duplex>> {
        Ok(Box::new(UnixStream::connect(socket)?))
    }

    fn dial_tcp(&self, host: &str, port: u16, seconds: u64) -> io::Result<Box<dyn Duplex>> {
        let timeout = Duration::from_secs(seconds.max(1));
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("no address for {host}"));
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(timeout))?;
                    return Ok(Box::new(stream));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn write(&self, path: &Path, content: &mut dyn Read, attributes: &Attributes) -> io::Result<()> {
        self.held.write(Writer { umask: self.umask, uid: self.uid() }, path, content, attributes)
    }

    fn hold(&self) {
        self.held.begin();
    }

    fn settle(&self) -> io::Result<()> {
        self.held.settle()
    }

    fn abandon(&self) {
        self.held.abandon();
    }

    fn overwrite(&self, path: &Path, content: &mut dyn Read) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        io::copy(content, &mut file)?;
        file.sync_all()
    }

    fn make_dir(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        fs::create_dir(path)?;
        self.set_attributes(path, attributes)
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        let temporary = beside(path)?;
        std::os::unix::fs::symlink(target, &temporary)?;
        fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))
    }

    fn hard_link(&self, target: &Path, path: &Path) -> io::Result<()> {
        let temporary = beside(path)?;
        fs::hard_link(target, &temporary)?;
        fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))
    }

    fn set_attributes(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let flags = if attributes.follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        if attributes.uid.is_some() || attributes.gid.is_some() {
            let (uid, gid) = (attributes.uid.map(Uid::from_raw), attributes.gid.map(Gid::from_raw));
            rustix::fs::chownat(CWD, path, uid, gid, flags)?;
        }
        if let Some(mode) = attributes.mode
            && (attributes.follow || !fs::symlink_metadata(path)?.is_symlink())
        {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        if attributes.atime.is_some() || attributes.mtime.is_some() {
            let times =
                Timestamps { last_access: timespec(attributes.atime), last_modification: timespec(attributes.mtime) };
            let set = rustix::fs::utimensat(CWD, path, &times, flags);
            // Whoever may write a file but does not own it may only say that both times are now.
            let recent = |time: Option<i128>| time.is_some_and(|time| (self.now() - time).abs() < NOW_NANOSECONDS);
            if set == Err(rustix::io::Errno::PERM) && recent(attributes.atime) && recent(attributes.mtime) {
                let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
                let times = Timestamps { last_access: now, last_modification: now };
                return Ok(rustix::fs::utimensat(CWD, path, &times, flags)?);
            }
            set?;
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn rename(&self, path: &Path, to: &Path) -> io::Result<()> {
        fs::rename(path, to)
    }

    fn variable(&self, name: &str) -> Option<String> {
        if name == "PATH" { Some(self.path.clone()) } else { std::env::var(name).ok() }
    }

    fn uid(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn umask(&self) -> u32 {
        self.umask
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn now(&self) -> i128 {
        now()
    }
}

/// Nanoseconds since 1970.
#[must_use]
pub fn now() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "remainders and seconds fit their fields")]
pub(super) fn timespec(time: Option<i128>) -> Timespec {
    match time {
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        Some(time) => {
            Timespec { tv_sec: time.div_euclid(1_000_000_000) as i64, tv_nsec: time.rem_euclid(1_000_000_000) as _ }
        }
    }
}

fn stat(metadata: &fs::Metadata) -> Stat {
    let kind = metadata.file_type();
    let kind = if kind.is_symlink() {
        FileKind::Symlink
    } else if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_fifo() {
        FileKind::Fifo
    } else if kind.is_socket() {
        FileKind::Socket
    } else if kind.is_char_device() {
        FileKind::Character
    } else if kind.is_block_device() {
        FileKind::Block
    } else {
        FileKind::File
    };
    let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    Stat {
        kind,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        size: metadata.size(),
        links: metadata.nlink(),
        inode: metadata.ino(),
        device: metadata.dev(),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        block_size: metadata.blksize(),
        blocks: metadata.blocks(),
    }
}
