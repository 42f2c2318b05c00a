//! Keywords that plays, roles, blocks and tasks share and hand down.

use crate::controller::source::{Mapping, Node};

/// What may be said at every level. Values are as written; they are templated where they take effect.
#[derive(Clone, Debug, Default)]
pub struct Keywords {
    /// Variables.
    pub vars: Option<Node>,
    /// Conditions; those of all levels must hold.
    pub when: Option<Node>,
    /// Tags; those of all levels count.
    pub tags: Option<Node>,
    /// Variables for what runs on the host; those of all levels count.
    pub environment: Option<Node>,
    /// Handlers to notify; those of all levels count.
    pub notify: Option<Node>,
    /// Defaults for options, by module.
    pub module_defaults: Option<Node>,
    /// Whether its variables are the parameters of an include, which are stronger than what tasks set.
    pub parameters: bool,
    /// The rest, by name: the innermost level that says it counts.
    pub(super) said: Vec<(&'static str, Node)>,
}

/// Keywords of which the innermost counts.
pub const INHERITED: &[&str] = &[
    "any_errors_fatal",
    "become",
    "become_exe",
    "become_flags",
    "become_method",
    "become_user",
    "check_mode",
    "collections",
    "connection",
    "debugger",
    "delegate_facts",
    "delegate_to",
    "diff",
    "ignore_errors",
    "ignore_unreachable",
    "no_log",
    "port",
    "remote_user",
    "run_once",
    "throttle",
    "timeout",
];

/// Keywords that levels add up.
pub const ADDED: &[&str] = &["vars", "when", "tags", "environment", "module_defaults"];

impl Keywords {
    /// Takes the shared keywords of a mapping.
    #[must_use]
    pub fn of(map: &Mapping) -> Self {
        let said = INHERITED.iter().filter_map(|&name| Some((name, map.get(name)?.clone()))).collect();
        Self {
            vars: map.get("vars").cloned(),
            when: map.get("when").cloned(),
            tags: map.get("tags").cloned(),
            environment: map.get("environment").cloned(),
            notify: map.get("notify").cloned(),
            module_defaults: map.get("module_defaults").cloned(),
            parameters: false,
            said,
        }
    }

    /// A level of nothing but variables that an include passes on.
    #[must_use]
    pub fn passed(vars: Option<Node>) -> Self {
        Self { vars, parameters: true, ..Self::default() }
    }

    /// What this level says of a keyword.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.said.iter().find(|(known, _)| *known == name).map(|(_, node)| node)
    }
}

/// What the innermost of some levels (outermost first) says of a keyword.
#[must_use]
pub fn innermost<'k>(levels: impl DoubleEndedIterator<Item = &'k Keywords>, name: &str) -> Option<&'k Node> {
    levels.rev().find_map(|level| level.get(name))
}

impl Keywords {
    /// Says a keyword at this level.
    pub fn set(&mut self, name: &'static str, value: Node) {
        self.said.retain(|(known, _)| *known != name);
        self.said.push((name, value));
    }
}
