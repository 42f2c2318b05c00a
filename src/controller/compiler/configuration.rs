//! Settings of the run under the names that Ansible's `config` lookup knows them by.

use minijinja::Value;

use crate::controller::settings::{Gather, Settings};

/// The value of a setting; `None` for one that is not known here.
#[must_use]
pub fn setting(settings: &Settings, name: &str) -> Option<Value> {
    let text = |value: &Option<String>| value.as_deref().map_or(Value::from(()), Value::from);
    let paths = |paths: &[std::path::PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Value>();
    Some(match name {
        "ALLOW_BROKEN_CONDITIONALS" => settings.broken_conditionals.into(),
        "DEFAULT_FORKS" => settings.forks.into(),
        "DEFAULT_TIMEOUT" => settings.timeout.into(),
        "DEFAULT_VERBOSITY" => settings.verbosity.into(),
        "DEFAULT_REMOTE_USER" => text(&settings.user),
        "DEFAULT_REMOTE_PORT" => Value::from(()),
        "DEFAULT_TRANSPORT" => settings.connection.as_deref().unwrap_or("ssh").into(),
        "DEFAULT_SUBSET" => text(&settings.limit),
        "DEFAULT_BECOME" => settings.escalate.into(),
        "DEFAULT_BECOME_METHOD" => settings.become_method.as_deref().unwrap_or("sudo").into(),
        "DEFAULT_BECOME_USER" => settings.become_user.as_deref().unwrap_or("root").into(),
        "DEFAULT_FORCE_HANDLERS" => settings.force_handlers.into(),
        "ERROR_ON_MISSING_HANDLER" => settings.missing_handlers_fail.into(),
        "DEFAULT_HASH_BEHAVIOUR" => if settings.merge_hashes { "merge" } else { "replace" }.into(),
        "DEFAULT_GATHERING" => match settings.gather {
            Gather::Implicit => "implicit",
            Gather::Explicit => "explicit",
            Gather::Smart => "smart",
        }
        .into(),
        "DEFAULT_ROLES_PATH" => paths(&settings.roles_path),
        "COLLECTIONS_PATHS" => paths(&settings.collections_path),
        "DEFAULT_HOST_LIST" => settings.inventory.iter().map(String::as_str).collect(),
        "DIFF_ALWAYS" => settings.diff.into(),
        "HOST_KEY_CHECKING" => settings.host_key_checking.into(),
        "TAGS_RUN" => settings.tags.iter().map(String::as_str).collect(),
        "TAGS_SKIP" => settings.skip_tags.iter().map(String::as_str).collect(),
        _ => return None,
    })
}
