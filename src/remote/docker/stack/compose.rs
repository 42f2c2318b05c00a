//! Compose definitions as one: later ones laid over earlier ones, and read into networks, volumes and services.

use indexmap::IndexMap;
use serde_json::json;

use super::{NAMESPACE, fields::Fields, service};
use crate::protocol::{Json, Map};

/// What a swarm is to hold for a stack.
#[derive(Debug, Default)]
pub struct Stack {
    /// Bodies of the networks that it makes, by their full name.
    pub networks: IndexMap<String, Json>,
    /// Specs of its services, by their full name.
    pub services: IndexMap<String, Json>,
}

/// Names of networks and volumes as services write them, and as the swarm knows them.
#[derive(Debug, Default)]
pub struct Names {
    /// Full names of networks.
    pub networks: IndexMap<String, String>,
    /// Volumes: the full name and what a mount says of a volume that is made for it; null for an external one.
    pub volumes: IndexMap<String, (String, Json)>,
}

/// Lays a definition over another, as `docker stack deploy` does with several files: mappings are merged, all else is replaced.
pub fn merge(whole: &mut Json, part: Json) {
    match (whole, part) {
        (Json::Object(whole), Json::Object(part)) => {
            for (name, value) in part {
                merge(whole.entry(name).or_insert(Json::Null), value);
            }
        }
        (whole, part) => *whole = part,
    }
}

/// The labels that make something part of a stack.
#[must_use]
pub fn labelled(namespace: &str, mut labels: Map) -> Map {
    labels.insert(NAMESPACE.to_owned(), json!(namespace));
    labels
}

impl Stack {
    /// Reads a definition.
    ///
    /// # Errors
    /// What is wrong or not supported, and where it stands.
    pub fn read(namespace: &str, definition: &Json, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let root = Fields::of("compose", definition)?;
        // What it said of old decides nothing any more.
        _ = root.get("version");
        let mut stack = Self::default();
        let mut names = Names::default();
        each(&root, "networks", |name, value| stack.network(namespace, name, value, &mut names))?;
        each(&root, "volumes", |name, value| volume(namespace, name, value, &mut names))?;
        let mut alone = false;
        each(&root, "services", |_, value| {
            alone |= value["networks"].is_null();
            Ok(())
        })?;
        if alone && !names.networks.contains_key("default") {
            stack.network(namespace, "default", &Json::Null, &mut names)?;
        }
        each(&root, "services", |name, value| {
            let spec = service::spec(namespace, name, value, &names, variable)?;
            stack.services.insert(format!("{namespace}_{name}"), spec);
            Ok(())
        })?;
        root.done()?;
        if stack.services.is_empty() {
            return Err("compose has no services".to_owned());
        }
        Ok(stack)
    }

    fn network(&mut self, namespace: &str, name: &str, value: &Json, names: &mut Names) -> Result<(), String> {
        let fields = Fields::of(format!("networks.{name}"), value)?;
        let named = fields.text("name")?;
        let external = external(&fields, name, named.as_ref())?;
        let full = external.clone().or(named).unwrap_or_else(|| format!("{namespace}_{name}"));
        names.networks.insert(name.to_owned(), full.clone());
        let mut body = json!({
            "Name": full,
            "Driver": fields.text("driver")?.unwrap_or_else(|| "overlay".to_owned()),
            "Options": fields.labels("driver_opts")?,
            "Labels": labelled(namespace, fields.labels("labels")?),
            "Attachable": fields.flag("attachable")?.unwrap_or(false),
            "Internal": fields.flag("internal")?.unwrap_or(false),
            "CheckDuplicate": true,
        });
        let ipam = fields.below("ipam")?;
        let driver = ipam.text("driver")?;
        if let Json::Array(configs) = ipam.get("config") {
            let subnet = |config: &Json| {
                let fields = Fields::of(format!("{}.config", ipam.at()), config)?;
                let subnet = json!({"Subnet": fields.text("subnet")?});
                fields.done().map(|()| subnet)
            };
            let configs = configs.iter().map(subnet).collect::<Result<Vec<Json>, String>>()?;
            body["IPAM"] = json!({"Driver": driver.unwrap_or_else(|| "default".to_owned()), "Config": configs});
        }
        ipam.done()?;
        fields.done()?;
        if external.is_none() {
            self.networks.insert(full, body);
        }
        Ok(())
    }
}

fn each(
    root: &Fields<'_>,
    part: &'static str,
    mut read: impl FnMut(&str, &Json) -> Result<(), String>,
) -> Result<(), String> {
    match root.get(part) {
        Json::Null => Ok(()),
        Json::Object(map) => map.iter().try_for_each(|(name, value)| read(name, value)),
        _ => Err(format!("compose.{part} is no mapping")),
    }
}

/// The full name of something that is made elsewhere, none of what is made here; `external: {name: …}` is the old form.
fn external(fields: &Fields<'_>, name: &str, named: Option<&String>) -> Result<Option<String>, String> {
    let own = match fields.get("external") {
        Json::Null | Json::Bool(false) => return Ok(None),
        Json::Bool(true) => None,
        Json::Object(map) => map.get("name").and_then(Json::as_str),
        _ => return Err(fields.wrong("external", "is neither true nor false")),
    };
    Ok(Some(named.map(String::as_str).or(own).unwrap_or(name).to_owned()))
}

fn volume(namespace: &str, name: &str, value: &Json, names: &mut Names) -> Result<(), String> {
    let fields = Fields::of(format!("volumes.{name}"), value)?;
    let named = fields.text("name")?;
    let made = match external(&fields, name, named.as_ref())? {
        Some(full) => (full, Json::Null),
        None => {
            let mut options = json!({"Labels": labelled(namespace, fields.labels("labels")?)});
            let driver = fields.text("driver")?;
            let driver_options = fields.labels("driver_opts")?;
            if driver.is_some() || !driver_options.is_empty() {
                options["DriverConfig"] = json!({"Name": driver.unwrap_or_default(), "Options": driver_options});
            }
            (named.unwrap_or_else(|| format!("{namespace}_{name}")), options)
        }
    };
    names.volumes.insert(name.to_owned(), made);
    fields.done()
}
