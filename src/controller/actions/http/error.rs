//! Why a web address gave no answer.

use crate::protocol::Failure;

/// There is no answer of a server to look at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address cannot be used.
    #[error("{url} is no web address: {reason}")]
    Address {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody listens there.
    #[error("{0}")]
    Dial(Failure),
    /// The proxy does not let us through.
    #[error("the proxy {proxy} refuses: {reason}")]
    Proxy {
        /// Its address, without credentials.
        proxy: String,
        /// What it said.
        reason: String,
    },
    /// No secure connection.
    #[error("no TLS with {host}: {}", in_openssl_words(.reason))]
    Tls {
        /// The name that was asked for.
        host: String,
        /// Why.
        reason: String,
    },
    /// Certificates or keys cannot be used.
    #[error("{0}")]
    Certificates(String),
    /// It took too long.
    #[error("timed out after {seconds} s while {doing}")]
    Timeout {
        /// The limit.
        seconds: u64,
        /// What was being done.
        doing: &'static str,
    },
    /// The server does not speak HTTP as it should.
    #[error("{0}")]
    Exchange(String),
    /// The answer breaks off.
    #[error("{0}")]
    Broken(String),
    /// Too many steps.
    #[error("the server redirects in circles: {0} redirections were followed")]
    Redirects(usize),
    /// More than fits.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// What was received cannot be kept.
    #[error("{0}")]
    Sink(String),
}

impl HttpError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Dial(failure) => failure.hint.clone(),
            Self::Tls { .. } => Some(
                "name the file of the authority with ca_path, or give up on checking with validate_certs: false".into(),
            ),
            Self::TooLarge { .. } => Some("use get_url for what is large".into()),
            _ => None,
        }
    }
}

/// Why a certificate is not taken, with the words that playbooks know from OpenSSL.
fn in_openssl_words(reason: &str) -> String {
    match reason {
        _ if reason.contains("certificate not valid for name") => {
            format!("certificate verify failed: Hostname mismatch: {reason}")
        }
        _ if reason.contains("invalid peer certificate") => format!("certificate verify failed: {reason}"),
        _ => reason.to_owned(),
    }
}

/// A chain of errors on one line: hyper and rustls say the interesting part in the source.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = source.source();
    }
    text
}
