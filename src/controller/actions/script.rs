//! `script`: sends a script of the controller to the host and runs it there.

use serde_json::json;

use crate::{
    controller::executor::{Done, Turn},
    protocol::{Outcome, Verdict},
    remote::{OptionSpec, modules},
};

/// The manual page is the module's.
pub const DOC: &str = "Sends a script of the controller to the host and runs it there.\n";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("script")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let mut options = match turn.json_options() {
        Ok(options) => options,
        Err(error) => return Done::failed(error.message),
    };
    let Some(line) = turn.text("_raw_params").or_else(|| turn.text("cmd")) else {
        return Done::failed("script needs one of the following: free form, cmd");
    };
    let words = shlex::split(&line).unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect());
    let Some(name) = words.first() else { return Done::failed("script does not say which one") };
    let path = match turn.find_file("files", name) {
        Ok(path) => path,
        Err(failure) => return Outcome::new(Verdict::Failed(failure)).into(),
    };
    let blob = match super::copy::open(turn, &path) {
        Ok(blob) => blob,
        Err(message) => return Done::failed(message),
    };
    let trimmed = line.trim_start();
    let skipped = if trimmed.starts_with(name.as_str()) { name.len() } else { name.len() + 2 };
    let arguments = trimmed.get(skipped..).unwrap_or_default().trim_start();
    options.remove("cmd");
    options.insert("_raw_params".to_owned(), json!(arguments));
    options.insert("_blob".to_owned(), Turn::blob(&blob));
    turn.module("script", options, &[blob]).await.into()
}
