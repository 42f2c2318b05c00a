//! `authorized_key`: who may log in as a user by SSH key.

use std::{fmt::Write, path::PathBuf};

use crate::{
    options,
    protocol::{Attributes, Change, Content},
    remote::{Module, Plan, Planned, Probe, Stop},
};

use super::user::{Account, State};

mod line;

use line::Key;

options! {
    /// Adds and removes public keys in a user's `authorized_keys`; everything else in the file stays.
    ///
    /// ## Example
    /// ```yaml
    /// - authorized_key:
    ///     user: deploy
    ///     key: "{{ lookup('file', 'files/deploy.pub') }}"
    /// ```
    ///
    /// ## Returns
    /// `user`, `keyfile`, `state`, `exclusive`.
    pub struct AuthorizedKey {
        /// Whose file.
        user: String,
        /// Public keys, one in a line; not an address to fetch them from.
        key: String,
        /// Another file than `~/.ssh/authorized_keys`.
        path: Option<PathBuf>,
        /// Make the directory and set its owner and mode.
        manage_dir: bool = true,
        /// Whether the keys should be there.
        state: State = State::Present,
        /// Options in front of the keys.
        key_options: Option<String>,
        /// Remove all other keys.
        exclusive: bool = false,
        /// Accepted for Ansible's sake.
        validate_certs: bool = true,
        /// Comment behind the keys instead of their own.
        comment: Option<String>,
        /// Follow a symbolic link instead of replacing it.
        follow: bool = false,
    }
}

impl Module for AuthorizedKey {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let wanted = self.wanted()?;
        let account = Account::find(probe, &self.user)?.ok_or_else(|| {
            probe.lacks(Stop::failed(format!("user {} does not exist", self.user))).hint("make it first with `user`")
        })?;
        let default = account.home.join(".ssh/authorized_keys");
        let mut file = self.path.clone().unwrap_or(default);
        if self.follow
            && let Some(target) = probe.resolve(&file)?
        {
            file = target;
        }
        let mut plan = Plan::new();
        plan.set("user", self.user.as_str());
        plan.set("keyfile", file.to_string_lossy().into_owned());
        plan.set("state", if self.state == State::Present { "present" } else { "absent" });
        plan.set("exclusive", self.exclusive);

        let stat = probe.stat_followed(&file)?;
        let before = if stat.is_some() { probe.read_text(&file)? } else { String::new() };
        let after = self.merged(&before, &wanted);
        if self.manage_dir
            && self.state == State::Present
            && let Some(directory) = file.parent()
        {
            let attributes = account.owns(0o700);
            match probe.stat_followed(directory)? {
                None => plan.push(Change::Directory { path: directory.to_owned(), attributes }),
                Some(stat) if differs(stat.mode, stat.uid, &attributes) => {
                    plan.push(Change::Attributes { path: directory.to_owned(), attributes });
                }
                Some(_) => {}
            }
        }
        let attributes = account.owns(0o600);
        if before != after {
            plan.diff(file.to_string_lossy(), before, &*after);
            plan.push(Change::Write { path: file, content: Content::Text(after), attributes, in_place: false });
        } else if self.state == State::Present
            && self.manage_dir
            && stat.is_some_and(|stat| differs(stat.mode, stat.uid, &attributes))
        {
            plan.push(Change::Attributes { path: file, attributes });
        }
        Ok(plan)
    }
}

impl AuthorizedKey {
    fn wanted(&self) -> Result<Vec<Key>, Stop> {
        let mut keys = Vec::new();
        for line in self.key.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with("http://") || line.starts_with("https://") {
                return Err(Stop::failed(format!("{line} is an address, not a key"))
                    .hint("fetch the keys where you type, look at them, and give them as text"));
            }
            // A private key in here by mistake must not be shown.
            let mut key = Key::parse(line).ok_or_else(|| Stop::failed("key: a line is no public key for SSH"))?;
            if let Some(options) = &self.key_options {
                key.options.clone_from(options);
            }
            if let Some(comment) = &self.comment {
                key.comment.clone_from(comment);
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(Stop::failed("key: there is no public key in it")) } else { Ok(keys) }
    }

    fn merged(&self, before: &str, wanted: &[Key]) -> String {
        let mut missing: Vec<&Key> = wanted.iter().collect();
        let mut after = String::new();
        for line in before.lines() {
            let Some(there) = Key::parse(line) else {
                after.push_str(line);
                after.push('\n');
                continue;
            };
            match wanted.iter().find(|key| key.is(&there)) {
                Some(_) if self.state == State::Absent => {}
                None if self.exclusive && self.state == State::Present => {}
                Some(key) => {
                    // Twice the same key would let options that were removed stay in force.
                    let first = missing.iter().any(|missing| missing.is(key));
                    missing.retain(|missing| !missing.is(key));
                    if first {
                        let kept = if *key == there { line.to_owned() } else { key.to_string() };
                        after.push_str(&kept);
                        after.push('\n');
                    }
                }
                None => {
                    after.push_str(line);
                    after.push('\n');
                }
            }
        }
        if self.state == State::Present {
            for key in missing {
                let _ = writeln!(after, "{key}");
            }
        }
        if after.trim_end() == before.trim_end() { before.to_owned() } else { after }
    }
}

/// sshd ignores files that others may write to or that belong to somebody else.
fn differs(mode: u32, uid: u32, wanted: &Attributes) -> bool {
    wanted.mode != Some(mode) || wanted.uid.is_some_and(|wanted| wanted != uid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{
            machine::{fake::Fake, system::System},
            modules::trial::{Trial, failure},
        },
    };

    const FILE: &str = "/root/.ssh/authorized_keys";

    #[test]
    fn keys_are_added_once_in_a_private_file() {
        let mut trial = Trial::new(Fake::new());
        let options = json!({"user": "root", "key": "ssh-ed25519 AAAA ann"});
        assert_eq!(trial.check("authorized_key", options.clone()).verdict, Verdict::Changed);
        let mut trial = Trial::new(Fake::new());
        assert_eq!(trial.apply("authorized_key", options.clone()).verdict, Verdict::Changed);
        assert_eq!(trial.host.text(FILE).unwrap(), "ssh-ed25519 AAAA ann\n");
        assert_eq!(trial.host.stat(FILE.as_ref()).unwrap().unwrap().mode, 0o600);
        assert_eq!(trial.host.stat("/root/.ssh".as_ref()).unwrap().unwrap().mode, 0o700);
        assert_eq!(trial.apply("authorized_key", options).verdict, Verdict::Unchanged);
    }

    #[test]
    fn exclusive_keeps_comments_and_drops_other_keys() {
        let host = Fake::new().file(FILE, "# ours\nssh-rsa BBBB bob\nssh-ed25519 AAAA ann\n");
        let mut trial = Trial::new(host);
        let options =
            json!({"user": "root", "key": "ssh-ed25519 AAAA ann", "exclusive": true, "key_options": "no-pty"});
        trial.apply("authorized_key", options);
        assert_eq!(trial.host.text(FILE).unwrap(), "# ours\nno-pty ssh-ed25519 AAAA ann\n");
        trial.apply("authorized_key", json!({"user": "root", "key": "ssh-ed25519 AAAA", "state": "absent"}));
        assert_eq!(trial.host.text(FILE).unwrap(), "# ours\n");
    }

    #[test]
    fn what_is_no_key_is_not_shown() {
        let options = json!({"user": "root", "key": "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret"});
        let outcome = Trial::new(Fake::new()).apply("authorized_key", options);
        assert!(!failure(&outcome).contains("secret") && !failure(&outcome).contains("BEGIN"));
    }
}
