//! `deployer run`: brings hosts to the state that playbooks describe.

use std::{io::IsTerminal, path::PathBuf, time::Duration};

use clap::Args;

use super::{
    Context, Engine, Exit, ListedPlay, Problem,
    ask::Person,
    options::{HostOptions, VariableOptions},
    settings,
};
use crate::controller::{
    connection,
    report::{Format, Renderer, Screen, Sink, renderer, trace},
    settings::Settings,
    source::Diagnostic,
};

/// Examples, below the flags.
pub const EXAMPLES: &str = "\
Examples:
  deployer run site.yaml -i hosts.yaml                    bring all hosts to the described state
  deployer run site.yaml -i hosts.yaml --check --diff     look first: what would change
  deployer run site.yaml -i hosts.yaml -l web1 -t config  one host, tasks tagged `config`
  deployer run site.yaml -i web1,web2, -u admin -b -K     a list of hosts, sudo with a password
  deployer run site.yaml -i hosts.yaml -e port=8080 -e @secrets.yaml

Flags win over ANSIBLE_* variables, and these over ansible.cfg, found where Ansible finds it.
NO_COLOR and CI make the output plain; DEPLOYER_LOG=debug logs to standard error.";

/// Flags of `run`.
#[derive(Args, Clone, Debug, Default)]
#[command(args_override_self = true)]
pub struct Run {
    /// Playbooks to run, one after another
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub playbooks: Vec<PathBuf>,

    #[command(flatten)]
    pub hosts: HostOptions,

    /// Hosts that are worked on at the same time [default: 50]
    #[arg(short, long, value_name = "N", help_heading = "Hosts")]
    pub forks: Option<usize>,

    #[command(flatten)]
    pub variables: VariableOptions,

    /// Only tasks with one of these tags; `all`, `tagged` and `untagged` are understood
    #[arg(short, long, value_name = "TAG,…", value_delimiter = ',', help_heading = "Tasks")]
    pub tags: Vec<String>,

    /// No tasks with one of these tags
    #[arg(long, value_name = "TAG,…", value_delimiter = ',', help_heading = "Tasks")]
    pub skip_tags: Vec<String>,

    /// Begin with the task of this name
    #[arg(long, value_name = "NAME", help_heading = "Tasks")]
    pub start_at_task: Option<String>,

    /// Run notified handlers even when a task failed
    #[arg(long, help_heading = "Tasks")]
    pub force_handlers: bool,

    /// Wait for each task's result before the next is sent, even where nothing depends on it
    #[arg(long, help_heading = "Tasks")]
    pub serial_tasks: bool,

    /// Change nothing, predict what would change
    #[arg(short = 'C', long, help_heading = "Look before you leap")]
    pub check: bool,

    /// Show what differs in files and other things
    #[arg(short = 'D', long, help_heading = "Look before you leap")]
    pub diff: bool,

    /// Only check playbooks and inventory
    #[arg(long, help_heading = "Look before you leap")]
    pub syntax_check: bool,

    /// Show the hosts of every play, run nothing
    #[arg(long, help_heading = "Look before you leap")]
    pub list_hosts: bool,

    /// Show the tasks of every play, run nothing
    #[arg(long, help_heading = "Look before you leap")]
    pub list_tasks: bool,

    /// Show the tags of every play, run nothing
    #[arg(long, help_heading = "Look before you leap")]
    pub list_tags: bool,

    /// Ask of every task whether it is carried out
    #[arg(long, help_heading = "Tasks")]
    pub step: bool,

    /// Log in as this user [default: ~/.ssh/config, then your own name]
    #[arg(short, long, value_name = "USER", help_heading = "Connection")]
    pub user: Option<String>,

    /// Log in with this private key
    #[arg(long, value_name = "FILE", visible_alias = "key-file", help_heading = "Connection")]
    pub private_key: Option<PathBuf>,

    /// Ask for the password to log in with
    #[arg(short = 'k', long, help_heading = "Connection")]
    pub ask_pass: bool,

    /// Read that password from a file
    #[arg(
        long,
        value_name = "FILE",
        alias = "conn-pass-file",
        conflicts_with = "ask_pass",
        help_heading = "Connection"
    )]
    pub connection_password_file: Option<PathBuf>,

    /// How hosts are reached: `ssh` or `local` [default: ssh]
    #[arg(short, long, value_name = "KIND", help_heading = "Connection")]
    pub connection: Option<String>,

    /// Seconds until a host counts as unreachable [default: 10]
    #[arg(short = 'T', long, value_name = "SECONDS", help_heading = "Connection")]
    pub timeout: Option<u64>,

    /// Options as for `ssh`, for example `-o ProxyJump=gate`
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true, help_heading = "Connection")]
    pub ssh_common_args: Option<String>,

    /// Leave nothing on the hosts for the next run
    #[arg(long, help_heading = "Connection")]
    pub no_cache: bool,

    /// Forget facts that were kept from earlier runs
    #[arg(long, help_heading = "Connection")]
    pub flush_cache: bool,

    /// Become another user for all tasks
    #[arg(short = 'b', long = "become", help_heading = "Privileges")]
    pub escalate: bool,

    /// Become this user [default: root]
    #[arg(long, value_name = "USER", help_heading = "Privileges")]
    pub become_user: Option<String>,

    /// Become by this program: `sudo`, `su` or `doas` [default: sudo]
    #[arg(long, value_name = "METHOD", help_heading = "Privileges")]
    pub become_method: Option<String>,

    /// Ask for the password that becoming needs
    #[arg(short = 'K', long, help_heading = "Privileges")]
    pub ask_become_pass: bool,

    /// Read that password from a file
    #[arg(
        long,
        value_name = "FILE",
        alias = "become-pass-file",
        conflicts_with = "ask_become_pass",
        help_heading = "Privileges"
    )]
    pub become_password_file: Option<PathBuf>,

    /// Show more: results (-v), connections (-vv), everything (-vvv)
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    /// How the run is shown: `terminal` for people, `json` for machines (one object per line and event), `ansible` as its
    /// default callback writes it
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub output: Format,
}

