//! A command on a terminal of its own, whose questions are answered.

use std::{
    io::{self, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use regex::bytes::{Regex, RegexBuilder};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::Signal,
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize},
};

use super::{
    command::{GRACE, abandon, signal},
    system::Output,
};
use crate::protocol::{
    Run,
    change::{Answer, Dialogue},
};

/// What is said of a command that nobody answers in time.
pub const EXPIRED: &str = "command exceeded timeout";

/// The word that makes the helper's own program take its standard input as terminal and turn into a command.
pub const MODE: &str = "terminal";

/// The size that terminals have when nobody looks at them.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// Turns this process into a command whose controlling terminal is standard input. Returns only what went wrong.
#[must_use]
pub fn turn_into(words: &[String]) -> io::Error {
    let Some((program, arguments)) = words.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no command");
    };
    let owned = rustix::process::setsid().and_then(|_| rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()));
    match owned {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error.into(),
    }
}

/// Runs a command on a new terminal. With `launcher`, a program that knows [`MODE`], the terminal controls the command, so
/// that what it asks on `/dev/tty` is heard too.
pub(super) fn run(
    command: &Run,
    dialogue: &Dialogue,
    path: &str,
    launcher: Option<&Path>,
    abandoned: &dyn Fn() -> bool,
) -> io::Result<Output> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    let mut modes = tcgetattr(&slave)?;
    modes.local_modes.set(LocalModes::ECHO, dialogue.echo);
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    tcsetwinsize(&slave, SIZE)?;

    let mut child = match (launcher, command.argv.split_first()) {
        (_, None) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "no command")),
        (Some(launcher), Some(_)) => {
            let mut child = Command::new(launcher);
            child.arg(MODE).args(&command.argv);
            child
        }
        (None, Some((program, arguments))) => {
            let mut child = Command::new(program);
            child.args(arguments).process_group(0);
            child
        }
    };
    child.env("PATH", path).envs(&command.environment);
    if let Some(directory) = &command.directory {
        child.current_dir(directory);
    }
    child.stdin(Stdio::from(slave.try_clone()?)).stdout(Stdio::from(slave.try_clone()?)).stderr(Stdio::from(slave));
    let started = child.spawn();
    // Its copies of the terminal have to go, or the end of the command would never be seen.
    drop(child);
    let mut child = started?;
    let mut conversation = Conversation::new(dialogue)?;
    let spoken = conversation.hold(&mut std::fs::File::from(master), &mut child, abandoned);
    if let Err(error) = spoken {
        signal(&child, Signal::KILL);
        let _ = child.wait();
        return Err(error);
    }
    let status = child.wait()?;
    let stdout = String::from_utf8(conversation.heard).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "Refusing to deserialize an invalid UTF8 string value: the output of the command",
        )
    })?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    Ok(Output { code, stdout, ..Output::default() })
}

struct Conversation<'d> {
    answers: Vec<(Regex, &'d Answer, usize)>,
    patience: Option<Duration>,
    /// All that was written.
    heard: Vec<u8>,
    /// How much of that is answered.
    answered: usize,
}

impl<'d> Conversation<'d> {
    fn new(dialogue: &'d Dialogue) -> io::Result<Self> {
        let compile = |answer: &'d Answer| {
            let build =
                |unicode| RegexBuilder::new(&answer.pattern).unicode(unicode).dot_matches_new_line(true).build();
            let expression = build(true)
                .or_else(|_| build(false))
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            Ok((expression, answer, 0))
        };
        Ok(Self {
            answers: dialogue.answers.iter().map(compile).collect::<io::Result<_>>()?,
            patience: dialogue.patience.map(Duration::from_secs),
            heard: Vec::new(),
            answered: 0,
        })
    }

    /// Listens and answers until the command has ended.
    fn hold(
        &mut self,
        terminal: &mut std::fs::File,
        child: &mut Child,
        abandoned: &dyn Fn() -> bool,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 16 << 10];
        let mut since = Instant::now();
        let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(GRACE.subsec_nanos()) };
        loop {
            let mut looked = [PollFd::new(&*terminal, PollFlags::IN)];
            let ready = poll(&mut looked, Some(&tick))? > 0;
            if ready {
                match terminal.read(&mut buffer) {
                    Ok(count) if count > 0 => self.heard.extend_from_slice(&buffer[..count]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // The last one who had the terminal open has closed it.
                    Ok(_) | Err(_) => return self.last_words(child, since, abandoned),
                }
                while let Some(reply) = self.reply()? {
                    since = Instant::now();
                    // A command that has ended needs no answer.
                    let _ = terminal.write_all(reply.as_bytes());
                }
            } else if child.try_wait()?.is_some() {
                return Ok(());
            }
            self.wait_on(child, since, abandoned)?;
        }
    }

    fn last_words(&self, child: &mut Child, since: Instant, abandoned: &dyn Fn() -> bool) -> io::Result<()> {
        while child.try_wait()?.is_none() {
            self.wait_on(child, since, abandoned)?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn wait_on(&self, child: &mut Child, since: Instant, abandoned: &dyn Fn() -> bool) -> io::Result<()> {
        if abandoned() {
            return Err(abandon(child));
        }
        match self.patience {
            Some(patience) if since.elapsed() > patience => Err(io::Error::new(io::ErrorKind::TimedOut, EXPIRED)),
            _ => Ok(()),
        }
    }

    /// The reply to the earliest question that is not answered yet.
    fn reply(&mut self) -> io::Result<Option<String>> {
        let open = &self.heard[self.answered..];
        let found = self.answers.iter().enumerate().filter_map(|(index, (expression, ..))| {
            expression.find(open).filter(|found| !found.is_empty()).map(|found| (found.start(), index, found.end()))
        });
        let Some((_, index, end)) = found.min() else { return Ok(None) };
        self.answered += end;
        let (_, answer, given) = &mut self.answers[index];
        let position = if answer.repeated { 0 } else { *given };
        *given += 1;
        let Some(reply) = answer.replies.get(position) else {
            let heard = String::from_utf8_lossy(&self.heard[..self.answered]);
            let message = format!("No remaining responses for '{}', output was '{heard}'", answer.pattern);
            return Err(io::Error::other(message));
        };
        let line_end = if reply.ends_with('\n') { "" } else { "\n" };
        Ok(Some(format!("{reply}{line_end}")))
    }
}
