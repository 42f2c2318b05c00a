//! `meta`: says something to the run itself.

use crate::{
    controller::executor::{Done, Effect, Turn},
    protocol::{Outcome, Verdict},
    remote::OptionSpec,
};

/// The manual page.
pub const DOC: &str = "\
Says something to the run itself: `flush_handlers`, `end_play`, `end_host`, `end_batch`, `end_role`, `clear_facts`,
`clear_host_errors`, `refresh_inventory`, `reset_connection`, `noop`.

## Example
```yaml
- meta: flush_handlers
```
";

/// Words that are understood.
const WORDS: &[&str] = &[
    "flush_handlers",
    "end_play",
    "end_host",
    "end_batch",
    "end_role",
    "clear_facts",
    "clear_host_errors",
    "refresh_inventory",
    "reset_connection",
    "noop",
];

/// The only option is the word behind its name.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Vec::new()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let word = turn.text("_raw_params").unwrap_or_default();
    if !WORDS.contains(&word.as_str()) {
        return Done::failed(format!("invalid meta action requested: {word}; known are {}", WORDS.join(", ")));
    }
    if word == "reset_connection" {
        let link = turn.run.link(&turn.way.host);
        let mut link = link.lock().await;
        link.sessions.clear();
        if let Some(connection) = link.connection.take() {
            connection.close().await;
        }
    }
    Done::with(Outcome::new(Verdict::Unchanged), Effect::Meta(word))
}
