//! Becoming another user on a host: one file per method, and the conversation around the password.

mod doas;
mod su;
mod sudo;

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::{ConnectError, Connection, Process, Secret, process::Prefixed};
use crate::protocol::Failure;

/// Every method by its Ansible name.
pub static ESCALATIONS: &[&dyn Escalation] = &[&sudo::Sudo, &su::Su, &doas::Doas];

/// Bytes before the command starts that are kept for messages: login shells may greet.
const GREETING_BYTES_MAX: usize = 64 << 10;

/// `become: true` and what belongs to it.
#[derive(Clone, Debug, Default)]
pub struct Become {
    /// `become_method`.
    pub method: String,
    /// `become_user`.
    pub user: String,
    /// `become_password`, `-K`.
    pub password: Option<Secret>,
    /// `become_flags`; the method's own where missing.
    pub flags: Option<String>,
    /// `become_exe`.
    pub exe: Option<String>,
    /// Where to go before; `sudo` alone knows it.
    pub chdir: Option<String>,
    /// How the password is asked for, where that is not what the method expects.
    pub prompts: Vec<String>,
    /// How long to wait for the question or the other user; for ever without.
    pub patience: Option<Duration>,
}

/// One way to become another user.
pub trait Escalation: Send + Sync {
    /// Ansible's name for it.
    fn name(&self) -> &'static str;
    /// The command line that runs `command` (a whole `sh` script) as the other user; `prompt` is what it asks with.
    ///
    /// # Errors
    /// When it cannot be done this way.
    fn wrap(&self, how: &Become, command: &str, prompt: &str) -> Result<String, Failure>;
    /// What standard error ends with when the password is wanted.
    fn asks(&self, how: &Become, stderr: &str, prompt: &str) -> bool;
    /// Why it failed, from what it wrote to standard error.
    fn diagnose(&self, how: &Become, stderr: &str) -> Option<Failure>;
}

/// Why a command did not start.
#[derive(Debug)]
pub enum StartError {
    /// The connection failed.
    Connect(ConnectError),
    /// The other user could not be become.
    Become(Failure),
    /// There is no such user on the host.
    NoUser(Failure),
}

impl From<ConnectError> for StartError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

/// Runs a `sh` script, as another user where asked for. What the login shell says before it is cut off.
///
/// `resident`: it stays for the whole run.
///
/// # Errors
/// When the connection fails or the other user cannot be become.
pub async fn start(
    connection: &Connection,
    how: Option<&Become>,
    script: &str,
    resident: bool,
) -> Result<Process, StartError> {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    // Put together on the host, so that an echo of the command line is not taken for its output.
    let (half, other) = nonce.split_at(16);
    let script = format!("printf '%s%s\\n' {half} {other}; {script}");
    let prompt = format!("[deployer-{half}] password: ");
    let (command, method) = match how {
        None => (format!("exec /bin/sh -c {}", quote(&script)), None),
        Some(how) => {
            let method = find(&how.method)?;
            (method.wrap(how, &script, &prompt).map_err(StartError::Become)?, Some((method, how)))
        }
    };
    let process = if resident { connection.exec_resident(&command).await? } else { connection.exec(&command).await? };
    converse(process, &nonce, &prompt, method).await
}

fn find(name: &str) -> Result<&'static dyn Escalation, StartError> {
    ESCALATIONS.iter().copied().find(|method| method.name() == name).ok_or_else(|| {
        let known: Vec<&str> = ESCALATIONS.iter().map(|method| method.name()).collect();
        StartError::Become(
            Failure::new(format!("become_method `{name}` is not known"))
                .hint(format!("use one of {}", known.join(", "))),
        )
    })
}

