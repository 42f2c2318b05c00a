//! `docker_swarm_info`: what a swarm is and holds.

use serde_json::json;

use crate::{
    options,
    protocol::{Json, Map},
    remote::{
        Module, Plan, Planned, Probe,
        docker::{
            Connection, Engine,
            engine::with_query,
            filters::encoded,
            swarm::{self, Membership},
        },
    },
};

options! {
    /// Says what the swarm of a manager is and holds; changes nothing. Tokens are masked wherever they are shown.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_swarm_info:
    ///     nodes: true
    ///   register: swarm
    /// ```
    ///
    /// ## Returns
    /// `can_talk_to_docker`, `docker_swarm_active`, `docker_swarm_manager`; `swarm_facts`; `nodes`, `services`, `tasks`,
    /// `swarm_unlock_key` where asked for. On hosts that are no managers it fails, as in Ansible.
    pub struct DockerSwarmInfo {
        /// List nodes.
        nodes: bool = false,
        /// Only these nodes.
        nodes_filters: Map,
        /// List services.
        services: bool = false,
        /// Only these services.
        services_filters: Map,
        /// List tasks.
        tasks: bool = false,
        /// Only these tasks.
        tasks_filters: Map,
        /// Return the key that opens locked managers.
        unlock_key: bool = false,
        /// Return everything about what is listed.
        verbose_output: bool = false,
        ..connection: Connection,
    }
}

/// What a list holds when not everything is asked for, and where it is found.
type Fields = &'static [(&'static str, &'static str)];
const NODE: Fields = &[
    ("ID", "/ID"),
    ("Hostname", "/Description/Hostname"),
    ("Status", "/Status/State"),
    ("Availability", "/Spec/Availability"),
    ("ManagerStatus", "/ManagerStatus/Reachability"),
    ("EngineVersion", "/Description/Engine/EngineVersion"),
];
const SERVICE: Fields = &[
    ("ID", "/ID"),
    ("Name", "/Spec/Name"),
    ("Mode", "/Spec/Mode"),
    ("Image", "/Spec/TaskTemplate/ContainerSpec/Image"),
    ("Ports", "/Spec/EndpointSpec/Ports"),
];
const TASK: Fields = &[
    ("ID", "/ID"),
    ("ServiceID", "/ServiceID"),
    ("NodeID", "/NodeID"),
    ("Image", "/Spec/ContainerSpec/Image"),
    ("DesiredState", "/DesiredState"),
    ("CurrentState", "/Status/State"),
    ("Error", "/Status/Err"),
];

impl Module for DockerSwarmInfo {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        if swarm::manager(&engine)? {
            return Err(crate::remote::Stop::Unknown("what a swarm holds is known after it is made".to_owned()));
        }
        let mut plan = Plan::new();
        plan.set("can_talk_to_docker", true);
        plan.set("docker_swarm_active", true);
        plan.set("docker_swarm_manager", swarm::membership(&engine)?.0 == Membership::Manager);
        plan.set("swarm_facts", engine.get("/swarm")?.unwrap_or_default());
        let lists = [
            (self.nodes, "nodes", &self.nodes_filters, NODE),
            (self.services, "services", &self.services_filters, SERVICE),
            (self.tasks, "tasks", &self.tasks_filters, TASK),
        ];
        for (asked, name, filters, fields) in lists {
            if asked {
                let found = engine.list(&with_query(&format!("/{name}"), &[("filters", &encoded(filters))]))?;
                let short = |item: &Json| {
                    let field = |(name, at): &(&str, &str)| Some(((*name).to_owned(), item.pointer(at)?.clone()));
                    Json::from(fields.iter().filter_map(field).collect::<Map>())
                };
                plan.set(name, if self.verbose_output { json!(found) } else { found.iter().map(short).collect() });
            }
        }
        if self.unlock_key {
            let key = engine.get("/swarm/unlockkey")?.unwrap_or_default();
            plan.set("swarm_unlock_key", key["UnlockKey"].clone());
        }
        Ok(plan)
    }
}
