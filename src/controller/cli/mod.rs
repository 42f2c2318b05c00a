//! The command line: one file per command, settings resolved once, exit codes.

mod ask;
mod completions;
mod configuration;
mod doc;
mod editor;
mod engine;
mod exit;
mod extra_vars;
mod interrupt;
mod inventory;
mod options;
mod releases;
mod run;
mod secrets;
mod settings;
mod support;
mod vault;

#[cfg(test)]
mod tests;

use clap::{Parser, Subcommand};

pub use engine::{Driver, Engine, ListedPlay, Summary};
pub use exit::Exit;

use super::{
    report::{Look, Screen},
    source::{Diagnostic, Diagnostics, Severity, render},
    vault::Secret,
};
use configuration::Configuration;

/// Brings hosts to the state that playbooks describe: Ansible's syntax, over SSH, nothing to install on the hosts.
#[derive(Parser, Debug)]
#[command(name = "deployer", version, arg_required_else_help = true, max_term_width = 110, after_help = exit::HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Bring hosts to the state that playbooks describe
    #[command(after_help = format!("{}\n\n{}", run::EXAMPLES, exit::HELP))]
    Run(Box<run::Run>),
    /// Show the releases of services that playbooks have rolled out
    #[command(after_help = releases::EXAMPLES)]
    Releases(Box<releases::Releases>),
    /// Bring a service back to an earlier release, the same way as forward
    #[command(after_help = format!("{}\n\n{}", releases::EXAMPLES, exit::HELP))]
    Rollback(Box<releases::Rollback>),
    /// Show hosts, groups and variables
    Inventory(Box<inventory::Inventory>),
    /// Read and write encrypted files and values
    #[command(after_help = vault::EXAMPLES)]
    Vault(Box<vault::Vault>),
    /// Show modules and their options
    Doc(doc::Doc),
    /// Print a script that makes the shell complete commands and flags
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Completions),
}

/// What every command works with.
pub struct Context {
    /// Where things are shown.
    pub screen: Screen,
    /// Whether standard error is coloured.
    pub colour: bool,
    /// Environment and `ansible.cfg`.
    pub configuration: Configuration,
    /// Asks for a password.
    pub prompt: Prompt,
}

/// Asks for something that must not be seen.
pub type Prompt = Box<dyn Fn(&str) -> std::io::Result<String> + Send + Sync>;

/// Why a command cannot begin.
#[derive(Debug)]
pub enum Problem {
    /// Flags or variables of the user are wrong.
    Wrong(Diagnostics),
    /// Playbook or inventory are wrong.
    Unfit(Diagnostics),
    /// Something outside went wrong.
    World(String),
    /// The user gave up.
    Interrupted,
}

impl From<Diagnostic> for Problem {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Wrong(Diagnostics { found: vec![diagnostic] })
    }
}

/// Reads the words of the command line. Help and version are shown here; the error is the code to end with.
///
/// # Errors
/// When there is nothing to run: help, version, or wrong flags.
pub fn parse(words: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Cli, Exit> {
    Cli::try_parse_from(words).map_err(|error| {
        // A reader who has seen enough of the help is no error.
        let _ = error.print();
        if error.use_stderr() { Exit::Usage } else { Exit::Ok }
    })
}

impl Context {
    /// The context of the program: its environment, folder and terminal.
    ///
    /// # Errors
    /// When `ansible.cfg` is wrong.
    pub fn of_process() -> Result<Self, Problem> {
        let directory =
            std::env::current_dir().map_err(|error| Problem::World(format!("no current folder: {error}")))?;
        let configuration = Configuration::load(Box::new(|name| std::env::var(name).ok()), &directory)?;
        let flag = |variables: &[&str], key: &str| -> Result<bool, Diagnostic> {
            configuration.get(variables, "defaults", key).map_or(Ok(false), |setting| setting.boolean())
        };
        let forced = match (flag(&["ANSIBLE_FORCE_COLOR"], "force_color")?, flag(&["ANSIBLE_NOCOLOR"], "nocolor")?) {
            (_, true) => Some(false),
            (true, false) => Some(true),
            (false, false) => None,
        };
        let look = Look::detect(forced);
        let context = Self {
            screen: Screen::stdout(look),
            colour: forced.unwrap_or_else(Look::stderr_colour),
            configuration,
            prompt: Box::new(ask::hidden),
        };
        for warning in &context.configuration.warnings {
            context.complain(&format!("[WARNING]: {warning}"));
        }
        Ok(context)
    }

    /// Asks for a password.
    fn ask(&self, text: &str) -> Result<Secret<String>, Problem> {
        let answer = self.screen.suspend(|| (self.prompt)(text));
        answer.map(Secret::new).map_err(|error| match error.kind() {
            std::io::ErrorKind::Interrupted => Problem::Interrupted,
            _ => Problem::World(format!("cannot ask for a password ({}): {error}", text.trim_end_matches([':', ' ']))),
        })
    }

    /// Says something on standard error.
    fn complain(&self, text: &str) {
        self.screen.suspend(|| complain(text));
    }

    /// Shows findings that do not stop anything.
    fn warn(&self, diagnostics: &Diagnostics) {
        if !diagnostics.found.is_empty() {
            self.complain(&render(diagnostics, self.colour));
        }
    }

    /// Ends with a problem.
    fn stop(&self, problem: Problem) -> Exit {
        self.screen.suspend(|| show(problem, self.colour))
    }

    /// Ends because something is not supported.
    fn refuse(&self, message: &str, hint: &str) -> Exit {
        self.stop(Problem::from(Diagnostic::bare(message).hint(hint)))
    }
}

impl Cli {
    /// Does what was asked for.
    pub async fn execute(&self, context: &Context, engine: &impl Engine) -> Exit {
        match &self.command {
            Command::Run(run) => run.execute(context, engine).await,
            Command::Releases(releases) => releases.execute(context, engine).await,
            Command::Rollback(rollback) => rollback.execute(context, engine).await,
            Command::Inventory(inventory) => inventory.execute(context),
            Command::Vault(vault) => vault.execute(context),
            Command::Doc(doc) => doc.execute(context),
            Command::Completions(completions) => completions.execute(context),
        }
    }
}

/// Shows problems on standard error.
pub fn show(problem: Problem, colour: bool) -> Exit {
    let (diagnostics, exit) = match problem {
        Problem::Wrong(diagnostics) => (diagnostics, Exit::Usage),
        Problem::Unfit(diagnostics) => {
            let absent = diagnostics.found.iter().find(|found| found.severity == Severity::Error);
            let exit = if absent.is_some_and(|found| found.absence) { Exit::Error } else { Exit::Unreachable };
            (diagnostics, exit)
        }
        Problem::Interrupted => return Exit::Interrupted,
        Problem::World(text) => (Diagnostics { found: vec![Diagnostic::bare(text)] }, Exit::Error),
    };
    complain(&render(&diagnostics, colour));
    exit
}

#[expect(clippy::print_stderr, reason = "errors of the command line go to standard error")]
fn complain(text: &str) {
    eprintln!("{}", text.trim_end());
}
