//! `sudo`: never waits for a terminal, takes the password from its standard input only when it asks.

use super::{Become, Escalation, no_password, quote, wrong_password};
use crate::protocol::Failure;

pub(super) struct Sudo;

impl Escalation for Sudo {
    fn name(&self) -> &'static str {
        "sudo"
    }

    fn wrap(&self, how: &Become, command: &str, prompt: &str) -> Result<String, Failure> {
        let exe = how.exe.as_deref().unwrap_or("sudo");
        let mut words: Vec<&str> = how.flags.as_deref().unwrap_or("-H").split_whitespace().collect();
        // Reading the password and not asking are settled here, whatever the flags say.
        words.retain(|word| !matches!(*word, "-n" | "-S" | "--non-interactive" | "--stdin"));
        let asking = if how.password.is_some() { format!("-S -p {}", quote(prompt)) } else { "-n".into() };
        let flags = words.join(" ");
        let go = how.chdir.as_ref().map_or_else(String::new, |folder| format!("cd {} && ", quote(folder)));
        Ok(format!("{go}exec {exe} {flags} {asking} -u {} -- /bin/sh -c {}", quote(&how.user), quote(command)))
    }

    fn asks(&self, _how: &Become, stderr: &str, prompt: &str) -> bool {
        stderr.ends_with(prompt)
    }

    fn diagnose(&self, how: &Become, stderr: &str) -> Option<Failure> {
        let lower = stderr.to_lowercase();
        let has = |text: &str| lower.contains(text);
        if has("incorrect password") || has("sorry, try again") {
            return Some(wrong_password(self, how));
        }
        if has("a password is required") || has("a terminal is required") || has("no tty present") {
            return Some(no_password(self, how));
        }
        if has("not in the sudoers file") || has("is not allowed to") || has("may not run sudo") {
            return Some(
                Failure::new(format!("sudo does not let the login user become {}: {stderr}", how.user))
                    .hint("add the user to the sudo group or to /etc/sudoers.d on the host"),
            );
        }
        if has("unknown user") {
            return Some(
                Failure::new(format!("the user {} does not exist on the host", how.user))
                    .hint("check become_user, or create the user first"),
            );
        }
        if has("must have a tty") {
            return Some(
                Failure::new("sudo on the host insists on a terminal (requiretty)")
                    .hint("remove `Defaults requiretty` from the host's sudoers"),
            );
        }
        if has("not found") || has("no such file") {
            return Some(
                Failure::new("sudo is not installed on the host")
                    .hint("install it, log in as root, or choose another become_method"),
            );
        }
        None
    }
}
