//! A key pair for SSH in the user's home directory.

use std::path::{Path, PathBuf};

use crate::{
    protocol::{Change, Effect, Run},
    remote::{Plan, Probe, Stop, machine::probe::Found},
};

use super::{Account, User};

impl User {
    fn key_file(&self, account: &Account) -> PathBuf {
        match &self.ssh_key_file {
            Some(path) => account.home.join(path),
            None => account.home.join(".ssh").join(format!("id_{}", self.ssh_key_type)),
        }
    }

    pub(super) fn plan_key(&self, probe: &Probe<'_>, account: &Account, plan: &mut Plan) -> Found<()> {
        let file = self.key_file(account);
        plan.set("ssh_key_file", file.to_string_lossy().into_owned());
        if probe.exists(&file)? {
            return self.describe_key(probe, plan, account);
        }
        if self.ssh_key_passphrase.is_some() {
            return Err(Stop::failed(
                "a passphrase would have to stand in ssh-keygen's command line, where others can read it",
            )
            .hint("make the key where you type, keep it in the vault and `copy` it"));
        }
        if let Some(directory) = file.parent()
            && !probe.exists(directory)?
        {
            plan.push(Change::Directory { path: directory.to_owned(), attributes: account.owns(0o700) });
        }
        let comment = if let Some(comment) = &self.ssh_key_comment {
            comment.clone()
        } else {
            let name = probe.read_text(Path::new("/proc/sys/kernel/hostname")).unwrap_or_default();
            format!("ansible-generated on {}", name.trim())
        };
        let path = file.to_string_lossy().into_owned();
        let mut run = Run::new(["ssh-keygen", "-q", "-t", &self.ssh_key_type, "-N", "", "-C", &comment, "-f", &path]);
        if let Some(bits) = self.ssh_key_bits.filter(|bits| *bits > 0) {
            run.argv.extend(["-b".to_owned(), bits.to_string()]);
        }
        let public = format!("{path}.pub");
        run.effects = [&path, &public].map(|path| Effect::new("file", path, "file".into())).to_vec();
        plan.push(Change::Run(run));
        plan.later = Some(format!("the key of {} is known after apply", self.name));
        plan.push(Change::Attributes { path: file, attributes: account.owns(0o600) });
        plan.push(Change::Attributes { path: public.into(), attributes: account.owns(0o644) });
        Ok(())
    }

    pub(super) fn describe_key(&self, probe: &Probe<'_>, plan: &mut Plan, account: &Account) -> Found<()> {
        let path = self.key_file(account).to_string_lossy().into_owned();
        let public = PathBuf::from(format!("{path}.pub"));
        plan.set("ssh_key_file", path.clone());
        if probe.exists(&public)? {
            match probe.read_text(&public) {
                Ok(key) => plan.set("ssh_public_key", key.trim()),
                // An earlier task would make it.
                Err(Stop::Unknown(reason)) => {
                    plan.later = Some(reason);
                    return Ok(());
                }
                Err(Stop::Failed(..)) => {}
            }
        }
        if let Ok(shown) = probe.query(&["ssh-keygen", "-l", "-f", &path]) {
            plan.set("ssh_fingerprint", shown.stdout.trim());
        }
        Ok(())
    }
}
