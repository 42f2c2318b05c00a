//! SSH: one connection per host, entered with OpenSSH's configuration, keys and host-key rules.

mod auth;
mod channel;
pub mod config;
pub mod first_contact;
mod host_key;
pub mod keyring;
pub mod known_files;
mod known_hosts;
pub mod patterns;
#[cfg(test)]
mod tests;
mod transport;
#[cfg(test)]
mod trust_tests;

use std::{borrow::Cow, sync::Arc, time::Duration};

use russh::{Disconnect, MethodSet, Preferred, cipher, client};
use tokio::sync::Semaphore;

use super::{ConnectError, Endpoint, HostKeyChecking, Process, Secret, Stream, Target};
use config::{Places, Settings};
use host_key::Judge;
use keyring::Keyring;

/// Seconds for each step of getting in, where nobody says otherwise; Ansible's default.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Session channels at once: sshd allows ten and frees them late, so ten workers see refusals and six do not.
const SESSIONS_MAX: usize = 5;

/// Seconds between signs of life, where the configuration does not say: finds a dead peer within a minute.
const ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Refused openings are tried again this often: sshd counts a session for a moment after it has ended.
const OPEN_TRIES: u32 = 6;
/// How long an answer to an opened channel is waited for before each of these nudges.
const NUDGES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(4)];

/// An open SSH connection; clones share it.
#[derive(Clone)]
pub struct Ssh(Arc<Inner>);

struct Inner {
    alias: String,
    handle: client::Handle<Judge>,
    sessions: Arc<Semaphore>,
}

impl Ssh {
    /// Reaches and enters a host.
    ///
    /// # Errors
    /// As [`ConnectError`] tells.
    pub async fn open(target: &Target, keyring: &Arc<Keyring>) -> Result<Self, ConnectError> {
        let settings = settings_of(target)?;
        let places = Places::new(target.home.as_deref());
        Self::enter(&target.alias, &settings, &places, target.password.as_ref(), keyring, 0).await
    }

    async fn enter(
        alias: &str,
        settings: &Settings,
        places: &Places,
        password: Option<&Secret>,
        keyring: &Arc<Keyring>,
        depth: usize,
    ) -> Result<Self, ConnectError> {
        let mut handle = shake_hands(alias, settings, places, keyring, depth).await?;
        let login = auth::Login {
            alias,
            settings,
            password,
            keyring,
            limit: limit(settings),
            tried: Vec::new(),
            accepts: MethodSet::client_supported(),
            asked: false,
        };
        login.enter(&mut handle).await?;
        let sessions = Arc::new(Semaphore::new(SESSIONS_MAX));
        Ok(Self(Arc::new(Inner { alias: alias.to_owned(), handle, sessions })))
    }

    /// Starts a command through the login shell.
    ///
    /// # Errors
    /// When the connection is gone or the server refuses.
    pub async fn exec(&self, command: &str) -> Result<Process, ConnectError> {
        let permit = Arc::clone(&self.0.sessions).acquire_owned().await.map_err(|_| self.lost("it was closed"))?;
        self.start(command, Some(permit)).await
    }

    /// The same for a command that stays: it takes none of the places for short ones.
    ///
    /// # Errors
    /// As [`Ssh::exec`].
    pub async fn exec_resident(&self, command: &str) -> Result<Process, ConnectError> {
        self.start(command, None).await
    }

    async fn start(
        &self,
        command: &str,
        permit: Option<tokio::sync::OwnedSemaphorePermit>,
    ) -> Result<Process, ConnectError> {
        let mut tries = 0;
        let channel = loop {
            tries += 1;
            match self.open_channel().await {
                Ok(channel) => break channel,
                Err(russh::Error::ChannelOpenFailure(reason)) if tries >= OPEN_TRIES => {
                    return Err(ConnectError::Refused { alias: self.0.alias.clone(), reason: format!("{reason:?}") });
                }
                Err(russh::Error::ChannelOpenFailure(_)) => {
                    tokio::time::sleep(Duration::from_millis(10 << tries)).await;
                }
                Err(error) => return Err(self.lost(&error.to_string())),
            }
        };
        channel.exec(true, command).await.map_err(|error| self.lost(&error.to_string()))?;
        Ok(channel::process(channel, permit))
    }

    /// Opens a channel. The host's kernel (Nagle) holds the answer to the first one back until what it has said after the login is
    /// acknowledged, and ours waits up to 40 ms for something to send along: so something is sent.
    async fn open_channel(&self) -> Result<russh::Channel<client::Msg>, russh::Error> {
        let mut opened = std::pin::pin!(self.0.handle.channel_open_session());
        for patience in NUDGES {
            if let Ok(opened) = tokio::time::timeout(patience, &mut opened).await {
                return opened;
            }
            self.0.handle.send_keepalive(true).await?;
        }
        opened.await
    }

