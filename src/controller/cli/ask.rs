//! Questions to the person at the terminal: passwords up front, passphrases and one-time codes when they are needed.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use crate::controller::{
    connection::{Ask, AskNobody, Secret},
    report::Screen,
};

/// A person at the terminal, asked one question at a time while nothing else moves on the screen.
pub struct Person {
    screen: Screen,
    turn: Mutex<()>,
}

impl Person {
    /// Who can be asked: the person at the terminal, or nobody when standard input is something else.
    #[must_use]
    pub fn find(screen: Screen) -> std::sync::Arc<dyn Ask> {
        if io::stdin().is_terminal() {
            std::sync::Arc::new(Self { screen, turn: Mutex::new(()) })
        } else {
            std::sync::Arc::new(AskNobody)
        }
    }

    fn question(&self, text: &str, echo: bool) -> Option<Secret> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = self.screen.suspend(|| if echo { visible(text) } else { hidden(text) });
        answer.ok().map(Secret::new)
    }
}

impl Ask for Person {
    fn passphrase(&self, key: &Path) -> Option<Secret> {
        let answer = self.question(&format!("Passphrase for the key {}: ", key.display()), false)?;
        // An empty line gives up on the key, as in OpenSSH.
        if answer.reveal().is_empty() { None } else { Some(answer) }
    }

    fn answer(&self, host: &str, question: &str, echo: bool) -> Option<Secret> {
        let question = question.trim_end();
        let text = if host.is_empty() { format!("{question} ") } else { format!("[{host}] {question} ") };
        self.question(&text, echo)
    }
}

/// Asks for something that must not be seen, at the terminal even where standard input is something else.
///
/// # Errors
/// When there is no terminal.
pub fn hidden(text: &str) -> io::Result<String> {
    rpassword::prompt_password(text)
}

/// Asks for something that may be seen.
///
/// # Errors
/// When standard input is closed.
pub fn visible(text: &str) -> io::Result<String> {
    let mut terminal = std::fs::OpenOptions::new().write(true).open("/dev/tty")?;
    terminal.write_all(text.as_bytes())?;
    terminal.flush()?;
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
