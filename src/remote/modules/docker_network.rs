//! `docker_network`: makes, replaces and removes networks and says which containers are in them.

use serde_json::json;
use std::fmt::Write as _;

use crate::{
    choices, options,
    protocol::{Change, HttpRequest, Json, Map},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        docker::{
            Connection, Engine,
            compare::shown,
            engine::{effect, encode},
            mounts::texts,
            suboptions,
        },
    },
};

choices! {
    /// What is to be true of a network.
    pub enum State {
        /// There.
        Present = "present",
        /// Gone; containers are disconnected.
        Absent = "absent",
    }
}

options! {
    /// Addresses of a network.
    pub struct Ipam {
        /// The subnet, as `10.1.0.0/16`.
        subnet: Option<String>,
        /// The part of it that containers get addresses from.
        iprange: Option<String>,
        /// The host's own address in it.
        gateway: Option<String>,
        /// Addresses that nobody gets.
        aux_addresses: Option<Map>,
    }
}
suboptions!(Ipam);

options! {
    /// Makes a network of the host's Docker engine. One that differs from the task is made anew: its containers are
    /// disconnected before and connected again after that.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_network:
    ///     name: backend
    ///     ipam_config:
    ///       - subnet: 172.30.0.0/24
    /// ```
    ///
    /// ## Returns
    /// `network`: as the engine's inspect shows it.
    pub struct DockerNetwork {
        /// Name of the network.
        name: String [network_name],
        /// Its driver.
        driver: String = "bridge",
        /// Options of the driver.
        driver_options: Map,
        /// Its addresses.
        ipam_config: Option<Vec<Ipam>>,
        /// What gives out its addresses.
        ipam_driver: Option<String>,
        /// Options of that.
        ipam_driver_options: Option<Map>,
        /// Only between containers, not to the outside.
        internal: Option<bool>,
        /// Containers may join it by hand (swarm).
        attachable: Option<bool>,
        /// Ingress of a swarm.
        ingress: Option<bool>,
        /// `local`, `global` or `swarm`.
        scope: Option<String>,
        /// With IPv6.
        enable_ipv6: Option<bool>,
        /// Labels.
        labels: Map,
        /// Containers that are in it; others are disconnected unless `appends` is true.
        connected: Option<Vec<String>> [containers],
        /// Leave other containers connected.
        appends: bool [incremental] = false,
        /// Make it anew whether or not anything differs.
        force: bool = false,
        /// What is to be true of it.
        state: State = State::Present,
        ..connection: Connection,
    }
}

impl Module for DockerNetwork {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        let found = engine.network(&self.name)?;
        let mut plan = Plan::new();
        let title = format!("network {}", self.name);
        let inside = found.as_ref().map(|found| containers(&found.value)).unwrap_or_default();
        if self.state == State::Absent {
            if found.is_some() {
                plan.diff(title, "present\n", "absent\n");
                self.remove(&engine, &inside, &mut plan);
            }
            return Ok(plan);
        }
        let Some(found) = found else {
            plan.diff(title, "absent\n", self.described());
            self.create(&engine, &mut plan);
            let wanted = self.connected.iter().flatten();
            plan.changes.extend(wanted.map(|name| Change::Http(self.connect(&engine, name))));
            return Ok(plan);
        };
        plan.set("network", found.value.clone());
        let differences = self.differences(&found.value);
        let (mut before, mut after) = (String::new(), String::new());
        for (what, is, should) in &differences {
            _ = writeln!(before, "{what}: {is}");
            _ = writeln!(after, "{what}: {should}");
        }
        let mut present = inside.clone();
        if self.force || !differences.is_empty() {
            if differences.is_empty() {
                after.push_str("made anew (force: true)\n");
            }
            self.remove(&engine, &inside, &mut plan);
            self.create(&engine, &mut plan);
            present.clear();
        }
        let mut wanted = match self.connected.as_ref().filter(|names| !names.is_empty()) {
            Some(connected) => connected.clone(),
            None => inside.clone(),
        };
        if self.appends {
            wanted.extend(inside.iter().filter(|name| !wanted.contains(name)).cloned().collect::<Vec<_>>());
        }
        for name in wanted.iter().filter(|name| !present.contains(name)) {
            plan.push(Change::Http(self.connect(&engine, name)));
        }
        for name in present.iter().filter(|name| !wanted.contains(name)) {
            plan.push(Change::Http(self.disconnect(&engine, name)));
        }
        if inside != wanted {
            _ = writeln!(before, "connected: {}", inside.join(" "));
            _ = writeln!(after, "connected: {}", wanted.join(" "));
        }
        if !plan.changes.is_empty() {
            plan.diff(title, before, after);
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if !applied.is_empty() && self.state == State::Present {
            let engine = Engine::connect(probe, &self.connection)?;
            plan.set("network", engine.network(&self.name)?.map_or(Json::Null, |network| network.value));
        }
        Ok(())
    }
}

/// Names of the containers in a network, sorted.
fn containers(network: &Json) -> Vec<String> {
    let inside = network["Containers"].as_object().into_iter().flat_map(Map::values);
    let mut names: Vec<String> = inside.filter_map(|one| one["Name"].as_str()).map(str::to_owned).collect();
    names.sort();
    names
}

