//! The order in which a container is made, replaced and removed, so that no failure leaves less than there was.

use serde_json::json;

use super::{
    compare::Property,
    container::Container,
    endpoints,
    engine::{Engine, effect, encode, with_query},
};
use crate::protocol::{HttpRequest, Json, Map};

/// What a container's name gets while its successor is not proven to start.
const SUFFIX: &str = "-replaced";

/// How containers are stopped and removed.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Kill instead of stopping.
    pub kill: bool,
    /// Seconds before a stop becomes a kill.
    pub timeout: Option<i64>,
    /// Keep anonymous volumes.
    pub keep_volumes: bool,
}

/// Requests about one container.
pub struct Steps<'e, 'p, 'a> {
    engine: &'e Engine<'p, 'a>,
    name: &'e str,
    ending: Ending,
    signal: Option<String>,
}

impl<'e, 'p, 'a> Steps<'e, 'p, 'a> {
    /// Requests about the container of that name.
    #[must_use]
    pub fn new(engine: &'e Engine<'p, 'a>, name: &'e str, ending: Ending, signal: Option<String>) -> Self {
        Self { engine, name, ending, signal }
    }

    fn post(&self, name: &str, action: &str, verb: &str) -> HttpRequest {
        let path = format!("/containers/{}/{action}", encode(name));
        let mut request = self.engine.request("POST", &path, format!("{verb} container {name}"));
        // 304: it is that way already.
        request.accept = vec![304];
        request
    }

    /// Starts it.
    #[must_use]
    pub fn start(&self) -> HttpRequest {
        self.post(self.name, "start", "start")
    }

    /// Stops or kills it.
    #[must_use]
    pub fn stop(&self) -> HttpRequest {
        if self.ending.kill {
            let signal = self.signal.as_deref().map(|signal| [("signal", signal)]);
            let path = with_query("kill", signal.as_ref().map_or(&[][..], |query| query));
            let mut request = self.post(self.name, &path, "kill");
            // 409: it does not run any more.
            request.accept.push(409);
            return request;
        }
        let timeout = self.ending.timeout.map(|seconds| seconds.to_string());
        let query = timeout.as_deref().map(|seconds| [("t", seconds)]);
        self.post(self.name, &with_query("stop", query.as_ref().map_or(&[][..], |query| query)), "stop")
    }

    /// Restarts it.
    #[must_use]
    pub fn restart(&self) -> HttpRequest {
        let timeout = self.ending.timeout.map(|seconds| seconds.to_string());
        let query = timeout.as_deref().map(|seconds| [("t", seconds)]);
        self.post(self.name, &with_query("restart", query.as_ref().map_or(&[][..], |query| query)), "restart")
    }

    /// Freezes or thaws it.
    #[must_use]
    pub fn pause(&self, paused: bool) -> HttpRequest {
        let action = if paused { "pause" } else { "unpause" };
        self.post(self.name, action, action)
    }

    /// Removes it, running or not.
    #[must_use]
    pub fn remove(&self) -> HttpRequest {
        let mut request = self.removal(self.name);
        request.effects.push(effect("container", self.name, Json::Null));
        request
    }

    fn removal(&self, name: &str) -> HttpRequest {
        let volumes = if self.ending.keep_volumes { "0" } else { "1" };
        let path = with_query(&format!("/containers/{}", encode(name)), &[("force", "1"), ("v", volumes)]);
        let mut request = self.engine.request("DELETE", &path, format!("remove container {name}"));
        // 404: it went by itself (auto_remove); 409: it is going.
        request.accept = vec![404, 409];
        request
    }

    /// Stops what is there and puts it aside; gives what brings it back.
    pub fn set_aside(&self, found: &Json, changes: &mut Vec<HttpRequest>) -> Vec<HttpRequest> {
        let running = found["State"]["Running"] == true;
        if found["HostConfig"]["AutoRemove"] == true {
            changes.push(self.remove());
            return Vec::new();
        }
        let aside = format!("{}{SUFFIX}", self.name);
        let mut bring_back = Vec::new();
        changes.extend(self.left_aside());
        if running {
            changes.push(self.stop());
        }
        let mut rename = self.rename(self.name, &aside);
        if running {
            rename.undo.push(self.start());
        }
        changes.push(rename);
        bring_back.push(self.rename(&aside, self.name));
        if running {
            bring_back.push(self.start());
        }
        bring_back
    }

