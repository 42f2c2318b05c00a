//! Running a command to its end: input, output lines as they come, a time limit, and no waiting for its daemons.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            fs::PermissionsExt,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};

use super::{system::Output, terminal};
use crate::protocol::Run;

/// How long output may still come after the command itself has ended: a daemon it started may hold the pipe for ever.
pub(super) const GRACE: Duration = Duration::from_millis(100);

/// Times that [`GRACE`] has to pass without output once a command has ended.
const QUIET_ROUNDS: u32 = 3;

/// How long a command may take to end itself once it is asked to, before it is killed.
const TERM_GRACE: Duration = Duration::from_secs(2);

/// How often a command that has closed its output is looked at.
const TICK: Duration = Duration::from_millis(5);

/// Where programs of the system are, whatever search path a task names.
const SYSTEM_PATH: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

enum Piece {
    Out(Vec<u8>),
    Error(Vec<u8>),
    End,
}

/// Runs `command` with `path` as search path and, on a terminal, through `launcher`, until `abandoned` says that nobody waits for it any more.
pub(super) fn run(
    command: &Run,
    path: &str,
    launcher: Option<&Path>,
    abandoned: &dyn Fn() -> bool,
    line: &mut dyn FnMut(&str),
) -> io::Result<Output> {
    if let Some(dialogue) = &command.dialogue {
        return terminal::run(command, dialogue, path, launcher, abandoned);
    }
    let (program, arguments) =
        command.argv.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no command"))?;
    let own = command.environment.get("PATH").and_then(|path| beyond(program, path));
    let mut child = Command::new(own.as_deref().unwrap_or(Path::new(program)));
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
    let (out, error) = (child.stdout.as_ref().map(AsFd::as_fd), child.stderr.as_ref().map(AsFd::as_fd));
    let pipes: Vec<OwnedFd> =
        [out, error].into_iter().flatten().filter_map(|pipe| pipe.try_clone_to_owned().ok()).collect();
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
    collect(command, &mut child, &received, &pipes, abandoned, line)
}

/// Where a program is that the search path of a task does not lead to: a task may have written it wrongly, and modules still need theirs.
fn beyond(program: &str, path: &str) -> Option<PathBuf> {
    let is_there = |folder: &str| {
        let path = Path::new(folder).join(program);
        path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0).then_some(path)
    };
    if program.contains('/') || path.split(':').any(|folder| is_there(folder).is_some()) {
        return None;
    }
    SYSTEM_PATH.iter().find_map(|folder| is_there(folder))
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

/// Whether something that was written has not been read yet.
fn is_unread(pipes: &[OwnedFd]) -> bool {
    pipes.iter().any(|pipe| rustix::io::ioctl_fionread(pipe).is_ok_and(|count| count > 0))
}

fn collect(
    command: &Run,
    child: &mut Child,
    received: &mpsc::Receiver<Piece>,
    pipes: &[OwnedFd],
    abandoned: &dyn Fn() -> bool,
    line: &mut dyn FnMut(&str),
) -> io::Result<Output> {
    let deadline = command.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut out, mut error) = (Vec::new(), Vec::new());
    let mut open = 2;
    let mut shown = 0;
    let mut timed_out = false;
    let mut quiet = 0;
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
            // What it wrote last may still be on its way on a busy machine; a daemon that holds the pipe sends nothing.
            Err(mpsc::RecvTimeoutError::Timeout) if quiet >= QUIET_ROUNDS && !is_unread(pipes) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => quiet += u32::from(child.try_wait()?.is_some()),
        }
        if abandoned() {
            return Err(abandon(child));
        }
        if deadline.is_some_and(|deadline| Instant::now() > deadline) && !timed_out {
            timed_out = true;
            signal(child, Signal::KILL);
        }
    }
    // A command may close its output and go on.
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if abandoned() {
            return Err(abandon(child));
        }
        if deadline.is_some_and(|deadline| Instant::now() > deadline) && !timed_out {
            timed_out = true;
            signal(child, Signal::KILL);
        }
        std::thread::sleep(TICK);
    };
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    Ok(Output {
        code,
        stdout: String::from_utf8_lossy(&out).into_owned(),
        stderr: String::from_utf8_lossy(&error).into_owned(),
        timed_out,
    })
}

/// Ends a command that nobody waits for, with all of its group: asked first, killed after a grace.
pub(super) fn abandon(child: &mut Child) -> io::Error {
    signal(child, Signal::TERM);
    let end = Instant::now() + TERM_GRACE;
    // The group's leader stays unreaped, so that its number cannot be another group's when it is killed.
    while Instant::now() < end && !ended(child) {
        std::thread::sleep(TICK);
    }
    // What ignored the first signal, in the leader or behind it, ends here.
    signal(child, Signal::KILL);
    let _ = child.wait();
    io::Error::new(io::ErrorKind::ConnectionAborted, "the command was ended: the controller has gone")
}

/// Whether a child has ended, without reaping it.
fn ended(child: &Child) -> bool {
    let Some(process) = group(child) else { return true };
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(process), look).map_or(true, |status| status.is_some())
}

pub(super) fn signal(child: &Child, signal: Signal) {
    if let Some(group) = group(child) {
        // Already gone is as good as ended.
        let _ = kill_process_group(group, signal);
    }
}

fn group(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Whether the other side of standard input has hung up.
pub(super) fn hung_up() -> bool {
    let input = rustix::stdio::stdin();
    let mut looked = [PollFd::new(&input, PollFlags::RDHUP)];
    poll(&mut looked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))
        .is_ok_and(|_| looked[0].revents().intersects(PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Run {
        Run { argv: vec!["/bin/sh".into(), "-c".into(), script.into()], ..Run::default() }
    }

    #[test]
    fn an_abandoned_command_ends_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("pid");
        let script = format!("sleep 300 & echo $! >{}; trap '' TERM; wait; sleep 300", note.display());
        let begun = || std::fs::read_to_string(&note).is_ok_and(|text| text.ends_with('\n'));
        let started = Instant::now();
        let error = run(&shell(&script), "/usr/bin:/bin", None, &begun, &mut |_| {}).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        assert!(started.elapsed() < Duration::from_secs(30));
        let pid = std::fs::read_to_string(&note).unwrap();
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }

    #[test]
    fn a_time_limit_holds_for_a_command_that_closed_its_output() {
        let command = Run { timeout: Some(1), ..shell("exec >/dev/null 2>&1; sleep 300") };
        let output = run(&command, "/usr/bin:/bin", None, &|| false, &mut |_| {}).unwrap();
        assert!(output.timed_out);
    }
}
