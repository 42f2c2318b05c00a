//! `service_rollout_info`: which releases of services a host has.

use serde_json::json;

use super::service_rollout::ledger::{self, Ledger};
use crate::{
    controller::executor::{Done, Turn},
    options,
    protocol::{Failure, Json, Map, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Says which releases `service_rollout` has brought to a host; changes nothing.
    ///
    /// ## Example
    /// ```yaml
    /// - service_rollout_info:
    ///     name: rates
    ///   register: rates
    /// ```
    ///
    /// ## Returns
    /// `services`: by name, each with `active` and `releases`: `release`, `image`, `slot`, `since`, `state` (`active`, `kept`, `failed`).
    pub struct ServiceRolloutInfo {
        /// The service; all when left out.
        name: Option<String>,
    }
}

/// The manual page.
pub const DOC: &str = ServiceRolloutInfo::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    ServiceRolloutInfo::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    act(turn).await.into()
}

async fn act(turn: &Turn) -> Result<Outcome, Failure> {
    let info: ServiceRolloutInfo = turn.parsed()?;
    let names = match info.name {
        Some(name) => vec![name],
        None => ledger::services(turn).await?,
    };
    let mut services = Map::new();
    for name in names {
        if let Some(ledger) = ledger::read(turn, &name).await? {
            services.insert(name, described(&ledger));
        }
    }
    let mut outcome = Outcome::new(Verdict::Unchanged);
    outcome.result.insert("services".to_owned(), services.into());
    Ok(outcome)
}

/// A ledger without the options that its releases were made of, which may be secrets.
fn described(ledger: &Ledger) -> Json {
    let releases: Vec<Json> = ledger
        .releases
        .iter()
        .map(|release| {
            let state = match () {
                () if ledger.active.as_ref() == Some(&release.release) => "active",
                () if release.failed => "failed",
                () => "kept",
            };
            json!({
                "release": release.release, "image": release.image, "slot": release.slot, "since": release.since,
                "state": state,
            })
        })
        .collect();
    json!({ "active": ledger.active, "releases": releases })
}
