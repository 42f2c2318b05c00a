//! `reboot`: starts a host anew and waits until it is there again.

use std::time::{Duration, Instant};

use serde_json::json;

use super::http::on_host::stat;
use crate::{
    controller::{
        connection::Kind,
        executor::{Done, Turn, module::Called},
    },
    options,
    protocol::{Failure, Json, Map, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

/// What tells one start of a host from another.
const BOOT_ID: &str = "cat /proc/sys/kernel/random/boot_id";
/// Where the program that shuts down is looked for when no folders are named.
const FOLDERS: [&str; 5] = ["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/sbin"];
/// The longest wait between two tries; the first ones follow quicker.
const PAUSE_MAX: Duration = Duration::from_secs(12);
/// How long one try may take where nothing is said: a host that goes down in its middle does not say goodbye.
const TRY_MAX: Duration = Duration::from_secs(30);

options! {
    /// Starts a host anew, waits until it is up again and a command succeeds there.
    ///
    /// It fails for the controller's own machine. A check says "changed" and does nothing.
    ///
    /// ## Example
    /// ```yaml
    /// - reboot:
    ///     msg: a new kernel is installed
    ///     reboot_timeout: 900
    ///   become: true
    /// ```
    ///
    /// ## Returns
    /// `rebooted`; `elapsed`: seconds from the command to the end.
    pub struct Reboot {
        /// Seconds between the command and the shutdown; `shutdown` counts whole minutes.
        pre_reboot_delay: f64 [pre_reboot_delay_sec] = 0.0,
        /// Seconds to wait before the first look whether it is up again.
        post_reboot_delay: f64 [post_reboot_delay_sec] = 0.0,
        /// Seconds for the start, and as many for the test behind it.
        reboot_timeout: i64 [reboot_timeout_sec] = 600,
        /// Seconds for one try to reach it.
        connect_timeout: Option<i64> [connect_timeout_sec],
        /// What has to succeed at the end.
        test_command: String = "whoami",
        /// What users of the host are told.
        msg: String = "Reboot initiated by Ansible",
        /// Folders in which the program that shuts down is looked for; `PATH` is not.
        search_paths: Vec<String>,
        /// A command whose output differs from start to start.
        boot_time_command: String = BOOT_ID,
        /// The command that starts it anew, instead of `shutdown -r`.
        reboot_command: Option<String>,
    }
}

/// The manual page.
pub const DOC: &str = Reboot::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Reboot::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let local = turn.way.target.kind == Kind::Local;
    let begun = Instant::now();
    let done = if local {
        let message = "Running reboot with local connection would reboot the control node.";
        Err(Refused { failure: Failure::new(message), rebooted: false })
    } else if turn.check {
        Ok(())
    } else {
        act(turn).await
    };
    let (verdict, rebooted) = match done {
        Ok(()) => (Verdict::Changed, true),
        Err(Refused { failure, rebooted }) => (Verdict::Failed(failure), rebooted),
    };
    let mut outcome = Outcome::new(verdict);
    outcome.result.insert("rebooted".to_owned(), json!(rebooted));
    outcome.result.insert("elapsed".to_owned(), json!(begun.elapsed().as_secs()));
    outcome.into()
}

/// Why it did not work, and whether the host was told to go down.
struct Refused {
    failure: Failure,
    rebooted: bool,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, rebooted: false }
    }
}

async fn act(turn: &Turn) -> Result<(), Refused> {
    let reboot: Reboot = turn.parsed()?;
    let before = reboot.boot(turn).await.map_err(|message| Failure::new(message.to_string()))?;
    let command = reboot.command(turn).await?;
    match shell(turn, &command).await {
        // A host that goes down at once takes the answer with it.
        Ok(_) | Err(Trouble::Lost(_)) => {}
        Err(Trouble::Failed(said)) => {
            return Err(Failure::new(format!("Reboot command failed. Error was: '{said}'")).into());
        }
    }
    let gone = |failure| Refused { failure, rebooted: true };
    tokio::time::sleep(seconds(reboot.post_reboot_delay)).await;
    reboot.until(turn, "last boot time check", Some(&before)).await.map_err(gone)?;
    reboot.until(turn, "post-reboot test command", None).await.map_err(gone)
}

fn seconds(number: f64) -> Duration {
    // Ansible counts whole seconds.
    Duration::from_secs_f64(number.clamp(0.0, f64::from(u32::MAX)).trunc())
}

