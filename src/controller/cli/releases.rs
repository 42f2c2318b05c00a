//! `deployer releases` and `deployer rollback`: what services have had, and the way back to it.

use std::{io::Write, path::PathBuf};

use clap::Args;
use serde_json::json;

use super::{
    Context, Engine, Exit, Problem,
    options::{HostOptions, VariableOptions},
    run::{self, Run},
    settings,
};
use crate::{
    controller::report::{Format, Renderer, releases, renderer},
    protocol::Json,
};

/// Examples, below the flags.
pub const EXAMPLES: &str = "\
Examples:
  deployer releases -i hosts.yaml                          every service, release and host
  deployer rollback --service rates -i hosts.yaml          to the release before the present one
  deployer rollback 4be1c2 --service rates -i hosts.yaml --check --diff

Hosts that have never had the service are left alone.";

/// How hosts are reached and looked at.
#[derive(Args, Clone, Debug, Default)]
pub struct Reach {
    #[command(flatten)]
    pub hosts: HostOptions,

    #[command(flatten)]
    pub variables: VariableOptions,

    /// Log in as this user [default: ~/.ssh/config, then your own name]
    #[arg(short, long, value_name = "USER", help_heading = "Connection")]
    pub user: Option<String>,

    /// Log in with this private key
    #[arg(long, value_name = "FILE", visible_alias = "key-file", help_heading = "Connection")]
    pub private_key: Option<PathBuf>,

    /// How hosts are reached: `ssh` or `local` [default: ssh]
    #[arg(short, long, value_name = "KIND", help_heading = "Connection")]
    pub connection: Option<String>,

    /// Options as for `ssh`, for example `-o ProxyJump=gate`
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true, help_heading = "Connection")]
    pub ssh_common_args: Option<String>,

    /// Ask for the password that becoming root needs
    #[arg(short = 'K', long, help_heading = "Privileges")]
    pub ask_become_pass: bool,

    /// Read that password from a file
    #[arg(long, value_name = "FILE", conflicts_with = "ask_become_pass", help_heading = "Privileges")]
    pub become_password_file: Option<PathBuf>,

    /// Show more: results (-v), connections (-vv), everything (-vvv)
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    /// How it is shown: `terminal` for people, `json` for machines (one object per line and event)
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

/// Flags of `releases`.
#[derive(Args, Clone, Debug, Default)]
#[command(args_override_self = true)]
pub struct Releases {
    /// Only this service
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,

    #[command(flatten)]
    pub reach: Reach,
}

/// Flags of `rollback`.
#[derive(Args, Clone, Debug, Default)]
#[command(args_override_self = true)]
pub struct Rollback {
    /// The release to go back to [default: the one before the present one]
    pub release: Option<String>,

    /// The service
    #[arg(long, value_name = "NAME")]
    pub service: String,

    #[command(flatten)]
    pub reach: Reach,

    /// Change nothing, predict what would change
    #[arg(short = 'C', long, help_heading = "Look before you leap")]
    pub check: bool,

    /// Show what differs
    #[arg(short = 'D', long, help_heading = "Look before you leap")]
    pub diff: bool,
}

impl Reach {
    fn run(&self) -> Run {
        Run {
            hosts: self.hosts.clone(),
            variables: self.variables.clone(),
            user: self.user.clone(),
            private_key: self.private_key.clone(),
            connection: self.connection.clone(),
            ssh_common_args: self.ssh_common_args.clone(),
            ask_become_pass: self.ask_become_pass,
            become_password_file: self.become_password_file.clone(),
            verbose: self.verbose,
            output: self.output,
            ..Run::default()
        }
    }
}

impl Releases {
    pub(super) async fn execute(&self, context: &Context, engine: &impl Engine) -> Exit {
        let options = self.service.as_ref().map_or_else(|| json!({}), |name| json!({ "name": name }));
        let play = play("Look at releases", json!({ "name": "Look", "service_rollout_info": options }));
        let shown: Box<dyn Renderer> = if self.reach.output == Format::Terminal {
            Box::new(releases::Table::new(context.screen.clone()))
        } else {
            renderer(self.reach.output, context.screen.clone(), self.reach.verbose)
        };
        carry_out(context, engine, self.reach.run(), &play, shown).await
    }
}

impl Rollback {
    pub(super) async fn execute(&self, context: &Context, engine: &impl Engine) -> Exit {
        let mut options = json!({ "name": self.service, "state": "previous" });
        if let Some(release) = &self.release {
            options["release"] = json!(release);
        }
        let what =
            format!("Bring {} back to {}", self.service, self.release.as_deref().unwrap_or("the release before"));
        let play = play(&what, json!({ "name": what, "service_rollout": options }));
        let run = Run { check: self.check, diff: self.diff, ..self.reach.run() };
        let shown = renderer(self.reach.output, context.screen.clone(), self.reach.verbose);
        carry_out(context, engine, run, &play, shown).await
    }
}

/// A play of one task for all hosts. Only root reads what is kept of releases.
fn play(name: &str, task: Json) -> Json {
    json!([{ "name": name, "hosts": "all", "gather_facts": false, "become": true, "tasks": [task] }])
}

async fn carry_out(
    context: &Context,
    engine: &impl Engine,
    mut run: Run,
    play: &Json,
    shown: Box<dyn Renderer>,
) -> Exit {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile();
    let file = file.and_then(|mut file| file.write_all(play.to_string().as_bytes()).map(|()| file));
    let file = match file {
        Ok(file) => file,
        Err(error) => return context.stop(Problem::World(format!("cannot write a play to run: {error}"))),
    };
    run.playbooks = vec![file.path().to_owned()];
    match settings::resolve(&run, context) {
        Ok(settings) => run::carry_out(context, engine, settings, shown).await,
        Err(problem) => context.stop(problem),
    }
}