/// How long the end of an interrupted run waits for what it has started to end: longer than that may take.
const ENDING_LIMIT: Duration = Duration::from_secs(8);

impl Run {
    /// Whether plays are only looked at.
    #[must_use]
    pub const fn lists(&self) -> bool {
        self.syntax_check || self.list_hosts || self.list_tasks || self.list_tags
    }

    /// Does what was asked for.
    pub async fn execute<E: Engine>(&self, context: &Context, engine: &E) -> Exit {
        if self.step && !std::io::stdin().is_terminal() {
            return context.refuse(
                "--step asks of every task, and nobody is there to answer: standard input is no terminal",
                "look with --check --diff, then begin anywhere with --start-at-task",
            );
        }
        let settings = match settings::resolve(self, context) {
            Ok(settings) => settings,
            Err(problem) => return context.stop(problem),
        };
        if self.lists() {
            return match engine.list(settings) {
                Ok(plays) => {
                    context.screen.write(&self.listing(&plays));
                    Exit::Ok
                }
                Err(diagnostics) => context.stop(Problem::Unfit(diagnostics)),
            };
        }
        let screen = context.screen.clone();
        if let Some(file) = context.configuration.file.as_ref().filter(|_| settings.verbosity > 0)
            && self.output == Format::Terminal
        {
            screen.line(&screen.paint().dim(&format!("Using {} as config file", file.display())));
        }
        let shown = renderer(self.output, screen, settings.verbosity);
        carry_out(context, engine, settings, shown).await
    }

    /// Plays as Ansible lists them.
    fn listing(&self, plays: &[ListedPlay]) -> String {
        let mut text = String::new();
        let mut line = |indent: usize, line: &str| {
            text.push_str(&" ".repeat(indent));
            text.push_str(line);
            text.push('\n');
        };
        let names: Vec<String> = self.playbooks.iter().map(|path| path.display().to_string()).collect();
        line(0, &format!("playbook: {}", names.join(", ")));
        for (number, play) in plays.iter().enumerate() {
            if self.list_hosts || self.list_tasks || self.list_tags {
                line(0, "");
                line(2, &format!("play #{} ({}): TAGS: [{}]", number + 1, play.name, play.tags.join(", ")));
            }
            if self.list_hosts {
                line(4, &format!("hosts ({}):", play.hosts.len()));
                play.hosts.iter().for_each(|host| line(6, host));
            }
            if self.list_tasks {
                line(4, "tasks:");
                for (name, tags) in &play.tasks {
                    line(6, &format!("{name}  TAGS: [{}]", tags.join(", ")));
                }
            }
            if self.list_tags {
                let mut tags: Vec<&str> =
                    play.tags.iter().chain(play.tasks.iter().flat_map(|(_, tags)| tags)).map(String::as_str).collect();
                tags.sort_unstable();
                tags.dedup();
                line(6, &format!("TASK TAGS: [{}]", tags.join(", ")));
            }
        }
        text
    }
}

/// Runs what is asked for, shown by a renderer; tells how to end.
pub(super) async fn carry_out<E: Engine>(
    context: &Context,
    engine: &E,
    settings: Settings,
    mut shown: Box<dyn Renderer>,
) -> Exit {
    let screen: Screen = context.screen.clone();
    if let Some(path) = context.configuration.variable(trace::VARIABLE) {
        shown = match trace::Trace::append(path.as_ref(), shown) {
            Ok(traced) => Box::new(traced),
            Err(error) => {
                let problem = Diagnostic::bare(format!("the trace {path} cannot be written: {error}"));
                return context.stop(problem.into());
            }
        };
    }
    let sink = Sink::new(shown);
    let run = engine.run(settings, Person::find(screen), sink.events());
    let ended = tokio::select! {
        biased;
        ended = run => Some(ended),
        () = super::interrupt::wait() => None,
    };
    sink.finish();
    match ended {
        Some(Ok(summary)) if summary.unreachable => Exit::Unreachable,
        Some(Ok(summary)) if summary.failed => Exit::Failed,
        Some(Ok(_)) => Exit::Ok,
        Some(Err(diagnostics)) => context.stop(Problem::Unfit(diagnostics)),
        None => {
            tokio::select! {
                _ = tokio::time::timeout(ENDING_LIMIT, connection::ended()) => {}
                // Who asks a second time does not want to wait.
                () = super::interrupt::wait() => {}
            }
            context.complain(
                "Interrupted. The task that was running may be half done; run the same command again to go on.",
            );
            Exit::Interrupted
        }
    }
}
