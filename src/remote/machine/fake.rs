//! A made-up system in memory, for tests: files, users and scripted commands.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    digest,
    predict::fresh,
    system::{Duplex, FileKind, Output, Stat, System},
};
use crate::protocol::{Attributes, Run};

type Responder = Box<dyn Fn(&Run) -> Option<Output>>;
type Listener = Box<dyn Fn() -> Box<dyn Duplex>>;

/// A host that exists only here. Starts with `/`, `/etc`, `/tmp`, `/root`, the user root and no programs.
pub struct Fake {
    files: RefCell<BTreeMap<PathBuf, (Stat, Vec<u8>)>>,
    responders: RefCell<Vec<Responder>>,
    listeners: RefCell<Vec<(PathBuf, Listener)>>,
    ran: RefCell<Vec<Run>>,
    clock: Cell<i128>,
    inodes: Cell<u64>,
}

impl Fake {
    /// The smallest host.
    #[must_use]
    pub fn new() -> Self {
        let fake = Self {
            files: RefCell::default(),
            responders: RefCell::default(),
            listeners: RefCell::default(),
            ran: RefCell::default(),
            clock: Cell::new(1_700_000_000_000_000_000),
            inodes: Cell::new(1),
        };
        for directory in ["/", "/etc", "/tmp", "/root", "/bin", "/usr", "/usr/bin"] {
            fake.insert(Path::new(directory), FileKind::Directory, 0o755, Vec::new());
        }
        fake.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n").file("/etc/group", "root:x:0:\n")
    }

    /// Adds a file of mode 0644, making its parents.
    #[must_use]
    pub fn file(self, path: &str, content: &str) -> Self {
        let path = Path::new(path);
        for parent in path.ancestors().skip(1) {
            if !self.files.borrow().contains_key(parent) {
                self.insert(parent, FileKind::Directory, 0o755, Vec::new());
            }
        }
        self.insert(path, FileKind::File, 0o644, content.as_bytes().to_vec());
        self
    }

    /// Adds an executable file, so that the program is found.
    #[must_use]
    pub fn program(self, path: &str) -> Self {
        let fake = self.file(path, "");
        if let Some((stat, _)) = fake.files.borrow_mut().get_mut(Path::new(path)) {
            stat.mode = 0o755;
        }
        fake
    }

    /// Answers a command whose words start with these.
    #[must_use]
    pub fn command(self, words: &[&str], code: i32, stdout: &str) -> Self {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let output = Output { code, stdout: stdout.to_owned(), ..Output::default() };
        self.respond(move |run| run.argv.starts_with(&words).then(|| output.clone()))
    }

    /// Answers commands by a function; later ones are asked first.
    #[must_use]
    pub fn respond(self, answer: impl Fn(&Run) -> Option<Output> + 'static) -> Self {
        self.responders.borrow_mut().push(Box::new(answer));
        self
    }

    /// Listens on a Unix socket.
    #[must_use]
    pub fn listen(self, socket: &str, answer: impl Fn() -> Box<dyn Duplex> + 'static) -> Self {
        self.listeners.borrow_mut().push((PathBuf::from(socket), Box::new(answer)));
        self
    }

