//! `docker_swarm_info`: the module on the host, whose tokens are then shown nowhere.

use super::docker_swarm::discreetly;
use crate::{
    controller::executor::{Done, Turn},
    remote::{OptionSpec, modules},
};

/// The manual page is the module's.
pub const DOC: &str = "Says what the swarm of a manager is and holds.\n";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("docker_swarm_info")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    discreetly(turn, "docker_swarm_info").await
}
