//! Logging in, with OpenSSH's methods in OpenSSH's order.

use std::{path::PathBuf, sync::Arc, time::Duration};

use russh::{
    AgentAuthError, MethodKind, MethodSet,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Interactive},
    keys::{
        Algorithm, Certificate, HashAlg, PrivateKeyWithHashAlg, PublicKey,
        agent::{AgentIdentity, client::AgentClient},
    },
};
use tokio::net::UnixStream;

use super::{
    super::{ConnectError, Secret},
    config::Settings,
    host_key::Judge,
    keyring::{KeyFile, Keyring, read_key},
    transport::within,
};

/// Rounds of questions a server may ask before we give up on it.
const INTERACTIVE_ROUNDS_MAX: usize = 10;

/// Seconds an agent may take to answer; it may ask its own user first.
const AGENT_LIMIT: Duration = Duration::from_mins(1);

type Agent = AgentClient<UnixStream>;

/// One login in the making.
pub(super) struct Login<'a> {
    pub(super) alias: &'a str,
    pub(super) settings: &'a Settings,
    pub(super) password: Option<&'a Secret>,
    pub(super) keyring: &'a Keyring,
    pub(super) limit: Duration,
    /// What was tried, for the message when nothing worked.
    pub(super) tried: Vec<String>,
    /// What the server still takes; before it has said so, all there is.
    pub(super) accepts: MethodSet,
    /// Whether it has said so.
    pub(super) asked: bool,
}

/// A key that may open the door.
enum Candidate {
    Agent(AgentIdentity),
    File { path: PathBuf, key: KeyFile },
    Certificate { path: PathBuf, key: KeyFile, certificate: Box<Certificate> },
}

impl Candidate {
    fn is_rsa(&self) -> bool {
        let algorithm = match self {
            Self::Agent(identity) => Some(identity.public_key().algorithm()),
            Self::Certificate { certificate, .. } => Some(certificate.algorithm()),
            Self::File { key, .. } => key.public().map(PublicKey::algorithm),
        };
        // A locked key may be anything.
        algorithm.is_none_or(|algorithm| matches!(algorithm, Algorithm::Rsa { .. }))
    }
}

