//! Where a connection goes and with what: the inventory's answers, before `~/.ssh/config` has its say.

use std::{fmt, path::PathBuf, time::Duration};

/// Text that must not be shown: no `Display`, an empty `Debug`, overwritten when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text out of sight.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        // Keeps the compiler from dropping the overwrite as useless.
        std::hint::black_box(&bytes);
    }
}

/// How a host is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Over SSH.
    #[default]
    Ssh,
    /// It is the machine the controller runs on.
    Local,
}

/// What to do about a host whose key no file knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeyChecking {
    /// Refuse it; the first contact is settled once for all hosts (`StrictHostKeyChecking yes` and `ask`).
    Strict,
    /// Take it and remember it (`accept-new`).
    AcceptNew,
    /// Take whatever comes, changed keys included (`no`, `ANSIBLE_HOST_KEY_CHECKING=False`).
    Off,
}

/// Everything the inventory and the command line say about reaching one host.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The inventory's name for it, used in messages.
    pub alias: String,
    /// How it is reached.
    pub kind: Kind,
    /// `ansible_host`: what is looked up in `~/.ssh/config` and connected to; the alias where missing.
    pub address: Option<String>,
    /// `ansible_port`.
    pub port: Option<u16>,
    /// `ansible_user`, `-u`.
    pub user: Option<String>,
    /// `ansible_password`, `-k`.
    pub password: Option<Secret>,
    /// `ansible_ssh_private_key_file`, `--private-key`.
    pub private_key_file: Option<PathBuf>,
    /// `ansible_ssh_common_args` and `ansible_ssh_extra_args`, as written.
    pub ssh_args: String,
    /// Seconds for the whole way up to and including authentication; 10 where neither this nor the configuration says.
    pub connect_timeout: Option<Duration>,
    /// Set when the user asked for it elsewhere than in the SSH configuration.
    pub host_key_checking: Option<HostKeyChecking>,
    /// `ansible_ssh_executable`-like isolation for tests and tools: another home than the user's.
    pub home: Option<PathBuf>,
}

impl Target {
    /// What is looked up in `~/.ssh/config`.
    #[must_use]
    pub fn destination(&self) -> &str {
        self.address.as_deref().unwrap_or(&self.alias)
    }
}

/// Who answers what only a person knows. Called on a thread that may block, one question at a time.
pub trait Ask: Send + Sync {
    /// The passphrase of an encrypted private key; `None` gives up on the key.
    fn passphrase(&self, key: &std::path::Path) -> Option<Secret>;
    /// The answer to a server's own question (one-time codes); `None` gives up on the method.
    fn answer(&self, host: &str, question: &str, echo: bool) -> Option<Secret>;
}

/// Nobody is there to answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct AskNobody;

impl Ask for AskNobody {
    fn passphrase(&self, _key: &std::path::Path) -> Option<Secret> {
        None
    }

    fn answer(&self, _host: &str, _question: &str, _echo: bool) -> Option<Secret> {
        None
    }
}