    /// Removes what a run left that was cut off between putting aside and removing.
    #[must_use]
    pub fn left_aside(&self) -> Option<HttpRequest> {
        let aside = format!("{}{SUFFIX}", self.name);
        self.engine.container(&aside).ok().flatten().map(|_| self.removal(&aside))
    }

    /// Removes what was put aside.
    #[must_use]
    pub fn drop_aside(&self) -> HttpRequest {
        self.removal(&format!("{}{SUFFIX}", self.name))
    }

    fn rename(&self, from: &str, to: &str) -> HttpRequest {
        let path = with_query(&format!("/containers/{}/rename", encode(from)), &[("name", to)]);
        self.engine.request("POST", &path, format!("rename container {from} to {to}"))
    }

    /// Makes it and joins its networks; whatever fails from there on takes it back and does `bring_back`.
    pub fn create(
        &self,
        body: Json,
        container: &Container,
        predicted: Json,
        bring_back: &[HttpRequest],
    ) -> Vec<HttpRequest> {
        let mut query = vec![("name", self.name)];
        query.extend(container.platform.as_deref().map(|platform| ("platform", platform)));
        let path = with_query("/containers/create", &query);
        let mut create = self.engine.request("POST", &path, format!("create container {}", self.name));
        create.body = Some(body);
        create.undo = bring_back.to_vec();
        create.effects.push(effect("container", self.name, predicted));
        let mut requests = vec![create];
        let networks = container.networks.as_deref().unwrap_or_default();
        let first = usize::from(joins_at_creation(container));
        requests.extend(networks.iter().skip(first).map(|network| endpoints::join(self.engine, network, self.name)));
        let take_back = self.take_back(bring_back);
        for request in requests.iter_mut().skip(1) {
            request.undo.clone_from(&take_back);
        }
        requests
    }

    /// What undoes a container that was made but does not start.
    #[must_use]
    pub fn take_back(&self, bring_back: &[HttpRequest]) -> Vec<HttpRequest> {
        let mut undo = vec![self.removal(self.name)];
        undo.extend_from_slice(bring_back);
        undo
    }
}

/// Whether the first network of the list is the one it is created in.
#[must_use]
pub fn joins_at_creation(container: &Container) -> bool {
    let first = container.networks.as_deref().and_then(<[_]>::first);
    let mode = container.network_mode.as_deref();
    first.is_some_and(|first| container.networks_cli_compatible && mode.is_none_or(|mode| mode == first.name))
}

/// What the engine is sent to make a container.
#[must_use]
pub fn body(properties: &[Property], container: &Container, image: &str, detach: bool) -> Json {
    let mut body = json!({"Image": image, "HostConfig": {}});
    if !detach {
        body["AttachStdout"] = json!(true);
        body["AttachStderr"] = json!(true);
    }
    for property in properties {
        property.put(&mut body);
    }
    if let Some(first) = container.networks.as_deref().and_then(<[_]>::first).filter(|_| joins_at_creation(container)) {
        body["NetworkingConfig"] = json!({"EndpointsConfig": {first.name.clone(): first.endpoint()}});
    }
    body
}

/// How inspect is predicted to show it.
#[must_use]
pub fn predicted(name: &str, body: &Json, container: &Container, image: Option<&str>, running: bool) -> Json {
    let mut config = body.clone();
    if let Json::Object(config) = &mut config {
        config.retain(|key, _| key != "HostConfig" && key != "NetworkingConfig");
    }
    let networks = container.networks.iter().flatten();
    let networks: Map = networks.map(|network| (network.name.clone(), network.endpoint())).collect();
    json!({
        "Name": format!("/{name}"),
        "Image": image,
        "Config": config,
        "HostConfig": body["HostConfig"],
        "NetworkSettings": {"Networks": networks},
        "State": {"Running": running, "Status": if running { "running" } else { "created" }},
    })
}
