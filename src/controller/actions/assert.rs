//! `assert`: fails where conditions do not hold.

use serde_json::json;

use crate::{
    controller::{
        executor::{Done, Turn},
        source::{Node, Shape},
        template,
    },
    options,
    protocol::{Failure, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Fails where conditions do not hold.
    ///
    /// ## Example
    /// ```yaml
    /// - assert:
    ///     that: port | int > 1024
    ///     fail_msg: "{{ port }} is taken by the system"
    /// ```
    ///
    /// ## Returns
    /// `assertion` and `evaluated_to` when it fails; `msg`.
    pub struct Assert {
        /// A condition, or a list of them.
        that: serde_json::Value,
        /// What to say when one does not hold.
        fail_msg: Option<serde_json::Value> [msg],
        /// What to say when all hold.
        success_msg: Option<serde_json::Value>,
        /// Say nothing of those that hold.
        quiet: bool = false,
    }
}

/// The manual page.
pub const DOC: &str = Assert::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Assert::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let options = &turn.task.arguments;
    // All options may come from a mapping of the user's.
    let mapping = options.template.as_ref().and_then(|node| template::condition::written(node, &turn.context));
    let within = mapping.as_ref().and_then(|mapping| mapping.as_map()?.get("that"));
    let Some(that) = options.get("that").or(within) else {
        return Done::failed("missing required arguments: that");
    };
    let empty = |node: &Node| node.is_null() || node.as_str().is_some_and(|text| text.trim().is_empty());
    let message = |name: &str| turn.options.get(name).and_then(|value| template::to_json(value).ok());
    let written = template::condition::written(that, &turn.context).filter(|node| node.as_list().is_some());
    let that = written.as_ref().unwrap_or(that);
    let single = std::slice::from_ref(that);
    let conditions: &[Node] = match &that.shape {
        Shape::List(items) => items,
        _ => single,
    };
    for condition in conditions {
        if empty(condition) {
            return Done::failed("Empty conditional expressions are not allowed.");
        }
        // What stands in a mapping is rendered before it is looked at, and what comes out is no expression of the user's.
        let put_together = |text: &&str| template::is_template(text) && !template::condition::is_whole_template(text);
        if let Some(text) = condition.as_str().filter(put_together).filter(|_| within.is_some()) {
            return Done::failed(template::condition::untrusted(text).message);
        }
        let holds = match template::condition(condition, &turn.context) {
            Ok(holds) => holds,
            Err(error) if error.kind == template::error::Trouble::Unknown => {
                return Outcome::new(Verdict::Unknown(error.message)).into();
            }
            Err(error) => return Done::failed(error.message),
        };
        if !holds {
            let said = message("fail_msg").or_else(|| message("msg")).unwrap_or_else(|| json!("Assertion failed"));
            let text = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
            let shown = condition.to_json();
            let shown = shown.as_str().map_or_else(|| shown.to_string(), |text| text.trim().to_owned());
            let failure = Failure::new(text).hint(format!("`{shown}` does not hold"));
            let mut outcome = Outcome::new(Verdict::Failed(failure));
            outcome.result.insert("assertion".to_owned(), condition.to_json());
            outcome.result.insert("evaluated_to".to_owned(), json!(false));
            outcome.result.insert("msg".to_owned(), said);
            return outcome.into();
        }
    }
    let mut outcome = Outcome::new(Verdict::Unchanged);
    let said = message("success_msg").unwrap_or_else(|| json!("All assertions passed"));
    outcome.result.insert("msg".to_owned(), said);
    outcome.into()
}
