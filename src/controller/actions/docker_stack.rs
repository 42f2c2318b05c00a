//! `docker_stack`: reads compose files of the host as YAML, then has the module bring the stack there.

use super::http::on_host::slurp;
use crate::{
    controller::{
        executor::{Done, Turn},
        template::{filters::yaml_read, value::to_json},
    },
    protocol::{Failure, Json, Outcome, Verdict},
    remote::{OptionSpec, modules},
};

/// The manual page is the module's.
pub const DOC: &str = "Brings a stack of services to a swarm.\n";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("docker_stack")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let mut options = match turn.json_options() {
        Ok(options) => options,
        Err(error) => return Done::failed(error.message),
    };
    if let Some(Json::Array(composed)) = options.get_mut("compose") {
        for part in composed {
            let Some(path) = part.as_str().map(str::to_owned) else { continue };
            match read(turn, &path).await {
                Ok(read) => *part = read,
                Err(failure) => return Outcome::new(Verdict::Failed(failure)).into(),
            }
        }
    }
    turn.module("docker_stack", options, &[]).await.into()
}

async fn read(turn: &Turn, path: &str) -> Result<Json, Failure> {
    let content = slurp(turn, path).await?;
    let text = String::from_utf8_lossy(&content);
    let read = yaml_read::read_one(&text).map_err(|error| error.to_string());
    read.and_then(|value| to_json(&value).map_err(|error| error.message))
        .map_err(|why| Failure::new(format!("{path} on the host is no YAML: {why}")))
}
