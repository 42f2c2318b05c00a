//! The moment a server shows its key: judged by the files of known hosts and the policy.

use std::sync::{Arc, Mutex};

use russh::{
    client,
    keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate},
};

use super::{
    super::{ConnectError, HostKeyChecking},
    config::Settings,
    first_contact::{self, Unknown},
    keyring::Keyring,
    known_hosts::{KnownHosts, Verdict},
};

/// Where the handler leaves the reason for refusing a server.
pub(super) type Refusal = Arc<Mutex<Option<ConnectError>>>;

/// Judges one server.
pub(super) struct Judge {
    alias: String,
    name: String,
    host: String,
    destination: String,
    known: KnownHosts,
    policy: HostKeyChecking,
    file: Option<std::path::PathBuf>,
    hash: bool,
    refusal: Refusal,
}

impl Judge {
    pub(super) fn new(alias: &str, settings: &Settings, keyring: &Keyring) -> Result<Self, ConnectError> {
        Ok(Self {
            alias: alias.to_owned(),
            name: settings.known_name(),
            host: settings.host_key_alias.as_ref().unwrap_or(&settings.hostname).to_ascii_lowercase(),
            destination: settings.destination.clone(),
            known: KnownHosts::read(settings.known_hosts(), &keyring.known)?,
            policy: settings.strict,
            file: settings.user_known_hosts.first().cloned(),
            hash: settings.hash_known_hosts,
            refusal: Refusal::default(),
        })
    }

    pub(super) fn refusal(&self) -> Refusal {
        Arc::clone(&self.refusal)
    }

    /// Key types to ask the server for: those that are known for it first, so that it does not look like a stranger.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let family = |algorithm: &Algorithm| match algorithm {
            Algorithm::Rsa { .. } => Algorithm::Rsa { hash: None },
            other => other.clone(),
        };
        let held = self.known.algorithms(&self.name, &self.host);
        let mut all = all_algorithms();
        all.sort_by_key(|algorithm| !held.contains(&family(algorithm)));
        all
    }

    /// Certificate types to ask for, when an authority is trusted for this server.
    pub(super) fn certificates(&self) -> Vec<Algorithm> {
        if self.known.has_authority(&self.name, &self.host) { all_algorithms() } else { Vec::new() }
    }

    fn judge(&self, offered: &PublicKeyOrCertificate) -> Result<(), ConnectError> {
        let key = offered.public_key();
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let (alias, name) = (self.alias.clone(), self.name.clone());
        match self.known.check(&self.name, &self.host, offered) {
            Verdict::Trusted => Ok(()),
            Verdict::Revoked { file, line } => {
                Err(ConnectError::RevokedHostKey { alias, name, fingerprint, file, line })
            }
            _ if self.policy == HostKeyChecking::Off => Ok(()),
            Verdict::BadCertificate(reason) => Err(ConnectError::HostCertificate { alias, name, reason }),
            Verdict::Changed { file, line } => Err(ConnectError::ChangedHostKey {
                alias,
                name,
                algorithm: key.algorithm().to_string(),
                fingerprint,
                file,
                line,
            }),
            Verdict::Unknown => {
                let unknown = Unknown {
                    alias,
                    name,
                    destination: self.destination.clone(),
                    algorithm: key.algorithm().to_string(),
                    fingerprint,
                    key,
                    file: self.file.clone(),
                    hash: self.hash,
                };
                match self.policy {
                    HostKeyChecking::AcceptNew => first_contact::accept(&[unknown]),
                    _ => Err(ConnectError::UnknownHostKey(Box::new(unknown))),
                }
            }
        }
    }
}

fn all_algorithms() -> Vec<Algorithm> {
    vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ]
}

impl client::Handler for Judge {
    type Error = russh::Error;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        match self.judge(offered) {
            Ok(()) => Ok(true),
            Err(error) => {
                if let Ok(mut refusal) = self.refusal.lock() {
                    *refusal = Some(error);
                }
                Ok(false)
            }
        }
    }

    // Said right after the login. What is sent carries the acknowledgement, for which the answer to our first channel may wait (`open_channel`).
    // The keys are not looked at.
    async fn openssh_ext_host_keys_announced(
        &mut self,
        _keys: Vec<PublicKey>,
        session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        session.send_keepalive(true)
    }

    // Servers have no business opening channels to us; refusing is the default for unknown ones only.
    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        reply.reject(russh::ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _socket_path: &str,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        reply.reject(russh::ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        reply.reject(russh::ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        reply.reject(russh::ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _host: &str,
        _port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        reply.reject(russh::ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _socket_path: &str,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        reply.reject(russh::ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: russh::Channel<client::Msg>,
        _originator_address: &str,
        _originator_port: u32,
        reply: client::ChannelOpenHandle,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        reply.reject(russh::ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }
}
