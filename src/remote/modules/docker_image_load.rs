//! `docker_image_load`: takes the images out of an archive.

use std::path::PathBuf;

use serde_json::json;

use super::docker_image::manifest;
use crate::{
    options,
    protocol::{Change, Json},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        docker::{Connection, Engine, engine::effect, reference::Reference},
    },
};

options! {
    /// Loads all images of an archive that `docker save` made into the host's Docker engine; nothing changes when they are all
    /// there.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_image_load:
    ///     path: /srv/images/postgres.tar
    /// ```
    ///
    /// ## Returns
    /// `image_names`: what the archive holds. `images`: the same as the engine's inspect shows them.
    pub struct DockerImageLoad {
        /// The archive, on the host.
        path: PathBuf,
        ..connection: Connection,
    }
}

impl Module for DockerImageLoad {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        let held = manifest(probe, &self.path)?;
        let mut plan = Plan::new();
        let mut all_there = !held.is_empty();
        for (name, id) in &held {
            let found = engine.image(&Reference::parse(name, "latest"))?;
            all_there &= found.is_some_and(|found| found.value["Id"] == **id);
        }
        plan.set("image_names", held.iter().map(|(name, _)| json!(name)).collect::<Vec<Json>>());
        if all_there {
            plan.set("images", images(&engine, &held)?);
            return Ok(plan);
        }
        let mut request =
            engine.request("POST", "/images/load?quiet=0", format!("load images from {}", self.path.display()));
        request.stream = true;
        request.upload_path = Some(self.path.clone());
        for (name, id) in &held {
            let predicted = json!({"Id": id, "RepoTags": [name]});
            request.effects.push(effect("image", &Reference::parse(name, "latest").canonical(), predicted));
            plan.diff(format!("image {name}"), "", format!("{id}\n"));
        }
        plan.push(Change::Http(request));
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if !applied.is_empty() {
            let engine = Engine::connect(probe, &self.connection)?;
            plan.set("images", images(&engine, &manifest(probe, &self.path)?)?);
        }
        Ok(())
    }
}

fn images(engine: &Engine<'_, '_>, held: &[(String, String)]) -> Result<Vec<Json>, Stop> {
    let mut images = Vec::new();
    for (name, _) in held {
        images.extend(engine.image(&Reference::parse(name, "latest"))?.map(|image| image.value));
    }
    Ok(images)
}
