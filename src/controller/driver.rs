//! The loop of a run: plays in order, hosts in batches, and whatever the scheduler lets start next.

use std::{
    path::Path,
    sync::{Arc, PoisonError},
    time::Instant,
};

use super::{
    actions::{self, http},
    compiler::{PlayRun, scope},
    connection::{Ask, Connector, Kind, descriptors},
    event::{Event, Events},
    executor::reach::{self, Way},
    inventory::{Inventory, load_vars},
    playbook::{Catalog, Item, Loader, Play, Playbook, custom::Library, reading::Reading, role::layer},
    settings::{DuplicateKeys, Gather, Settings},
    source::{Diagnostic, Diagnostics, Node, Severity, Shape},
    state::Run,
    template,
    variables::{Layer, Scope},
};
use crate::remote::{OptionSpec, modules};

mod batch;
mod list;
mod look_ahead;
mod prompts;
mod serial;
mod titles;

pub use list::{ListedPlay, list};

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// A host failed.
    pub failed: bool,
    /// A host could not be reached.
    pub unreachable: bool,
}

/// Modules of hosts and actions of the controller together.
struct Everything;

impl Catalog for Everything {
    fn options(&self, module: &str) -> Option<Vec<OptionSpec>> {
        match actions::find(module) {
            Some(action) => Some((action.spec)()),
            None => match module {
                "import_tasks" | "import_role" => Some(Vec::new()),
                _ => modules::find(module).map(|entry| (entry.spec)()),
            },
        }
    }

    fn names(&self) -> Vec<&'static str> {
        let modules = modules::CATALOG.iter().map(|entry| entry.name);
        modules
            .chain(actions::CATALOG.iter().map(|action| action.name))
            .chain(["import_tasks", "import_role"])
            .collect()
    }
}

/// What is read before anything runs.
struct Prepared {
    run: Arc<Run>,
    playbooks: Vec<Playbook>,
}

/// Runs playbooks.
///
/// # Errors
/// What is wrong with the user's files; no host was touched then.
pub async fn run(settings: Settings, ask: Arc<dyn Ask>, events: Events) -> Result<Summary, Diagnostics> {
    let started = Instant::now();
    let Prepared { run, playbooks } = prepare(settings, ask.clone(), events)?;
    let plays: Vec<(&Playbook, &Arc<Play>)> =
        playbooks.iter().flat_map(|playbook| playbook.plays.iter().map(move |play| (playbook, play))).collect();
    first_contact(&run, &plays, &*ask).await?;
    let mut stop = false;
    for (playbook, play) in plays {
        if stop {
            break;
        }
        enter(&run, &playbook.path);
        match carry_out(&run, play, &ask).await {
            Ok(last) => stop = last,
            Err(diagnostics) => {
                reach::close(run.all_links(), run.settings.no_cache).await;
                return Err(diagnostics);
            }
        }
    }
    reach::close(run.all_links(), run.settings.no_cache).await;
    let hosts = run.tallies();
    let summary = Summary {
        // What `meta: clear_host_errors` has forgiven is counted and yet no failure of the run.
        failed: hosts.keys().any(|host| run.with_host(host, |state| state.failed)),
        unreachable: hosts.keys().any(|host| run.with_host(host, |state| state.unreachable)),
    };
    let custom = super::state::lock(&run.stats).clone();
    let seconds = started.elapsed().as_secs_f64();
    run.events.emit(Event::Recap { hosts, check: run.settings.check, seconds, custom });
    Ok(summary)
}

