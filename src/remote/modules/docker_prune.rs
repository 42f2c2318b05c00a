//! `docker_prune`: removes what nothing uses.

use crate::{
    options,
    protocol::{Change, Json, Map},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        docker::{Connection, Engine, engine::with_query, filters::encoded},
    },
};

options! {
    /// Removes stopped containers, unused images, networks, volumes and build cache of the host's Docker engine.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_prune:
    ///     images: true
    ///     images_filters: { dangling: false }
    /// ```
    ///
    /// ## Returns
    /// `containers`, `images`, `networks`, `volumes`: what was removed; `*_space_reclaimed`: bytes.
    pub struct DockerPrune {
        /// Remove stopped containers.
        containers: bool = false,
        /// Only these containers.
        containers_filters: Map,
        /// Remove images that no container uses and that have no name.
        images: bool = false,
        /// Only these images; `dangling: false` takes those with a name too.
        images_filters: Map,
        /// Remove networks without containers.
        networks: bool = false,
        /// Only these networks.
        networks_filters: Map,
        /// Remove volumes that no container uses.
        volumes: bool = false,
        /// Only these volumes.
        volumes_filters: Map,
        /// Remove the build cache.
        builder_cache: bool = false,
        /// All of it, not only what nothing refers to.
        builder_cache_all: bool = false,
        /// Only this part of it.
        builder_cache_filters: Map,
        /// Keep this much of it, `1G` for one.
        builder_cache_keep_storage: Option<String>,
        ..connection: Connection,
    }
}

/// Path, field of the answer that lists what was removed, option.
const KINDS: [(&str, &str, &str); 5] = [
    ("/containers/prune", "ContainersDeleted", "containers"),
    ("/images/prune", "ImagesDeleted", "images"),
    ("/networks/prune", "NetworksDeleted", "networks"),
    ("/volumes/prune", "VolumesDeleted", "volumes"),
    ("/build/prune", "CachesDeleted", "builder_cache"),
];

impl Module for DockerPrune {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        let wanted = [
            (self.containers, &self.containers_filters),
            (self.images, &self.images_filters),
            (self.networks, &self.networks_filters),
            (self.volumes, &self.volumes_filters),
            (self.builder_cache, &self.builder_cache_filters),
        ];
        let keep = self.builder_cache_keep_storage.as_deref().map(crate::remote::docker::sizes::bytes);
        let keep = keep.transpose().map_err(Stop::failed)?.map(|bytes| bytes.to_string());
        let mut plan = Plan::new();
        for ((on, filters), (path, _, name)) in wanted.into_iter().zip(KINDS) {
            if !on {
                continue;
            }
            let filters = encoded(filters);
            let mut query = vec![("filters", filters.as_str())];
            if name == "builder_cache" {
                query.extend(keep.as_deref().map(|bytes| ("keep-storage", bytes)));
                query.extend(self.builder_cache_all.then_some(("all", "1")));
            }
            let what = name.replace('_', " ");
            plan.push(Change::Http(engine.request("POST", &with_query(path, &query), format!("remove unused {what}"))));
        }
        plan.changed = Some(false);
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        let paths: Vec<String> = plan
            .changes
            .iter()
            .map(|change| match change {
                Change::Http(request) => request.path.clone(),
                _ => String::new(),
            })
            .collect();
        for (path, applied) in paths.iter().zip(applied) {
            let Some((_, field, name)) = KINDS.into_iter().find(|(known, ..)| path.contains(known)) else { continue };
            let answer: Json = serde_json::from_str(&applied.stdout).unwrap_or_default();
            let gone = answer[field].as_array().cloned().unwrap_or_default();
            if !gone.is_empty() {
                plan.changed = Some(true);
            }
            if let Some(bytes) = answer["SpaceReclaimed"].as_u64() {
                plan.set(&format!("{name}_space_reclaimed"), bytes);
            }
            plan.set(if name == "builder_cache" { "builder_cache_caches_deleted" } else { name }, gone);
        }
        Ok(())
    }
}
