//! `docker_container_info`: how a container is.

use crate::{
    options,
    protocol::Json,
    remote::{
        Module, Plan, Planned, Probe,
        docker::{Connection, Engine},
    },
};

options! {
    /// Says how a container of the host's Docker engine is; changes nothing.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_container_info:
    ///     name: web
    ///   register: web
    /// ```
    ///
    /// ## Returns
    /// `exists`; `container`: as the engine's inspect shows it, `null` when there is none.
    pub struct DockerContainerInfo {
        /// Name or id of the container.
        name: String,
        ..connection: Connection,
    }
}

impl Module for DockerContainerInfo {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let found = Engine::connect(probe, &self.connection)?.container(&self.name)?;
        let mut plan = Plan::new();
        plan.set("exists", found.is_some());
        plan.set("container", found.map_or(Json::Null, |found| found.value));
        Ok(plan)
    }
}
