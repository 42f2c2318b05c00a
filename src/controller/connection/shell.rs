//! A host without a helper, as far as plain `sh` reaches: every look and every change is one short script.

use std::{
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{io::AsyncBufReadExt, runtime::Handle};
use tokio_util::sync::CancellationToken;

use super::{
    Collected, Connection, Endpoint,
    escalation::{self, Become, StartError, quote},
};
use crate::{
    protocol::{Attributes, Run},
    remote::machine::system::{Duplex, FileKind, Output, Stat, System},
};

/// Exit code of our scripts for "nothing is there".
const ABSENT: i32 = 44;

/// Seconds after which a script of ours, which does one small thing, is given up.
const SCRIPT_LIMIT: Duration = Duration::from_mins(5);

/// A host reached through `sh` alone. Its methods block: use it on a thread that may.
#[derive(Clone)]
pub struct ShellSystem {
    connection: Connection,
    how: Option<Become>,
    runtime: Handle,
    uid: u32,
    umask: u32,
    environment: Vec<(String, String)>,
    ended: CancellationToken,
}

impl ShellSystem {
    /// Looks at who we are there.
    ///
    /// # Errors
    /// When nothing can be run as that user.
    pub async fn start(connection: Connection, how: Option<Become>) -> Result<Self, super::helper::SessionError> {
        let lost = |error: io::Error| super::helper::SessionError::Lost { reason: error.to_string() };
        let process = escalation::start(&connection, how.as_ref(), "id -u; umask; env", false).await?;
        let ended = process.collect(b"").await.map_err(lost)?;
        let text = String::from_utf8_lossy(&ended.stdout).into_owned();
        let mut lines = text.lines();
        let unclear = || lost(io::Error::other("`id -u` says nothing useful there"));
        let uid = lines.next().and_then(|line| line.trim().parse().ok()).ok_or_else(unclear)?;
        let umask = lines.next().and_then(|line| u32::from_str_radix(line.trim(), 8).ok()).unwrap_or(0o022);
        let environment = lines
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let ended = CancellationToken::new();
        Ok(Self { connection, how, runtime: Handle::current(), uid, umask, environment, ended })
    }

    /// The same host, given up once `ended` is cancelled: what runs then is ended, and nothing more is begun.
    #[must_use]
    pub fn until(&self, ended: CancellationToken) -> Self {
        Self { ended, ..self.clone() }
    }

    /// Waits for something on this thread, unless the task is given up meanwhile.
    fn wait<T>(&self, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let given_up = || Err(io::Error::new(io::ErrorKind::Interrupted, "the task was given up"));
        self.runtime.block_on(async { self.ended.run_until_cancelled(doing).await.unwrap_or_else(given_up) })
    }

    fn script(&self, script: &str, input: &[u8]) -> io::Result<Collected> {
        let run = async {
            let process =
                escalation::start(&self.connection, self.how.as_ref(), script, false).await.map_err(failed)?;
            process.collect(input).await
        };
        self.wait(async {
            tokio::time::timeout(SCRIPT_LIMIT, run).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        })
    }

    /// Runs a script that must succeed.
    fn must(&self, script: &str, input: &[u8]) -> io::Result<Vec<u8>> {
        let ended = self.script(script, input)?;
        match ended.status.code() {
            0 => Ok(ended.stdout),
            ABSENT => Err(io::ErrorKind::NotFound.into()),
            _ => Err(complaint(&ended)),
        }
    }

    /// Commands that give a path its attributes.
    fn dress(path: &str, attributes: &Attributes) -> io::Result<String> {
        let flag = if attributes.follow { "" } else { "-h " };
        let mut script = String::new();
        let mut add = |command: String| {
            script.push_str(" && ");
            script.push_str(&command);
        };
        let owner = attributes.uid.map(|uid| uid.to_string()).or_else(|| attributes.owner.clone());
        let group = attributes.gid.map(|gid| gid.to_string()).or_else(|| attributes.group.clone());
        if let Some(owner) = owner {
            add(format!("chown {flag}{} {path}", quote(&owner)));
        }
        if let Some(group) = group {
            add(format!("chgrp {flag}{} {path}", quote(&group)));
        }
        // After the owner: changing it clears set-id bits.
        if let Some(mode) = attributes.mode {
            add(format!("chmod {mode:o} {path}"));
        }
        for (letter, time) in [("m", attributes.mtime), ("a", attributes.atime)] {
            if let Some(time) = time {
                let seconds = u64::try_from(time / 1_000_000_000)
                    .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a time before 1970 needs the helper"))?;
                add(format!("touch {flag}-{letter} -d @{seconds} {path}"));
            }
        }
        Ok(script)
    }
}

fn failed(error: StartError) -> io::Error {
    match error {
        StartError::Connect(error) => io::Error::new(io::ErrorKind::ConnectionAborted, error),
        StartError::Become(failure) | StartError::NoUser(failure) => {
            io::Error::new(io::ErrorKind::PermissionDenied, failure.message)
        }
    }
}

fn complaint(ended: &Collected) -> io::Error {
    let text = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    let kind = if text.contains("Permission denied") || text.contains("not permitted") {
        io::ErrorKind::PermissionDenied
    } else if text.contains("No such file") {
        io::ErrorKind::NotFound
    } else if text.contains("No space left") {
        io::ErrorKind::StorageFull
    } else {
        io::ErrorKind::Other
    };
    io::Error::new(kind, if text.is_empty() { format!("exit code {}", ended.status.code()) } else { text })
}

/// A path as one word that is no option.
fn word(path: &Path) -> io::Result<String> {
    std::str::from_utf8(path.as_os_str().as_bytes())
        .map(quote)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a path that is not UTF-8 needs the helper"))
}

fn content(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl System for ShellSystem {
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        let path = word(path)?;
        let format = "%f %u %g %s %h %i %d %X %Y %Z %o %b";
        let script = format!("[ -e {path} ] || [ -L {path} ] || exit {ABSENT}; LC_ALL=C stat -c '{format}' {path}");
        match self.must(&script, b"") {
            Ok(line) => parse_stat(&String::from_utf8_lossy(&line)).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = word(path)?;
        self.must(&format!("LC_ALL=C cat {path}"), b"")
    }

    fn sha256(&self, path: &Path) -> io::Result<String> {
        let path = word(path)?;
        let script = format!(
            "if command -v sha256sum >/dev/null 2>&1; then sha256sum <{path}; else openssl dgst -sha256 -r <{path}; fi"
        );
        let line = self.must(&script, b"")?;
        let text = String::from_utf8_lossy(&line);
        let hash = text.split_whitespace().next().filter(|hash| hash.len() == 64);
        hash.map(str::to_owned).ok_or_else(|| io::Error::other("neither sha256sum nor openssl is there"))
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let line = self.must(&format!("readlink {}", word(path)?), b"")?;
        Ok(PathBuf::from(String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned()))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        let path = word(path)?;
        // NUL is the one byte no name has.
        let script = format!(
            "cd {path} && for name in * .[!.]* ..?*; do [ -e \"$name\" ] || [ -L \"$name\" ] || continue; printf '%s\\0' \"$name\"; done"
        );
        let names = self.must(&script, b"")?;
        let mut names: Vec<String> = names
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    fn run(&self, command: &Run, line: &mut dyn FnMut(&str)) -> io::Result<Output> {
        let mut script = String::new();
        if let Some(umask) = command.umask {
            script.push_str(&format!("umask {umask:o} && "));
        }
        if let Some(folder) = &command.directory {
            script.push_str(&format!("cd {} && ", word(folder)?));
        }
        // Values may be secret, and command lines are everyone's to see: they come in front of the input.
        let mut input: String =
            command.environment.iter().map(|(name, value)| format!("export {name}={}\n", quote(value))).collect();
        if !input.is_empty() {
            script.push_str(&format!("eval \"$(dd bs=1 count={} 2>/dev/null)\" && ", input.len()));
        }
        input.push_str(command.stdin.as_deref().unwrap_or_default());
        script.push_str("exec");
        for word in &command.argv {
            script.push(' ');
            script.push_str(&quote(word));
        }
        let run = async {
            let mut process =
                escalation::start(&self.connection, self.how.as_ref(), &script, false).await.map_err(failed)?;
            if !command.progress {
                return process.collect(input.as_bytes()).await;
            }
            let mut lines = tokio::io::BufReader::new(process.stdout);
            process.stdout = Box::new(tokio::io::empty());
            let mut stdout = Vec::new();
            let show = async {
                loop {
                    let start = stdout.len();
                    if lines.read_until(b'\n', &mut stdout).await? == 0 {
                        return io::Result::Ok(());
                    }
                    line(String::from_utf8_lossy(&stdout[start..]).trim_end());
                }
            };
            let (shown, ended) = tokio::join!(show, process.collect(input.as_bytes()));
            shown?;
            Ok(Collected { stdout, ..ended? })
        };
        let ended = self.wait(async {
            match command.timeout {
                None => run.await.map(Some),
                Some(seconds) => match tokio::time::timeout(Duration::from_secs(seconds), run).await {
                    Ok(ended) => ended.map(Some),
                    Err(_) => Ok(None),
                },
            }
        })?;
        let Some(ended) = ended else { return Ok(Output { code: 137, timed_out: true, ..Output::default() }) };
        Ok(Output {
            code: ended.status.code(),
            stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
            timed_out: false,
        })
    }

    fn dial(&self, socket: &Path) -> io::Result<Box<dyn Duplex>> {
        self.open(&Endpoint::Unix(socket.to_owned()), SCRIPT_LIMIT)
    }

    fn dial_tcp(&self, host: &str, port: u16, seconds: u64) -> io::Result<Box<dyn Duplex>> {
        self.open(&Endpoint::Tcp { host: host.to_owned(), port }, Duration::from_secs(seconds))
    }

    fn write(&self, path: &Path, from: &mut dyn Read, attributes: &Attributes) -> io::Result<()> {
        let bytes = content(from)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let temporary = path.with_file_name(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
        let (path, temporary) = (word(path)?, word(&temporary)?);
        let dress = Self::dress(&temporary, attributes)?;
        let tidy = quote(&format!("rm -f {temporary}"));
        // A connection that breaks must not leave half a file in place: the length is compared before the rename.
        let script = format!(
            "umask 077; trap {tidy} EXIT; cat >{temporary} && [ \"$(wc -c <{temporary})\" -eq {} ]{dress} && mv -f {temporary} {path}",
            bytes.len()
        );
        self.must(&script, &bytes).map(drop)
    }

    fn overwrite(&self, path: &Path, from: &mut dyn Read) -> io::Result<()> {
        self.must(&format!("cat >{}", word(path)?), &content(from)?).map(drop)
    }

    fn make_dir(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let path = word(path)?;
        self.must(&format!("mkdir {path}{}", Self::dress(&path, attributes)?), b"").map(drop)
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.link("-s ", target, path)
    }

    fn hard_link(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.link("", target, path)
    }

    fn set_attributes(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        self.must(&format!("true{}", Self::dress(&word(path)?, attributes)?), b"").map(drop)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.must(&format!("rm -rf {}", word(path)?), b"").map(drop)
    }

    fn rename(&self, path: &Path, to: &Path) -> io::Result<()> {
        self.must(&format!("mv -f {} {}", word(path)?, word(to)?), b"").map(drop)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn uid(&self) -> u32 {
        self.uid
    }

    fn umask(&self) -> u32 {
        self.umask
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn now(&self) -> i128 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i128::try_from(since.as_nanos()).unwrap_or_default()
    }
}

impl ShellSystem {
    fn link(&self, flag: &str, target: &Path, path: &Path) -> io::Result<()> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let temporary = word(&path.with_file_name(format!(".{name}.{}", uuid::Uuid::new_v4().simple())))?;
        let (target, path) = (word(target)?, word(path)?);
        let script = format!(
            "ln {flag}{target} {temporary} && {{ mv -f {temporary} {path} || {{ rm -f {temporary}; false; }}; }}"
        );
        self.must(&script, b"").map(drop)
    }

    fn open(&self, endpoint: &Endpoint, limit: Duration) -> io::Result<Box<dyn Duplex>> {
        let stream = self.runtime.block_on(async {
            tokio::time::timeout(limit, self.connection.dial(endpoint))
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
                .map_err(|error| io::Error::new(io::ErrorKind::ConnectionRefused, error))
        })?;
        let _inside = self.runtime.enter();
        Ok(Box::new(tokio_util::io::SyncIoBridge::new(stream)))
    }
}

fn parse_stat(line: &str) -> io::Result<Stat> {
    let unclear = || io::Error::other(format!("stat said `{}`", line.trim()));
    let words: Vec<&str> = line.split_whitespace().collect();
    let [mode, numbers @ ..] = words.as_slice() else { return Err(unclear()) };
    let raw = u32::from_str_radix(mode, 16).map_err(|_| unclear())?;
    let numbers: Vec<u64> =
        numbers.iter().map(|word| word.parse().map_err(|_| unclear())).collect::<io::Result<_>>()?;
    let [uid, gid, size, links, inode, device, atime, mtime, ctime, block_size, blocks] = numbers[..] else {
        return Err(unclear());
    };
    let kind = match raw & 0o170_000 {
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::Symlink,
        0o010_000 => FileKind::Fifo,
        0o140_000 => FileKind::Socket,
        0o020_000 => FileKind::Character,
        0o060_000 => FileKind::Block,
        _ => FileKind::File,
    };
    let time = |seconds: u64| i128::from(seconds) * 1_000_000_000;
    let id = |number: u64| u32::try_from(number).map_err(|_| unclear());
    Ok(Stat {
        kind,
        mode: raw & 0o7777,
        uid: id(uid)?,
        gid: id(gid)?,
        size,
        links,
        inode,
        device,
        atime: time(atime),
        mtime: time(mtime),
        ctime: time(ctime),
        block_size,
        blocks,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::remote::machine::digest;

    #[tokio::test(flavor = "multi_thread")]
    async fn files_are_seen_written_and_removed_through_sh() {
        let folder = tempfile::tempdir().unwrap();
        let system = ShellSystem::start(Connection::Local, None).await.unwrap();
        let at = folder.path().join("it's a file");
        tokio::task::spawn_blocking(move || {
            assert_eq!(system.stat(&at).unwrap(), None);
            let attributes = Attributes { mode: Some(0o640), ..Attributes::default() };
            system.write(&at, &mut &b"\0one\n"[..], &attributes).unwrap();
            let stat = system.stat(&at).unwrap().unwrap();
            assert_eq!((stat.kind, stat.mode, stat.size), (FileKind::File, 0o640, 5));
            assert_eq!(system.read(&at).unwrap(), b"\0one\n");
            assert_eq!(system.sha256(&at).unwrap(), digest(b"\0one\n"));
            let folder = at.parent().unwrap();
            system.symlink(&at, &folder.join("link")).unwrap();
            assert_eq!(system.read_link(&folder.join("link")).unwrap(), at);
            system
                .make_dir(&folder.join(".hidden"), &Attributes { mode: Some(0o701), ..Attributes::default() })
                .unwrap();
            assert_eq!(std::fs::metadata(folder.join(".hidden")).unwrap().permissions().mode() & 0o777, 0o701);
            assert_eq!(system.read_dir(folder).unwrap(), [".hidden", "it's a file", "link"]);
            system.rename(&folder.join("link"), &folder.join("moved")).unwrap();
            system.remove(&folder.join(".hidden")).unwrap();
            assert_eq!(system.read_dir(folder).unwrap(), ["it's a file", "moved"]);
            assert!(system.write(&folder.join("no/such"), &mut &b"x"[..], &attributes).is_err());
        })
        .await
        .unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn commands_run_with_their_input_folder_and_environment() {
        let system = ShellSystem::start(Connection::Local, None).await.unwrap();
        tokio::task::spawn_blocking(move || {
            let mut command = Run::new(["sh", "-c", "cat; pwd; echo $WORD; echo bad >&2; exit 4"]);
            command.stdin = Some("in\n".into());
            command.directory = Some("/usr".into());
            command.environment.insert("WORD".into(), "a b".into());
            command.progress = true;
            let mut lines = Vec::new();
            let output = system.run(&command, &mut |line| lines.push(line.to_owned())).unwrap();
            assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (4, "in\n/usr\na b\n", "bad\n"));
            assert_eq!(lines, ["in", "/usr", "a b"]);
            let mut slow = Run::new(["sleep", "30"]);
            slow.timeout = Some(1);
            assert!(system.run(&slow, &mut |_| ()).unwrap().timed_out);
        })
        .await
        .unwrap();
    }
}
