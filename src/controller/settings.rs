//! What the user asks of a run, resolved once from flags, environment and `ansible.cfg`.

pub mod facts;

use std::path::PathBuf;

use super::{
    source::Node,
    vault::{Keyring, Secret},
};

/// A run as asked for.
#[derive(Default)]
pub struct Settings {
    /// Playbook files, in order.
    pub playbooks: Vec<PathBuf>,
    /// Inventory sources, in order; none means the implicit localhost only.
    pub inventory: Vec<String>,
    /// `--limit`.
    pub limit: Option<String>,
    /// `--tags`; empty means all.
    pub tags: Vec<String>,
    /// `--skip-tags`.
    pub skip_tags: Vec<String>,
    /// `-e`, each parsed to a mapping, in order.
    pub extra_vars: Vec<Node>,
    /// How many hosts work at the same time.
    pub forks: usize,
    /// `--check`.
    pub check: bool,
    /// Wait for each task's result before the next one is sent, for comparison.
    pub serial_tasks: bool,
    /// `--step`: a person is asked of every task.
    pub step: bool,
    /// `--diff`.
    pub diff: bool,
    /// `-v`, counted.
    pub verbosity: u8,
    /// Whether what tasks return is shown whole.
    pub shows_results: bool,
    /// `-u`.
    pub user: Option<String>,
    /// `--private-key`.
    pub private_key: Option<PathBuf>,
    /// `-k`, once asked.
    pub password: Option<Secret<String>>,
    /// `-c`.
    pub connection: Option<String>,
    /// `-T`, seconds.
    pub timeout: u64,
    /// `--ssh-common-args`.
    pub ssh_common_args: Option<String>,
    /// Whether host keys are verified.
    pub host_key_checking: bool,
    /// `-b`.
    pub escalate: bool,
    /// `--become-method`.
    pub become_method: Option<String>,
    /// `--become-user`.
    pub become_user: Option<String>,
    /// `-K`, once asked.
    pub become_password: Option<Secret<String>>,
    /// `--start-at-task`.
    pub start_at_task: Option<String>,
    /// `--force-handlers`.
    pub force_handlers: bool,
    /// A notified handler that is not there ends the run (`error_on_missing_handler`); otherwise it is a warning.
    pub missing_handlers_fail: bool,
    /// `--flush-cache`.
    pub flush_cache: bool,
    /// `allow_broken_conditionals`: what is no boolean counts by whether it is something.
    pub broken_conditionals: bool,
    /// Where facts are kept from one run to the next (`fact_caching = jsonfile`).
    pub fact_cache: Option<facts::FactCache>,
    /// Leave no helper behind on the hosts.
    pub no_cache: bool,
    /// `hash_behaviour = merge`: mappings of several levels are merged.
    pub merge_hashes: bool,
    /// Folders with roles.
    pub roles_path: Vec<PathBuf>,
    /// Folders with `ansible_collections`.
    pub collections_path: Vec<PathBuf>,
    /// Modules that tell facts at the start of a play, where it is not `setup` alone.
    pub facts_modules: Vec<String>,
    /// Folders with modules of the user's.
    pub library: Vec<PathBuf>,
    /// Vault passwords.
    pub keyring: Keyring,
    /// Gather facts at the start of plays that do not say otherwise.
    pub gather: Gather,
    /// Keys that are written twice.
    pub duplicate_keys: DuplicateKeys,
}

/// What is made of a key that is written twice in a mapping (`ANSIBLE_DUPLICATE_YAML_DICT_KEY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicateKeys {
    /// The user is told.
    #[default]
    Warn,
    /// The run does not start.
    Error,
    /// Nothing.
    Ignore,
}

/// When facts are gathered (`gathering` of `ansible.cfg`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gather {
    /// At the start of every play that does not say otherwise.
    #[default]
    Implicit,
    /// Only where a play says so.
    Explicit,
    /// Once for every host.
    Smart,
}
