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

/// Words that mean something else in a template.
const RESERVED: &[&str] = &[
    "true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "for", "import",
    "from", "as", "with", "return", "lambda", "class", "def", "del", "pass", "break", "continue", "while", "try",
    "except", "finally", "raise", "global", "nonlocal", "assert", "async", "await", "yield", "elif",
];

/// What a name is that is no text, as it is said behind it.
fn kind(name: &str) -> &'static str {
    if name.parse::<i64>().is_ok() { " of type 'int'" } else { "" }
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let mut layer = Layer::new();
    let mut facts = Map::new();
    for (name, value) in &turn.options {
        if name == "cacheable" {
            continue;
        }
        let word =
            name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
        if !word || RESERVED.contains(&name.as_str()) {
            return Done::failed(format!("Invalid variable name '{name}'{}.", kind(name)));
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
