//! `set_fact`: sets variables of a host.

use std::sync::Arc;

use crate::{
    controller::{
        executor::{Done, Effect, Turn},
        template,
        variables::{Layer, Var},
    },
    protocol::{Json, Map, Outcome, Verdict},
    remote::OptionSpec,
};

/// The manual page.
pub const DOC: &str = "\
Sets variables of a host for the rest of the run. With `cacheable: true` they count as facts too.

## Example
```yaml
- set_fact:
    release: \"{{ version }}-{{ revision }}\"
```

## Returns
`ansible_facts`: the variables.
";

/// The options are the variables.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Vec::new()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let mut layer = Layer::new();
    let mut facts = Map::new();
    for (name, value) in &turn.options {
        if name == "cacheable" {
            continue;
        }
        let valid =
            name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
        if !valid {
            return Done::failed(format!(
                "The variable name '{name}' is not valid. Variables must start with a letter or underscore character, and contain only letters, numbers and underscores."
            ));
        }
        match template::to_json(value) {
            Ok(json) => facts.insert(name.clone(), json),
            Err(error) => return Done::failed(error.message),
        };
        layer.insert(Arc::from(name.as_str()), Var::Data(value.clone()));
    }
    if layer.is_empty() {
        return Done::failed("No key/value pairs provided, at least one is required for this action to succeed");
    }
    if turn.flag("cacheable", false) {
        turn.run.add_facts(turn.facts_host(), &facts);
    }
    let mut outcome = Outcome::new(Verdict::Unchanged);
    outcome.result.insert("ansible_facts".to_owned(), Json::Object(facts));
    let host = Some(turn.facts_host()).filter(|host| *host != turn.host).map(str::to_owned);
    Done::with(outcome, Effect::Facts { host, layer })
}
