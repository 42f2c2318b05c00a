//! What is made sure of on every host before the first one is switched.

use serde_json::json;

use super::{
    Foreseen, Rollout,
    front::{servers, servers_of},
    ledger::{carried, map},
    member::Member,
    plan::Step,
};
use crate::{
    controller::connection::Endpoint,
    protocol::{Failure, Json},
    remote::docker::{container::Pull, sizes},
};

/// Where engines keep images unless they say otherwise.
const ENGINE_FOLDER: &str = "/var/lib/docker";

/// Has the image come to a host, where the task wants that and the run is no check.
pub(super) async fn image(member: &mut Member) -> Result<(), Failure> {
    let due = match (member.options.pull, &member.want.image_id) {
        (Pull::Never | Pull::Missing, Some(_)) => false,
        (Pull::Never, None) => {
            return Err(Failure::new(format!("there is no image {} on the host", member.image()))
                .hint("build, load or pull it first, or let this task pull it with `pull: missing`"));
        }
        (Pull::Missing, None) | (Pull::Always, _) => true,
    };
    if !due {
        return Ok(());
    }
    let pull = if member.options.pull == Pull::Always { "always" } else { "not_present" };
    member.module("docker_image_pull", json!({ "name": member.image(), "pull": pull })).await?;
    member.look_for_image().await
}

impl Rollout<'_> {
    /// Makes sure that nothing stands in the way of a host's switch.
    ///
    /// # Errors
    /// What does.
    pub(super) async fn prepare(&self, member: &Member) -> Result<(), Failure> {
        let mut needed = Vec::new();
        match &member.step {
            None | Some(Step::Stay(_)) => return Ok(()),
            Some(Step::Mend { serves, left }) => {
                needed.extend(servers_of(&member.host, serves));
                needed.extend(left.iter().flat_map(|set| servers_of(&member.host, set)));
            }
            Some(Step::Switch { from, slot, left }) => {
                needed.extend(servers(&member.host, slot, member.want.replicas));
                needed.extend(from.iter().flat_map(|set| servers_of(&member.host, set)));
                member.foresee(slot).await?;
                // What is left there goes before the new ones come.
                if left.is_empty() {
                    free_ports(member, slot).await?;
                }
                disk(member).await?;
            }
        }
        if self.foreseen == Foreseen::Proxies {
            return Ok(());
        }
        let missing = self.front.missing(&needed).await?;
        if missing.is_empty() {
            return Ok(());
        }
        if self.foreseen == Foreseen::Servers {
            self.turn.run.warn(format!(
                "{}: the proxies do not know {} yet; something before this has to bring them",
                member.host,
                missing.join(", ")
            ));
            return Ok(());
        }
        Err(Failure::new(format!("the proxies do not know {}", missing.join(", ")))
            .hint("write a server for each replica in each slot into the backend: HOST-SLOT-NUMBER"))
    }
}

/// Nobody may listen where the new containers will.
async fn free_ports(member: &Member, slot: &str) -> Result<(), Failure> {
    for port in member.ports(slot)? {
        let host = member.bind().trim_matches(['[', ']']).to_owned();
        if member.turn.dial(&Endpoint::Tcp { host, port }).await.is_ok() {
            return Err(Failure::new(format!("somebody listens on port {port} of slot {slot} already"))
                .hint("stop it, or give the slot another port"));
        }
    }
    Ok(())
}

/// The engine needs room for layers and logs.
async fn disk(member: &Member) -> Result<(), Failure> {
    let wanted = sizes::bytes(&member.options.disk_free).map_err(Failure::new)?;
    let info = member.module("docker_host_info", json!({})).await?;
    let folder = info.result.get("host_info").and_then(|info| info["DockerRootDir"].as_str()).unwrap_or(ENGINE_FOLDER);
    // POSIX's own form: one line for each file system, in blocks of 1024.
    let said = carried(member.turn.read("command", map(json!({ "argv": ["df", "-Pk", folder] }))).await);
    // Before the engine is there its folder is not either.
    let Ok(said) = said else { return Ok(()) };
    let Some(free) = said.result.get("stdout").and_then(Json::as_str).and_then(free_bytes) else { return Ok(()) };
    if free >= wanted {
        return Ok(());
    }
    Err(Failure::new(format!("{folder} has {} MiB free; {} are wanted", free >> 20, member.options.disk_free))
        .hint("remove images that nobody needs, with docker_prune for one"))
}

/// The fourth column of the last line of `df -Pk`.
fn free_bytes(text: &str) -> Option<i64> {
    let blocks: i64 = text.lines().last()?.split_whitespace().nth(3)?.parse().ok()?;
    blocks.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn free_room_is_read_from_df() {
        let text = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n/dev/vda 263174212 47185920 204800 49% /\n";
        assert_eq!(super::free_bytes(text), Some(204_800 << 10));
        assert_eq!(super::free_bytes("df: no such file\n"), None);
    }
}
