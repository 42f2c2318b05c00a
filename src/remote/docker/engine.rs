//! What an engine holds, read through what is predicted: images, networks, volumes and containers by name.

use std::fmt::Write as _;
use std::{io, path::PathBuf};

use super::{
    client::{message_of, not_reached},
    http::{self, Body},
    reference::Reference,
};
use crate::{
    options,
    protocol::{Effect, Failure, HttpRequest, Json},
    remote::{Probe, Stop},
};

/// The newest version that is spoken; later ones leave out fields of what they return.
const VERSION_NEWEST: (u32, u32) = (1, 44);

/// Packages that bring an engine.
const PACKAGES: &[&str] = &["docker.io", "docker-ce", "moby-engine", "docker"];

options! {
    /// How the engine of a host is reached.
    pub struct Connection {
        /// The engine's socket as `unix://PATH`; `DOCKER_HOST` of the task's environment comes first when this is not given.
        docker_host: Option<String> [docker_url],
        /// Version of its API, or `auto`.
        api_version: String [docker_api_version] = "auto",
        /// Seconds that Ansible waits for an answer; answers that take long show progress here instead.
        timeout: i64 = 60,
        /// Return what was done as `actions`.
        debug: bool = false,
    }
}

/// An engine that answers, or one that is predicted to and holds nothing yet.
pub struct Engine<'p, 'a> {
    probe: &'p Probe<'a>,
    socket: PathBuf,
    version: String,
    absent: bool,
}

/// Something that an engine holds.
#[derive(Clone, Debug)]
pub struct Object {
    /// As the engine's inspect shows it; predictions hold what is known of it.
    pub value: Json,
    /// Whether it is only predicted.
    pub predicted: bool,
}

impl<'p, 'a> Engine<'p, 'a> {
    /// Finds the engine and agrees on a version.
    ///
    /// # Errors
    /// When no engine answers and none is predicted to.
    pub fn connect(probe: &'p Probe<'a>, connection: &Connection) -> Result<Self, Stop> {
        let address = connection
            .docker_host
            .clone()
            .or_else(|| probe.variable("DOCKER_HOST"))
            .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
        let Some(socket) = address.strip_prefix("unix://").map(PathBuf::from) else {
            return Err(Stop::failed(format!("docker_host {address} is not the engine of this host"))
                .hint("only unix:// sockets are spoken to; address another machine as a host of the inventory"));
        };
        let mut engine = Self { probe, socket, version: "v1.41".to_owned(), absent: false };
        let wanted = Some(connection.api_version.trim_start_matches('v')).filter(|version| *version != "auto");
        match engine.ask("/version", &[]) {
            Ok((200, body)) => {
                engine.version = match wanted {
                    Some(version) => format!("v{version}"),
                    None => negotiate(&serde_json::from_str(&body).unwrap_or_default()),
                };
                Ok(engine)
            }
            Ok((status, body)) => Err(Stop::failed(format!(
                "what answers at {} is no Docker engine: status {status}, {}",
                engine.socket.display(),
                message_of(&body)
            ))),
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied && engine.expected() => {
                engine.absent = true;
                Ok(engine)
            }
            Err(error) => {
                let (message, hint) = not_reached(&engine.socket.display().to_string(), &error);
                Err(Failure::new(message).hint(hint).into())
            }
        }
    }

    /// Whether predictions say that an engine will run here.
    fn expected(&self) -> bool {
        let coming = |domain: &str, name: &str| {
            self.probe.assumed(domain, name).is_some_and(|value| {
                let gone = ["absent", "stopped", "inactive", "removed"];
                !(value.is_null()
                    || *value == Json::Bool(false)
                    || value["active"] == Json::Bool(false)
                    || [value, &value["state"], &value["active"]]
                        .into_iter()
                        .any(|word| word.as_str().is_some_and(|word| gone.contains(&word))))
            })
        };
        self.probe.predicting()
            && (coming("docker", "engine")
                || ["docker", "docker.service", "docker.socket"].iter().any(|unit| coming("unit", unit))
                || PACKAGES.iter().any(|package| coming("package", package)))
    }

    /// Whether the engine is only predicted.
    #[must_use]
    pub const fn absent(&self) -> bool {
        self.absent
    }

    /// The version in use, `v1.41` for one.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The probe it is read through.
    #[must_use]
    pub const fn probe(&self) -> &'p Probe<'a> {
        self.probe
    }

    fn ask(&self, path: &str, headers: &[(&str, &str)]) -> io::Result<(u16, String)> {
        let stream = self.probe.dial(&self.socket)?;
        let answer = http::send(stream, "GET", path, headers.iter().copied(), Body::Empty, &mut |_| {})?;
        Ok((answer.status, answer.text()?))
    }

    /// What a path of the API holds; `None` when the engine knows nothing of that name.
    ///
    /// # Errors
    /// When the engine refuses or stops answering.
    pub fn get(&self, path: &str) -> Result<Option<Json>, Stop> {
        self.get_with(path, &[])
    }

