//! `docker_swarm`: the module on the host, whose tokens are then shown nowhere.

use crate::{
    controller::executor::{Done, Turn},
    protocol::Json,
    remote::{OptionSpec, modules},
};

/// The manual page is the module's.
pub const DOC: &str = "Makes a swarm of Docker engines, adds hosts to it and takes them out again.\n";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("docker_swarm")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    discreetly(turn, "docker_swarm").await
}

/// Carries out a module that knows the tokens of a swarm, and has them masked from then on.
pub async fn discreetly(turn: &Turn, module: &str) -> Done {
    let options = match turn.json_options() {
        Ok(options) => options,
        Err(error) => return Done::failed(error.message),
    };
    turn.text("join_token").iter().for_each(|token| turn.run.keep_secret(token));
    let outcome = turn.module(module, options, &[]).await;
    let facts = outcome.result.get("swarm_facts");
    let tokens = facts.and_then(|facts| facts["JoinTokens"].as_object()).into_iter().flat_map(|tokens| tokens.values());
    let keys = [facts.map(|facts| &facts["UnlockKey"]), outcome.result.get("swarm_unlock_key")];
    tokens.chain(keys.into_iter().flatten()).filter_map(Json::as_str).for_each(|secret| turn.run.keep_secret(secret));
    outcome.into()
}
