//! Passwords of a run: from files, from programs, or asked for once before anything begins.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{
    Context, Problem,
    configuration::{Setting, expand_home},
    options::VaultOptions,
    run::Run,
};
use crate::controller::vault::{Keyring, PasswordSource, Secret, VaultId};

/// All vault passwords; those typed by the user are asked for here.
///
/// # Errors
/// When a file cannot be read or nobody can be asked.
pub fn keyring(options: &VaultOptions, context: &Context) -> Result<Keyring, Problem> {
    let configuration = &context.configuration;
    let mut ids: Vec<VaultId> = Vec::new();
    if let Some(list) = configuration.get(&["ANSIBLE_VAULT_IDENTITY_LIST"], "defaults", "vault_identity_list") {
        ids.extend(list.words(',').map(VaultId::parse));
    }
    ids.extend(options.vault_id.iter().map(|text| VaultId::parse(text)));
    let file = |path: PathBuf| VaultId { label: "default".to_owned(), source: PasswordSource::File(path) };
    let configured = configuration.get(&["ANSIBLE_VAULT_PASSWORD_FILE"], "defaults", "vault_password_file");
    ids.extend(configured.and_then(Setting::path).map(file));
    ids.extend(options.vault_password_file.iter().cloned().map(file));
    if options.ask_vault_pass || flag(context, "ANSIBLE_ASK_VAULT_PASS", "defaults", "ask_vault_pass")? {
        ids.push(VaultId { label: "default".to_owned(), source: PasswordSource::Prompt });
    }
    given(ids, context)
}

/// Passwords from where some labels say; those typed by the user are asked for here.
///
/// # Errors
/// When a file cannot be read or nobody can be asked.
pub fn given(ids: Vec<VaultId>, context: &Context) -> Result<Keyring, Problem> {
    let mut keyring = Keyring::default();
    for id in ids {
        match id.source {
            PasswordSource::Prompt if id.label == "default" => {
                keyring.add(&id.label, bytes(&context.ask("Vault password: ")?));
            }
            PasswordSource::Prompt => {
                keyring.add(&id.label, bytes(&context.ask(&format!("Vault password ({}): ", id.label))?));
            }
            PasswordSource::File(path) => {
                let path = PathBuf::from(expand_home(&path.to_string_lossy()));
                keyring.add_file(&id.label, &path).map_err(|error| Problem::World(error.to_string()))?;
            }
        }
    }
    Ok(keyring)
}

type Password = Option<Secret<String>>;

/// The passwords for logging in and for becoming another user.
///
/// # Errors
/// When a file cannot be read or nobody can be asked.
pub fn login(run: &Run, context: &Context) -> Result<(Password, Password), Problem> {
    let configuration = &context.configuration;
    let path = |flag: &Option<PathBuf>, variable: &str, key: &str| {
        flag.clone().or_else(|| configuration.get(&[variable], "defaults", key).and_then(Setting::path))
    };
    let connection_file =
        path(&run.connection_password_file, "ANSIBLE_CONNECTION_PASSWORD_FILE", "connection_password_file");
    let become_file = path(&run.become_password_file, "ANSIBLE_BECOME_PASSWORD_FILE", "become_password_file");
    let ask_pass = run.ask_pass || flag(context, "ANSIBLE_ASK_PASS", "defaults", "ask_pass")?;
    let ask_become =
        run.ask_become_pass || flag(context, "ANSIBLE_BECOME_ASK_PASS", "privilege_escalation", "become_ask_pass")?;
    let password = match connection_file {
        Some(path) if !run.ask_pass => Some(read(&path)?),
        _ if ask_pass => Some(context.ask("SSH password: ")?),
        _ => None,
    };
    let become_password = match become_file {
        Some(path) if !run.ask_become_pass => Some(read(&path)?),
        _ if ask_become => {
            let text =
                if password.is_some() { "BECOME password [default: the SSH password]: " } else { "BECOME password: " };
            let answer = context.ask(text)?;
            if answer.expose().is_empty() { password.clone() } else { Some(answer) }
        }
        _ => None,
    };
    Ok((password, become_password))
}

fn flag(context: &Context, variable: &str, section: &str, key: &str) -> Result<bool, Problem> {
    match context.configuration.get(&[variable], section, key) {
        Some(setting) => setting.boolean().map_err(Problem::from),
        None => Ok(false),
    }
}

/// A typed password as the vault takes it.
pub(super) fn bytes(password: &Secret<String>) -> Secret<Vec<u8>> {
    Secret::new(password.expose().as_bytes().to_vec())
}

/// A password from a file, or from the program that the file is.
fn read(path: &Path) -> Result<Secret<String>, Problem> {
    let path = PathBuf::from(expand_home(&path.to_string_lossy()));
    let failed = |error: &dyn std::fmt::Display| {
        Problem::World(format!("cannot read the password file {}: {error}", path.display()))
    };
    let executable = std::fs::metadata(&path).map_err(|error| failed(&error))?.permissions().mode() & 0o111 != 0;
    let raw = if executable {
        let full = path.canonicalize().map_err(|error| failed(&error))?;
        let output = std::process::Command::new(full).output().map_err(|error| failed(&error))?;
        if !output.status.success() {
            return Err(failed(&String::from_utf8_lossy(&output.stderr).trim()));
        }
        Secret::new(output.stdout)
    } else {
        Secret::new(std::fs::read(&path).map_err(|error| failed(&error))?)
    };
    let text = std::str::from_utf8(raw.expose()).map_err(|_| failed(&"it is not UTF-8 text"))?.trim();
    if text.is_empty() { Err(failed(&"it is empty")) } else { Ok(Secret::new(text.to_owned())) }
}
