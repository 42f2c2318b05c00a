//! `deployer vault`: reads and writes files and strings in Ansible's vault format.

use std::{
    io::{IsTerminal, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};

use super::{Context, Exit, Problem, editor, options::VaultOptions, secrets};
use crate::controller::vault::{self, Keyring, Secret, VaultId};

/// Examples, below the flags.
pub(super) const EXAMPLES: &str = "\
Examples:
  deployer vault encrypt group_vars/prod/secrets.yaml    asks for a password, encrypts in place
  deployer vault edit group_vars/prod/secrets.yaml       opens the content in $EDITOR
  printf %s \"$TOKEN\" | deployer vault encrypt-string -n api_token --vault-password-file ~/.vault";

/// Mode of what nobody else may read.
const PRIVATE: u32 = 0o600;

/// Flags of `vault`.
#[derive(Args, Clone, Debug)]
pub struct Vault {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Show what is in vaults
    View(Files),
    /// Encrypt files in place
    Encrypt(Files),
    /// Decrypt files in place
    Decrypt(Files),
    /// Write a new vault with $EDITOR
    Create(OneFile),
    /// Change a vault with $EDITOR
    Edit(OneFile),
    /// Encrypt files with another password
    Rekey(Rekey),
    /// Encrypt one value, to be pasted into a file of variables
    EncryptString(Text),
}

#[derive(Args, Clone, Debug)]
struct Files {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    keys: Keys,
}

#[derive(Args, Clone, Debug)]
struct Rekey {
    #[command(flatten)]
    files: Files,
    /// The new password: `label@file`, `label@prompt`, or `file`; asked for where none is given
    #[arg(long, value_name = "LABEL@SOURCE")]
    new_vault_id: Option<String>,
    /// File with the new password, or a program that prints it
    #[arg(long, value_name = "FILE", alias = "new-vault-pass-file", conflicts_with = "new_vault_id")]
    new_vault_password_file: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
struct OneFile {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    keys: Keys,
}

#[derive(Args, Clone, Debug)]
struct Text {
    /// The value; read from standard input, or asked for, where it is not given (the command line can be seen by others)
    value: Option<String>,
    /// The variable it is for
    #[arg(short, long)]
    name: Option<String>,
    #[command(flatten)]
    keys: Keys,
}

#[derive(Args, Clone, Debug, Default)]
struct Keys {
    #[command(flatten)]
    options: VaultOptions,
    /// Encrypt with the password of this label
    #[arg(long, value_name = "LABEL")]
    encrypt_vault_id: Option<String>,
}

impl Vault {
    pub(super) fn execute(&self, context: &Context) -> Exit {
        let done = match &self.action {
            Action::View(files) => files.view(context),
            Action::Encrypt(files) => files.encrypt(context),
            Action::Decrypt(files) => files.decrypt(context),
            Action::Create(file) => file.create(context),
            Action::Edit(file) => file.edit(context),
            Action::Rekey(rekey) => rekey.execute(context),
            Action::EncryptString(text) => text.encrypt(context),
        };
        match done {
            Ok(()) => Exit::Ok,
            Err(problem) => context.stop(problem),
        }
    }
}

impl Files {
    fn view(&self, context: &Context) -> Result<(), Problem> {
        let keys = self.keys.to_read(context)?;
        for file in &self.files {
            let plain = open(file, &read(file)?, &keys)?;
            context.screen.write(&String::from_utf8_lossy(plain.expose()));
        }
        Ok(())
    }

    fn encrypt(&self, context: &Context) -> Result<(), Problem> {
        let keys = self.keys.to_write(context)?;
        // All or none: a file that cannot be encrypted is found before the first one is.
        let mut plain = Vec::new();
        for file in &self.files {
            let content = read(file)?;
            if std::str::from_utf8(content.expose()).is_ok_and(vault::is_vault) {
                return Err(Problem::World(format!("{} is encrypted already", file.display())));
            }
            plain.push(content);
        }
        for (file, content) in self.files.iter().zip(&plain) {
            replace(file, self.keys.seal(content.expose(), &keys)?.as_bytes(), None)?;
        }
        Ok(())
    }

    /// What is in all of them. All or none: one that cannot be opened is found before the first one is written anew.
    fn opened(&self, context: &Context) -> Result<Vec<Secret<Vec<u8>>>, Problem> {
        let keys = self.keys.to_read(context)?;
        self.files.iter().map(|file| open(file, &read(file)?, &keys)).collect()
    }

    fn decrypt(&self, context: &Context) -> Result<(), Problem> {
        for (file, content) in self.files.iter().zip(&self.opened(context)?) {
            replace(file, content.expose(), Some(PRIVATE))?;
        }
        Ok(())
    }
}

impl Rekey {
    fn execute(&self, context: &Context) -> Result<(), Problem> {
        let plain = self.files.opened(context)?;
        let given = self.new_vault_password_file.as_ref().map(|file| file.display().to_string());
        let id = self.new_vault_id.clone().or(given).map(|text| VaultId::parse(&text));
        let label = id.as_ref().map(|id| id.label.clone());
        let new = match id {
            Some(id) => secrets::given(vec![id], context)?,
            None => new_password("default", context)?,
        };
        let label = self.files.keys.encrypt_vault_id.clone().or(label).unwrap_or_else(|| "default".to_owned());
        let password = new.password(None).ok_or_else(|| Problem::World("no new password was given".to_owned()))?;
        for (file, content) in self.files.files.iter().zip(&plain) {
            replace(file, vault::encrypt(content.expose(), password, shown(&label)).as_bytes(), None)?;
        }
        Ok(())
    }
}

/// Asks twice for a password that nobody knows yet.
fn new_password(label: &str, context: &Context) -> Result<Keyring, Problem> {
    let password = context.ask("New vault password: ")?;
    if password.expose().is_empty() {
        return Err(Problem::World("the vault password is empty".to_owned()));
    }
    if context.ask("The same again: ")?.expose() != password.expose() {
        return Err(Problem::World("the two passwords differ".to_owned()));
    }
    let mut keys = Keyring::default();
    keys.add(label, secrets::bytes(&password));
    Ok(keys)
}

impl OneFile {
    fn create(&self, context: &Context) -> Result<(), Problem> {
        if self.file.exists() {
            return Err(Problem::World(format!("{} exists already; use `vault edit`", self.file.display())));
        }
        let keys = self.keys.to_write(context)?;
        let plain = editor::edit(&Secret::new(Vec::new()), &self.file, &context.configuration)?;
        replace(&self.file, self.keys.seal(plain.expose(), &keys)?.as_bytes(), Some(PRIVATE))
    }

    fn edit(&self, context: &Context) -> Result<(), Problem> {
        let keys = self.keys.to_read(context)?;
        let sealed = read(&self.file)?;
        let plain = open(&self.file, &sealed, &keys)?;
        let changed = editor::edit(&plain, &self.file, &context.configuration)?;
        if changed.expose() == plain.expose() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(sealed.expose()).into_owned();
        let id = vault::vault_id(&text).to_owned();
        let label = self.keys.encrypt_vault_id.clone().unwrap_or(id);
        // The password that wrote it, unless another one was asked for: whoever could read it still can.
        let own = keys.password(Some(&label)).or_else(|| keys.password(None));
        let password = own
            .filter(|password| self.keys.encrypt_vault_id.is_some() || vault::decrypt(&text, password).is_ok())
            .ok_or_else(|| {
                Problem::World(format!("name the password to encrypt {} with: --encrypt-vault-id", self.file.display()))
            })?;
        replace(&self.file, vault::encrypt(changed.expose(), password, shown(&label)).as_bytes(), None)
    }
}

impl Text {
    fn encrypt(&self, context: &Context) -> Result<(), Problem> {
        let keys = self.keys.to_write(context)?;
        let value = match &self.value {
            Some(value) => Secret::new(value.clone().into_bytes()),
            None if std::io::stdin().is_terminal() => {
                Secret::new(context.ask("Value to encrypt: ")?.expose().clone().into_bytes())
            }
            None => {
                let mut bytes = Vec::new();
                let read = std::io::stdin().read_to_end(&mut bytes);
                read.map_err(|error| Problem::World(format!("cannot read standard input: {error}")))?;
                Secret::new(bytes)
            }
        };
        let sealed = self.keys.seal(value.expose(), &keys)?;
        let name = self.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let lines: Vec<String> = sealed.lines().map(|line| format!("          {line}")).collect();
        context.screen.line(&format!("{name}!vault |\n{}", lines.join("\n")));
        Ok(())
    }
}

impl Keys {
    /// Passwords to open vaults with; asked for where none are given.
    fn to_read(&self, context: &Context) -> Result<Keyring, Problem> {
        let mut keys = secrets::keyring(&self.options, context)?;
        if keys.is_empty() {
            keys.add("default", secrets::bytes(&context.ask("Vault password: ")?));
        }
        Ok(keys)
    }

    /// Passwords to write vaults with; a new one is asked for twice.
    fn to_write(&self, context: &Context) -> Result<Keyring, Problem> {
        let keys = secrets::keyring(&self.options, context)?;
        if keys.is_empty() {
            return new_password(self.encrypt_vault_id.as_deref().unwrap_or("default"), context);
        }
        Ok(keys)
    }

    fn seal(&self, plain: &[u8], keys: &Keyring) -> Result<String, Problem> {
        let label = self.encrypt_vault_id.as_deref();
        let first = self.options.vault_id.first().and_then(|id| id.split_once('@')).map(|(label, _)| label);
        let password = keys.password(label).or_else(|| keys.password(None).filter(|_| label.is_none()));
        let password = password.ok_or_else(|| {
            Problem::World(format!("no password with the label `{}` was given", label.unwrap_or("default")))
        })?;
        Ok(vault::encrypt(plain, password, label.or(first).and_then(shown)))
    }
}

/// The label as it stands in the header, where the default one is left out.
fn shown(label: &str) -> Option<&str> {
    if label.is_empty() || label == "default" { None } else { Some(label) }
}

fn read(file: &Path) -> Result<Secret<Vec<u8>>, Problem> {
    let content = std::fs::read(file);
    content.map(Secret::new).map_err(|error| Problem::World(format!("cannot read {}: {error}", file.display())))
}

fn open(file: &Path, sealed: &Secret<Vec<u8>>, keys: &Keyring) -> Result<Secret<Vec<u8>>, Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::World(format!("{}: {error}", file.display()));
    let text = std::str::from_utf8(sealed.expose()).map_err(|_| failed(&"not a vault"))?;
    if !vault::is_vault(text) {
        return Err(failed(&"not a vault"));
    }
    keys.open(text).map_err(|error| failed(&error))
}

/// Puts a file in place atomically, readable by nobody else until it has its mode (that of the old file by default).
pub(super) fn replace(file: &Path, content: &[u8], mode: Option<u32>) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::World(format!("cannot write {}: {error}", file.display()));
    // A link stays a link.
    let file = &file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = mode.or_else(|| Some(std::fs::metadata(file).ok()?.permissions().mode() & 0o7777)).unwrap_or(PRIVATE);
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    new.write_all(content).map_err(failed)?;
    new.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    new.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}
