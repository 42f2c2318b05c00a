//! `deployer inventory`: the hosts and groups there are, as the program sees them.
//!
//! The views have words of their own (`list`, `graph`, `host NAME`) and the flags of `ansible-inventory` (`--list` …), so that scripts
//! written for that keep working.

mod list;
mod tree;
mod variables;
mod yaml;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    Context, Exit, Problem,
    options::{HostOptions, VariableOptions},
    secrets, settings,
    vault::replace,
};
use crate::controller::{
    inventory::{ALL, Inventory as Hosts},
    source::{Diagnostic, Diagnostics},
    template::inventories::Inventories,
};
use list::{List, pretty};
use tree::Tree;
use variables::Variables;

/// Flags of `inventory`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct Inventory {
    #[command(subcommand)]
    view: Option<View>,

    #[command(flatten)]
    flags: Flags,
}

#[derive(Subcommand, Clone, Debug)]
enum View {
    /// Groups, hosts and their variables as JSON or YAML
    List {
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        options: Options,
    },
    /// Groups and hosts as a tree
    Graph {
        /// Only this group and what is in it
        #[arg(value_name = "GROUP")]
        group: Option<String>,
        /// Show variables, too
        #[arg(long)]
        vars: bool,
        #[command(flatten)]
        options: Options,
    },
    /// The variables of one host as JSON or YAML
    Host {
        /// The host
        name: String,
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        options: Options,
    },
}

/// The views as flags, as `ansible-inventory` has them.
#[derive(Args, Clone, Debug)]
struct Flags {
    /// As `list`
    #[arg(long, group = "view")]
    list: bool,
    /// As `graph`
    #[arg(long, group = "view")]
    graph: bool,
    /// As `host NAME`
    #[arg(long, group = "view", value_name = "NAME")]
    host: Option<String>,
    /// With --graph: only this group and what is in it
    #[arg(value_name = "GROUP", requires = "graph")]
    group: Option<String>,
    /// With --graph: show variables, too
    #[arg(long)]
    vars: bool,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    options: Options,
}

#[derive(Args, Clone, Debug)]
struct Form {
    /// YAML instead of JSON
    #[arg(short, long)]
    yaml: bool,
    /// Leave variables where they are set, at groups or hosts, instead of with every host
    #[arg(long)]
    export: bool,
    /// Write to this file instead of the screen
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
struct Options {
    #[command(flatten)]
    hosts: HostOptions,
    #[command(flatten)]
    variables: VariableOptions,
}

/// What every view looks at.
struct Sight {
    hosts: Hosts,
    chosen: Vec<bool>,
    variables: Variables,
}

impl Sight {
    /// Whether `--limit` leaves a host.
    fn shows(&self, name: &str) -> bool {
        self.hosts.hosts.get_index_of(name).is_some_and(|at| self.chosen[at])
    }
}

impl Inventory {
    pub(super) fn execute(&self, context: &Context) -> Exit {
        let shown = self.view().and_then(|view| Ok((view.text(context)?, view.output().cloned())));
        let done = shown.and_then(|(text, file)| match file {
            Some(file) => replace(&file, text.as_bytes(), None),
            None => {
                context.screen.write(&text);
                Ok(())
            }
        });
        match done {
            Ok(()) => Exit::Ok,
            Err(problem) => context.stop(problem),
        }
    }

    fn view(&self) -> Result<View, Problem> {
        if let Some(view) = &self.view {
            return Ok(view.clone());
        }
        let Flags { list, graph, host, group, vars, form, options } = self.flags.clone();
        match host {
            Some(name) => Ok(View::Host { name, form, options }),
            None if graph => Ok(View::Graph { group, vars, options }),
            None if list => Ok(View::List { form, options }),
            None => {
                let hint = "say `list`, `graph` or `host NAME`; `--list`, `--graph` and `--host NAME` do the same";
                Err(Diagnostic::bare("nothing is asked of the inventory").hint(hint).into())
            }
        }
    }
}

impl View {
    fn output(&self) -> Option<&PathBuf> {
        match self {
            Self::List { form, .. } | Self::Host { form, .. } => form.output.as_ref(),
            Self::Graph { .. } => None,
        }
    }

    fn text(&self, context: &Context) -> Result<String, Problem> {
        let (Self::List { options, .. } | Self::Graph { options, .. } | Self::Host { options, .. }) = self;
        let sight = options.look(context)?;
        match self {
            Self::List { form, .. } => {
                let list = List { sight: &sight, export: form.export };
                if form.yaml { yaml::text(&list.nested()) } else { Ok(pretty(&list.flat())) }
            }
            Self::Graph { group, vars, .. } => {
                let group = group.as_deref().unwrap_or(ALL);
                if sight.hosts.group(group).is_none() {
                    return Err(Diagnostic::bare(format!("there is no group `{group}` in the inventory")).into());
                }
                Ok(Tree { sight: &sight, vars: *vars }.text(group))
            }
            Self::Host { name, form, .. } if sight.hosts.host(name).is_some() => {
                let values = if form.export {
                    Variables::of_host_alone(&sight.hosts, name)
                } else {
                    sight.variables.of_host(&sight.hosts, name)
                };
                if form.yaml { yaml::text(&values.into()) } else { Ok(pretty(&values.into())) }
            }
            Self::Host { name, .. } => {
                Err(Diagnostic::bare(format!("there is no host `{name}` in the inventory")).into())
            }
        }
    }
}

impl Options {
    fn look(&self, context: &Context) -> Result<Sight, Problem> {
        let keyring = secrets::keyring(&self.variables.vault, context)?;
        let mut wrong = Diagnostics::default();
        let sources = settings::inventory(&self.hosts, &context.configuration);
        let hosts = Hosts::load_with(&sources, &keyring, &Inventories::default(), &mut wrong);
        let extra = settings::extra(&self.variables.extra_vars, &keyring, &mut wrong);
        if wrong.has_errors() {
            return Err(Problem::Wrong(wrong));
        }
        context.warn(&wrong);
        let selected = hosts.select(&[ALL], self.hosts.limit.as_deref(), None)?;
        let mut chosen = vec![false; hosts.hosts.len()];
        for at in selected.hosts.iter().filter_map(|name| hosts.hosts.get_index_of(name.as_ref())) {
            chosen[at] = true;
        }
        Ok(Sight { hosts, chosen, variables: Variables::new(extra) })
    }
}
