//! The words of plays, blocks and tasks, for checks and suggestions.

/// What only a play may say, besides the shared keywords.
pub(super) const PLAY: &[&str] = &[
    "name",
    "hosts",
    "gather_facts",
    "gather_subset",
    "gather_timeout",
    "fact_path",
    "roles",
    "pre_tasks",
    "tasks",
    "post_tasks",
    "handlers",
    "serial",
    "strategy",
    "max_fail_percentage",
    "force_handlers",
    "order",
    "vars_files",
    "vars_prompt",
    "validate_argspec",
    "user",
];

/// What an entry of `vars_prompt` may say.
pub(super) const PROMPT: &[&str] =
    &["name", "prompt", "default", "private", "confirm", "encrypt", "salt", "salt_size", "unsafe"];

/// What only a block may say.
pub(super) const BLOCK: &[&str] = &["name", "block", "rescue", "always", "notify"];

/// What only a task may say.
pub(super) const TASK: &[&str] = &[
    "name",
    "action",
    "local_action",
    "args",
    "async",
    "poll",
    "register",
    "notify",
    "listen",
    "loop",
    "loop_control",
    "until",
    "retries",
    "delay",
    "changed_when",
    "failed_when",
    "first_available_file",
];
