//! `docker_volume_info`: how a volume is.

use crate::{
    options,
    protocol::Json,
    remote::{
        Module, Plan, Planned, Probe,
        docker::{Connection, Engine},
    },
};

options! {
    /// Says how a volume of the host's Docker engine is; changes nothing.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_volume_info:
    ///     name: database
    ///   register: database
    /// ```
    ///
    /// ## Returns
    /// `exists`; `volume`: as the engine's inspect shows it, `null` when there is none.
    pub struct DockerVolumeInfo {
        /// Name of the volume.
        name: String [volume_name],
        ..connection: Connection,
    }
}

impl Module for DockerVolumeInfo {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let found = Engine::connect(probe, &self.connection)?.volume(&self.name)?;
        let mut plan = Plan::new();
        plan.set("exists", found.is_some());
        plan.set("volume", found.map_or(Json::Null, |found| found.value));
        Ok(plan)
    }
}
