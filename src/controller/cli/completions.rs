//! `deployer completions`: what makes the shell complete commands and flags.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Context, Exit};

/// How to install them.
pub(super) const EXAMPLES: &str = "\
Examples:
  deployer completions bash > ~/.local/share/bash-completion/completions/deployer
  deployer completions zsh  > ~/.zfunc/_deployer
  deployer completions fish > ~/.config/fish/completions/deployer.fish";

/// Flags of `completions`.
#[derive(Args, Clone, Debug)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn execute(&self, context: &Context) -> Exit {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "deployer", &mut script);
        context.screen.write(&String::from_utf8_lossy(&script));
        Exit::Ok
    }
}
