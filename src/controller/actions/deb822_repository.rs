//! `deb822_repository`: fetches the key of an apt source where it is given by address, then has the host write both.

use serde_json::json;

use super::http::signing_key::{fetch, is_armoured};
use crate::{
    controller::executor::{Done, Turn},
    protocol::{Failure, Outcome, Verdict},
    remote::{OptionSpec, modules},
};

/// The manual page is the module's.
pub const DOC: &str = "Keeps an apt source in a `.sources` file of its own, with the key that signs it.\n";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("deb822_repository")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let mut options = match turn.json_options() {
        Ok(options) => options,
        Err(error) => return Done::failed(error.message),
    };
    let absent = turn.text("state").as_deref() == Some("absent");
    let address = turn.text("signed_by").filter(|said| !absent && is_address(said));
    let mut blobs = Vec::new();
    if let Some(address) = address {
        let key = match fetch(turn, &address, true).await {
            Ok(key) => key,
            Err(failure) => {
                let message = format!("Could not fetch signed_by key: {}", failure.message);
                return Outcome::new(Verdict::Failed(Failure { message, ..failure })).into();
            }
        };
        options.insert("_armoured".to_owned(), json!(is_armoured(&key)));
        let blob = turn.run.blobs.add_bytes(key);
        options.insert("_key".to_owned(), Turn::blob(&blob));
        blobs.push(blob);
    }
    turn.module("deb822_repository", options, &blobs).await.into()
}

fn is_address(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme))
}
