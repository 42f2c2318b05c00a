//! The vault passwords of a run, by id: from files, from scripts, or typed by the user.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use super::{Secret, VaultError, decrypt, vault_id};

/// Passwords in the order given.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: Vec<(String, Secret<Vec<u8>>)>,
    /// What was opened and not yet taken note of; clones share it.
    opened: Arc<Mutex<Vec<Secret<String>>>>,
}

/// One `--vault-id`: a label and where its password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultId {
    /// The label; `default` where the user gave none.
    pub label: String,
    /// Where the password comes from.
    pub source: PasswordSource,
}

/// Where a password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// The caller asks the user.
    Prompt,
    /// A file with the password in it, or an executable that prints it.
    File(PathBuf),
}

impl VaultId {
    /// Reads `label@source`, `source` or `label@prompt`, as Ansible's `--vault-id` takes it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (label, source) = text.split_once('@').unwrap_or(("default", text));
        let label = if label.is_empty() { "default" } else { label };
        let source = match source {
            "prompt" | "prompt_ask_vault_pass" => PasswordSource::Prompt,
            path => PasswordSource::File(PathBuf::from(path)),
        };
        Self { label: label.to_owned(), source }
    }
}

impl Keyring {
    /// Adds a password the caller has.
    pub fn add(&mut self, label: &str, password: Secret<Vec<u8>>) {
        self.keys.push((label.to_owned(), password));
    }

    /// Adds the password in a file, or the one an executable prints. Space around it does not count.
    pub fn add_file(&mut self, label: &str, path: &Path) -> Result<(), VaultError> {
        let unreadable = |error| VaultError::PasswordFile { path: path.to_owned(), error };
        let meta = std::fs::metadata(path).map_err(unreadable)?;
        let raw = if meta.permissions().mode() & 0o111 != 0 {
            run_script(label, path)?
        } else {
            Secret::new(std::fs::read(path).map_err(unreadable)?)
        };
        let password = raw.expose().trim_ascii().to_vec();
        if password.is_empty() {
            return Err(VaultError::EmptyPassword(path.to_owned()));
        }
        self.add(label, Secret::new(password));
        Ok(())
    }

    /// Notes a text that came out of a vault.
    pub fn note_opened(&self, text: &str) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(Secret::new(text.to_owned()));
    }

    /// The texts that came out of vaults since this was last asked, so that they are shown nowhere.
    #[must_use]
    pub fn take_opened(&self) -> Vec<Secret<String>> {
        std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is no password.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The password to write new vaults with: the one of that id, else the first one.
    #[must_use]
    pub fn password(&self, label: Option<&str>) -> Option<&Secret<Vec<u8>>> {
        let wanted = |label: &str| self.keys.iter().find(|(id, _)| id == label);
        label.map_or_else(|| self.keys.first(), wanted).map(|(_, password)| password)
    }

    /// Opens a vault with the passwords of its id first, then with all others.
    pub fn open(&self, text: &str) -> Result<Secret<Vec<u8>>, VaultError> {
        let id = vault_id(text);
        if self.keys.is_empty() {
            return Err(VaultError::NoPassword(id.to_owned()));
        }
        let (matching, others): (Vec<_>, Vec<_>) = self.keys.iter().partition(|(label, _)| label == id);
        let mut tried = Vec::new();
        for (label, password) in matching.into_iter().chain(others) {
            match decrypt(text, password) {
                Err(VaultError::WrongPassword { .. }) => tried.push(label.clone()),
                other => return other,
            }
        }
        Err(VaultError::WrongPassword { id: id.to_owned(), tried })
    }
}

fn run_script(label: &str, path: &Path) -> Result<Secret<Vec<u8>>, VaultError> {
    let unreadable = |error| VaultError::PasswordFile { path: path.to_owned(), error };
    // A bare name would be looked up in PATH instead of here.
    let full = path.canonicalize().map_err(unreadable)?;
    let mut command = Command::new(full);
    // Ansible's convention: a script called `…-client` is told which id is wanted.
    if path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("-client")) {
        command.args(["--vault-id", label]);
    }
    let output = command.stdin(Stdio::inherit()).output().map_err(unreadable)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(VaultError::PasswordScript { path: path.to_owned(), status: output.status, stderr });
    }
    Ok(Secret::new(output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vault_ids_have_a_label_and_a_source() {
        let table = [
            ("prod@prompt", "prod", PasswordSource::Prompt),
            ("dev@~/pw@home", "dev", PasswordSource::File("~/pw@home".into())),
            ("pw.txt", "default", PasswordSource::File("pw.txt".into())),
            ("@pw.txt", "default", PasswordSource::File("pw.txt".into())),
        ];
        for (text, label, source) in table {
            assert_eq!(VaultId::parse(text), VaultId { label: label.to_owned(), source });
        }
    }

    #[test]
    fn password_files_are_read_without_the_space_around() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pw");
        let mut keys = Keyring::default();
        std::fs::write(&path, " correct horse \n").unwrap();
        keys.add_file("prod", &path).unwrap();
        assert_eq!(keys.password(Some("prod")).unwrap().expose(), b"correct horse");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(keys.add_file("prod", &path), Err(VaultError::EmptyPassword(_))));
    }

    #[test]
    fn executable_password_files_are_run_and_clients_are_told_the_id() {
        let directory = tempfile::tempdir().unwrap();
        let script = |name: &str, body: &str| {
            let path = directory.path().join(name);
            // Written by a child process, so that no thread of this one holds it open for writing when it is run.
            let status = Command::new("sh")
                .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 700 \"$1\"", "sh"])
                .args([path.as_os_str(), body.as_ref()])
                .status();
            assert!(status.unwrap().success());
            path
        };
        let mut keys = Keyring::default();
        keys.add_file("a", &script("ask", "echo $#")).unwrap();
        keys.add_file("b", &script("ask-client", "echo $2")).unwrap();
        assert_eq!(keys.password(Some("a")).unwrap().expose(), b"0");
        assert_eq!(keys.password(Some("b")).unwrap().expose(), b"b");
        let failed = keys.add_file("c", &script("bad", "echo no >&2; exit 3"));
        assert!(matches!(failed, Err(VaultError::PasswordScript { stderr, .. }) if stderr == "no"));
    }
}
