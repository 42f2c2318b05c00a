//! Running a command to its end: input, output lines as they come, a time limit, and no waiting for its daemons.

use std::{
    io::{self, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use super::system::Output;
use crate::protocol::Run;

/// How long output may still come after the command itself has ended: a daemon it started may hold the pipe for ever.
const GRACE: Duration = Duration::from_millis(100);

enum Piece {
    Out(Vec<u8>),
    Error(Vec<u8>),
    End,
}

/// Runs `command` with `path` as search path.
pub(super) fn run(command: &Run, path: &str, line: &mut dyn FnMut(&str)) -> io::Result<Output> {
    let (program, arguments) =
        command.argv.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no command"))?;
    let mut child = Command::new(program);
    child.args(arguments).env("PATH", path).envs(&command.environment);
    if let Some(directory) = &command.directory {
        child.current_dir(directory);
    }
    child.stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    child.stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that a time limit ends what the command has started too.
    child.process_group(0);
    let umask = command.umask.map(|bits| rustix::process::umask(rustix::fs::Mode::from_raw_mode(bits)));
    let spawned = child.spawn();
    if let Some(umask) = umask {
        rustix::process::umask(umask);
    }
    let mut child = spawned?;

    let (pieces, received) = mpsc::channel();
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), command.stdin.clone()) {
        // A command that does not read its input is no error.
        std::thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    }
    if let Some(pipe) = child.stdout.take() {
        forward(pipe, pieces.clone(), Piece::Out);
    }
    if let Some(pipe) = child.stderr.take() {
        forward(pipe, pieces, Piece::Error);
    }
    collect(command, &mut child, &received, line)
}

fn forward(mut pipe: impl Read + Send + 'static, pieces: mpsc::Sender<Piece>, wrap: fn(Vec<u8>) -> Piece) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(n) if pieces.send(wrap(buffer[..n].to_vec())).is_err() => break,
                Ok(_) => {}
            }
        }
        // The collector may have stopped listening already.
        let _ = pieces.send(Piece::End);
    });
}

fn collect(
    command: &Run,
    child: &mut Child,
    received: &mpsc::Receiver<Piece>,
    line: &mut dyn FnMut(&str),
) -> io::Result<Output> {
    let deadline = command.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut out, mut error) = (Vec::new(), Vec::new());
    let mut open = 2;
    let mut shown = 0;
    let mut timed_out = false;
    while open > 0 {
        match received.recv_timeout(GRACE) {
            Ok(Piece::Out(bytes)) => {
                out.extend_from_slice(&bytes);
                if command.progress {
                    shown = show(&out, shown, line);
                }
            }
            Ok(Piece::Error(bytes)) => error.extend_from_slice(&bytes),
            Ok(Piece::End) => open -= 1,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) if child.try_wait()?.is_some() => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if deadline.is_some_and(|deadline| Instant::now() > deadline) && !timed_out {
            timed_out = true;
            let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(group) = group {
                // Already gone is as good as killed.
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
        }
    }
    let status = child.wait()?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    Ok(Output {
        code,
        stdout: String::from_utf8_lossy(&out).into_owned(),
        stderr: String::from_utf8_lossy(&error).into_owned(),
        timed_out,
    })
}

/// Shows the complete lines behind `from`; gives where the next one starts.
fn show(out: &[u8], mut from: usize, line: &mut dyn FnMut(&str)) -> usize {
    while let Some(end) = out[from..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        let text = String::from_utf8_lossy(&out[from..from + end]);
        if !text.trim().is_empty() {
            line(text.trim_end());
        }
        from += end + 1;
    }
    from
}
