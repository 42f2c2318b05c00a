//! Options that `uri` and `get_url` share: Ansible's argument set for web requests.

use std::path::PathBuf;

use hyper::{HeaderMap, header, header::HeaderName};

use super::{
    Address, Client, HttpError,
    client::{header_value, log_in},
    netrc,
    on_host::slurp,
};
use crate::{
    controller::{connection::Kind, executor::Turn},
    options,
    protocol::{Failure, Map},
};

options! {
    /// How a web server is asked.
    pub struct WebOptions {
        /// Headers of the request.
        headers: Map,
        /// What to call oneself.
        http_agent: String = "ansible-httpget",
        /// Take the proxies that `http_proxy`, `https_proxy` and `no_proxy` name in the task's `environment` (and, where tasks run on the controller, in its own).
        use_proxy: bool = true,
        /// Whether the server has to prove who it is.
        validate_certs: bool = true,
        /// File on the host with certificates of authorities to trust, instead of the host's own.
        ca_path: Option<PathBuf>,
        /// Name to log in with; may also stand in the address.
        url_username: Option<String> [user username],
        /// Password to log in with.
        url_password: Option<String> [password],
        /// Send name and password at once instead of when the server asks for them.
        force_basic_auth: bool = false,
        /// File on the host with a certificate to show, and its key where `client_key` is missing.
        client_cert: Option<PathBuf>,
        /// File on the host with the key of `client_cert`.
        client_key: Option<PathBuf>,
        /// Accept gzip, and unpack it.
        decompress: bool = true,
        /// Headers that do not go along when the server redirects.
        unredirected_headers: Vec<String>,
        /// Log in with what the host's `~/.netrc` (or the file that the variable `NETRC` names) says of the server, where nothing else is said.
        use_netrc: bool = true,
        /// Kerberos is not spoken: `true` is refused.
        use_gssapi: bool = false,
        /// Cipher suites cannot be chosen, only safe ones are used: anything here is refused.
        ciphers: Vec<String>,
    }
}

impl WebOptions {
    /// What is asked for but cannot be done.
    #[must_use]
    pub fn refusal(&self) -> Option<&'static str> {
        if self.use_gssapi {
            return Some("use_gssapi is not supported: deployer does not speak Kerberos");
        }
        (!self.ciphers.is_empty()).then_some("ciphers cannot be chosen: only the safe ones of TLS 1.2 and 1.3 are used")
    }

    /// The headers that every request has.
    ///
    /// # Errors
    /// When a name or value cannot be one.
    pub fn headers(&self) -> Result<HeaderMap, Failure> {
        let failed = |error: HttpError| Failure::new(error.to_string());
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, header_value(&self.http_agent).map_err(failed)?);
        for (name, value) in &self.headers {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            headers.insert(header_name(name)?, header_value(&text).map_err(failed)?);
        }
        Ok(headers)
    }

    /// Sets up a client: whom it is, and which proxies it takes.
    ///
    /// # Errors
    /// When a header's name cannot be one.
    pub fn apply(&self, client: &mut Client<'_>, turn: &Turn) -> Result<(), Failure> {
        client.login =
            self.url_username.as_ref().map(|user| (user.clone(), self.url_password.clone().unwrap_or_default()));
        client.login_at_once = self.force_basic_auth;
        client.unredirected =
            self.unredirected_headers.iter().map(|name| header_name(name)).collect::<Result<_, _>>()?;
        if self.use_proxy {
            if turn.way.target.kind == Kind::Local {
                client.proxies.extend(std::env::vars().filter(|(name, _)| name.to_lowercase().ends_with("_proxy")));
            }
            for (name, value) in &turn.environment {
                // Either case of letters means the same: what the task says is not outvoted by the other one.
                client.proxies.retain(|old, _| !old.eq_ignore_ascii_case(name));
                client.proxies.insert(name.clone(), value.clone());
            }
        }
        Ok(())
    }
}

impl WebOptions {
    /// Adds the login that a netrc file on the host has for the server.
    ///
    /// # Errors
    /// When it cannot stand in a header.
    pub async fn known_login(&self, turn: &Turn, url: &str, headers: &mut HeaderMap) -> Result<(), Failure> {
        let Ok(address) = Address::parse(url) else { return Ok(()) };
        if !self.use_netrc || self.url_username.is_some() || address.login.is_some() {
            return Ok(());
        }
        let path = turn.environment.get("NETRC").map_or("~/.netrc", String::as_str);
        // None is there, or it is somebody else's: there is nothing to know then.
        let Ok(text) = slurp(turn, path).await else { return Ok(()) };
        match netrc::login(&String::from_utf8_lossy(&text), &address.host) {
            Some(login) => {
                log_in(headers, header::AUTHORIZATION, &login).map_err(|error| Failure::new(error.to_string()))
            }
            None => Ok(()),
        }
    }
}

fn header_name(name: &str) -> Result<HeaderName, Failure> {
    HeaderName::from_bytes(name.trim().as_bytes())
        .map_err(|_| Failure::new(format!("{name:?} cannot be the name of a header")))
}
