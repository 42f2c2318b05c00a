//! `docker_image_info`: which images are there and how they are.

use crate::{
    options,
    remote::{
        Module, Plan, Planned, Probe,
        docker::{Connection, Engine, reference::Reference},
    },
};

options! {
    /// Says how images of the host's Docker engine are; changes nothing.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_image_info:
    ///     name: [postgres:9.6]
    ///   register: found
    /// ```
    ///
    /// ## Returns
    /// `images`: those that are there, as the engine's inspect shows them.
    pub struct DockerImageInfo {
        /// Names or ids; all images when left out.
        name: Vec<String>,
        ..connection: Connection,
    }
}

impl Module for DockerImageInfo {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        let mut names = self.name.clone();
        if names.is_empty() {
            let all = engine.list("/images/json")?;
            names.extend(all.iter().filter_map(|image| image["Id"].as_str()).map(str::to_owned));
        }
        let mut images = Vec::new();
        for name in &names {
            images.extend(engine.image(&Reference::parse(name, "latest"))?.map(|image| image.value));
        }
        let mut plan = Plan::new();
        plan.set("images", images);
        Ok(plan)
    }
}
