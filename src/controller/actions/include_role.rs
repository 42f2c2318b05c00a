//! `include_role`: reads and runs a role while the play runs.

use std::sync::Arc;

use serde_json::json;

use super::{
    include_tasks::{item, problems, surroundings},
    setup,
};
use crate::{
    controller::{
        executor::{Done, Effect, Turn},
        playbook::{
            reading::Reading,
            role::{RoleFiles, Wanted},
        },
        source::Diagnostics,
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
    let tasks = files.tasks.clone();
    let mut diagnostics = Diagnostics::default();
    let mut around = surroundings(turn);
    around.folder.clone_from(&turn.batch.play.play.folder);
    let wanted = Wanted {
        files,
        validate: turn.flag("rolespec_validate", true),
        public: turn.flag("public", false),
        allow_duplicates: Some(turn.flag("allow_duplicates", true)),
        ..Wanted::new(&name, &turn.task.span)
    };
    let used = turn.run.loader.role(wanted, &around, &mut diagnostics);
    if let Some(done) = problems(diagnostics) {
        return done;
    }
    let Some(used) = used else { return Done::failed(format!("there is no role {name}")) };
    let unread = |reading: &Reading| used.items.iter().any(|item| !reading.knows(item.file()));
    if let Err(failure) = setup::complete(turn, unread).await {
        return Outcome::new(Verdict::Failed(failure)).into();
    }
    let mut handlers = used.handlers;
    handlers.extend(around.take_handlers());
    if used.role.public {
        turn.batch.play.expose(&used.role);
    }
    let key = format!("{} {tasks} {}", used.role.path.display(), item(turn));
    let effect = Effect::Include { items: Arc::new(used.items), handlers, key };
    let mut outcome = Outcome::new(Verdict::Unchanged);
    outcome.result.insert("include_role".to_owned(), json!(name));
    Done::with(outcome, effect)
}
