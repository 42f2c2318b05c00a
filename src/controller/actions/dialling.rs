//! Streams to what the host can reach, for actions that speak a protocol from the controller.

use futures_util::future::BoxFuture;

use crate::{
    controller::{
        connection::{Connection, Endpoint, Stream},
        executor::Turn,
    },
    protocol::Failure,
};

/// Somebody who opens streams.
pub trait Dial: Sync {
    /// A stream to a socket.
    ///
    /// # Errors
    /// When nobody listens there.
    fn open<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<Stream, Failure>>;
}

impl Dial for Turn {
    fn open<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<Stream, Failure>> {
        Box::pin(self.dial(endpoint))
    }
}

/// Dials from the controller.
pub struct Here;

impl Dial for Here {
    fn open<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<Stream, Failure>> {
        Box::pin(async move {
            let dialled = Connection::Local.dial(endpoint).await;
            dialled.map_err(|error| Failure::new(error.to_string()))
        })
    }
}
