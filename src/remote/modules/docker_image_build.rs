//! `docker_image_build`: builds an image.

use super::docker_image::{DockerImage, Source};
use crate::{
    choices, options,
    protocol::{Blob, Map},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        docker::{Connection, build::Build},
    },
};

choices! {
    /// When an image that is there is built again.
    pub enum Rebuild {
        /// When its folder, the options or a base image changed.
        Never = "never",
        /// Always.
        Always = "always",
    }
}

options! {
    /// Builds an image in the host's Docker engine; the same as `docker_image` with `source: build`.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_image_build:
    ///     name: app
    ///     path: app/
    /// ```
    ///
    /// ## Returns
    /// `image`: as the engine's inspect shows it. `actions`: what was done, in words. `stdout`: what the build said.
    pub struct DockerImageBuild {
        /// Name of the image, with or without tag.
        name: String,
        /// Its tag when the name has none.
        tag: String = "latest",
        /// When it is built again.
        rebuild: Rebuild = Rebuild::Never,
        /// The folder to build is on the host.
        remote_src: bool = false,
        /// The folder to build, as tar archive.
        _context: Option<Blob>,
        /// Hash of the folder.
        _context_digest: Option<String>,
        /// Its files with a hash each.
        _context_files: Map,
        /// Images that the Dockerfile builds on.
        _bases: Vec<String>,
        ..build: Build,
        ..connection: Connection,
    }
}

impl DockerImageBuild {
    fn image(&self) -> DockerImage {
        DockerImage {
            source: Some(Source::Build),
            build: Some(self.build.clone()),
            force_source: self.rebuild == Rebuild::Always,
            _context: self._context.clone(),
            _context_digest: self._context_digest.clone(),
            _context_files: self._context_files.clone(),
            _bases: self._bases.clone(),
            ..DockerImage::named(&self.name, &self.tag, &self.connection)
        }
    }
}

impl Module for DockerImageBuild {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        self.image().plan(probe)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        self.image().report(plan, applied, probe)
    }
}
