//! Files written whole or not at all: under another name beside their place first, one by one or many together.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

use rustix::fs::{Gid, Timestamps, Uid};

use super::{disk, real::timespec};
use crate::protocol::Attributes;

/// Bytes after which what has been written is sent on to the disk while more comes in.
const STRIDE_BYTES: u64 = 8 << 20;

/// Bytes up to which a small buffer does, and the size of the one for the rest.
const SMALL_BYTES: u64 = 64 << 10;
const BUFFER_BYTES: usize = 256 << 10;

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    pub(super) umask: u32,
    pub(super) uid: u32,
    /// Whether somebody waits for the disk afterwards, where that may be.
    pub(super) later: bool,
}

/// Files that are written and are put in place together.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<Option<Vec<Waiting>>>);

/// A file under its temporary name.
struct Written {
    file: File,
    /// Whether it takes the place of another.
    replaces: bool,
}

#[derive(Debug)]
struct Waiting {
    temporary: PathBuf,
    path: PathBuf,
}

impl Held {
    /// From now on files wait for each other.
    pub(super) fn begin(&self) {
        *self.lock() = Some(Vec::new());
    }

    /// Writes a file; it is in place now, or waits for the others. What replaces another is on the disk before it does. A new one
    /// may come back: nothing is lost if it is not there after a loss of power, so it is enough to wait before it is reported.
    pub(super) fn write(
        &self,
        writer: Writer,
        path: &Path,
        content: &mut dyn Read,
        attributes: &Attributes,
    ) -> io::Result<Option<File>> {
        let temporary = beside(path)?;
        let mut held = self.lock();
        let done = write(writer, &temporary, path, content, attributes).and_then(|Written { file, replaces }| {
            if let Some(waiting) = held.as_mut() {
                waiting.push(Waiting { temporary: temporary.clone(), path: path.to_owned() });
                return Ok(None);
            }
            // Held for reading only: what is open for writing cannot be executed.
            let later =
                if writer.later && !replaces && disk::promises(&file) { File::open(&temporary).ok() } else { None };
            if later.is_none() {
                file.sync_all()?;
            }
            // An empty file has nothing that could be missing.
            let empty = file.metadata()?.len() == 0;
            drop(file);
            fs::rename(&temporary, path)?;
            Ok(later.filter(|_| !empty))
        });
        if done.is_err() {
            // The original error says more than a failing clean-up would.
            let _ = fs::remove_file(&temporary);
        }
        done
    }

    /// Puts all files in place, once all they hold is on the disk: one wait for it instead of one for each.
    pub(super) fn settle(&self) -> io::Result<()> {
        let waiting = self.lock().take().unwrap_or_default();
        let mut left = waiting.iter();
        let temporaries: Vec<&Path> = waiting.iter().map(|file| file.temporary.as_path()).collect();
        let settled = disk::settle(&temporaries).and_then(|()| {
            left.by_ref().try_for_each(|file| {
                fs::rename(&file.temporary, &file.path).inspect_err(|_| drop(fs::remove_file(&file.temporary)))
            })
        });
        left.for_each(|file| drop(fs::remove_file(&file.temporary)));
        settled
    }

