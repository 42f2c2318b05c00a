//! The catalog of proxies: what a rollout needs of whatever stands in front of a service.

use futures_util::future::BoxFuture;

use super::options::{ProxyKind, ProxyOptions};
use crate::{controller::executor::Turn, protocol::Failure};

mod haproxy;

/// Which requests a server gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// New ones, as long as it is up.
    Ready,
    /// No new ones; it finishes those it has, and is checked.
    Drain,
    /// None, and it is not checked.
    Out,
}

/// A server as a proxy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Which requests it gets.
    pub admission: Admission,
    /// Whether the proxy's own check finds it healthy.
    pub healthy: bool,
    /// What that check said last.
    pub check: String,
    /// Requests that it has, or that wait for it alone.
    pub busy: u64,
    /// Requests that went wrong there so far.
    pub errors: u64,
}

/// One proxy on its host.
pub trait Proxy: Send + Sync {
    /// The host it runs on.
    fn host(&self) -> &str;

    /// All servers of the backend.
    ///
    /// # Errors
    /// When the proxy cannot be asked.
    fn look(&self) -> BoxFuture<'_, Result<Vec<Server>, Failure>>;

    /// Says which requests a server gets.
    ///
    /// # Errors
    /// When the proxy refuses.
    fn admit<'a>(&'a self, server: &'a str, admission: Admission) -> BoxFuture<'a, Result<(), Failure>>;

    /// Takes a server as unhealthy until a check of the proxy's own has found otherwise.
    ///
    /// # Errors
    /// When the proxy refuses.
    fn distrust<'a>(&'a self, server: &'a str) -> BoxFuture<'a, Result<(), Failure>>;

    /// Cuts what a server still has to do.
    ///
    /// # Errors
    /// When the proxy refuses.
    fn cut<'a>(&'a self, server: &'a str) -> BoxFuture<'a, Result<(), Failure>>;

    /// Has the present state of servers outlive a reload of the proxy.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn keep(&self) -> BoxFuture<'_, Result<(), Failure>>;
}

/// The proxy of that kind on a host.
#[must_use]
pub fn open(turn: Turn, options: &ProxyOptions) -> Box<dyn Proxy> {
    match options.kind {
        ProxyKind::Haproxy => Box::new(haproxy::Haproxy::new(turn, options.clone())),
    }
}
