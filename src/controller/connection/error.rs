//! Why a host cannot be reached or talked to: what, where, and what to do about it.

use std::{io, path::PathBuf};

use super::ssh::first_contact::Unknown;

/// The world between the controller and a host failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name leads nowhere.
    #[error("{alias}: the name {name} cannot be resolved: {source}")]
    Resolve {
        /// Inventory name.
        alias: String,
        /// Host name as resolved from the configuration.
        name: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// Nobody answers at the address.
    #[error("{alias}: {host} port {port} cannot be reached: {source}")]
    Unreachable {
        /// Inventory name.
        alias: String,
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// It took too long.
    #[error("{alias}: no answer from {host} port {port} within {seconds} s while {doing}")]
    Timeout {
        /// Inventory name.
        alias: String,
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// The limit.
        seconds: u64,
        /// What was being done.
        doing: &'static str,
    },
    /// Neither the password question nor the other user's shell came in time.
    #[error("Timed out waiting for become success or become password prompt ({seconds} s); the host said: {said}")]
    Become {
        /// The limit.
        seconds: u64,
        /// What came instead.
        said: String,
    },
    /// Something answers, but not as an SSH server we can talk to.
    #[error("{alias}: {host} port {port} does not complete an SSH handshake: {reason}")]
    Handshake {
        /// Inventory name.
        alias: String,
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// What went wrong.
        reason: String,
    },
    /// The server does not let us in.
    #[error(
        "{alias}: {user}@{host} port {port} refused every way to log in; tried: {tried}; the server takes: {accepts}"
    )]
    Auth {
        /// Inventory name.
        alias: String,
        /// Login name.
        user: String,
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// What was tried, in order.
        tried: String,
        /// The server's methods.
        accepts: String,
        /// Whether a password was at hand.
        had_password: bool,
    },
    /// No file knows the host.
    #[error("{}: the host key of {} is not known: {} {}", .0.alias, .0.name, .0.algorithm, .0.fingerprint)]
    UnknownHostKey(Box<Unknown>),
    /// The host has another key than before.
    #[error("{alias}: THE HOST KEY OF {name} HAS CHANGED: it offers {algorithm} {fingerprint}, but {}:{line} has another key", file.display())]
    ChangedHostKey {
        /// Inventory name.
        alias: String,
        /// Name in `known_hosts`.
        name: String,
        /// Key type offered.
        algorithm: String,
        /// SHA-256 fingerprint offered.
        fingerprint: String,
        /// File that holds another one.
        file: PathBuf,
        /// Its line.
        line: usize,
    },
    /// The key is marked as revoked.
    #[error("{alias}: the host key of {name} ({fingerprint}) is revoked by {}:{line}", file.display())]
    RevokedHostKey {
        /// Inventory name.
        alias: String,
        /// Name in `known_hosts`.
        name: String,
        /// SHA-256 fingerprint offered.
        fingerprint: String,
        /// File that revokes it.
        file: PathBuf,
        /// Its line.
        line: usize,
    },
    /// The host shows a certificate that does not hold.
    #[error("{alias}: the host certificate of {name} is not valid: {reason}")]
    HostCertificate {
        /// Inventory name.
        alias: String,
        /// Name in `known_hosts`.
        name: String,
        /// Why.
        reason: String,
    },
    /// The SSH configuration is wrong.
    #[error("{}:{line}: {message}", file.display())]
    Config {
        /// File; `command line` for options given there.
        file: PathBuf,
        /// Line.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A key or certificate file cannot be used.
    #[error("{alias}: the key {} cannot be used: {reason}", path.display())]
    Key {
        /// Inventory name.
        alias: String,
        /// File.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A jump host on the way failed.
    #[error("{alias}: the jump host on the way failed: {source}")]
    Jump {
        /// Inventory name of the host behind it.
        alias: String,
        /// Why.
        source: Box<ConnectError>,
    },
    /// The proxy command failed.
    #[error("{alias}: the ProxyCommand `{command}` cannot be started: {source}")]
    Proxy {
        /// Inventory name.
        alias: String,
        /// Command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A file of known hosts cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    KnownHosts {
        /// `read` or `write`.
        doing: &'static str,
        /// File.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An open connection ended.
    #[error("{alias}: the connection was lost: {reason}")]
    Lost {
        /// Inventory name.
        alias: String,
        /// Why.
        reason: String,
    },
    /// The server opens no more channels.
    #[error("{alias}: the server refuses to run a command: {reason}")]
    Refused {
        /// Inventory name.
        alias: String,
        /// Why.
        reason: String,
    },
    /// A process cannot be started here.
    #[error("{host}: cannot start a process: {source}")]
    Start {
        /// Where.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The server opens no sockets for us.
    #[error("{host}: cannot connect to {endpoint}: sshd forbids forwarding")]
    Forbidden {
        /// Inventory name.
        host: String,
        /// What was dialled.
        endpoint: String,
    },
    /// A socket on the host cannot be opened.
    #[error("{host}: cannot connect to {endpoint}: {reason}")]
    Dial {
        /// Inventory name.
        host: String,
        /// What was dialled.
        endpoint: String,
        /// Why.
        reason: String,
    },
}

impl ConnectError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Resolve { name, .. } => {
                format!("check the spelling, set ansible_host, or add `Host {name}` with HostName to ~/.ssh/config")
            }
            Self::Unreachable { source, port, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                format!("the machine answers but nothing listens on port {port}: is sshd running, is ansible_port right?")
            }
            Self::Unreachable { .. } | Self::Timeout { doing: "connecting", .. } => {
                "is the machine up, is the address right, does a firewall or a missing VPN or ProxyJump stand between?".into()
            }
            Self::Timeout { .. } => "the host is reachable but slow; raise the limit with --timeout".into(),
            Self::Handshake { .. } => "is this port really an SSH server? Compare with `ssh -v`".into(),
            Self::Auth { had_password, user, host, .. } => {
                if *had_password {
                    format!("check the password and the user, and that `ssh {user}@{host}` works")
                } else {
                    format!(
                        "check that `ssh {user}@{host}` works without a question; name a key with --private-key, load it with \
                         ssh-add, or ask for a password with -k"
                    )
                }
            }
            Self::UnknownHostKey(unknown) => format!(
                "compare the fingerprint on the host (`ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub`), then connect once with `ssh {}`",
                unknown.short_algorithm(),
                unknown.destination
            ),
            Self::ChangedHostKey { name, file, .. } => format!(
                "either the machine was installed anew or someone stands between; if you know that it was, run \
                 `ssh-keygen -R '{name}' -f {}` and try again",
                file.display()
            ),
            Self::RevokedHostKey { .. } => "do not connect; the key was marked as stolen or retired".into(),
            Self::HostCertificate { .. } => {
                "have the certificate issued anew for this name, or remove the @cert-authority line".into()
            }
            Self::Become { .. } => "does the program ask in words of its own? become_exe, become_flags and ansible_su_prompt_l10n say how".into(),
            Self::Config { .. } => return None,
            Self::Key { .. } => "check the file with `ssh-keygen -y -f`; for an encrypted key load it with ssh-add".into(),
            Self::Jump { source, .. } => return source.hint(),
            Self::Proxy { .. } => "run the ProxyCommand by hand to see what it says".into(),
            Self::KnownHosts { path, .. } => format!("check the owner and mode of {}", path.display()),
            Self::Lost { .. } => "the machine may have restarted or the network broke; run again".into(),
            Self::Refused { .. } => "see MaxSessions and ForceCommand in the host's sshd_config".into(),
            Self::Start { .. } => return None,
            Self::Forbidden { .. } | Self::Dial { .. } => {
                "is the service running there, and may this user reach it? sshd must allow forwarding (AllowTcpForwarding, \
                 AllowStreamLocalForwarding)"
                    .into()
            }
        })
    }
}
