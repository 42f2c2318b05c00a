//! `setup` and `gather_facts`: asks a host for its facts and keeps them.

use crate::{
    controller::executor::{Done, Turn},
    protocol::{Json, Verdict},
    remote::{OptionSpec, modules},
};

/// The manual page.
pub const DOC: &str = "\
Asks a host for its facts and keeps them as variables. Also known as `gather_facts`.

## Example
```yaml
- setup:
    gather_subset: [min, network]
```

## Returns
`ansible_facts`.
";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::find("setup").map(|entry| (entry.spec)()).unwrap_or_default()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let options = match turn.json_options() {
        Ok(options) => options,
        Err(error) => return Done::failed(error.message),
    };
    let outcome = turn.module("setup", options, &[]).await;
    if !matches!(outcome.verdict, Verdict::Failed(_))
        && let Some(Json::Object(facts)) = outcome.result.get("ansible_facts")
    {
        turn.run.add_facts(turn.facts_host(), facts);
        turn.run.with_host(&turn.host, |state| state.fresh_facts = true);
    }
    outcome.into()
}