/// Reads inventory, variables and playbooks, and checks them.
fn prepare(settings: Settings, ask: Arc<dyn Ask>, events: Events) -> Result<Prepared, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let mut extra_vars = Layer::new();
    for mapping in &settings.extra_vars {
        extra_vars.extend(layer(Some(mapping)));
    }
    let extra_vars = Arc::new(extra_vars);
    let templates = template::inventories::Inventories { vars: (*extra_vars).clone(), merge: settings.merge_hashes };
    let inventory = Inventory::load_with(&settings.inventory, &settings.keyring, &templates, &mut diagnostics);
    let loader = Loader {
        keyring: settings.keyring.clone(),
        catalog: Arc::new(Everything),
        roles_path: settings.roles_path.clone(),
        collections_path: settings.collections_path.clone(),
        library: Library::new(settings.library.clone(), settings.collections_path.clone()),
        scope: Scope::default().over((*extra_vars).clone()),
        extra_vars: extra_vars.clone(),
    };
    let playbooks: Vec<Playbook> =
        settings.playbooks.iter().map(|path| loader.playbook(path, &mut diagnostics)).collect();
    for play in playbooks.iter().flat_map(|playbook| &playbook.plays) {
        vars_files(play, &loader, &mut diagnostics);
    }
    match settings.duplicate_keys {
        DuplicateKeys::Warn => {}
        DuplicateKeys::Ignore => diagnostics.found.retain(|found| !found.duplicate),
        DuplicateKeys::Error => {
            diagnostics
                .found
                .iter_mut()
                .filter(|found| found.duplicate)
                .for_each(|found| found.severity = Severity::Error);
        }
    }
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    for warning in diagnostics.found.iter().filter(|found| found.severity == Severity::Warning) {
        let place = warning.span.as_ref().map_or_else(String::new, |span| format!("{span}: "));
        events.emit(Event::Warning { text: format!("{place}{}", warning.message) });
    }
    descriptors::allow_all();
    let run = Run::new(settings, events, inventory, loader, Connector::new(ask), http::here::fetch, extra_vars);
    keep_secrets(&run);
    let gathers =
        |play: &Arc<Play>| play.get("gather_facts").is_none_or(|node| !matches!(node.shape, Shape::Bool(false)));
    if playbooks.iter().flat_map(|playbook| &playbook.plays).any(gathers) {
        let _ = run.reading.set(reading(&run, &playbooks));
    }
    Ok(Prepared { run: Arc::new(run), playbooks })
}

/// Checks `vars_files` whose names are no templates: that one of each entry is there and can be read.
fn vars_files(play: &Play, loader: &Loader, diagnostics: &mut Diagnostics) {
    let Some(files) = play.get("vars_files").filter(|node| !node.is_null()) else { return };
    let single = std::slice::from_ref(files);
    for entry in files.as_list().unwrap_or(single) {
        let own = std::slice::from_ref(entry);
        let candidates = entry.as_list().unwrap_or(own);
        let names: Vec<&str> = candidates.iter().filter_map(Node::as_str).collect();
        if names.len() != candidates.len() || names.iter().any(|name| template::is_template(name)) {
            continue;
        }
        let places = names.iter().flat_map(|name| [play.folder.join("vars").join(name), play.folder.join(name)]);
        match places.into_iter().find(|path| path.is_file()) {
            Some(path) => drop(load_vars(&[path], &loader.keyring, diagnostics)),
            None => {
                let message = format!("there is no variables file {}", names.join(" or "));
                diagnostics.push(Diagnostic::absent(&entry.span, message));
            }
        }
    }
}

/// Looks through all that the run consists of for the facts it reads.
fn reading(run: &Run, playbooks: &[Playbook]) -> Reading {
    let mut reading = Reading::default();
    let inventory = run.inventory.read().unwrap_or_else(PoisonError::into_inner);
    variables(&inventory).chain(&run.settings.extra_vars).for_each(|node| reading.node(node));
    playbooks.iter().flat_map(|playbook| &playbook.plays).for_each(|play| reading.play(play));
    reading
}

/// All variables of an inventory.
fn variables(inventory: &Inventory) -> impl Iterator<Item = &Node> {
    let hosts = inventory.hosts.values().flat_map(|host| host.vars.values().chain(host.file_vars.values()));
    hosts.chain(inventory.groups.values().flat_map(|group| group.vars.values().chain(group.file_vars.values())))
}

/// Notes what was decrypted, so that it is shown nowhere.
fn keep_secrets(run: &Run) {
    let inventory = run.inventory.read().unwrap_or_else(PoisonError::into_inner);
    variables(&inventory).chain(&run.settings.extra_vars).for_each(|node| keep_secret(run, node));
}

pub(super) fn keep_secret(run: &Run, node: &Node) {
    match &node.shape {
        Shape::Str(text) if text.secret => run.keep_secret(&text.value),
        Shape::List(items) => items.iter().for_each(|item| keep_secret(run, item)),
        Shape::Map(map) => map.entries.iter().for_each(|(_, value)| keep_secret(run, value)),
        _ => {}
    }
}

fn enter(run: &Run, playbook: &Path) {
    let folder = playbook.parent().map_or_else(Default::default, Path::to_owned);
    *run.folder.write().unwrap_or_else(PoisonError::into_inner) = folder;
    run.shared.forget();
}

