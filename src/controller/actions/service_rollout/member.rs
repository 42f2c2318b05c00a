//! A host of a rollout: what it is to run, what is there, and its containers.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    health::{Probe, reachable},
    ledger::{self, Ledger, Release, carried, map},
    options::{Goal, ServiceRollout},
    plan::{self, Instance, Set, Step, Want},
};
use crate::{
    controller::executor::Turn,
    protocol::{Failure, Json, Map, Outcome},
    remote::{OptionSpec, Options, docker::container::Container},
};

/// Labels that containers of a rollout carry.
const SERVICE: &str = "deployer.rollout";
const RELEASE: &str = "deployer.release";
const SLOT: &str = "deployer.slot";

/// Seconds that a container has to stop gracefully where the task says nothing; the engine's own ten cut what is under way.
const STOP_SECONDS: i64 = 60;

/// A host of the rollout.
pub(super) struct Member {
    /// Its name.
    pub(super) host: String,
    /// The task as this host does it.
    pub(super) turn: Turn,
    /// The options that count here.
    pub(super) options: ServiceRollout,
    /// The same as they were given, to be kept with the release.
    given: Map,
    /// What has to be answered.
    pub(super) probe: Probe,
    /// What it is to run.
    pub(super) want: Want,
    /// What is known of it.
    pub(super) ledger: Ledger,
    /// Its containers.
    pub(super) instances: Vec<Instance>,
    /// What it has to do, once that is known.
    pub(super) step: Option<Step>,
}