impl Login<'_> {
    /// Tries everything until the server is content.
    pub(super) async fn enter(mut self, handle: &mut Handle<Judge>) -> Result<(), ConnectError> {
        let methods = self.settings.methods.clone();
        // A server that wants two methods says after the first which others are left: then the list is tried again.
        let mut used: Vec<String> = Vec::new();
        // Nearly every server takes a key, and to ask beforehand what it takes would cost a round trip.
        let mut refused_keys = false;
        if methods.first().is_some_and(|method| method == "publickey") {
            match self.keys(handle).await? {
                Step::In => return Ok(()),
                Step::Partly => used.push("publickey".into()),
                Step::Refused => refused_keys = true,
            }
        }
        if !self.asked {
            let none = handle.authenticate_none(self.settings.user.clone());
            let none = within(self.alias, self.settings, self.limit, "logging in", none).await?;
            if self.done(none)? {
                return Ok(());
            }
        }
        loop {
            let before = self.accepts.clone();
            let mut moved = false;
            for method in &methods {
                if used.contains(method) || refused_keys && method == "publickey" {
                    continue;
                }
                let partial = match method.as_str() {
                    "publickey" if self.takes(MethodKind::PublicKey) => self.keys(handle).await?,
                    "keyboard-interactive" if self.takes(MethodKind::KeyboardInteractive) => {
                        self.interactive(handle).await?
                    }
                    "password" if self.takes(MethodKind::Password) => self.password(handle).await?,
                    _ => Step::Refused,
                };
                match partial {
                    Step::In => return Ok(()),
                    Step::Partly => {
                        refused_keys = false;
                        used.push(method.clone());
                        moved = true;
                        break;
                    }
                    Step::Refused => {}
                }
            }
            if !moved || used.len() > methods.len() || self.accepts == before && used.is_empty() {
                return Err(self.refused());
            }
        }
    }

    fn takes(&self, kind: MethodKind) -> bool {
        self.accepts.contains(&kind)
    }

    fn refused(&self) -> ConnectError {
        let accepts: Vec<&str> = self.accepts.iter().map(<&str>::from).collect();
        let tried = if self.tried.is_empty() {
            "nothing, because no key or password is at hand".into()
        } else {
            self.tried.join(", ")
        };
        ConnectError::Auth {
            alias: self.alias.to_owned(),
            user: self.settings.user.clone(),
            host: self.settings.hostname.clone(),
            port: self.settings.port,
            tried,
            accepts: if accepts.is_empty() { "nothing more".into() } else { accepts.join(", ") },
            had_password: self.password.is_some(),
        }
    }

    /// Whether the server is content; an error ends the attempts, because the server hung up.
    fn done(&mut self, result: Result<AuthResult, russh::Error>) -> Result<bool, ConnectError> {
        Ok(matches!(self.step(result)?, Step::In))
    }

    fn step(&mut self, result: Result<AuthResult, russh::Error>) -> Result<Step, ConnectError> {
        self.asked = true;
        match result {
            Ok(AuthResult::Success) => Ok(Step::In),
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                // An empty list is how the library says that the server hung up, after too many keys for one.
                let hung_up = remaining_methods.is_empty() && !partial_success;
                self.accepts = remaining_methods;
                if hung_up && !self.tried.is_empty() {
                    self.tried.push("then the server hung up (too many attempts? set IdentitiesOnly yes)".into());
                    return Err(self.refused());
                }
                Ok(if partial_success { Step::Partly } else { Step::Refused })
            }
            Err(error) => {
                self.tried.push(format!("then the server hung up ({error})"));
                Err(self.refused())
            }
        }
    }

    async fn keys(&mut self, handle: &mut Handle<Judge>) -> Result<Step, ConnectError> {
        let mut agent = self.agent(handle).await;
        let candidates = self.candidates(agent.as_mut()).await;
        // Servers too old to say take SHA-2 or nothing we want to offer.
        let mut rsa = Some(HashAlg::Sha512);
        if candidates.iter().any(Candidate::is_rsa)
            && let Ok(Some(Some(hash))) = handle.best_supported_rsa_hash().await
        {
            rsa = Some(hash);
        }
        for candidate in candidates {
            if !self.takes(MethodKind::PublicKey) {
                break;
            }
            match self.offer(handle, agent.as_mut(), candidate, rsa).await? {
                Step::Refused => {}
                step => return Ok(step),
            }
        }
        Ok(Step::Refused)
    }

    async fn agent(&self, handle: &Handle<Judge>) -> Option<Agent> {
        let path = self.settings.agent.as_ref()?;
        let mut agent = AgentClient::connect(UnixStream::connect(path).await.ok()?);
        if let Some(binding) = handle.agent_session_binding() {
            // Agents that do not know the extension refuse it, and that is fine.
            let _ = tokio::time::timeout(AGENT_LIMIT, agent.bind_session(binding, false)).await;
        }
        Some(agent)
    }

    /// Certificates first, then agent keys that are also named, other agent keys, then files.
    async fn candidates(&mut self, agent: Option<&mut Agent>) -> Vec<Candidate> {
        let mut held = match agent {
            Some(agent) => match tokio::time::timeout(AGENT_LIMIT, agent.request_identities()).await {
                Ok(Ok(held)) => held,
                _ => Vec::new(),
            },
            None => Vec::new(),
        };
        let mut certificates = Vec::new();
        let mut files = Vec::new();
        for path in &self.settings.identity_files {
            match read_key(path) {
                Ok(Some(key)) => {
                    let mut beside = path.as_os_str().to_owned();
                    beside.push("-cert.pub");
                    let named = self.settings.certificate_files.iter().cloned();
                    for file in named.chain([PathBuf::from(beside)]) {
                        if let Ok(certificate) = Certificate::read_file(&file)
                            && key.public().is_some_and(|public| public.key_data() == certificate.public_key())
                            && let Ok(Some(key)) = read_key(path)
                        {
                            certificates.push(Candidate::Certificate {
                                path: file,
                                key,
                                certificate: Box::new(certificate),
                            });
                        }
                    }
                    files.push((path.clone(), key));
                }
                Ok(None) if self.settings.identities_named => {
                    self.tried.push(format!("{} (no such file)", path.display()));
                }
                Ok(None) => {}
                Err(reason) => self.tried.push(format!("{} (not usable: {reason})", path.display())),
            }
        }
        let named = |identity: &AgentIdentity| {
            let public = identity.public_key();
            files.iter().any(|(_, key)| key.public().is_some_and(|key| key.key_data() == public.key_data()))
        };
        let (first, rest): (Vec<_>, Vec<_>) = held.drain(..).partition(|identity| named(identity));
        let rest = if self.settings.identities_only { Vec::new() } else { rest };
        // What the agent signs with need not be unlocked here.
        files.retain(|(_, key)| {
            !key.public().is_some_and(|key| {
                first.iter().any(|identity| {
                    matches!(identity, AgentIdentity::PublicKey { .. })
                        && identity.public_key().key_data() == key.key_data()
                })
            })
        });
        let agents = first.into_iter().chain(rest).map(Candidate::Agent);
        let files = files.into_iter().map(|(path, key)| Candidate::File { path, key });
        certificates.into_iter().chain(agents).chain(files).collect()
    }

    async fn offer(
        &mut self,
        handle: &mut Handle<Judge>,
        agent: Option<&mut Agent>,
        candidate: Candidate,
        rsa: Option<HashAlg>,
    ) -> Result<Step, ConnectError> {
        let user = self.settings.user.clone();
        let hash = |algorithm: &Algorithm| if matches!(algorithm, Algorithm::Rsa { .. }) { rsa } else { None };
        match candidate {
            Candidate::Agent(identity) => {
                let Some(agent) = agent else { return Ok(Step::Refused) };
                let (result, name) = match identity {
                    AgentIdentity::PublicKey { key, comment } => {
                        let hash = hash(&key.algorithm());
                        let login = handle.authenticate_publickey_with(user, key, hash, agent);
                        (tokio::time::timeout(AGENT_LIMIT, login).await, comment)
                    }
                    AgentIdentity::Certificate { certificate, comment } => {
                        let hash = hash(&certificate.algorithm());
                        let login = handle.authenticate_certificate_with(user, certificate, hash, agent);
                        (tokio::time::timeout(AGENT_LIMIT, login).await, comment)
                    }
                };
                self.tried.push(format!("agent key {name}"));
                match result {
                    Ok(Ok(result)) => self.step(Ok(result)),
                    // An agent that declines one key is no reason to give up on the others.
                    Ok(Err(AgentAuthError::Key(_))) | Err(_) => Ok(Step::Refused),
                    Ok(Err(AgentAuthError::Send(_))) => self.step(Err(russh::Error::Disconnect)),
                }
            }
            Candidate::File { path, key } => {
                let Some(key) = self.open(handle, &path, key, rsa).await? else { return Ok(Step::Refused) };
                self.tried.push(format!("{}", path.display()));
                let key = PrivateKeyWithHashAlg::new(key, rsa);
                let login = handle.authenticate_publickey(user, key);
                let result = within(self.alias, self.settings, self.limit, "logging in", login).await?;
                self.step(result)
            }
            Candidate::Certificate { path, key, certificate } => {
                let key_path = path_of_key(&path, &self.settings.identity_files);
                let key = match key {
                    KeyFile::Open(key) => Some(key),
                    KeyFile::Locked(_) => self.keyring.unlock(&key_path).await,
                    KeyFile::Public(_) => None,
                };
                self.tried.push(format!("{}", path.display()));
                let result = match (key, agent) {
                    (Some(key), _) => {
                        let login = handle.authenticate_openssh_cert(user, key, *certificate);
                        within(self.alias, self.settings, self.limit, "logging in", login).await?
                    }
                    (None, Some(agent)) => {
                        let hash = hash(&certificate.algorithm());
                        let login = handle.authenticate_certificate_with(user, *certificate, hash, agent);
                        match tokio::time::timeout(AGENT_LIMIT, login).await {
                            Ok(Ok(result)) => Ok(result),
                            _ => return Ok(Step::Refused),
                        }
                    }
                    (None, None) => return Ok(Step::Refused),
                };
                self.step(result)
            }
        }
    }

    /// A file's private key; for a locked one the server is asked first, so that nobody types a passphrase in vain.
    async fn open(
        &mut self,
        handle: &mut Handle<Judge>,
        path: &std::path::Path,
        key: KeyFile,
        rsa: Option<HashAlg>,
    ) -> Result<Option<Arc<russh::keys::PrivateKey>>, ConnectError> {
        match key {
            KeyFile::Open(key) => Ok(Some(key)),
            KeyFile::Public(_) => Ok(None),
            KeyFile::Locked(public) => {
                if let Some(public) = public {
                    let hash = if matches!(public.algorithm(), Algorithm::Rsa { .. }) { rsa } else { None };
                    let mut probe = Probe(false);
                    let asked =
                        handle.authenticate_publickey_with(self.settings.user.clone(), public, hash, &mut probe);
                    let _ = within(self.alias, self.settings, self.limit, "logging in", asked).await?;
                    if !probe.0 {
                        self.tried.push(format!("{}", path.display()));
                        return Ok(None);
                    }
                }
                let key = self.keyring.unlock(path).await;
                if key.is_none() {
                    self.tried.push(format!("{} (its passphrase is not known)", path.display()));
                }
                Ok(key)
            }
        }
    }

    async fn password(&mut self, handle: &mut Handle<Judge>) -> Result<Step, ConnectError> {
        let Some(password) = self.password else { return Ok(Step::Refused) };
        self.tried.push("password".into());
        let login = handle.authenticate_password(self.settings.user.clone(), password.reveal());
        let result = within(self.alias, self.settings, self.limit, "logging in", login).await?;
        self.step(result)
    }

    async fn interactive(&mut self, handle: &mut Handle<Judge>) -> Result<Step, ConnectError> {
        let start = handle.authenticate_keyboard_interactive_start(self.settings.user.clone(), None);
        let mut answer = within(self.alias, self.settings, self.limit, "logging in", start).await?;
        let mut password = self.password;
        let mut said = false;
        for _ in 0..INTERACTIVE_ROUNDS_MAX {
            let prompts = match answer {
                Ok(Interactive::InfoRequest { prompts, .. }) => prompts,
                Ok(Interactive::Success) => return Ok(Step::In),
                Ok(Interactive::Failure { remaining_methods, partial_success }) => {
                    if said {
                        self.tried.push("keyboard-interactive".into());
                    }
                    return self.step(Ok(AuthResult::Failure { remaining_methods, partial_success }));
                }
                Err(error) => return self.step(Err(error)),
            };
            let mut responses = Vec::new();
            for prompt in prompts {
                // The first hidden question is the password's; what comes after is a code only a person knows.
                let given = if prompt.echo { None } else { password.take().map(|secret| secret.reveal().to_owned()) };
                let response = match given {
                    Some(response) => Some(response),
                    None => self
                        .keyring
                        .answer(self.alias, &prompt.prompt, prompt.echo)
                        .await
                        .map(|secret| secret.reveal().to_owned()),
                };
                said |= response.is_some();
                // The protocol wants an answer to every question; an empty one is refused by the server.
                responses.push(response.unwrap_or_default());
            }
            let respond = handle.authenticate_keyboard_interactive_respond(responses);
            answer = within(self.alias, self.settings, self.limit, "logging in", respond).await?;
        }
        Ok(Step::Refused)
    }
}

fn path_of_key(certificate: &std::path::Path, keys: &[PathBuf]) -> PathBuf {
    let text = certificate.to_string_lossy();
    let beside = PathBuf::from(text.strip_suffix("-cert.pub").unwrap_or(&text));
    if keys.contains(&beside) { beside } else { keys.first().cloned().unwrap_or(beside) }
}

impl KeyFile {
    fn public(&self) -> Option<&PublicKey> {
        match self {
            Self::Open(key) => Some(key.public_key()),
            Self::Locked(public) => public.as_ref(),
            Self::Public(public) => Some(public),
        }
    }
}

/// How one attempt ended.
enum Step {
    In,
    Partly,
    Refused,
}

/// A signer that only learns whether the server would take the key.
struct Probe(bool);

/// Why the probe does not sign.
#[derive(Debug)]
struct NotSigned;

impl From<russh::SendError> for NotSigned {
    fn from(_: russh::SendError) -> Self {
        Self
    }
}

impl russh::Signer for Probe {
    type Error = NotSigned;

    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        _hash: Option<HashAlg>,
        _data: Vec<u8>,
    ) -> Result<Vec<u8>, NotSigned> {
        self.0 = true;
        Err(NotSigned)
    }
}
