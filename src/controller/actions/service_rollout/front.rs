//! All proxies in front of the service, asked and told together.

use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, try_join_all};

use super::{
    plan::{Set, server_name},
    proxies::{Admission, Proxy, Server},
};
use crate::protocol::Failure;

/// Time between two looks: what is waited for takes longer.
const LOOK: Duration = Duration::from_millis(200);

/// Looks in a row that must find nothing under way.
const IDLE_LOOKS: u32 = 2;

/// The proxies.
pub(super) struct Front {
    pub(super) proxies: Vec<Box<dyn Proxy>>,
}

/// What the proxies call the containers of a set.
pub(super) fn servers_of(host: &str, set: &Set) -> Vec<String> {
    servers(host, &set.slot, set.names.len())
}

/// What the proxies call the replicas in a slot.
pub(super) fn servers(host: &str, slot: &str, replicas: usize) -> Vec<String> {
    (1..=replicas).map(|replica| server_name(host, slot, replica)).collect()
}

impl Front {
    /// Servers that a proxy does not know, and which.
    pub(super) async fn missing(&self, names: &[String]) -> Result<Vec<String>, Failure> {
        let mut missing = Vec::new();
        for (proxy, known) in self.proxies.iter().zip(self.look().await?) {
            for name in names.iter().filter(|name| known.iter().all(|server| server.name != **name)) {
                missing.push(format!("{name} on {}", proxy.host()));
            }
        }
        Ok(missing)
    }

    /// All servers, by proxy.
    pub(super) async fn look(&self) -> Result<Vec<Vec<Server>>, Failure> {
        try_join_all(self.proxies.iter().map(|proxy| proxy.look())).await
    }

    async fn of(&self, names: &[String]) -> Result<Vec<(String, Server)>, Failure> {
        let seen = self.look().await?;
        let all = self.proxies.iter().zip(seen).flat_map(|(proxy, servers)| {
            let wanted = servers.into_iter().filter(|server| names.contains(&server.name));
            wanted.map(|server| (proxy.host().to_owned(), server)).collect::<Vec<_>>()
        });
        Ok(all.collect())
    }

    /// Whether all proxies send requests to these servers.
    pub(super) async fn admits(&self, names: &[String]) -> Result<bool, Failure> {
        let seen = self.of(names).await?;
        Ok(seen.len() == names.len() * self.proxies.len()
            && seen.iter().all(|(_, server)| server.admission == Admission::Ready))
    }

    async fn each<'a>(
        &'a self,
        names: &'a [String],
        order: impl Fn(&'a dyn Proxy, &'a str) -> BoxFuture<'a, Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let orders = self.proxies.iter().flat_map(|proxy| names.iter().map(move |name| (proxy, name)));
        try_join_all(orders.map(|(proxy, name)| order(&**proxy, name))).await.map(drop)
    }

    /// Says which requests servers get.
    pub(super) async fn admit(&self, names: &[String], admission: Admission) -> Result<(), Failure> {
        self.each(names, |proxy, name| proxy.admit(name, admission)).await
    }

    /// Has servers checked anew while they get no requests: only a check from now on counts.
    pub(super) async fn begin_checks(&self, names: &[String]) -> Result<(), Failure> {
        self.admit(names, Admission::Drain).await?;
        self.each(names, |proxy, name| proxy.distrust(name)).await
    }

    /// Cuts what servers still have to do.
    pub(super) async fn cut(&self, names: &[String]) -> Result<(), Failure> {
        self.each(names, |proxy, name| proxy.cut(name)).await
    }

    /// Waits until every proxy has found these servers healthy by its own check.
    pub(super) async fn await_healthy(&self, names: &[String], patience: Duration) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let seen = self.of(names).await?;
            let Some((proxy, server)) = seen.iter().find(|(_, server)| !server.healthy) else { return Ok(()) };
            if begun.elapsed() >= patience {
                return Err(Failure::new(format!(
                    "the proxy on {proxy} does not find {} healthy within {} s: {}",
                    server.name,
                    patience.as_secs(),
                    server.check
                ))
                .hint("its own check (option httpchk) decides; see whether it reaches the port from there"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until servers have nothing to do any more; gives what is left when the time is up.
    pub(super) async fn await_idle(
        &self,
        names: &[String],
        patience: Duration,
        tell: impl Fn(u64),
    ) -> Result<u64, Failure> {
        let begun = Instant::now();
        let mut idle = 0;
        loop {
            let busy: u64 = self.of(names).await?.iter().map(|(_, server)| server.busy).sum();
            idle = if busy == 0 { idle + 1 } else { 0 };
            if idle >= IDLE_LOOKS {
                return Ok(0);
            }
            if begun.elapsed() >= patience {
                return Ok(busy);
            }
            if busy > 0 {
                tell(busy);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What went wrong at these servers so far, and which of them a proxy takes for unhealthy.
    pub(super) async fn troubles(&self, names: &[String]) -> Result<(u64, Option<String>), Failure> {
        let seen = self.of(names).await?;
        let down = seen.iter().find(|(_, server)| !server.healthy);
        let down =
            down.map(|(proxy, server)| format!("{} is down for the proxy on {proxy}: {}", server.name, server.check));
        Ok((seen.iter().map(|(_, server)| server.errors).sum(), down))
    }

    /// Has the state of servers outlive a reload.
    pub(super) async fn keep(&self) -> Result<(), Failure> {
        try_join_all(self.proxies.iter().map(|proxy| proxy.keep())).await.map(drop)
    }
}
