//! `docker_stack`: brings the services of compose definitions to a swarm and waits until they run.

use std::fmt::Write as _;

use serde_json::json;

use crate::{
    choices, options,
    protocol::{Change, HttpRequest, Json, Map},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        docker::{
            Connection, Engine,
            engine::{effect, encode, with_query},
            pull,
            reference::Reference,
            registry,
            stack::{
                IMAGE, NAMESPACE,
                compose::{self, Stack},
                interpolate::interpolate,
                specs, waiting,
            },
            swarm,
        },
    },
};

choices! {
    /// What is to be true of a stack.
    pub enum State {
        /// The swarm holds it.
        Present = "present",
        /// It is gone, networks included; volumes stay.
        Absent = "absent",
    }
}

choices! {
    /// When the registry is asked which image a tag means.
    pub enum Resolve {
        /// Every time.
        Always = "always",
        /// When the definition names another image.
        Changed = "changed",
        /// Never: nodes take what they have or pull under that name.
        Never = "never",
    }
}

options! {
    /// Brings a stack of services to a swarm, on one of its managers, as `docker stack deploy` would: over the engine's API,
    /// so no Docker command is needed and a check tells what would change. `docker stack` knows the result. What it does not support
    /// (`build`, `configs`, `secrets`, `depends_on` …) is an error that names it.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_stack:
    ///     name: shop
    ///     detach: false
    ///     compose:
    ///       - services:
    ///           web:
    ///             image: shop:1
    ///             ports: ["80:8080"]
    ///             deploy: {replicas: 2, update_config: {order: start-first}}
    /// ```
    ///
    /// ## Returns
    /// `stack_spec_diff`: by service, each place of its spec that differs, with `before` and `after`; secrets are hidden.
    pub struct DockerStack {
        /// Name of the stack.
        name: String,
        /// Definitions, later ones over earlier ones: mappings, or paths of compose files on the host.
        compose: Vec<Json>,
        /// Remove services that the definitions no longer have.
        prune: bool = false,
        /// Send the host's login to the registry along, for nodes that pull.
        with_registry_auth: bool = false,
        /// When the registry is asked which image a tag means.
        resolve_image: Resolve = Resolve::Always,
        /// Do not wait until the services run.
        detach: bool = true,
        /// With `detach: false`: seconds for all of them to run.
        wait_timeout: i64 = 300,
        /// With state absent: how often networks that are still in use are tried again.
        absent_retries: i64 = 0,
        /// Seconds between two tries.
        absent_retries_interval: i64 = 1,
        /// What is to be true of it.
        state: State = State::Present,
        ..connection: Connection,
    }
}

/// Tasks of a removed service leave its networks a moment later.
const NETWORKS_SECONDS_MIN: i64 = 30;

