//! `include_role`: reads and runs a role while the play runs.

use std::sync::Arc;

use serde_json::json;

use super::include_tasks::{problems, surroundings};
use crate::{
    controller::{
        executor::{Done, Effect, Turn},
        playbook::role::RoleFiles,
        source::Diagnostics,
        variables::Layer,
    },
    options,
    protocol::{Map, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Reads and runs a role while the play runs.
    ///
    /// ## Example
    /// ```yaml
    /// - include_role:
    ///     name: postgres
    ///     tasks_from: backup
    /// ```
    pub struct IncludeRole {
        /// The role.
        name: String [role],
        /// A file in `tasks/`.
        tasks_from: String = "main",
        /// A file in `vars/`.
        vars_from: String = "main",
        /// A file in `defaults/`.
        defaults_from: String = "main",
        /// A file in `handlers/`.
        handlers_from: String = "main",
        /// Keywords for all of its tasks.
        apply: Map,
        /// Make its defaults and variables visible to the rest of the play.
        public: bool = false,
        /// Run it even if it has run with the same parameters.
        allow_duplicates: bool = true,
        /// Validate the role's arguments.
        rolespec_validate: bool = true,
    }
}

/// The manual page.
pub const DOC: &str = IncludeRole::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    IncludeRole::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let Some(name) = turn.text("name").or_else(|| turn.text("role")) else {
        return Done::failed("'name' is a required field for include_role.");
    };
    let file = |option: &str| {
        let name = turn.text(option).unwrap_or_else(|| "main".to_owned());
        name.trim_end_matches(".yml").trim_end_matches(".yaml").to_owned()
    };
    let files = RoleFiles {
        tasks: file("tasks_from"),
        vars: file("vars_from"),
        defaults: file("defaults_from"),
        handlers: file("handlers_from"),
    };
    let mut diagnostics = Diagnostics::default();
    let mut around = surroundings(turn);
    around.folder.clone_from(&turn.batch.play.play.folder);
    let used = turn.run.loader.role(&name, &turn.task.span, &files, Layer::new(), &around, &mut diagnostics);
    if let Some(failure) = problems(&diagnostics) {
        return Outcome::new(Verdict::Failed(failure)).into();
    }
    let Some(used) = used else { return Done::failed(format!("there is no role {name}")) };
    let mut effects = Vec::new();
    if turn.flag("public", false) {
        let mut layer = (*used.role.defaults).clone();
        layer.extend(used.role.vars.iter().map(|(name, value)| (name.clone(), value.clone())));
        effects.push(Effect::IncludeVars(layer));
    }
    let key = format!("{} {}", used.role.path.display(), files.tasks);
    effects.push(Effect::Include { items: Arc::new(used.items), handlers: used.handlers, key });
    let mut outcome = Outcome::new(Verdict::Unchanged);
    outcome.result.insert("include_role".to_owned(), json!(name));
    Done { outcome, effects }
}