    /// Connects to a socket as the host sees it.
    ///
    /// # Errors
    /// When the server refuses, or nobody listens there.
    pub async fn dial(&self, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        let handle = &self.0.handle;
        let opened = match endpoint {
            Endpoint::Unix(path) => handle.channel_open_direct_streamlocal(path.to_string_lossy()).await,
            Endpoint::Tcp { host, port } => {
                handle.channel_open_direct_tcpip(host.as_str(), u32::from(*port), "127.0.0.1", 0).await
            }
        };
        match opened {
            Ok(channel) => Ok(channel::stream(channel, self.clone())),
            Err(russh::Error::ChannelOpenFailure(russh::ChannelOpenFailure::AdministrativelyProhibited)) => {
                Err(ConnectError::Forbidden { host: self.0.alias.clone(), endpoint: endpoint.to_string() })
            }
            Err(russh::Error::ChannelOpenFailure(reason)) => Err(ConnectError::Dial {
                host: self.0.alias.clone(),
                endpoint: endpoint.to_string(),
                reason: match reason {
                    russh::ChannelOpenFailure::ConnectFailed => "nobody answers there".into(),
                    other => format!("{other:?}"),
                },
            }),
            Err(error) => Err(self.lost(&error.to_string())),
        }
    }

    /// Whether it can still be used.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.0.handle.is_closed()
    }

    /// Says goodbye.
    pub async fn close(&self) {
        let _ = self.0.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }

    fn lost(&self, reason: &str) -> ConnectError {
        ConnectError::Lost { alias: self.0.alias.clone(), reason: reason.to_owned() }
    }
}

/// The settings for a target, with what was said outside the SSH configuration laid over them.
fn settings_of(target: &Target) -> Result<Settings, ConnectError> {
    let mut settings = config::resolve(target, &Places::new(target.home.as_deref()))?;
    if let Some(limit) = target.connect_timeout {
        settings.connect_timeout.get_or_insert(limit);
    }
    // An explicit word in the SSH configuration is about this host; the other is about all.
    if let Some(policy) = target.host_key_checking
        && (!settings.strict_named || policy == HostKeyChecking::Off)
    {
        settings.strict = policy;
        settings.strict_named = true;
    }
    Ok(settings)
}

fn limit(settings: &Settings) -> Duration {
    settings.connect_timeout.unwrap_or(CONNECT_LIMIT)
}

/// Goes as far as the host key, without logging in.
async fn handshake(
    target: &Target,
    settings: &Settings,
    keyring: &Arc<Keyring>,
    depth: usize,
) -> Result<(), ConnectError> {
    let places = Places::new(target.home.as_deref());
    let handle = shake_hands(&target.alias, settings, &places, keyring, depth).await?;
    let _ = handle.disconnect(Disconnect::ByApplication, "", "").await;
    Ok(())
}

async fn shake_hands(
    alias: &str,
    settings: &Settings,
    places: &Places,
    keyring: &Arc<Keyring>,
    depth: usize,
) -> Result<client::Handle<Judge>, ConnectError> {
    let judge = Judge::new(alias, settings, keyring)?;
    let refusal = judge.refusal();
    let config = Arc::new(client_config(settings, &judge));
    let stream = transport::reach(alias, settings, places, limit(settings), keyring, depth).await?;
    let connect = client::connect_stream(config, stream, judge);
    let handle = transport::within(alias, settings, limit(settings), "shaking hands", connect).await?;
    handle.map_err(|error| {
        let judged = refusal.lock().ok().and_then(|mut refusal| refusal.take());
        judged.unwrap_or_else(|| ConnectError::Handshake {
            alias: alias.to_owned(),
            host: settings.hostname.clone(),
            port: settings.port,
            reason: error.to_string(),
        })
    })
}

fn client_config(settings: &Settings, judge: &Judge) -> client::Config {
    let ciphers = vec![
        // Hardware does AES; the other order doubles the cost of every byte.
        cipher::AES_256_GCM,
        cipher::AES_128_GCM,
        cipher::CHACHA20_POLY1305,
        cipher::AES_256_CTR,
        cipher::AES_192_CTR,
        cipher::AES_128_CTR,
    ];
    client::Config {
        preferred: Preferred {
            key: Cow::Owned(judge.algorithms()),
            host_key_certificates: Cow::Owned(judge.certificates()),
            cipher: Cow::Owned(ciphers),
            ..Preferred::DEFAULT
        },
        keepalive_interval: Some(settings.alive_interval.unwrap_or(ALIVE_INTERVAL)),
        keepalive_max: settings.alive_count,
        nodelay: true,
        ..client::Config::default()
    }
}
