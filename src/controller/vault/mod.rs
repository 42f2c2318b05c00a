//! Secrets: Ansible's vault format, the passwords that open it, and a box that does not show its content.

pub mod format;
pub mod keyring;
pub mod secret;

pub use format::{MAGIC, decrypt, encrypt, is_vault, vault_id};
pub use keyring::{Keyring, PasswordSource, VaultId};
pub use secret::Secret;

use std::path::PathBuf;

/// Why a secret could not be read. No variant carries anything secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The text does not begin with the vault header, or what follows is damaged.
    #[error("not a readable vault: {0}")]
    Malformed(&'static str),
    /// A format version or cipher this program does not know.
    #[error("vault format `{0}` is not supported (1.1 and 1.2 with AES256 are)")]
    Unsupported(String),
    /// No password at all was given.
    #[error("no vault password was given to open the vault with id `{0}`")]
    NoPassword(String),
    /// None of the passwords opens it.
    #[error("no given password opens the vault with id `{id}` (tried: {})", tried.join(", "))]
    WrongPassword {
        /// The id in the header, `default` where there is none.
        id: String,
        /// The ids of the passwords that were tried.
        tried: Vec<String>,
    },
    /// The password file could not be read.
    #[error("cannot read the vault password file {}: {error}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The password script failed.
    #[error("the vault password script {} failed ({status}): {stderr}", path.display())]
    PasswordScript {
        /// The script.
        path: PathBuf,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// The password file or script gave nothing.
    #[error("{} gave an empty vault password", .0.display())]
    EmptyPassword(PathBuf),
}
