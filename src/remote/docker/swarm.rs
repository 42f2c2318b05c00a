//! Whether a host belongs to a swarm, read through what is predicted, and waiting for what a swarm does by itself.

use serde_json::json;

use super::{Engine, engine::effect};
use crate::{
    protocol::{Effect, Json},
    remote::Stop,
};

/// What a host is in a swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It belongs to none.
    None,
    /// It carries out what managers say.
    Worker,
    /// It may be asked and told.
    Manager,
    /// It belongs to one that it cannot take part in, and why.
    Broken(String),
}

/// What a host is, and whether that is only predicted.
///
/// # Errors
/// When the engine cannot say.
pub fn membership(engine: &Engine<'_, '_>) -> Result<(Membership, bool), Stop> {
    match engine.probe().assumed("docker/swarm", "membership").and_then(Json::as_str) {
        Some("manager") => return Ok((Membership::Manager, true)),
        Some("worker") => return Ok((Membership::Worker, true)),
        Some(_) => return Ok((Membership::None, true)),
        None if engine.absent() => return Ok((Membership::None, true)),
        None => {}
    }
    let info = engine.get("/info")?.unwrap_or_default();
    let swarm = &info["Swarm"];
    let is = match swarm["LocalNodeState"].as_str().unwrap_or_default() {
        "active" if swarm["ControlAvailable"] == true => Membership::Manager,
        "active" | "pending" => Membership::Worker,
        "locked" => Membership::Broken("it is locked; `docker swarm unlock` opens it".to_owned()),
        "error" => Membership::Broken(swarm["Error"].as_str().unwrap_or_default().to_owned()),
        _ => Membership::None,
    };
    Ok((is, false))
}

/// What a host then is.
#[must_use]
pub fn becomes(word: &str) -> Effect {
    effect("swarm", "membership", json!(word))
}

/// Fails where the engine is no manager; says whether it is only predicted to be one, so that it cannot be asked yet.
///
/// # Errors
/// When it is none.
pub fn manager(engine: &Engine<'_, '_>) -> Result<bool, Stop> {
    match membership(engine)? {
        (Membership::Manager, predicted) => Ok(predicted),
        (Membership::Worker, _) => {
            Err(Stop::failed("this host is a worker of its swarm, and only managers can be asked")
                .hint("do it on a manager: see `docker node ls` there"))
        }
        (Membership::Broken(why), _) => Err(broken(&why)),
        (Membership::None, _) => Err(Stop::failed("this host belongs to no swarm")
            .hint("make one with docker_swarm (state: present), or join one (state: join)")),
    }
}

/// The failure of whoever needs a host that is [`Membership::Broken`].
#[must_use]
pub fn broken(why: &str) -> Stop {
    Stop::failed(format!("this host cannot take part in its swarm: {why}"))
}