impl Reboot {
    async fn boot(&self, turn: &Turn) -> Result<String, Trouble> {
        shell(turn, &self.boot_time_command).await
    }

    /// The command line that brings the host down.
    async fn command(&self, turn: &Turn) -> Result<String, Failure> {
        let own = self.reboot_command.as_deref();
        let (program, arguments) = match own {
            Some(line) => line.split_once(' ').unwrap_or((line, "")),
            None => ("shutdown", ""),
        };
        let arguments = match own {
            Some(_) => arguments.to_owned(),
            None => {
                let minutes = seconds(self.pre_reboot_delay).as_secs() / 60;
                let message =
                    self.msg.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`");
                format!("-r {minutes} \"{message}\"")
            }
        };
        if program.starts_with('/') {
            return Ok(format!("{program} {arguments}"));
        }
        let folders: Vec<&str> = match self.search_paths.as_slice() {
            [] => FOLDERS.to_vec(),
            named => named.iter().map(String::as_str).collect(),
        };
        for folder in &folders {
            let path = format!("{}/{program}", folder.trim_end_matches('/'));
            if stat(turn, &path).await?.is_some() {
                return Ok(format!("{path} {arguments}"));
            }
        }
        Err(Failure::new(format!("Unable to find command \"{program}\" in search paths: {}", folders.join(", "))))
    }

    /// One try: that this is another start than `before`, or without it that the test succeeds.
    async fn attempt(&self, turn: &Turn, before: Option<&str>) -> Result<(), Trouble> {
        let Some(before) = before else { return shell(turn, &self.test_command).await.map(|_| ()) };
        match self.boot(turn).await? {
            now if now.is_empty() || now == before => Err(Trouble::Failed("boot time has not changed".to_owned())),
            _ => Ok(()),
        }
    }

    /// Tries over new connections until it succeeds.
    async fn until(&self, turn: &Turn, what: &str, before: Option<&str>) -> Result<(), Failure> {
        let whole = |number: i64| Duration::from_secs(u64::try_from(number).unwrap_or(0));
        let patience = whole(self.reboot_timeout);
        let each = self.connect_timeout.filter(|limit| *limit > 0).map_or(TRY_MAX, whole);
        let (begun, mut pause) = (Instant::now(), Duration::from_secs(1));
        let mut last = String::new();
        while begun.elapsed() < patience {
            hang_up(turn).await;
            match tokio::time::timeout(each, self.attempt(turn, before)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(trouble)) => last = trouble.to_string(),
                Err(_) => last = format!("no answer within {} s", each.as_secs()),
            }
            turn.progress(format!("{what}: {last}"), None);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        let failure = Failure::new(format!("Timed out waiting for {what} (timeout={})", self.reboot_timeout));
        Err(if last.is_empty() { failure } else { failure.hint(format!("the last try: {last}")) })
    }
}

/// Why a command gave no answer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The host cannot be asked, or could not to the end.
    #[error("{0}")]
    Lost(String),
    /// The command says no.
    #[error("{0}")]
    Failed(String),
}

/// What a command on the host writes.
async fn shell(turn: &Turn, line: &str) -> Result<String, Trouble> {
    let options = Map::from_iter([("_raw_params".to_owned(), json!(line))]);
    match turn.call("shell", options, &[]).await {
        Called::Unreachable(failure) => Err(Trouble::Lost(failure.message)),
        Called::NotRun => Err(Trouble::Lost("not carried out".to_owned())),
        Called::Outcome(outcome) => {
            let said =
                |name: &str| outcome.result.get(name).and_then(Json::as_str).unwrap_or_default().trim().to_owned();
            match &outcome.verdict {
                Verdict::Failed(failure) if outcome.result.contains_key("rc") => {
                    let words = format!("{}, {}", said("stdout"), said("stderr"));
                    Err(Trouble::Failed(if words == ", " { failure.message.clone() } else { words }))
                }
                Verdict::Failed(failure) => Err(Trouble::Failed(failure.message.clone())),
                _ => Ok(said("stdout")),
            }
        }
    }
}

/// Gives up the connection: what answers over it may be the system that is going down.
async fn hang_up(turn: &Turn) {
    let link = turn.run.link(&turn.way.host);
    let mut link = link.lock().await;
    link.sessions.clear();
    link.connection = None;
}
