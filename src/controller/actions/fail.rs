//! `fail`: fails with a message.

use crate::{
    controller::executor::{Done, Turn},
    options,
    remote::{OptionSpec, Options},
};

options! {
    /// Fails with a message.
    ///
    /// ## Example
    /// ```yaml
    /// - fail:
    ///     msg: only Debian is supported
    ///   when: ansible_facts.distribution != 'Debian'
    /// ```
    pub struct Fail {
        /// What to say.
        msg: String = "Failed as requested from task",
    }
}

/// The manual page.
pub const DOC: &str = Fail::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Fail::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    Done::failed(turn.text("msg").unwrap_or_else(|| "Failed as requested from task".to_owned()))
}
