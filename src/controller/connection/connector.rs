//! Opens connections for a run and holds what they share: unlocked keys, the SSH configuration, who answers questions.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::process::Ending;
use super::ssh::{first_contact::Unknown, keyring::Keyring};
use super::{Ask, ConnectError, Endpoint, Kind, Process, Stream, Target, local, ssh};

/// Logins at the same time. More would not be quicker, but all would be slower, until the first are given up: by this machine, or by hosts that
/// share one.
const LOGINS_MAX: usize = 64;

/// What all connections of a run share.
#[derive(Clone)]
pub struct Connector {
    keyring: Arc<Keyring>,
    logins: Arc<Semaphore>,
}

impl Connector {
    /// A connector whose questions go to `ask`.
    #[must_use]
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Self { keyring: Arc::new(Keyring::new(ask)), logins: Arc::new(Semaphore::new(LOGINS_MAX)) }
    }

    /// Opens the one connection to a host.
    ///
    /// # Errors
    /// When the host cannot be reached, is not the one known, or does not let us in.
    pub async fn open(&self, target: &Target) -> Result<Connection, ConnectError> {
        match target.kind {
            Kind::Local => Ok(Connection::Local),
            Kind::Ssh => {
                // It is never closed.
                let _login = self.logins.acquire().await.ok();
                Ok(Connection::Ssh(ssh::Ssh::open(target, &self.keyring).await?))
            }
        }
    }

    /// Asks every host that no file knows for its key, all at once, without logging in.
    ///
    /// Hosts behind an unknown jump host show only the jump host; scan again once that is accepted. Hosts that cannot be
    /// reached are left out: [`Connector::open`] tells why.
    ///
    /// # Errors
    /// When the SSH configuration is wrong.
    pub async fn scan(&self, targets: &[Target]) -> Result<Vec<Unknown>, ConnectError> {
        ssh::first_contact::scan(targets, &self.keyring).await
    }
}

/// An open way to a host; clones share it.
#[derive(Clone)]
pub enum Connection {
    /// The controller's own machine.
    Local,
    /// Another machine.
    Ssh(ssh::Ssh),
}

impl Connection {
    /// Starts a command line through the login user's shell.
    ///
    /// # Errors
    /// When the connection is gone or the host refuses.
    pub async fn exec(&self, command: &str) -> Result<Process, ConnectError> {
        match self {
            Self::Local => local::exec(command, Ending::Asked),
            Self::Ssh(ssh) => ssh.exec(command).await,
        }
    }

    /// The same for a command that stays for the whole run and must not count against the short ones.
    ///
    /// # Errors
    /// As [`Connection::exec`].
    pub async fn exec_resident(&self, command: &str) -> Result<Process, ConnectError> {
        match self {
            Self::Local => local::exec(command, Ending::InputEnds),
            Self::Ssh(ssh) => ssh.exec_resident(command).await,
        }
    }

    /// Connects to a socket as the host sees it.
    ///
    /// # Errors
    /// When nobody listens there or the host forbids forwarding.
    pub async fn dial(&self, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        match self {
            Self::Local => local::dial(endpoint).await,
            Self::Ssh(ssh) => ssh.dial(endpoint).await,
        }
    }

    /// Whether it can still be used.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Local => true,
            Self::Ssh(ssh) => ssh.is_open(),
        }
    }

    /// Says goodbye; running commands lose their channel.
    pub async fn close(&self) {
        if let Self::Ssh(ssh) = self {
            ssh.close().await;
        }
    }
}
