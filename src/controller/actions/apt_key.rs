//! `apt_key`: fetches a key where the host says that it is missing, then has the host take it.

use serde_json::json;

use super::http::signing_key::{armoured, fetch};
use crate::{
    controller::executor::{Done, Turn},
    protocol::{Failure, Json, Outcome, Verdict},
    remote::{
        OptionSpec,
        modules::{self, apt_key::WANTS_KEY},
    },
};

/// The manual page is the module's.
pub const DOC: &str = "Adds keys to those that apt trusts, or removes them.\n";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("apt_key")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let mut options = match turn.json_options() {
        Ok(options) => options,
        Err(error) => return Done::failed(error.message),
    };
    let outcome = turn.module("apt_key", options.clone(), &[]).await;
    let Some(url) = outcome.result.get(WANTS_KEY).and_then(Json::as_str).map(str::to_owned) else {
        return outcome.into();
    };
    match fetch(turn, &url, turn.flag("validate_certs", true)).await {
        Ok(key) => options.insert("_fetched".to_owned(), json!(armoured(&key))),
        Err(failure) => {
            let message = format!("Failed to download key at {url}: {}", failure.message);
            return Outcome::new(Verdict::Failed(Failure { message, ..failure })).into();
        }
    };
    turn.module("apt_key", options, &[]).await.into()
}
