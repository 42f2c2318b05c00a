//! Networks of a container: which to join, to join anew, to leave.

use serde_json::json;

use super::{
    compare::{Difference, Strictness, shown},
    container::{Attachment, Container},
    engine::{Engine, encode},
    mounts::texts,
};
use crate::{
    protocol::{HttpRequest, Json, Map},
    remote::Stop,
};

/// What has to happen to the networks of an existing container.
#[derive(Debug, Default)]
pub struct Moves {
    /// Networks to leave.
    pub leave: Vec<String>,
    /// Networks to join, by their place in the option.
    pub join: Vec<usize>,
    /// The same in words.
    pub differences: Vec<Difference>,
}

impl Attachment {
    /// The engine's form.
    #[must_use]
    pub fn endpoint(&self) -> Json {
        let mut endpoint = json!({});
        if let Some(ip) = &self.ipv4_address {
            endpoint["IPAMConfig"]["IPv4Address"] = json!(ip);
        }
        if let Some(ip) = &self.ipv6_address {
            endpoint["IPAMConfig"]["IPv6Address"] = json!(ip);
        }
        if let Some(aliases) = &self.aliases {
            endpoint["Aliases"] = json!(aliases);
        }
        if let Some(links) = &self.links {
            endpoint["Links"] = json!(links.iter().map(|link| full_link(link)).collect::<Vec<_>>());
        }
        if let Some(mac) = &self.mac_address {
            endpoint["MacAddress"] = json!(mac.replace('-', ":"));
        }
        if let Some(options) = &self.driver_opts {
            endpoint["DriverOpts"] = texts(options).into();
        }
        if let Some(priority) = self.gw_priority {
            endpoint["GwPriority"] = json!(priority);
        }
        endpoint
    }

    /// What differs from how a container is in the network; empty when nothing does.
    fn differs(&self, endpoint: &Json) -> Vec<(String, String)> {
        let mut told = Vec::new();
        let mut text = |what: &str, wanted: Option<&String>, at: &str| {
            let found = endpoint.pointer(at).and_then(Json::as_str).unwrap_or_default();
            if let Some(wanted) = wanted.filter(|wanted| !wanted.eq_ignore_ascii_case(found)) {
                told.push((format!("{what} {found}"), format!("{what} {wanted}")));
            }
        };
        text("ipv4_address", self.ipv4_address.as_ref(), "/IPAMConfig/IPv4Address");
        text("ipv6_address", self.ipv6_address.as_ref(), "/IPAMConfig/IPv6Address");
        text("mac_address", self.mac_address.as_ref().map(|mac| mac.replace('-', ":")).as_ref(), "/MacAddress");
        let listed = |at: &str| -> Vec<String> {
            let items = endpoint[at].as_array().into_iter().flatten();
            items.filter_map(Json::as_str).map(str::to_owned).collect()
        };
        let mut list = |what: &str, wanted: Vec<String>, at: &str| {
            let found = listed(at);
            if wanted.iter().any(|item| !found.contains(item)) {
                told.push((format!("{what} {}", found.join(" ")), format!("{what} {}", wanted.join(" "))));
            }
        };
        list("aliases", self.aliases.clone().unwrap_or_default(), "Aliases");
        list("links", self.links.iter().flatten().map(|link| full_link(link)).collect(), "Links");
        told
    }
}

fn full_link(link: &str) -> String {
    if link.contains(':') { link.to_owned() } else { format!("{link}:{link}") }
}

/// Compares the networks of a task with those of a container.
///
/// # Errors
/// A network that does not exist.
pub fn moves(
    engine: &Engine<'_, '_>,
    container: &Container,
    found: &Json,
    strictness: Strictness,
) -> Result<Moves, Stop> {
    let mut moves = Moves::default();
    let none = Map::new();
    let joined = found.pointer("/NetworkSettings/Networks").and_then(Json::as_object).unwrap_or(&none);
    let wanted = container.networks.as_deref().unwrap_or_default();
    if strictness != Strictness::Ignore {
        for (at, network) in wanted.iter().enumerate() {
            let told = if let Some(endpoint) = joined.get(&network.name) {
                network.differs(endpoint)
            } else {
                exists(engine, &network.name)?;
                vec![("not connected".to_owned(), "connected".to_owned())]
            };
            if told.is_empty() {
                continue;
            }
            if joined.contains_key(&network.name) {
                moves.leave.push(network.name.clone());
            }
            moves.join.push(at);
            let (before, after): (Vec<_>, Vec<_>) = told.into_iter().unzip();
            moves.differences.push(difference(&network.name, &before.join("\n"), &after.join("\n")));
        }
    }
    let purge = container.purge_networks || (strictness == Strictness::Strict && container.networks.is_some());
    for name in joined.keys().filter(|_| purge) {
        let mode = container.network_mode.as_deref().unwrap_or_default();
        if wanted.iter().all(|network| network.name != *name)
            && mode != name
            && !(mode == "default" && name == "bridge")
        {
            moves.leave.push(name.clone());
            moves.differences.push(difference(name, "connected", "not connected"));
        }
    }
    Ok(moves)
}

fn difference(network: &str, before: &str, after: &str) -> Difference {
    Difference { name: format!("networks.{network}"), before: before.to_owned(), after: after.to_owned(), live: true }
}

/// Fails when a network is not there, before anything is made.
///
/// # Errors
/// When it is not there.
pub fn exists(engine: &Engine<'_, '_>, name: &str) -> Result<(), Stop> {
    const BUILT_IN: &[&str] = &["bridge", "host", "none", "default"];
    if BUILT_IN.contains(&name) || engine.network(name)?.is_some() {
        return Ok(());
    }
    Err(Stop::failed(format!("there is no Docker network {name}")).hint("make it with docker_network first"))
}

/// Joins a container to a network.
#[must_use]
pub fn join(engine: &Engine<'_, '_>, network: &Attachment, container: &str) -> HttpRequest {
    let path = format!("/networks/{}/connect", encode(&network.name));
    let mut request =
        engine.request("POST", &path, format!("connect container {container} to network {}", network.name));
    request.body = Some(json!({"Container": container, "EndpointConfig": network.endpoint()}));
    request
}

/// Takes a container out of a network.
#[must_use]
pub fn leave(engine: &Engine<'_, '_>, network: &str, container: &str) -> HttpRequest {
    let path = format!("/networks/{}/disconnect", encode(network));
    let mut request = engine.request("POST", &path, format!("disconnect container {container} from network {network}"));
    request.body = Some(json!({"Container": container, "Force": true}));
    request
}

/// All networks of a task in words, for the diff of a new container.
#[must_use]
pub fn told(networks: &[Attachment]) -> String {
    let one = |network: &Attachment| match network.endpoint() {
        Json::Object(endpoint) if endpoint.is_empty() => network.name.clone(),
        endpoint => format!("{} {}", network.name, shown(&endpoint)),
    };
    networks.iter().map(one).collect::<Vec<_>>().join("\n")
}