impl DockerNetwork {
    fn body(&self) -> Json {
        let mut body = json!({
            "Name": self.name,
            "Driver": self.driver,
            "Options": texts(&self.driver_options),
            "Labels": texts(&self.labels),
            "CheckDuplicate": true,
        });
        let flags = [
            ("Internal", self.internal),
            ("Attachable", self.attachable),
            ("Ingress", self.ingress),
            ("EnableIPv6", self.enable_ipv6),
        ];
        for (name, flag) in flags {
            if let Some(flag) = flag {
                body[name] = json!(flag);
            }
        }
        if let Some(scope) = &self.scope {
            body["Scope"] = json!(scope);
        }
        if self.ipam_config.is_some() || self.ipam_driver.is_some() || self.ipam_driver_options.is_some() {
            let config: Vec<Json> = self.ipam_config.iter().flatten().map(Ipam::body).collect();
            body["IPAM"] = json!({"Config": config});
            body["IPAM"]["Driver"] = json!(self.ipam_driver.as_deref().unwrap_or("default"));
            if let Some(options) = &self.ipam_driver_options {
                body["IPAM"]["Options"] = texts(options).into();
            }
        }
        body
    }

    fn described(&self) -> String {
        let mut lines = format!("driver: {}\n", self.driver);
        for config in self.ipam_config.iter().flatten() {
            _ = writeln!(lines, "ipam_config: {}", shown(&config.body()));
        }
        lines
    }

    fn create(&self, engine: &Engine<'_, '_>, plan: &mut Plan) {
        let body = self.body();
        let mut request = engine.request("POST", "/networks/create", format!("create network {}", self.name));
        request.effects.push(effect("network", &self.name, body.clone()));
        request.body = Some(body.clone());
        plan.push(Change::Http(request));
        plan.set("network", body);
    }

    fn remove(&self, engine: &Engine<'_, '_>, inside: &[String], plan: &mut Plan) {
        plan.changes.extend(inside.iter().map(|name| Change::Http(self.disconnect(engine, name))));
        let path = format!("/networks/{}", encode(&self.name));
        let mut request = engine.request("DELETE", &path, format!("remove network {}", self.name));
        request.accept = vec![404];
        request.effects.push(effect("network", &self.name, Json::Null));
        plan.push(Change::Http(request));
    }

    fn connect(&self, engine: &Engine<'_, '_>, container: &str) -> HttpRequest {
        let path = format!("/networks/{}/connect", encode(&self.name));
        let mut request =
            engine.request("POST", &path, format!("connect container {container} to network {}", self.name));
        request.body = Some(json!({"Container": container}));
        request
    }

    fn disconnect(&self, engine: &Engine<'_, '_>, container: &str) -> HttpRequest {
        crate::remote::docker::endpoints::leave(engine, &self.name, container)
    }

    fn differences(&self, found: &Json) -> Vec<(String, String, String)> {
        let mut told = Vec::new();
        let mut compare = |what: &str, is: &Json, should: &Json| {
            if is != should {
                told.push((what.to_owned(), shown(is), shown(should)));
            }
        };
        compare("driver", &found["Driver"], &json!(self.driver));
        for (key, value) in texts(&self.driver_options) {
            compare(&format!("driver_options.{key}"), &found["Options"][&key], &value);
        }
        for (key, value) in texts(&self.labels) {
            compare(&format!("labels.{key}"), &found["Labels"][&key], &value);
        }
        let flags = [
            ("internal", "Internal", self.internal),
            ("attachable", "Attachable", self.attachable),
            ("ingress", "Ingress", self.ingress),
            ("enable_ipv6", "EnableIPv6", self.enable_ipv6),
        ];
        for (what, field, flag) in flags {
            if let Some(flag) = flag {
                compare(what, &json!(found[field] == true), &json!(flag));
            }
        }
        if let Some(scope) = &self.scope {
            compare("scope", &found["Scope"], &json!(scope));
        }
        if let Some(driver) = &self.ipam_driver {
            compare("ipam_driver", &found["IPAM"]["Driver"], &json!(driver));
        }
        let configs = found["IPAM"]["Config"].as_array().cloned().unwrap_or_default();
        for wanted in self.ipam_config.iter().flatten() {
            let fits = |config: &&Json| {
                wanted.body().as_object().is_some_and(|body| body.iter().all(|(k, v)| config[k] == *v))
            };
            if configs.iter().find(fits).is_none() {
                compare("ipam_config", &json!(configs), &wanted.body());
            }
        }
        told
    }
}

impl Ipam {
    fn body(&self) -> Json {
        let mut body = json!({});
        for (name, text) in [("Subnet", &self.subnet), ("IPRange", &self.iprange), ("Gateway", &self.gateway)] {
            if let Some(text) = text {
                body[name] = json!(text);
            }
        }
        if let Some(addresses) = &self.aux_addresses {
            body["AuxiliaryAddresses"] = texts(addresses).into();
        }
        body
    }
}
