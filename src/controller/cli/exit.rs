//! Exit codes: Ansible's where Ansible has one.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything is as described, or no host matched.
    Ok = 0,
    /// Something outside the playbook went wrong: a file, a password, a terminal.
    Error = 1,
    /// Tasks failed on a host.
    Failed = 2,
    /// A host could not be reached, or a playbook or inventory is wrong and no host was touched.
    Unreachable = 4,
    /// Options are wrong; no host was touched.
    Usage = 5,
    /// Interrupted.
    Interrupted = 130,
    /// A bug in this program.
    Unexpected = 250,
}

/// The codes as `--help` shows them.
pub const HELP: &str = "\
Exit codes:
  0    everything is as described, or no host matched
  1    something outside the playbook went wrong: a file, a password, a terminal
  2    tasks failed on one host or more
  4    a host could not be reached; or playbook or inventory are wrong, no host was touched
  5    options are wrong; no host was touched
  130  interrupted with Ctrl-C
  250  unexpected error: a bug in deployer";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        use Exit::{Error, Failed, Interrupted, Ok, Unexpected, Unreachable, Usage};
        for exit in [Ok, Error, Failed, Unreachable, Usage, Interrupted, Unexpected] {
            assert!(HELP.contains(&format!("\n  {:<5}", exit as u8)), "{exit:?}");
        }
    }
}