impl Module for DockerStack {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        let mut plan = Plan::new();
        plan.set("stack_spec_diff", json!({}));
        if self.state == State::Absent {
            self.remove(&engine, &mut plan)?;
            return Ok(plan);
        }
        let mut stack = self.wanted(probe)?;
        let coming = swarm::manager(&engine)?;
        let networks = if coming { Vec::new() } else { engine.list("/networks")? };
        for (name, body) in &stack.networks {
            if engine.network(name)?.is_none() {
                plan.diff(format!("network {name}"), "absent\n", "present\n");
                let mut request = engine.request("POST", "/networks/create", format!("create network {name}"));
                request.effects.push(effect("network", name, body.clone()));
                request.body = Some(body.clone());
                plan.push(Change::Http(request));
            }
        }
        for spec in stack.services.values() {
            for network in spec["TaskTemplate"]["Networks"].as_array().into_iter().flatten() {
                let name = network["Target"].as_str().unwrap_or_default();
                if !stack.networks.contains_key(name) && engine.network(name)?.is_none() {
                    return Err(Stop::failed(format!("there is no network {name}, which the stack takes as external")));
                }
            }
        }
        let mut told = Map::new();
        for (name, wanted) in &mut stack.services {
            let found = found(&engine, name, coming)?;
            self.resolve(&engine, wanted, found.as_ref().map(|found| &found["Spec"]), &mut plan)?;
            let spec = found.as_ref().map_or(Json::Null, |found| specs::named(found["Spec"].clone(), &networks));
            let differences = specs::differences(&spec, wanted);
            if differences.is_empty() {
                continue;
            }
            told.insert(name.clone(), specs::told(&differences));
            let (mut before, mut after) = (String::new(), String::new());
            for (at, (is, should)) in &differences {
                if !is.is_empty() {
                    _ = writeln!(before, "{at}: {is}");
                }
                if !should.is_empty() {
                    _ = writeln!(after, "{at}: {should}");
                }
            }
            plan.diff(format!("service {name}"), before, after);
            plan.push(Change::Http(self.put(&engine, name, wanted, found.as_ref())?));
        }
        if self.prune && !coming {
            for service in self.of_stack(&engine, "services")? {
                let name = service["Spec"]["Name"].as_str().unwrap_or_default();
                if !stack.services.contains_key(name) {
                    told.insert(name.to_owned(), json!({"state": {"before": "present", "after": "absent"}}));
                    plan.diff(format!("service {name}"), "present\n", "absent\n");
                    plan.push(Change::Http(gone(&engine, "services", "service", name, name)));
                }
            }
        }
        plan.set("stack_spec_diff", told);
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, _: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if self.detach || self.state == State::Absent {
            return Ok(());
        }
        let engine = Engine::connect(probe, &self.connection)?;
        let end = probe.now() + i128::from(self.wait_timeout) * 1_000_000_000;
        for name in self.wanted(probe)?.services.keys() {
            let changed = !plan.result["stack_spec_diff"][name].is_null();
            waiting::wait(&engine, name, changed, end, self.wait_timeout)?;
        }
        Ok(())
    }
}

fn gone(engine: &Engine<'_, '_>, kind: &str, word: &str, id: &str, name: &str) -> HttpRequest {
    let mut request = engine.request("DELETE", &format!("/{kind}/{}", encode(id)), format!("remove {word} {name}"));
    request.accept = vec![404];
    request.effects.push(effect(word, name, Json::Null));
    request
}

/// What the engine holds of a service, or what this check foresees of it.
fn found(engine: &Engine<'_, '_>, name: &str, coming: bool) -> Result<Option<Json>, Stop> {
    match engine.probe().assumed("docker/service", name) {
        Some(Json::Null) => Ok(None),
        Some(spec) => Ok(Some(json!({"Spec": spec}))),
        None if coming => Ok(None),
        // The engine also finds by the beginning of an id.
        None => Ok(engine.get(&format!("/services/{}", encode(name)))?.filter(|found| found["Spec"]["Name"] == name)),
    }
}

impl DockerStack {
    /// The definitions as one, read.
    fn wanted(&self, probe: &Probe<'_>) -> Result<Stack, Stop> {
        let mut whole = Json::Null;
        for part in &self.compose {
            if !part.is_object() {
                return Err(Stop::failed(format!("compose: {part} is no mapping")));
            }
            let mut part = part.clone();
            interpolate(&mut part, &|name| probe.variable(name)).map_err(Stop::failed)?;
            compose::merge(&mut whole, part);
        }
        Stack::read(&self.name, &whole, &|name| probe.variable(name)).map_err(Stop::failed)
    }