    /// The same with headers.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Option<Json>, Stop> {
        if self.absent {
            return Ok(None);
        }
        let failed = |why: String| Stop::failed(format!("cannot read {path} from the Docker engine: {why}"));
        match self.ask(&format!("/{}{path}", self.version), headers) {
            Ok((200, body)) => serde_json::from_str(&body).map(Some).map_err(|error| failed(error.to_string())),
            Ok((404, _)) => Ok(None),
            Ok((_, body)) => Err(failed(message_of(&body))),
            Err(error) => Err(failed(error.to_string()).hint("see whether Docker still runs on the host, and its log")),
        }
    }

    /// A list; empty where the engine is only predicted.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn list(&self, path: &str) -> Result<Vec<Json>, Stop> {
        Ok(match self.get(path)? {
            Some(Json::Array(items)) => items,
            _ => Vec::new(),
        })
    }

    /// What containers have written, of both streams.
    ///
    /// # Errors
    /// When there is nothing of that name, or the engine stops answering.
    pub fn output(&self, path: &str) -> Result<String, Stop> {
        let read = || {
            let stream = self.probe.dial(&self.socket)?;
            let path = format!("/{}{path}", self.version);
            let mut answer = http::send(stream, "GET", &path, [], Body::Empty, &mut |_| {})?;
            if answer.status != 200 {
                return Err(io::Error::other(message_of(&answer.text()?)));
            }
            super::stream::output(&mut answer.body, &mut |_| {})
        };
        let failed = |error: io::Error| Stop::failed(format!("cannot read {path} from the Docker engine: {error}"));
        read().map(|(out, err)| out + &err).map_err(failed)
    }

    fn object(&self, domain: &str, name: &str, path: &str) -> Result<Option<Object>, Stop> {
        match self.probe.assumed(domain, name) {
            Some(Json::Null) => Ok(None),
            Some(value) => Ok(Some(Object { value: value.clone(), predicted: true })),
            None => Ok(self.get(path)?.map(|value| Object { value, predicted: false })),
        }
    }

    /// An image by name, digest or id.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn image(&self, reference: &Reference) -> Result<Option<Object>, Stop> {
        self.object("docker/image", &reference.canonical(), &format!("/images/{}/json", reference.full()))
    }

    /// A network by name or id.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn network(&self, name: &str) -> Result<Option<Object>, Stop> {
        let found = self.object("docker/network", name, &format!("/networks/{}", encode(name)))?;
        // The engine also finds by the beginning of an id, which is another network's name then.
        Ok(found.filter(|object| object.predicted || object.value["Name"] == name || object.value["Id"] == name))
    }

    /// A volume by name.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn volume(&self, name: &str) -> Result<Option<Object>, Stop> {
        self.object("docker/volume", name, &format!("/volumes/{}", encode(name)))
    }

    /// A container by name or id.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn container(&self, name: &str) -> Result<Option<Object>, Stop> {
        let name = name.trim_start_matches('/');
        let found = self.object("docker/container", name, &format!("/containers/{}/json", encode(name)))?;
        Ok(found.filter(|object| {
            let (id, known) = (&object.value["Id"], &object.value["Name"]);
            object.predicted
                || known.as_str().is_some_and(|known| known.trim_start_matches('/') == name)
                || (name.len() >= 12 && id.as_str().is_some_and(|id| id.starts_with(name)))
        }))
    }

    /// A request that changes something; `path` is without the version.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, summary: impl Into<String>) -> HttpRequest {
        HttpRequest {
            socket: self.socket.clone(),
            method: method.to_owned(),
            path: format!("/{}{path}", self.version),
            summary: summary.into(),
            ..HttpRequest::default()
        }
    }
}

fn negotiate(version: &Json) -> String {
    let parse = |field: &str| {
        let (major, minor) = version[field].as_str()?.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    let newest = parse("ApiVersion").unwrap_or((1, 41));
    let oldest = parse("MinAPIVersion").unwrap_or((1, 12));
    let (major, minor) = newest.min(VERSION_NEWEST).max(oldest);
    format!("v{major}.{minor}")
}

/// Percent-encodes what goes into a path segment or a query value.
#[must_use]
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// A path with a query.
#[must_use]
pub fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    query.iter().fold(path.to_owned(), |mut whole, (name, value)| {
        whole.push(if whole.contains('?') { '&' } else { '?' });
        _ = write!(whole, "{name}={}", encode(value));
        whole
    })
}

/// That `docker/KIND/NAME` is this way afterwards.
#[must_use]
pub fn effect(kind: &str, name: &str, value: Json) -> Effect {
    Effect::new(&format!("docker/{kind}"), name, value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_version_is_one_that_both_sides_speak() {
        let agreed = |newest: &str, oldest: &str| negotiate(&json!({"ApiVersion": newest, "MinAPIVersion": oldest}));
        assert_eq!(agreed("1.41", "1.12"), "v1.41");
        assert_eq!(agreed("1.52", "1.24"), "v1.44");
        assert_eq!(agreed("1.60", "1.50"), "v1.50");
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(with_query("/build", &[("t", "a/b:c"), ("q", "x y")]), "/build?t=a%2Fb%3Ac&q=x%20y");
    }
}