/// Settles who unknown hosts are, once for all of them and before any play.
async fn first_contact(run: &Arc<Run>, plays: &[(&Playbook, &Arc<Play>)], ask: &dyn Ask) -> Result<(), Diagnostics> {
    let mut targets = indexmap::IndexMap::new();
    for (playbook, play) in plays {
        enter(run, &playbook.path);
        let Ok(hosts) = hosts(run, play) else { continue };
        let Some(Item::Task(task)) =
            PlayRun::new((*play).clone(), String::new(), Vec::new(), false, Layer::new()).items.first().cloned()
        else {
            continue;
        };
        for host in hosts {
            let context = template::context(&scope::of_inventory(run, &host).scope());
            if let Ok(way) = Way::find(&run.settings, &host, false, &task, &context, &context)
                && way.target.kind == Kind::Ssh
                && way.unknown.is_none()
            {
                targets.entry(host).or_insert(way.target);
            }
        }
    }
    if targets.is_empty() {
        return Ok(());
    }
    let targets: Vec<_> = targets.into_values().collect();
    let unknown = match run.connector.scan(&targets).await {
        Ok(unknown) => unknown,
        Err(error) => {
            let mut diagnostic = Diagnostic::bare(error.to_string());
            diagnostic.hints.extend(error.hint());
            return Err(Diagnostics { found: vec![diagnostic] });
        }
    };
    if unknown.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = unknown
        .iter()
        .map(|host| format!("  {} ({}): {} {}", host.alias, host.name, host.algorithm, host.fingerprint))
        .collect();
    let question = format!(
        "{} host(s) are contacted for the first time and show these keys:\n{}\nRemember them and go on? (yes/no) ",
        unknown.len(),
        lines.join("\n")
    );
    let yes = ask.answer("known_hosts", &question, true).is_some_and(|answer| answer.reveal().trim() == "yes");
    if yes && let Err(error) = super::connection::ssh::first_contact::accept(&unknown) {
        return Err(Diagnostics { found: vec![Diagnostic::bare(error.to_string())] });
    }
    Ok(())
}

/// The hosts of a play, those lost earlier left out.
fn hosts(run: &Arc<Run>, play: &Play) -> Result<Vec<String>, Diagnostics> {
    Ok(left(run, &all_hosts(run, play)?))
}

/// Those of some hosts that are not lost.
fn left(run: &Run, hosts: &[String]) -> Vec<String> {
    let lost = |host: &str| run.with_host(host, |state| state.failed || state.unreachable);
    hosts.iter().filter(|host| !lost(host)).cloned().collect()
}

/// The hosts of a play.
fn all_hosts(run: &Arc<Run>, play: &Play) -> Result<Vec<String>, Diagnostics> {
    let scope = run.loader.scope.over(layer(play.keywords.vars.as_ref()));
    let context = template::context(&scope);
    let wrong = |diagnostic: Diagnostic| Diagnostics { found: vec![diagnostic] };
    let rendered =
        template::lazy::value(&play.hosts, &context).and_then(|value| template::resolve(&value)).map_err(|error| {
            wrong(Diagnostic::error(&play.hosts.span, format!("cannot work out the hosts of this play: {error}")))
        })?;
    let patterns: Vec<String> = match rendered.try_iter() {
        Ok(items) if rendered.as_str().is_none() => items.map(|item| item.to_string()).collect(),
        _ => vec![rendered.to_string()],
    };
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let inventory = run.inventory.read().unwrap_or_else(PoisonError::into_inner);
    let selection =
        inventory.select(&patterns, run.settings.limit.as_deref(), Some(&play.hosts.span)).map_err(wrong)?;
    drop(inventory);
    for warning in selection.warnings {
        run.warn(warning.message);
    }
    Ok(selection.hosts.iter().map(ToString::to_string).collect())
}

/// One play. Gives whether the run stops behind it.
async fn carry_out(run: &Arc<Run>, play: &Arc<Play>, ask: &Arc<dyn Ask>) -> Result<bool, Diagnostics> {
    let all = all_hosts(run, play)?;
    let hosts = left(run, &all);
    let scope = run.loader.scope.over(layer(play.keywords.vars.as_ref()));
    let name = play.title();
    let name = template::render_text(&name, &template::context(&scope)).map_or(name, |name| name.to_string());
    if hosts.is_empty() {
        run.events.emit(Event::NoHosts { name });
        return Ok(false);
    }
    let prompted = prompts::ask(run, play, &scope, &**ask)?;
    let context = template::context(&scope);
    let gather = match play.get("gather_facts") {
        Some(node) if !node.is_null() => template::lazy::value(node, &context).is_ok_and(|value| reach::truthy(&value)),
        _ => run.settings.gather != Gather::Explicit,
    };
    let play_run = Arc::new(PlayRun::new(play.clone(), name, all, gather, prompted));
    let batches = serial::batches(play, &hosts, &context)?;
    for batch in batches {
        let batch: Vec<String> =
            batch.into_iter().filter(|host| !run.with_host(host, |state| state.failed || state.unreachable)).collect();
        if batch.is_empty() {
            continue;
        }
        match batch::carry_out(run, &play_run, batch, ask).await? {
            batch::After::GoOn => {}
            batch::After::EndPlay => break,
            batch::After::EndRun => return Ok(true),
        }
    }
    Ok(false)
}
