//! `unarchive`: sends an archive of the controller to the host, which unpacks it.

use serde_json::json;

use super::{get_url::fetched, http::address::without_login};
use crate::{
    controller::executor::{Done, Turn},
    protocol::{Failure, Json, Outcome, Verdict},
    remote::{
        OptionSpec,
        modules::{self, unarchive::WANTS_ARCHIVE},
    },
};

/// The manual page is the module's.
pub const DOC: &str = "Unpacks an archive of the controller, or of the host itself, on the host.\n";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("unarchive")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let mut options = match turn.json_options() {
        Ok(options) => options,
        Err(error) => return Done::failed(error.message),
    };
    if turn.flag("remote_src", false) || !turn.flag("copy", true) {
        let outcome = turn.module("unarchive", options.clone(), &[]).await;
        let Some(url) = outcome.result.get(WANTS_ARCHIVE).and_then(Json::as_str).map(str::to_owned) else {
            return outcome.into();
        };
        return match fetched(turn, &url, turn.flag("validate_certs", true)).await {
            Ok(blob) => {
                options.insert("_blob".to_owned(), Turn::blob(&blob));
                options.insert("src".to_owned(), json!(without_login(&url)));
                turn.module("unarchive", options, &[blob]).await.into()
            }
            Err(failure) => Outcome::new(Verdict::Failed(failure)).into(),
        };
    }
    let Some(src) = turn.text("src") else { return Done::failed("src is required") };
    if src.contains("://") {
        let failure = Failure::new(format!("{} is no file on the controller", without_login(&src)));
        return Outcome::new(Verdict::Failed(failure.hint("remote_src: true fetches it"))).into();
    }
    let path = match turn.find_file("files", &src) {
        Ok(path) => path,
        Err(failure) => return Outcome::new(Verdict::Failed(failure)).into(),
    };
    match super::copy::open(turn, &path) {
        Ok(blob) => {
            options.insert("_blob".to_owned(), Turn::blob(&blob));
            options.insert("src".to_owned(), json!(path.display().to_string()));
            turn.module("unarchive", options, &[blob]).await.into()
        }
        Err(message) => Done::failed(message),
    }
}