    /// Forgets the files that wait.
    pub(super) fn abandon(&self) {
        let waiting = self.lock().take().unwrap_or_default();
        waiting.iter().for_each(|file| drop(fs::remove_file(&file.temporary)));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(
    writer: Writer,
    temporary: &Path,
    path: &Path,
    content: &mut dyn Read,
    attributes: &Attributes,
) -> io::Result<Written> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    copy(content, &mut file)?;
    let replaced = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
    let own = replaced.as_ref().map(|metadata| (metadata.uid(), metadata.gid()));
    let uid = attributes.uid.or(own.map(|(uid, _)| uid)).filter(|uid| *uid != writer.uid);
    let gid = attributes.gid.or(own.map(|(_, gid)| gid));
    if uid.is_some() || gid.is_some() {
        let asked = attributes.uid.is_some() || attributes.gid.is_some();
        let owned = rustix::fs::fchown(&file, uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        if asked {
            owned?;
        }
    }
    let replaces = replaced.is_some();
    if replaces {
        keep_access_list(path, &file);
    }
    let mode = attributes.mode.or(replaced.map(|metadata| metadata.mode() & 0o7777)).unwrap_or(0o666 & !writer.umask);
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    if attributes.atime.is_some() || attributes.mtime.is_some() {
        let times =
            Timestamps { last_access: timespec(attributes.atime), last_modification: timespec(attributes.mtime) };
        rustix::fs::futimens(&file, &times)?;
    }
    Ok(Written { file, replaces })
}

/// Copies all of it. What is large goes to the disk while the rest comes in, so that the wait at the end is short.
fn copy(content: &mut dyn Read, file: &mut File) -> io::Result<()> {
    if io::copy(&mut content.take(SMALL_BYTES), file)? < SMALL_BYTES {
        return Ok(());
    }
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut stride = |file: &mut File| {
        let mut left = STRIDE_BYTES;
        while left > 0 {
            match content.read(&mut buffer)? {
                0 => return Ok(false),
                n => file.write_all(&buffer[..n])?,
            }
            left = left.saturating_sub(buffer.len() as u64);
        }
        Ok::<bool, io::Error>(true)
    };
    if !stride(file)? {
        return Ok(());
    }
    std::thread::scope(|scope| {
        let (ticks, heard) = mpsc::channel::<()>();
        // Where this cannot be had, all of the waiting comes at the end.
        if let Ok(file) = file.try_clone() {
            // Whether it has worked is asked at the end, of all of the file.
            scope.spawn(move || heard.iter().for_each(|()| drop(file.sync_data())));
        }
        loop {
            let _ = ticks.send(());
            if !stride(file)? {
                return Ok(());
            }
        }
    })
}

/// Gives a file the access list of the one that it replaces, where there is one.
fn keep_access_list(path: &Path, file: &File) {
    const NAME: &str = "system.posix_acl_access";
    const BYTES_MAX: usize = 64 << 10;
    let mut list = vec![0; BYTES_MAX];
    // Where a file system knows no lists, there is none to keep.
    if let Ok(length) = rustix::fs::getxattr(path, NAME, &mut list[..]) {
        let _ = rustix::fs::fsetxattr(file, NAME, &list[..length], rustix::fs::XattrFlags::empty());
    }
}

/// A name in the same directory that nothing has yet.
pub(super) fn beside(path: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut temporary = std::ffi::OsString::from(".");
    // The longest name a file system takes is 255 bytes; the rest is ours.
    let kept: String = name.to_string_lossy().chars().take(48).collect();
    temporary.push(format!("{kept}.deployer-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(temporary))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> Writer {
        Writer { umask: 0o022, uid: rustix::process::geteuid().as_raw(), later: false }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_that_wait_come_into_place_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let held = Held::default();
        let put = |name: &str| {
            held.write(writer(), &folder.path().join(name), &mut name.as_bytes(), &Attributes::default()).unwrap();
        };
        fs::write(folder.path().join("a"), "old").unwrap();
        held.begin();
        put("a");
        put("b");
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "old");
        assert!(!folder.path().join("b").exists());
        held.settle().unwrap();
        assert_eq!(names(folder.path()), ["a", "b"]);
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "a");
        held.begin();
        put("c");
        held.abandon();
        assert_eq!(names(folder.path()), ["a", "b"]);
        put("d");
        assert_eq!(names(folder.path()), ["a", "b", "d"]);
    }

    #[test]
    fn one_that_cannot_be_put_in_place_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let held = Held::default();
        held.begin();
        for name in ["a", "taken", "z"] {
            held.write(writer(), &folder.path().join(name), &mut name.as_bytes(), &Attributes::default()).unwrap();
        }
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(held.settle().is_err());
        assert_eq!(names(folder.path()), ["a", "taken"]);
    }

    #[test]
    fn only_a_new_file_with_content_may_be_waited_for_later() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, content: &str| {
            let writer = Writer { later: true, ..writer() };
            let path = folder.path().join(name);
            let file = Held::default().write(writer, &path, &mut content.as_bytes(), &Attributes::default()).unwrap();
            assert_eq!(fs::read_to_string(path).unwrap(), content);
            file.is_some()
        };
        assert!(!put("empty", ""));
        assert_eq!(put("new", "first"), disk::promises(&File::open(folder.path().join("new")).unwrap()));
        assert!(!put("new", "second"));
    }

    #[test]
    fn a_new_program_may_be_executed_while_it_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let attributes = Attributes { mode: Some(0o755), ..Attributes::default() };
        let writer = Writer { later: true, ..writer() };
        let held = Held::default().write(writer, &path, &mut &b"#!/bin/sh\n"[..], &attributes).unwrap();
        // Executing is refused (`Text file busy`) while anybody has it open for writing.
        if let Some(mut file) = held {
            assert!(file.write_all(b"x").is_err());
            file.sync_all().unwrap();
        }
        assert_eq!(fs::read_to_string(path).unwrap(), "#!/bin/sh\n");
    }

    #[test]
    fn large_content_arrives_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        let content: Vec<u8> = (0..2 * STRIDE_BYTES + 7).map(|at| u8::try_from(at % 251).unwrap()).collect();
        Held::default().write(writer(), &path, &mut content.as_slice(), &Attributes::default()).unwrap();
        assert!(fs::read(path).unwrap() == content);
        assert_eq!(names(folder.path()), ["big"]);
    }
}
