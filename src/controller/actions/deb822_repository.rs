//! `deb822_repository`: fetches the key of an apt source where it is given by address, then has the host write both.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::json;

use super::http::{Address, Client, HttpError, Request, client::Follow, sink::drain, tls::HostTrust};
use crate::{
    controller::executor::{Done, Turn},
    protocol::{Failure, Outcome, Verdict},
    remote::{OptionSpec, modules},
};

/// The most that a key holds.
const KEY_BYTES_MAX: u64 = 4 << 20;
/// How long connecting and the answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a key in ASCII armour holds.
const ARMOUR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// The manual page is the module's.
pub const DOC: &str = "Keeps an apt source in a `.sources` file of its own, with the key that signs it.\n";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::find("deb822_repository").map(|entry| (entry.spec)()).unwrap_or_default()
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
        let key = match fetch(turn, &address).await {
            Ok(key) => key,
            Err(failure) => return Outcome::new(Verdict::Failed(failure)).into(),
        };
        options.insert("_armoured".to_owned(), json!(key.windows(ARMOUR.len()).any(|window| window == ARMOUR)));
        let blob = turn.run.blobs.add_bytes(key);
        options.insert("_key".to_owned(), Turn::blob(&blob));
        blobs.push(blob);
    }
    turn.module("deb822_repository", options, &blobs).await.into()
}

fn is_address(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme))
}

async fn fetch(turn: &Turn, url: &str) -> Result<Vec<u8>, Failure> {
    let failed = |error: HttpError| Failure {
        message: format!("Could not fetch signed_by key: {error}"),
        hint: error.hint(),
    };
    let trust = HostTrust { turn, validate: true, ca_path: None, client_cert: None, client_key: None };
    let mut client = Client::new(turn, &trust, PATIENCE);
    client.follow = Follow::All;
    let address = Address::parse(url).map_err(failed)?;
    let request = Request { method: Method::GET, address, headers: hyper::HeaderMap::new(), body: Bytes::new() };
    let mut answer = client.send(request).await.map_err(failed)?;
    if !answer.status.is_success() {
        let message = format!("Could not fetch signed_by key: HTTP Error {}: {}", answer.status.as_u16(), answer.reason);
        return Err(Failure::new(message));
    }
    drain(&mut answer, Vec::new(), true, Some(KEY_BYTES_MAX), client.timeout, |_, _| {}).await.map_err(failed)
}
