//! `docker_host_info`: what the engine of a host says of itself and holds.

use serde_json::json;

use crate::{
    options,
    protocol::{Json, Map},
    remote::{
        Module, Plan, Planned, Probe, Stop,
        docker::{Connection, Engine, engine::with_query, filters::encoded},
    },
};

options! {
    /// Says what the host's Docker engine is and holds; changes nothing.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_host_info:
    ///     containers: true
    ///   register: docker
    /// ```
    ///
    /// ## Returns
    /// `can_talk_to_docker`; `host_info`: as `docker info`; `containers`, `images`, `networks`, `volumes`, `disk_usage` where asked for.
    pub struct DockerHostInfo {
        /// List containers.
        containers: bool = false,
        /// Those that do not run too.
        containers_all: bool = false,
        /// Only these containers.
        containers_filters: Map,
        /// List images.
        images: bool = false,
        /// Only these images.
        images_filters: Map,
        /// List networks.
        networks: bool = false,
        /// Only these networks.
        networks_filters: Map,
        /// List volumes.
        volumes: bool = false,
        /// Only these volumes.
        volumes_filters: Map,
        /// Say what takes how much space.
        disk_usage: bool = false,
        /// Return everything about what is listed.
        verbose_output: bool = false,
        ..connection: Connection,
    }
}

/// What a list holds when not everything is asked for.
const CONTAINER: &[&str] = &["Id", "Image", "Command", "Created", "Status", "Ports", "Names"];
const IMAGE: &[&str] = &["Id", "RepoTags", "Created", "Size"];
const NETWORK: &[&str] = &["Id", "Driver", "Name", "Scope"];
const VOLUME: &[&str] = &["Driver", "Name"];

impl Module for DockerHostInfo {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        if engine.absent() {
            return Err(Stop::Unknown(
                "what the Docker engine says of itself is known after it is installed".to_owned(),
            ));
        }
        let mut plan = Plan::new();
        plan.set("can_talk_to_docker", true);
        plan.set("host_info", engine.get("/info")?.unwrap_or_default());
        let list = |path: &str, filters: &Map| engine.get(&with_query(path, &[("filters", &encoded(filters))]));
        if self.containers {
            let all = if self.containers_all { "/containers/json?all=1" } else { "/containers/json" };
            plan.set("containers", self.short(list(all, &self.containers_filters)?, CONTAINER));
        }
        if self.images {
            plan.set("images", self.short(list("/images/json", &self.images_filters)?, IMAGE));
        }
        if self.networks {
            plan.set("networks", self.short(list("/networks", &self.networks_filters)?, NETWORK));
        }
        if self.volumes {
            let volumes = list("/volumes", &self.volumes_filters)?.map(|answer| answer["Volumes"].clone());
            plan.set("volumes", self.short(volumes, VOLUME));
        }
        if self.disk_usage {
            let usage = engine.get("/system/df")?.unwrap_or_default();
            plan.set(
                "disk_usage",
                if self.verbose_output { usage } else { json!({"LayersSize": usage["LayersSize"]}) },
            );
        }
        Ok(plan)
    }
}

impl DockerHostInfo {
    fn short(&self, list: Option<Json>, fields: &[&str]) -> Json {
        let items = match list {
            Some(Json::Array(items)) => items,
            _ => Vec::new(),
        };
        if self.verbose_output {
            return items.into();
        }
        let one = |item: Json| fields.iter().map(|field| ((*field).to_owned(), item[*field].clone())).collect::<Map>();
        items.into_iter().map(one).collect::<Vec<_>>().into()
    }
}
