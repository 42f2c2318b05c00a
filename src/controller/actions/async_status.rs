//! `async_status`: asks a host how a task in the background is doing, where this host's variables say such files are.

use crate::{
    controller::executor::{Done, Turn, background},
    remote::{OptionSpec, modules},
};

/// The manual page is the module's.
pub const DOC: &str = "Tells how a task that was started with `async` and `poll: 0` is doing, or forgets it.\n";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("async_status")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let prepared = turn.json_options().and_then(|options| Ok((options, background::folder(turn)?)));
    let (mut options, folder) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Done::failed(error.message),
    };
    options.insert("_async_dir".to_owned(), folder.into());
    let outcome = turn.module("async_status", options, &[]).await;
    background::keep_facts(turn, &outcome);
    outcome.into()
}
