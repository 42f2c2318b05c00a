//! `doas`: without a password only, because it takes one from a terminal alone.

use super::{Become, Escalation, quote};
use crate::protocol::Failure;

pub(super) struct Doas;

impl Escalation for Doas {
    fn name(&self) -> &'static str {
        "doas"
    }

    fn wrap(&self, how: &Become, command: &str, _prompt: &str) -> Result<String, Failure> {
        if how.password.is_some() {
            return Err(Failure::new("doas takes a password from a terminal only")
                .hint("permit the user with `nopass` in the host's doas.conf, or use sudo"));
        }
        let exe = how.exe.as_deref().unwrap_or("doas");
        let flags = how.flags.as_deref().unwrap_or_default();
        Ok(format!("exec {exe} {flags} -n -u {} /bin/sh -c {}", quote(&how.user), quote(command)))
    }

    fn asks(&self, _how: &Become, _stderr: &str, _prompt: &str) -> bool {
        false
    }

    fn diagnose(&self, how: &Become, stderr: &str) -> Option<Failure> {
        let lower = stderr.to_lowercase();
        if lower.contains("not permitted") || lower.contains("authentication required") {
            return Some(
                Failure::new(format!("doas does not let the login user become {}: {stderr}", how.user))
                    .hint("add a `permit nopass` line to the host's doas.conf"),
            );
        }
        if lower.contains("unknown user") {
            return Some(
                Failure::new(format!("the user {} does not exist on the host", how.user))
                    .hint("check become_user, or create the user first"),
            );
        }
        None
    }
}