    /// Puts the digest of the image into a spec, where the registry tells it.
    fn resolve(
        &self,
        engine: &Engine<'_, '_>,
        wanted: &mut Json,
        found: Option<&Json>,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        let image = wanted["Labels"][IMAGE].as_str().unwrap_or_default().to_owned();
        let reference = Reference::parse(&image, "latest");
        // What was found out before stays, whoever found it out; another image under the same label does not.
        let resolved = found.map(|found| &found["TaskTemplate"]["ContainerSpec"]["Image"]).filter(|found| {
            let named = found.as_str().unwrap_or_default().split('@').next().unwrap_or_default();
            Reference::parse(named, "latest").canonical() == reference.canonical()
        });
        match (self.resolve_image, resolved) {
            (Resolve::Changed | Resolve::Never, Some(found)) => {
                wanted["TaskTemplate"]["ContainerSpec"]["Image"] = found.clone();
            }
            (Resolve::Never, None) => {}
            _ if reference.digest.is_some() || reference.is_id() || engine.absent() => {}
            _ => match pull::offered(engine, &reference) {
                Ok(Some(digest)) => {
                    let whole = format!("{}@{digest}", reference.full());
                    wanted["TaskTemplate"]["ContainerSpec"]["Image"] = json!(whole);
                }
                Ok(None) | Err(Stop::Failed(..)) => {
                    if let Some(found) = resolved {
                        wanted["TaskTemplate"]["ContainerSpec"]["Image"] = found.clone();
                    }
                    plan.warnings.push(format!(
                        "no registry tells which image {image} means; every node takes what it has under that name \
                         (`resolve_image: never` does not ask)"
                    ));
                }
                Err(unknown) => return Err(unknown),
            },
        }
        Ok(())
    }

    fn put(
        &self,
        engine: &Engine<'_, '_>,
        name: &str,
        wanted: &Json,
        found: Option<&Json>,
    ) -> Result<HttpRequest, Stop> {
        let mut body = wanted.clone();
        let mut request = match found {
            None => engine.request("POST", "/services/create", format!("create service {name}")),
            Some(found) => {
                let forced = found["Spec"]["TaskTemplate"]["ForceUpdate"].clone();
                if !forced.is_null() {
                    body["TaskTemplate"]["ForceUpdate"] = forced;
                }
                let id = found["ID"].as_str().unwrap_or(name);
                let version = found["Version"]["Index"].to_string();
                let path = with_query(&format!("/services/{}/update", encode(id)), &[("version", &version)]);
                engine.request("POST", &path, format!("update service {name}"))
            }
        };
        if self.with_registry_auth {
            let image = wanted["Labels"][IMAGE].as_str().unwrap_or_default();
            let auth = registry::header(engine.probe(), Reference::parse(image, "latest").registry())?;
            request.headers.extend(auth.map(|auth| ("X-Registry-Auth".to_owned(), auth)));
        }
        request.body = Some(body);
        request.effects.push(effect("service", name, wanted.clone()));
        Ok(request)
    }

    /// What of a kind belongs to the stack.
    fn of_stack(&self, engine: &Engine<'_, '_>, kind: &str) -> Result<Vec<Json>, Stop> {
        let filters = json!({"label": [format!("{NAMESPACE}={}", self.name)]}).to_string();
        engine.list(&with_query(&format!("/{kind}"), &[("filters", &filters)]))
    }

    fn remove(&self, engine: &Engine<'_, '_>, plan: &mut Plan) -> Result<(), Stop> {
        // Where there is no swarm there is no stack.
        if swarm::membership(engine)?.0 == swarm::Membership::None || swarm::manager(engine)? {
            return Ok(());
        }
        let mut told = Map::new();
        for (kind, word) in
            [("services", "service"), ("secrets", "secret"), ("configs", "config"), ("networks", "network")]
        {
            for found in self.of_stack(engine, kind)? {
                let name =
                    found.pointer("/Spec/Name").unwrap_or(&found["Name"]).as_str().unwrap_or_default().to_owned();
                if engine.probe().assumed(&format!("docker/{word}"), &name).is_some_and(Json::is_null) {
                    continue;
                }
                let id = found["ID"].as_str().or_else(|| found["Id"].as_str()).unwrap_or(&name);
                let mut request = gone(engine, kind, word, id, &name);
                if word == "network" {
                    let seconds = (self.absent_retries * self.absent_retries_interval).max(NETWORKS_SECONDS_MIN);
                    request.insist_seconds = u64::try_from(seconds).unwrap_or_default();
                }
                plan.diff(format!("{word} {name}"), "present\n", "absent\n");
                plan.push(Change::Http(request));
                told.insert(name, json!({"state": {"before": "present", "after": "absent"}}));
            }
        }
        plan.set("stack_spec_diff", told);
        Ok(())
    }
}
