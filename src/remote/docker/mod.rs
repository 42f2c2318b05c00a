//! The Docker Engine of the host, asked over its Unix socket.

use std::io::{self, Read};

use super::{Applied, machine::system::System};
use crate::protocol::HttpRequest;

/// Sends one request that changes something.
///
/// # Errors
/// When the engine does not answer.
pub fn perform(
    _system: &dyn System,
    _request: &HttpRequest,
    _upload: Option<&mut dyn Read>,
    _progress: &mut dyn FnMut(&str, Option<(u64, u64)>),
) -> io::Result<Applied> {
    Err(io::ErrorKind::Unsupported.into())
}
