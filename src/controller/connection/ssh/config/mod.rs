//! `~/.ssh/config` as OpenSSH reads it: the first value wins, `Host`, `Match` and `Include`, tokens.

mod lines;
mod reader;
mod settings;
#[cfg(test)]
mod tests;

pub use settings::{Family, Settings};

use std::path::PathBuf;

use super::super::{ConnectError, Target};
use reader::Reader;

/// Where configuration and keys are looked for.
#[derive(Clone, Debug)]
pub struct Places {
    /// The user's home.
    pub home: PathBuf,
    /// The user's own name.
    pub user: String,
    /// The system's configuration.
    pub system: PathBuf,
}

impl Places {
    /// The places of the user who runs the program, or below another home.
    #[must_use]
    pub fn new(home: Option<&std::path::Path>) -> Self {
        let home = home.map(std::path::Path::to_owned).or_else(std::env::home_dir).unwrap_or_else(|| "/".into());
        let user = std::env::var("USER")
            .or_else(|_| std::env::var("LOGNAME"))
            .ok()
            .filter(|name| !name.is_empty())
            .or_else(own_name)
            .unwrap_or_else(|| "root".into());
        Self { home, user, system: "/etc/ssh/ssh_config".into() }
    }
}

/// The name of the effective user in the user database.
fn own_name() -> Option<String> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    std::fs::read_to_string("/etc/passwd").ok()?.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(uid.as_str())).then(|| name.to_owned())
    })
}

/// All settings for one destination.
///
/// # Errors
/// When a file is wrong, or says something that cannot be honoured and must not be ignored.
pub fn resolve(target: &Target, places: &Places) -> Result<Settings, ConnectError> {
    let arguments = Arguments::parse(&target.ssh_args)?;
    let mut given = arguments.options;
    // What the inventory says explicitly goes before everything but the arguments that ansible puts in front of it.
    if let Some(port) = target.port {
        given.push(("port".into(), vec![port.to_string()]));
    }
    if let Some(user) = &target.user {
        given.push(("user".into(), vec![user.clone()]));
    }
    if let Some(key) = &target.private_key_file {
        given.push(("identityfile".into(), vec![key.to_string_lossy().into_owned()]));
    }
    resolve_name(target.destination(), &given, arguments.file.as_deref(), places)
}

/// All settings for one name on the way (a jump host), with options that are given explicitly.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_name(
    destination: &str,
    given: &[(String, Vec<String>)],
    file: Option<&std::path::Path>,
    places: &Places,
) -> Result<Settings, ConnectError> {
    let mut reader = Reader::new(destination, places);
    reader.give(given)?;
    reader.files(file)?;
    if reader.wants_final() {
        reader.start_final();
        reader.files(file)?;
    }
    Settings::from_values(destination, reader.into_values(), places, file)
}

/// Arguments as they would be typed behind `ssh`.
#[derive(Debug, Default)]
struct Arguments {
    options: Vec<(String, Vec<String>)>,
    file: Option<PathBuf>,
}

impl Arguments {
    fn parse(text: &str) -> Result<Self, ConnectError> {
        let wrong = |message: String| ConnectError::Config { file: "ssh arguments".into(), line: 1, message };
        let mut words =
            shlex::split(text).ok_or_else(|| wrong(format!("a quote is not closed in `{text}`")))?.into_iter();
        let mut parsed = Self::default();
        while let Some(word) = words.next() {
            let Some(flags) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                return Err(wrong(format!("`{word}` is no option of ssh")));
            };
            let mut flags = flags.chars();
            while let Some(flag) = flags.next() {
                let keyword = match flag {
                    // Terminal, forwarding and verbosity have no meaning for what we run.
                    'A' | 'C' | 'T' | 't' | 'v' | 'q' | 'x' | 'X' | 'a' | 'k' | 'K' | 'n' | 'N' => continue,
                    '4' | '6' => {
                        let family = if flag == '4' { "inet" } else { "inet6" };
                        parsed.options.push(("addressfamily".into(), vec![family.into()]));
                        continue;
                    }
                    'o' => "",
                    'F' => "file",
                    'J' => "proxyjump",
                    'i' => "identityfile",
                    'l' => "user",
                    'p' => "port",
                    other => return Err(wrong(format!("the ssh option -{other} is not supported"))),
                };
                let rest: String = flags.by_ref().collect();
                let value = if rest.is_empty() {
                    words.next().ok_or_else(|| wrong(format!("-{flag} needs a value")))?
                } else {
                    rest
                };
                match keyword {
                    "file" => parsed.file = Some(value.into()),
                    "" => {
                        if let Some(line) = lines::parse_line(&value, 1).map_err(wrong)? {
                            let words = if reader::takes_rest(&line.keyword) { vec![line.rest] } else { line.words };
                            parsed.options.push((line.keyword, words));
                        }
                    }
                    _ => parsed.options.push((keyword.into(), vec![value])),
                }
            }
        }
        Ok(parsed)
    }
}
