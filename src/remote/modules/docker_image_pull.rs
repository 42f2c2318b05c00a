//! `docker_image_pull`: brings an image from a registry.

use super::docker_image::{DockerImage, PullOptions, Source};
use crate::{
    choices, options,
    remote::{Applied, Module, Plan, Planned, Probe, Stop, docker::Connection},
};

choices! {
    /// When an image is pulled.
    pub enum When {
        /// When the registry has another one.
        Always = "always",
        /// When it is not there.
        Missing = "not_present",
    }
}

options! {
    /// Pulls an image into the host's Docker engine. With `pull: always` the registry is asked first, and nothing changes when it
    /// has the same one.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_image_pull:
    ///     name: postgres
    ///     tag: "9.6"
    /// ```
    ///
    /// ## Returns
    /// `image`: as the engine's inspect shows it. `actions`: what was done, in words.
    pub struct DockerImagePull {
        /// Name of the image, with or without tag.
        name: String,
        /// Its tag when the name has none.
        tag: String = "latest",
        /// Platform.
        platform: Option<String>,
        /// When it is pulled.
        pull: When = When::Always,
        ..connection: Connection,
    }
}

impl DockerImagePull {
    fn image(&self) -> DockerImage {
        DockerImage {
            source: Some(Source::Pull),
            force_source: self.pull == When::Always,
            pull: Some(PullOptions { platform: self.platform.clone() }),
            ..DockerImage::named(&self.name, &self.tag, &self.connection)
        }
    }
}

impl Module for DockerImagePull {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        self.image().plan(probe)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        self.image().report(plan, applied, probe)
    }
}
