//! Why a helper does not run, or stopped running.

use super::super::{ConnectError, escalation::StartError};
use crate::{protocol::Failure, remote::modules};

/// A session could not be had or was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The other user could not be become.
    #[error("{0}")]
    Become(Failure),
    /// There is no such user to become.
    #[error("{0}")]
    NoUser(Failure),
    /// The host takes no helper; plain `sh` may still do.
    #[error("the host takes no helper: {reason}")]
    HelperRefused {
        /// Why.
        reason: String,
    },
    /// The helper ended before it answered.
    #[error("the helper on the host ended: {reason}")]
    Lost {
        /// How, with what it wrote to standard error.
        reason: String,
    },
    /// A step of its burst before it has failed.
    #[error("not carried out: a step before it has failed")]
    NotRun,
    /// Its own condition has left it out.
    #[error("not carried out: its condition does not hold")]
    LeftOut,
    /// What was asked of the host failed there.
    #[error("{0}")]
    Failed(Failure),
}

impl SessionError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect(error) => error.hint(),
            Self::Become(failure) | Self::NoUser(failure) | Self::Failed(failure) => failure.hint.clone(),
            Self::HelperRefused { reason } => Some(without_helper_hint(reason)),
            Self::NotRun | Self::LeftOut => None,
            Self::Lost { .. } => {
                Some("run again; if it comes back, look for the out-of-memory killer on the host".into())
            }
        }
    }
}

/// What still works where no helper runs, and what would let one run.
#[must_use]
pub fn without_helper_hint(reason: &str) -> String {
    let portable: Vec<&str> = modules::CATALOG.iter().filter(|entry| entry.portable).map(|entry| entry.name).collect();
    let works = format!("{} still work through plain sh", portable.join(", "));
    if reason.starts_with("no folder") {
        return format!(
            "{works}; for the others mount one of the named folders without noexec, or give the user a writable cache \
             folder"
        );
    }
    works
}

impl From<StartError> for SessionError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Connect(error) => Self::Connect(error),
            StartError::Become(failure) => Self::Become(failure),
            StartError::NoUser(failure) => Self::NoUser(failure),
        }
    }
}
