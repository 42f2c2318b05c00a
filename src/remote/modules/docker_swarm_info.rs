//! `docker_swarm_info`: what a swarm is and holds.

use serde_json::json;

use crate::{
    options,
    protocol::{Json, Map},
    remote::{
        Module, Plan, Planned, Probe, Stop,
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

impl Module for DockerSwarmInfo {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let mut plan = Plan::new();
        for flag in FLAGS {
            plan.set(flag, false);
        }
        // A host that is no manager is told apart from one without an engine, as in Ansible.
        match self.look(probe, &mut plan) {
            Err(Stop::Failed(failure, result)) => {
                Err(Stop::Failed(failure, plan.result.into_iter().chain(result).collect()))
            }
            looked => looked.map(|()| plan),
        }
    }
}

const FLAGS: [&str; 3] = ["can_talk_to_docker", "docker_swarm_active", "docker_swarm_manager"];

impl DockerSwarmInfo {
    fn look(&self, probe: &Probe<'_>, plan: &mut Plan) -> Result<(), Stop> {
        let engine = Engine::connect(probe, &self.connection)?;
        let (is, predicted) = swarm::membership(&engine)?;
        plan.set(FLAGS[0], true);
        plan.set(FLAGS[1], matches!(is, Membership::Manager | Membership::Worker));
        plan.set(FLAGS[2], is == Membership::Manager);
        swarm::manager(&engine)?;
        if predicted {
            return Err(Stop::Unknown("what a swarm holds is known after it is made".to_owned()));
        }
        plan.set("swarm_facts", engine.get("/swarm")?.unwrap_or_default());
        let list = |what: &str, filters: &Map| {
            engine.list(&with_query(&format!("/{what}"), &[("filters", &encoded(filters))]))
        };
        let mut tell = |what: &str, found: Vec<Json>, short: &dyn Fn(&Json) -> Json| {
            plan.set(what, if self.verbose_output { json!(found) } else { found.iter().map(short).collect() });
        };
        if self.nodes {
            tell("nodes", list("nodes", &self.nodes_filters)?, &node);
        }
        if self.services {
            let found = list("services", &self.services_filters)?;
            let count = found.len();
            tell("services", found, &|item| service(item, count));
        }
        if self.tasks {
            let nodes = list("nodes", &Map::new())?;
            tell("tasks", list("tasks", &self.tasks_filters)?, &|item| task(item, &nodes));
        }
        if self.unlock_key {
            let key = engine.get("/swarm/unlockkey")?.unwrap_or_default();
            plan.set("swarm_unlock_key", key["UnlockKey"].as_str().filter(|key| !key.is_empty()));
        }
        Ok(())
    }
}

/// What Ansible says of a node.
fn node(item: &Json) -> Json {
    let manager = &item["ManagerStatus"];
    json!({
        "ID": item["ID"],
        "Hostname": item["Description"]["Hostname"],
        "Status": item["Status"]["State"],
        "Availability": item["Spec"]["Availability"],
        "ManagerStatus": if manager["Leader"] == true { json!("Leader") } else { manager["Reachability"].clone() },
        "EngineVersion": item["Description"]["Engine"]["EngineVersion"],
    })
}

/// What Ansible says of a service; of one that runs everywhere it gives the number of services listed.
fn service(item: &Json, count: usize) -> Json {
    let spec = &item["Spec"];
    let replicas = &spec["Mode"]["Replicated"]["Replicas"];
    let (mode, replicas) = if replicas.is_null() { ("Global", json!(count)) } else { ("Replicated", replicas.clone()) };
    let ports = &spec["EndpointSpec"]["Ports"];
    json!({
        "ID": item["ID"],
        "Name": spec["Name"],
        "Mode": mode,
        "Replicas": replicas,
        "Image": spec["TaskTemplate"]["ContainerSpec"]["Image"],
        "Ports": if ports.is_null() { json!([]) } else { ports.clone() },
    })
}

/// What Ansible says of a task.
fn task(item: &Json, nodes: &[Json]) -> Json {
    let status = &item["Status"];
    let node = nodes.iter().find(|node| node["ID"] == item["NodeID"]);
    json!({
        "ID": item["ID"],
        "ContainerID": status["ContainerStatus"]["ContainerID"],
        "Image": item["Spec"]["ContainerSpec"]["Image"],
        "Node": node.map(|node| &node["Description"]["Hostname"]),
        "DesiredState": item["DesiredState"],
        "CurrentState": status["State"],
        "Error": status["Err"],
    })
}
