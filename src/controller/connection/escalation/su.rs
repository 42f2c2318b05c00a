//! `su`: for hosts without sudo, with the other user's own password.

use super::{Become, Escalation, no_password, quote, wrong_password};
use crate::protocol::Failure;

pub(super) struct Su;

impl Escalation for Su {
    fn name(&self) -> &'static str {
        "su"
    }

    fn wrap(&self, how: &Become, command: &str, _prompt: &str) -> Result<String, Failure> {
        let exe = how.exe.as_deref().unwrap_or("su");
        let flags = how.flags.as_deref().unwrap_or_default();
        // The other user's own shell may be nologin; LC_ALL keeps the question recognisable and goes no further.
        let command = format!("unset LC_ALL; {command}");
        Ok(format!("LC_ALL=C exec {exe} {flags} -s /bin/sh {} -c {}", quote(&how.user), quote(&command)))
    }

    fn asks(&self, how: &Become, stderr: &str, _prompt: &str) -> bool {
        let said = stderr.trim_end().to_lowercase();
        if how.prompts.is_empty() {
            return said.ends_with("password:");
        }
        let said = said.trim_end_matches([':', ' ']);
        how.prompts.iter().any(|prompt| said.ends_with(prompt.trim_end_matches([':', ' ']).to_lowercase().as_str()))
    }

    fn diagnose(&self, how: &Become, stderr: &str) -> Option<Failure> {
        let lower = stderr.to_lowercase();
        if lower.contains("authentication failure") || lower.contains("incorrect password") {
            return Some(if how.password.is_some() { wrong_password(self, how) } else { no_password(self, how) });
        }
        if lower.contains("does not exist") || lower.contains("unknown user") {
            return Some(
                Failure::new(format!("the user {} does not exist on the host", how.user))
                    .hint("check become_user, or create the user first"),
            );
        }
        None
    }
}