impl Member {
    /// Reads the options and what the host knows. Nothing where an earlier release is wanted and the host has none at all.
    pub(super) async fn of(turn: Turn) -> Result<Option<Self>, Failure> {
        let wrong = |problems: Vec<String>| Failure::new(format!("{}: {}", turn.host, problems.join("; ")));
        let mut given = turn.json_options().map_err(|error| wrong(vec![error.message]))?;
        let mut options = ServiceRollout::parse(&given).map_err(wrong)?;
        let service = options.container.name.clone();
        if !service.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter)) {
            return Err(wrong(vec![format!("name `{service}` may hold letters, digits, `_`, `.` and `-` only")]));
        }
        let ledger = ledger::read(&turn, &service).await?;
        let mut name = options.release.clone();
        if options.state == Goal::Previous {
            let Some(ledger) = &ledger else { return Ok(None) };
            let target = match &name {
                Some(name) => ledger.find(name).ok_or_else(|| wrong(vec![missing(ledger, name)]))?,
                None => ledger.before().ok_or_else(|| wrong(vec![format!("{service} has no earlier release")]))?,
            };
            name = Some(target.release.clone());
            given = as_before(&target.options, ledger.serving());
            options = ServiceRollout::parse(&given).map_err(wrong)?;
        }
        let problems = options.problems();
        if !problems.is_empty() {
            return Err(wrong(problems));
        }
        let health = given_or_default(options.health.clone())?;
        let probe = Probe::new(health).map_err(|what| wrong(vec![what]))?;
        let digest = fingerprint(&options, &given);
        let want = Want {
            release: name.unwrap_or_default(),
            digest,
            image_id: None,
            replicas: usize::try_from(options.replicas).unwrap_or(1),
        };
        let ledger = ledger.unwrap_or_default();
        let host = turn.host.clone();
        Ok(Some(Self { host, turn, options, given, probe, want, ledger, instances: Vec::new(), step: None }))
    }

    /// The service's name.
    pub(super) fn service(&self) -> &str {
        &self.options.container.name
    }

    /// The names of its slots, in order.
    pub(super) fn slots(&self) -> Vec<String> {
        self.options.slots.keys().cloned().collect()
    }

    /// Looks which containers there are, and whether the image is.
    pub(super) async fn look(&mut self) -> Result<(), Failure> {
        let filters = json!({ "label": format!("{SERVICE}={}", self.service()) });
        let asked = json!({
            "containers": true, "containers_all": true, "verbose_output": true, "containers_filters": filters,
        });
        let outcome = self.module("docker_host_info", asked).await?;
        let found = outcome.result.get("containers").and_then(Json::as_array).cloned().unwrap_or_default();
        self.instances = found.iter().map(instance).collect();
        self.look_for_image().await
    }

    /// Looks whether the image is there.
    pub(super) async fn look_for_image(&mut self) -> Result<(), Failure> {
        let outcome = self.module("docker_image_info", json!({ "name": [self.image()] })).await?;
        self.want.image_id =
            outcome.result.get("images").and_then(|images| images[0]["Id"].as_str()).map(str::to_owned);
        Ok(())
    }

    /// The image by name.
    pub(super) fn image(&self) -> &str {
        self.options.container.image.as_deref().unwrap_or_default()
    }

    /// Works out what there is to do.
    pub(super) fn decide(&mut self, admitted: bool) {
        let step = plan::step(&self.want, &self.ledger, &self.instances, &self.slots(), admitted);
        self.step = Some(step);
    }

    /// Has a docker module do something; the engine's address goes along.
    pub(super) async fn module(&self, module: &str, options: Json) -> Result<Outcome, Failure> {
        carried(self.turn.module(module, self.at_engine(options), &[]).await)
    }

    fn at_engine(&self, options: Json) -> Map {
        let mut options = map(options);
        let engine = &self.options.engine;
        if let Some(host) = &engine.docker_host {
            options.insert("docker_host".to_owned(), json!(host));
        }
        options.insert("api_version".to_owned(), json!(engine.api_version));
        options
    }

    /// What makes a replica of the wanted release in a slot.
    pub(super) fn container(&self, slot: &str, replica: usize, port: u16) -> Map {
        let mut options = made_of(&self.given);
        let service = self.service();
        let mut labels = self.options.container.labels.clone().unwrap_or_default();
        for (label, value) in [(SERVICE, service), (RELEASE, &self.want.release), (SLOT, slot)] {
            labels.insert(label.to_owned(), json!(value));
        }
        let name = plan::container_name(service, slot, &self.want.release, replica);
        let published = format!("{}:{port}:{}", self.options.bind, self.options.container_port);
        let set = json!({
            "name": name, "image": self.image(), "labels": labels, "published_ports": [published],
            "pull": "never", "state": "started",
        });
        options.extend(map(set));
        options.entry("stop_timeout").or_insert(json!(STOP_SECONDS));
        options.entry("restart_policy").or_insert(json!("unless-stopped"));
        self.at_engine(options.into())
    }

    /// Starts the wanted release in a slot.
    pub(super) async fn start(&self, slot: &str) -> Result<Set, Failure> {
        let mut names = Vec::new();
        // What is left of an attempt before is no start.
        let stale: BTreeSet<&str> = self.instances.iter().map(|instance| instance.name.as_str()).collect();
        for (at, port) in self.ports(slot)?.into_iter().enumerate() {
            let mut options = self.container(slot, at + 1, port);
            let name = plan::container_name(self.service(), slot, &self.want.release, at + 1);
            if stale.contains(name.as_str()) {
                options.insert("recreate".to_owned(), json!(true));
            }
            carried(self.turn.module("docker_container", options, &[]).await)?;
            names.push(name);
        }
        Ok(Set { release: self.want.release.clone(), slot: slot.to_owned(), running: names.len(), names })
    }

    /// Foresees the start of the wanted release in a slot: whether the engine would take its settings.
    pub(super) async fn foresee(&self, slot: &str) -> Result<(), Failure> {
        for (at, port) in self.ports(slot)?.into_iter().enumerate() {
            let mut options = self.container(slot, at + 1, port);
            if self.want.image_id.is_none() {
                // Only a check comes here without it; the run before has pulled it.
                options.insert("pull".to_owned(), json!("missing"));
            }
            carried(self.turn.foresee("docker_container", options).await)?;
        }
        Ok(())
    }

    /// The ports of a slot.
    pub(super) fn ports(&self, slot: &str) -> Result<Vec<u16>, Failure> {
        plan::ports(&self.options.slots, slot, self.want.replicas).map_err(Failure::new)
    }

    /// Starts containers that were stopped, as they are.
    pub(super) async fn wake(&self, set: &Set) -> Result<(), Failure> {
        for name in &set.names {
            let options = json!({ "name": name, "state": "started", "comparisons": { "*": "ignore" } });
            self.module("docker_container", options).await?;
        }
        Ok(())
    }

    /// Stops containers gracefully and keeps them.
    pub(super) async fn stop(&self, set: &Set) -> Result<(), Failure> {
        let timeout = self.options.container.stop_timeout.unwrap_or(STOP_SECONDS);
        for name in &set.names {
            let options = json!({
                "name": name, "state": "stopped", "stop_timeout": timeout, "comparisons": { "*": "ignore" },
            });
            self.module("docker_container", options).await?;
        }
        Ok(())
    }

    /// Removes the containers of a release that is let go of.
    pub(super) async fn remove(&self, release: &str, but: Option<&Set>) -> Result<(), Failure> {
        let gone = |instance: &&Instance| {
            instance.release == release && but.is_none_or(|kept| !kept.names.contains(&instance.name))
        };
        for instance in self.instances.iter().filter(gone) {
            self.module("docker_container", json!({ "name": instance.name, "state": "absent" })).await?;
        }
        Ok(())
    }

    /// The address that its containers are asked at from the host.
    pub(super) fn bind(&self) -> &str {
        reachable(&self.options.bind)
    }

    /// The wanted release as the ledger keeps it.
    pub(super) fn release(&self, slot: &str) -> Release {
        Release {
            release: self.want.release.clone(),
            digest: self.want.digest.clone(),
            image: self.image().to_owned(),
            image_id: self.want.image_id.clone().unwrap_or_default(),
            slot: slot.to_owned(),
            since: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            failed: false,
            options: self.given.clone(),
        }
    }

    /// How many earlier releases are kept.
    pub(super) fn keep(&self) -> usize {
        usize::try_from(self.options.keep).unwrap_or(1)
    }
}