    /// The text of a file, if it is there.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let files = self.files.borrow();
        files.get(Path::new(path)).map(|(_, content)| String::from_utf8_lossy(content).into_owned())
    }

    /// The commands that ran, in order.
    #[must_use]
    pub fn ran(&self) -> Vec<Run> {
        self.ran.borrow().clone()
    }

    fn insert(&self, path: &Path, kind: FileKind, mode: u32, content: Vec<u8>) {
        self.inodes.set(self.inodes.get() + 1);
        let now = self.now();
        let stat = Stat {
            mode,
            size: content.len() as u64,
            inode: self.inodes.get(),
            mtime: now,
            atime: now,
            ctime: now,
            ..fresh(kind)
        };
        self.files.borrow_mut().insert(path.to_owned(), (stat, content));
    }

    fn parent_exists(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) if self.files.borrow().contains_key(parent) => Ok(()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Default for Fake {
    fn default() -> Self {
        Self::new()
    }
}

impl System for Fake {
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        Ok(self.files.borrow().get(path).map(|(stat, _)| *stat))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.files.borrow().get(path) {
            Some((stat, content)) if stat.kind == FileKind::File => Ok(content.clone()),
            Some(_) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn sha256(&self, path: &Path) -> io::Result<String> {
        self.read(path).map(|content| digest(&content))
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        match self.files.borrow().get(path) {
            Some((stat, content)) if stat.kind == FileKind::Symlink => {
                Ok(PathBuf::from(String::from_utf8_lossy(content).into_owned()))
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        let files = self.files.borrow();
        if !files.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let below = files.keys().filter(|known| known.parent() == Some(path));
        Ok(below.filter_map(|known| Some(known.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn run(&self, command: &Run, line: &mut dyn FnMut(&str)) -> io::Result<Output> {
        self.ran.borrow_mut().push(command.clone());
        let responders = self.responders.borrow();
        let output =
            responders.iter().rev().find_map(|answer| answer(command)).ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, format!("no such command: {:?}", command.argv))
            })?;
        output.stdout.lines().for_each(line);
        Ok(output)
    }

    fn dial(&self, socket: &Path) -> io::Result<Box<dyn Duplex>> {
        let listeners = self.listeners.borrow();
        let listener = listeners.iter().find(|(path, _)| path == socket);
        listener.map(|(_, answer)| answer()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn dial_tcp(&self, host: &str, port: u16, _seconds: u64) -> io::Result<Box<dyn Duplex>> {
        self.dial(Path::new(&format!("{host}:{port}")))
    }

    fn write(&self, path: &Path, content: &mut dyn Read, attributes: &Attributes) -> io::Result<()> {
        self.parent_exists(path)?;
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        let mode = self.stat(path)?.map_or(0o644, |stat| stat.mode);
        self.insert(path, FileKind::File, mode, bytes);
        self.set_attributes(path, attributes)
    }

    fn overwrite(&self, path: &Path, content: &mut dyn Read) -> io::Result<()> {
        let inode = self.stat(path)?.map(|stat| stat.inode);
        self.write(path, content, &Attributes::default())?;
        if let (Some(inode), Some((stat, _))) = (inode, self.files.borrow_mut().get_mut(path)) {
            stat.inode = inode;
        }
        Ok(())
    }

    fn make_dir(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        self.parent_exists(path)?;
        if self.files.borrow().contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.insert(path, FileKind::Directory, 0o755, Vec::new());
        self.set_attributes(path, attributes)
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.parent_exists(path)?;
        self.insert(path, FileKind::Symlink, 0o777, target.to_string_lossy().into_owned().into_bytes());
        Ok(())
    }

    fn hard_link(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.parent_exists(path)?;
        let linked = self.files.borrow().get(target).cloned().ok_or(io::ErrorKind::NotFound)?;
        self.files.borrow_mut().insert(path.to_owned(), linked);
        Ok(())
    }

    fn set_attributes(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let mut files = self.files.borrow_mut();
        let (stat, _) = files.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        stat.mode = attributes.mode.unwrap_or(stat.mode);
        stat.uid = attributes.uid.unwrap_or(stat.uid);
        stat.gid = attributes.gid.unwrap_or(stat.gid);
        stat.mtime = attributes.mtime.unwrap_or(stat.mtime);
        stat.atime = attributes.atime.unwrap_or(stat.atime);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.borrow_mut().retain(|known, _| !known.starts_with(path));
        Ok(())
    }

    fn rename(&self, path: &Path, to: &Path) -> io::Result<()> {
        let moved: Vec<PathBuf> = self.files.borrow().keys().filter(|known| known.starts_with(path)).cloned().collect();
        for known in moved {
            let tail = known.strip_prefix(path).map(Path::to_owned).unwrap_or_default();
            let entry = self.files.borrow_mut().remove(&known);
            let target = if tail.as_os_str().is_empty() { to.to_owned() } else { to.join(tail) };
            entry.map(|entry| self.files.borrow_mut().insert(target, entry));
        }
        Ok(())
    }

    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "PATH" => Some("/usr/bin:/bin".to_owned()),
            "HOME" => Some("/root".to_owned()),
            _ => None,
        }
    }

    fn uid(&self) -> u32 {
        0
    }

    fn umask(&self) -> u32 {
        0o022
    }

    fn sleep(&self, time: Duration) {
        self.clock.set(self.clock.get() + i128::try_from(time.as_nanos()).unwrap_or(i128::MAX));
    }

    fn now(&self) -> i128 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }
}
