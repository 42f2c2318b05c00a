//! `docker_network_info`: how a network is.

use crate::{
    options,
    protocol::Json,
    remote::{
        Module, Plan, Planned, Probe,
        docker::{Connection, Engine},
    },
};

options! {
    /// Says how a network of the host's Docker engine is; changes nothing.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_network_info:
    ///     name: backend
    ///   register: backend
    /// ```
    ///
    /// ## Returns
    /// `exists`; `network`: as the engine's inspect shows it, `null` when there is none.
    pub struct DockerNetworkInfo {
        /// Name or id of the network.
        name: String,
        ..connection: Connection,
    }
}

impl Module for DockerNetworkInfo {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let found = Engine::connect(probe, &self.connection)?.network(&self.name)?;
        let mut plan = Plan::new();
        plan.set("exists", found.is_some());
        plan.set("network", found.map_or(Json::Null, |found| found.value));
        Ok(plan)
    }
}
