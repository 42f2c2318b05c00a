//! This program once more, in a session of its own, so that it outlives the one that started it.

use std::{
    io::{self, Read, Write},
    process::{Command, Stdio},
};

/// Linux's name for the running program, even when its file is gone.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Starts this program with these words and this input, and waits until it says that it is on its own.
///
/// # Errors
/// When it cannot be started, or ends at once.
pub fn start(words: &[&str], input: &[u8]) -> io::Result<()> {
    let mut child = Command::new(OWN_PROGRAM)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(mut stdout)) = (stdin, stdout) else { return Err(io::ErrorKind::BrokenPipe.into()) };
    let sent = stdin.write_all(input);
    drop(stdin);
    let mut word = [0];
    let said = sent.and_then(|()| stdout.read_exact(&mut word));
    // Somebody has to take note of its end while we are here.
    std::thread::spawn(move || child.wait());
    said
}

/// Leaves the session of whoever started us, and tells them.
///
/// # Errors
/// When the system refuses, or nobody listens.
pub fn settle(output: &mut dyn Write) -> io::Result<()> {
    rustix::process::setsid()?;
    output.write_all(b"\n")?;
    output.flush()
}
