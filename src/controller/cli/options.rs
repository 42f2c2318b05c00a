//! Flags that several commands share.

use std::path::PathBuf;

use clap::Args;

const INVENTORY: &str = "Hosts";
const VARIABLES: &str = "Variables and secrets";

/// Which hosts there are.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = INVENTORY)]
pub struct HostOptions {
    /// Inventory file, folder or list of hosts (`-i web1,web2,`); may be given several times [default: `ansible.cfg`,
    /// then /etc/ansible/hosts, then localhost only]
    #[arg(short, long, value_name = "SOURCE", alias = "inventory-file")]
    pub inventory: Vec<String>,

    /// Only these hosts of the plays, as a pattern: `web1,db*`, `all:!staging`, `@failed.txt`
    #[arg(short, long, value_name = "PATTERN")]
    pub limit: Option<String>,
}

/// Variables and what opens vaults.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = VARIABLES)]
pub struct VariableOptions {
    /// Set variables above all others: `name=value …`, JSON, YAML, or `@file.yaml`; may be given several times
    #[arg(short, long, value_name = "VARS")]
    pub extra_vars: Vec<String>,

    #[command(flatten)]
    pub vault: VaultOptions,
}

/// What opens vaults.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = VARIABLES)]
pub struct VaultOptions {
    /// Vault password by label: `label@file`, `label@prompt`, or `file`; may be given several times
    #[arg(long, value_name = "LABEL@SOURCE")]
    pub vault_id: Vec<String>,

    /// File with the vault password, or a program that prints it; may be given several times
    #[arg(long, value_name = "FILE", alias = "vault-pass-file")]
    pub vault_password_file: Vec<PathBuf>,

    /// Ask for the vault password
    #[arg(short = 'J', long, alias = "ask-vault-password")]
    pub ask_vault_pass: bool,
}