fn missing(ledger: &Ledger, name: &str) -> String {
    let known: Vec<&str> = ledger.releases.iter().map(|release| release.release.as_str()).collect();
    format!("there is no release {name} any more; known are {}", known.join(", "))
}

fn instance(found: &Json) -> Instance {
    let label = |name: &str| found["Labels"][name].as_str().unwrap_or_default().to_owned();
    Instance {
        name: found["Names"][0].as_str().unwrap_or_default().trim_start_matches('/').to_owned(),
        release: label(RELEASE),
        slot: label(SLOT),
        running: found["State"] == "running",
    }
}

/// Options that make the container, out of all.
fn made_of(given: &Map) -> Map {
    let spec = Container::spec();
    let about = |name: &str| spec.iter().any(|option: &OptionSpec| option.is_called(name));
    given.iter().filter(|(name, _)| about(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn fingerprint(options: &ServiceRollout, given: &Map) -> String {
    let more = json!([options.replicas, options.bind, options.container_port, options.slots]);
    plan::fingerprint(&made_of(given), &more)
}

/// The options of an earlier release. What stands around the service is as it is now, and not as it was then.
fn as_before(then: &Map, now: Option<&Release>) -> Map {
    const AROUND: &[&str] =
        &["slots", "bind", "proxy", "drain", "batch", "canary", "verify", "on_failure", "keep", "disk_free"];
    let mut options = then.clone();
    if let Some(now) = now {
        for name in AROUND {
            match now.options.get(*name) {
                Some(value) => drop(options.insert((*name).to_owned(), value.clone())),
                None => drop(options.shift_remove(*name)),
            }
        }
    }
    options.insert("state".to_owned(), json!("present"));
    options
}

/// A set of options as given, or with nothing given.
///
/// # Errors
/// When there is an option without a default.
pub(super) fn given_or_default<T: Options>(given: Option<T>) -> Result<T, Failure> {
    given.map_or_else(|| T::parse(&Map::new()).map_err(|problems| Failure::new(problems.join("; "))), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_release_comes_back_into_the_surroundings_of_today() {
        let then = map(json!({
            "name": "s", "image": "i:1", "env": {"A": 1}, "state": "present",
            "slots": {"a": 1, "b": 2}, "batch": "2", "proxy": {"backend": "old"},
        }));
        let now = map(json!({"name": "s", "image": "i:2", "slots": {"a": 11, "b": 12}, "proxy": {"backend": "new"}}));
        let now = Release { options: now, ..Release::default() };
        let expected = json!({
            "name": "s", "image": "i:1", "env": {"A": 1}, "state": "present",
            "slots": {"a": 11, "b": 12}, "proxy": {"backend": "new"},
        });
        assert_eq!(as_before(&then, Some(&now)), map(expected));
        assert_eq!(as_before(&then, None), then);
    }

    #[test]
    fn only_what_makes_a_container_makes_another_release() {
        let of = |given: Json| {
            let given = map(given);
            fingerprint(&ServiceRollout::parse(&given).unwrap(), &given)
        };
        let base = json!({"name": "s", "image": "i", "slots": {"a": 1, "b": 2}});
        let with = |name: &str, value: Json| {
            let mut given = base.clone();
            given[name] = value;
            of(given)
        };
        for (name, value) in [("keep", json!(9)), ("batch", json!("50%")), ("health", json!({"path": "/x"}))] {
            assert_eq!(of(base.clone()), with(name, value), "{name}");
        }
        for (name, value) in
            [("env", json!({"A": 1})), ("cap_add", json!(["X"])), ("replicas", json!(2)), ("bind", json!("::"))]
        {
            assert_ne!(of(base.clone()), with(name, value), "{name}");
        }
    }
}
