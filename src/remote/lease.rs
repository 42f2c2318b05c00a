//! Holds a lock for as long as whoever asked for it shows signs of life; the kernel takes it back with this process.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::Path,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::protocol::call::LEASE_HELD;

/// Who may read a lock's folder and file: they tell who works on the host.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// What is said of a holder: a line.
const HOLDER_BYTES_MAX: u64 = 1 << 10;

/// Takes the lock of a file, says [`LEASE_HELD`] or who has it, and keeps it until `input` ends or stays silent for
/// longer than `patience`.
///
/// # Errors
/// When the file cannot be made or `output` breaks.
pub fn lease(
    path: &Path,
    holder: &str,
    patience: Duration,
    mut input: impl Read + AsFd,
    output: &mut impl Write,
) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    }
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut who = String::new();
            (&mut file).take(HOLDER_BYTES_MAX).read_to_string(&mut who)?;
            let who = who.trim();
            return writeln!(output, "{}", if who.is_empty() { "somebody" } else { who });
        }
        Err(error) => return Err(error.into()),
    }
    write(&mut file, holder)?;
    writeln!(output, "{LEASE_HELD}")?;
    output.flush()?;
    while is_alive(&mut input, patience)? {}
    // Whoever looks at the file without taking the lock is not misled.
    write(&mut file, "")
}

/// Waits for the next sign of life.
fn is_alive(input: &mut (impl Read + AsFd), patience: Duration) -> io::Result<bool> {
    let limit = Timespec { tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
    let mut looked = [PollFd::new(input, PollFlags::IN)];
    match poll(&mut looked, Some(&limit)) {
        Ok(0) => return Ok(false),
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(true),
        Err(error) => return Err(error.into()),
    }
    let mut signs = [0; 64];
    Ok(input.read(&mut signs)? > 0)
}

fn write(file: &mut File, holder: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(holder.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::{io::PipeWriter, thread};

    use super::*;

    /// Takes a lease in a thread; gives what keeps it and what it said first.
    fn taken(path: &Path, patience: Duration) -> (PipeWriter, String, thread::JoinHandle<io::Result<()>>) {
        let (input, signs) = io::pipe().unwrap();
        let (mut said, mut output) = io::pipe().unwrap();
        let path = path.to_owned();
        let held = thread::spawn(move || lease(&path, "ada on desk", patience, input, &mut output));
        let (mut line, mut byte) = (String::new(), [0]);
        while said.read(&mut byte).unwrap() > 0 && byte[0] != b'\n' {
            line.push(char::from(byte[0]));
        }
        (signs, line, held)
    }

    #[test]
    fn a_lease_keeps_others_out_and_goes_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rates/lock");
        let (signs, said, held) = taken(&path, Duration::from_mins(1));
        assert_eq!(said, LEASE_HELD);
        let (_, said, refused) = taken(&path, Duration::from_mins(1));
        assert_eq!(said, "ada on desk");
        refused.join().unwrap().unwrap();
        drop(signs);
        held.join().unwrap().unwrap();
        assert_eq!(taken(&path, Duration::from_mins(1)).1, LEASE_HELD);
    }

    #[test]
    fn a_holder_that_is_silent_for_too_long_loses_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (signs, said, held) = taken(&path, Duration::from_secs(1));
        assert_eq!(said, LEASE_HELD);
        held.join().unwrap().unwrap();
        assert_eq!(taken(&path, Duration::from_secs(1)).1, LEASE_HELD);
        drop(signs);
    }
}