async fn converse(
    process: Process,
    nonce: &str,
    prompt: &str,
    method: Option<(&'static dyn Escalation, &Become)>,
) -> Result<Process, StartError> {
    let Process { mut stdin, stdout, mut stderr, exit } = process;
    let mut stdout = BufReader::new(stdout);
    let (mut line, mut said) = (Vec::new(), Vec::new());
    let (mut answered, mut greeting) = (false, 0);
    let mut chunk = [0; 1024];
    let (mut stdout_open, mut stderr_open) = (true, true);
    let patience = method.and_then(|(_, how)| how.patience);
    let up = tokio::time::sleep(patience.unwrap_or_default());
    tokio::pin!(up);
    while stdout_open || stderr_open {
        tokio::select! {
            () = &mut up, if patience.is_some() => {
                let said = String::from_utf8_lossy(&said).trim().to_owned();
                let seconds = patience.unwrap_or_default().as_secs();
                return Err(StartError::Connect(ConnectError::Become { seconds, said }));
            }
            read = stdout.read_until(b'\n', &mut line), if stdout_open => match read {
                Ok(0) | Err(_) => stdout_open = false,
                Ok(_) => {
                    if line.trim_ascii_end().ends_with(nonce.as_bytes()) {
                        let rest = without_prompt(said, prompt);
                        let stderr = Box::new(Prefixed::new(rest, stderr));
                        return Ok(Process { stdin, stdout: Box::new(stdout), stderr, exit });
                    }
                    greeting += line.len();
                    line.clear();
                    if greeting > GREETING_BYTES_MAX {
                        break;
                    }
                }
            },
            read = stderr.read(&mut chunk), if stderr_open => match read {
                Ok(0) | Err(_) => stderr_open = false,
                Ok(count) => {
                    said.extend_from_slice(&chunk[..count]);
                    let text = String::from_utf8_lossy(&said).into_owned();
                    if let Some((method, how)) = method
                        && method.asks(how, &text, prompt)
                    {
                        match &how.password {
                            Some(password) if !answered => {
                                answered = true;
                                said.clear();
                                let answer = format!("{}\n", password.reveal());
                                let sent = stdin.write_all(answer.as_bytes()).await;
                                let _ = Secret::new(answer);
                                if sent.is_err() || stdin.flush().await.is_err() {
                                    stderr_open = false;
                                }
                            }
                            Some(_) => return Err(StartError::Become(wrong_password(method, how))),
                            None => return Err(StartError::Become(no_password(method, how))),
                        }
                    }
                }
            },
        }
    }
    drop(stdin);
    let status = exit.wait().await;
    let text = String::from_utf8_lossy(&without_prompt(said, prompt)).trim().to_owned();
    if let Some((method, how)) = method {
        if let Some(failure) = method.diagnose(how, &text) {
            return Err(if lacks_user(&text) { StartError::NoUser(failure) } else { StartError::Become(failure) });
        }
        let status = status.map_or_else(|error| error.to_string(), |status| format!("exit code {}", status.code()));
        return Err(StartError::Become(
            Failure::new(format!("{} could not run anything as {} ({status}): {text}", method.name(), how.user))
                .hint(format!("try `{} -u {} true` on the host", method.name(), how.user)),
        ));
    }
    Err(StartError::Become(
        Failure::new(format!("the login shell runs no command: {text}"))
            .hint("log in by hand and look at the user's shell; nologin and forced commands cannot be used"),
    ))
}

/// Whether what a method says is that it does not know the user: `su` and the others have words of their own.
fn lacks_user(stderr: &str) -> bool {
    let lower = stderr.to_lowercase();
    lower.contains("unknown user") || lower.contains("does not exist")
}

fn wrong_password(method: &dyn Escalation, how: &Become) -> Failure {
    Failure::new(format!("Incorrect {} password for becoming {}", method.name(), how.user))
        .hint("check become_password, or type it again with -K")
}

fn no_password(method: &dyn Escalation, how: &Become) -> Failure {
    Failure::new(format!("Missing {} password: a password is required for becoming {}", method.name(), how.user))
        .hint("give it with -K or become_password, or allow it without one (NOPASSWD)")
}

fn without_prompt(said: Vec<u8>, prompt: &str) -> Vec<u8> {
    match String::from_utf8(said) {
        Ok(text) => text.replace(prompt, "").into_bytes(),
        Err(error) => error.into_bytes(),
    }
}

/// One word for a POSIX shell.
#[must_use]
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}
