//! One batch of hosts through one play.

mod ahead;
mod effects;
mod losses;
mod steps;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, atomic::AtomicBool},
};

use tokio::task::{JoinError, JoinSet};

use super::{serial, titles};
use crate::{
    controller::{
        actions,
        compiler::{
            Batch, PlayRun, handlers, scope,
            tags::{self, Selection},
        },
        connection::Ask,
        event::{Event, TaskInfo},
        executor::{Effect, End, Step, foresight::Early, reach::truthy},
        playbook::{Item, Task},
        scheduler::{Cursor, Ending, Position, Strategy, strategies},
        source::{Diagnostic, Diagnostics, Node},
        state::Run,
        template,
    },
    protocol::{Json, Verdict},
    remote::modules::short_name,
};
use ahead::Ahead;
use steps::Steps;

/// What comes behind a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The next batch or play.
    GoOn,
    /// The next play.
    EndPlay,
    /// Nothing.
    EndRun,
}

/// Carries a play out on a batch of hosts.
///
/// # Errors
/// When the play names a strategy that is none, or something it includes is wrong.
pub(super) async fn carry_out(
    run: &Arc<Run>,
    play: &Arc<PlayRun>,
    hosts: Vec<String>,
    ask: &Arc<dyn Ask>,
) -> Result<After, Diagnostics> {
    let strategy = strategy(run, play)?;
    run.events.emit(Event::PlayStarted { name: play.name.clone(), hosts: hosts.clone() });
    let alive = play.hosts.iter().filter(|host| !run.with_host(host, |state| state.failed || state.unreachable));
    let batch =
        Arc::new(Batch::new(play.clone(), hosts.clone(), alive.cloned().collect(), handlers::flat(&play.handlers)));
    let selection = Selection { only: run.settings.tags.clone(), skip: run.settings.skip_tags.clone() };
    let cursors = hosts.iter().map(|_| Cursor::new(play.items.clone())).collect();
    let state = Through {
        run: run.clone(),
        batch,
        strategy,
        selection,
        cursors,
        busy: HashMap::new(),
        forced: HashSet::new(),
        infos: HashMap::new(),
        started: HashSet::new(),
        ahead: HashMap::new(),
        near: HashMap::new(),
        included: HashMap::new(),
        once: HashSet::new(),
        gone: HashSet::new(),
        lost: 0,
        after: After::GoOn,
        fatal: None,
        before: hosts.iter().map(|_| Cursor::default()).collect(),
        start_at: run.settings.start_at_task.clone(),
        steps: run.settings.step.then(|| Steps::new(ask.clone())),
        ran: HashMap::new(),
        wrong: None,
    };
    for host in &hosts {
        run.with_host(host, |state| state.notified.clear());
    }
    state.walk().await
}

fn strategy(run: &Run, play: &PlayRun) -> Result<&'static dyn Strategy, Diagnostics> {
    let scope = run.loader.scope.over((*play.vars).clone());
    let Some((node, name)) = serial::word(&play.play, "strategy", &template::context(&scope))? else {
        return Ok(strategies::CATALOG[0]);
    };
    strategies::find(short_name(&name)).ok_or_else(|| {
        let known: Vec<&str> = strategies::CATALOG.iter().map(|strategy| strategy.name()).collect();
        let diagnostic = Diagnostic::error(&node.span, format!("there is no strategy `{name}`"));
        Diagnostics { found: vec![diagnostic.hint(format!("use one of {}", known.join(", ")))] }
    })
}

/// The state of a batch on its way.
struct Through {
    run: Arc<Run>,
    batch: Arc<Batch>,
    strategy: &'static dyn Strategy,
    selection: Selection,
    cursors: Vec<Cursor>,
    /// Hosts at work, and where.
    busy: HashMap<usize, Position>,
    /// Hosts that have failed and still do the handlers of their section.
    forced: HashSet<usize>,
    /// By the address of the task, which lives as long as the play.
    infos: HashMap<usize, Arc<TaskInfo>>,
    started: HashSet<u64>,
    /// What hosts have begun before its turn.
    ahead: HashMap<usize, Ahead>,
    /// Hosts that are the controller itself, where nothing is gained by it.
    near: HashMap<usize, Arc<AtomicBool>>,
    /// What hosts have included at a place: its key and items, by order of appearance.
    included: HashMap<Position, Vec<(String, Arc<Vec<Item>>)>>,
    /// Places whose `run_once` task has run.
    once: HashSet<Position>,
    /// Hosts whose failure has been noted.
    gone: HashSet<usize>,
    /// Hosts that failed or were lost in this batch.
    lost: usize,
    after: After,
    /// Where a failure is one of all hosts (`any_errors_fatal`), and whose it was.
    fatal: Option<(Position, usize)>,
    /// Where hosts were before their last task ended.
    before: Vec<Cursor>,
    start_at: Option<String>,
    /// Where a person is asked of every task.
    steps: Option<Steps>,
    /// Which use of a role, by its address, has run on a host; by host and what tells roles apart.
    ran: HashMap<(usize, String), usize>,
    /// What is wrong with what was included.
    wrong: Option<Diagnostics>,
}

/// How a task ended on a host; nothing where it is to be begun anew, because it could not be done before its turn.
type Ended = (usize, Arc<Task>, Position, Option<End>);

impl Through {
    async fn walk(mut self) -> Result<After, Diagnostics> {
        let mut work: JoinSet<Ended> = JoinSet::new();
        loop {
            self.note_failures();
            self.fail_together();
            if let Some(wrong) = self.wrong.take() {
                return Err(wrong);
            }
            self.pass_over();
            let ready: Vec<(usize, Position)> = (0..self.cursors.len())
                .filter(|host| !self.busy.contains_key(host))
                .filter_map(|host| Some((host, self.cursors[host].position()?)))
                .collect();
            let busy: Vec<(usize, Position)> = self.busy.iter().map(|(host, at)| (*host, at.clone())).collect();
            let free = self.run.settings.forks.max(1).saturating_sub(busy.len());
            let chosen = self.strategy.next(&ready, &busy);
            self.start(chosen.into_iter().take(free), &mut work);
            match work.join_next().await {
                None if (0..self.cursors.len()).all(|host| self.cursors[host].task().is_none()) => {
                    return self.wrong.map_or(Ok(self.after), Err);
                }
                None => {}
                Some(ended) => {
                    self.take_in(ended);
                    // What has ended by now is taken in at once: looking at all hosts after each would add up.
                    while let Some(ended) = work.try_join_next() {
                        self.take_in(ended);
                    }
                }
            }
        }
    }

    fn take_in(&mut self, ended: Result<Ended, JoinError>) {
        match ended {
            Ok((host, task, position, end)) => {
                self.busy.remove(&host);
                match end {
                    Some(end) => self.finish(host, &task, &position, end),
                    None => drop(self.ahead.remove(&host)),
                }
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Moves hosts behind tasks that are not for them, and into handlers.
    fn pass_over(&mut self) {
        for host in 0..self.cursors.len() {
            if self.busy.contains_key(&host) {
                continue;
            }
            while let Some(task) = self.cursors[host].task().cloned() {
                if is_flush(&task) && !self.cursors[host].in_handlers() {
                    self.flush(host);
                } else if self.forced.contains(&host) && !self.cursors[host].in_handlers() {
                    self.cursors[host].end();
                } else if self.is_refused(host) || !self.is_chosen(host, &task) {
                    self.cursors[host].advance(Ending::Passed);
                } else {
                    break;
                }
            }
        }
    }

    /// Whether the host is offered a handler that nobody has notified for it.
    fn is_refused(&self, host: usize) -> bool {
        let Some(handler) = self.cursors[host].offered() else { return false };
        !self.run.with_host(&self.batch.hosts[host], |state| state.notified.contains(&handler))
    }

    /// Ends the run where it stands: what is wrong concerns no single host.
    fn give_up(&mut self, diagnostic: Diagnostic) {
        self.wrong = Some(Diagnostics { found: vec![diagnostic] });
        self.cursors.iter_mut().for_each(Cursor::end);
    }

    fn is_chosen(&mut self, host: usize, task: &Task) -> bool {
        if let Some(wanted) = &self.start_at {
            if task.name.as_ref().and_then(Node::as_str) == Some("Gathering Facts") {
                if !self.batch.play.items.iter().any(|item| starts(item, wanted)) {
                    return false;
                }
            } else if is_start(task, wanted) {
                self.start_at = None;
            } else {
                return false;
            }
        }
        if let Some(role) = task.role.as_ref().filter(|role| !role.allow_duplicates && !task.handler)
            && self.ran.get(&(host, role.key.clone())).is_some_and(|used| *used != Arc::as_ptr(role) as usize)
        {
            return false;
        }
        let levels = || task.levels.iter().map(AsRef::as_ref);
        let plain = levels().filter_map(|level| level.tags.as_ref()).all(|tags| !has_template(tags));
        let context = if plain {
            minijinja::Value::UNDEFINED
        } else {
            template::context(&scope::of_task(&self.run, &self.batch, &self.batch.hosts[host], task))
        };
        let smart = self.run.settings.gather == crate::controller::settings::Gather::Smart
            && task.name.as_ref().and_then(Node::as_str) == Some("Gathering Facts")
            && self.run.with_host(&self.batch.hosts[host], |state| state.fresh_facts);
        // A handler runs because it was notified, whatever its tags.
        !smart && (task.handler || self.selection.includes(&tags::of(levels(), &context)))
    }

    fn flush(&mut self, host: usize) {
        let name = &self.batch.hosts[host];
        if self.run.with_host(name, |state| state.notified.is_empty()) {
            self.cursors[host].advance(Ending::Passed);
        } else {
            let handlers = self.batch.handlers.read().unwrap_or_else(PoisonError::into_inner).clone();
            self.cursors[host].flush(handlers);
        }
    }

    fn start(&mut self, hosts: impl Iterator<Item = usize>, work: &mut JoinSet<Ended>) {
        for host in hosts {
            let (Some(task), Some(position)) = (self.cursors[host].task().cloned(), self.cursors[host].position())
            else {
                continue;
            };
            let context = || template::context(&scope::of_task(&self.run, &self.batch, &self.batch.hosts[host], &task));
            let flag = |name: &str| {
                task.keyword(name)
                    .is_some_and(|node| template::lazy::value(node, &context()).is_ok_and(|value| truthy(&value)))
            };
            match limit(&task, &context) {
                Ok(Some(limit)) if self.busy.values().filter(|at| **at == position).count() >= limit => continue,
                Ok(_) => {}
                Err(diagnostic) => {
                    self.give_up(diagnostic);
                    return;
                }
            }
            let together = actions::find(&task.module).is_some_and(|action| action.together);
            if (together || flag("run_once")) && self.strategy.name() == "linear" {
                if self.busy.values().any(|at| *at == position) {
                    continue;
                }
                self.once.insert(position.clone());
            }
            let info = self.info(host, &task);
            if task.module != "meta" && self.steps.as_mut().is_some_and(|steps| !steps.wants(&info)) {
                self.cursors[host].advance(Ending::Passed);
                continue;
            }
            if self.started.insert(info.id) {
                self.run.events.emit(Event::TaskStarted { task: info.clone() });
            }
            self.busy.insert(host, position.clone());
            let step = self.step(host, task.clone(), info);
            if let Some(early) = self.begun(host, &position) {
                let alone = self.alone(host, &task);
                work.spawn(async move {
                    let end = match early.await {
                        Ok(Early::Done(tried)) => Some(step.conclude(*tried)),
                        Ok(Early::InTurn) => Some(step.carry_out(alone).await),
                        Err(_) => None,
                    };
                    (host, task, position, end)
                });
            } else {
                let lane = self.look_ahead(host, &task);
                work.spawn(async move { (host, task, position, Some(step.carry_out(lane).await)) });
            }
        }
    }

    fn step(&self, host: usize, task: Arc<Task>, info: Arc<TaskInfo>) -> Step {
        let (run, batch) = (self.run.clone(), self.batch.clone());
        Step { run, batch, host: self.batch.hosts[host].clone(), task, info }
    }

    /// The task for events. What the first host calls it heads its results; each host's own results carry the host's name of it.
    fn info(&mut self, host: usize, task: &Arc<Task>) -> Arc<TaskInfo> {
        let address = Arc::as_ptr(task) as usize;
        let known = self.infos.get(&address).cloned();
        let title = task.title();
        let name = &*title;
        if let Some(known) = known.as_ref().filter(|_| !template::is_template(name)) {
            return known.clone();
        }
        let name = if template::is_template(name) {
            let scope = scope::of_task(&self.run, &self.batch, &self.batch.hosts[host], task);
            titles::render(name, &scope)
        } else {
            name.to_owned()
        };
        let name = self.run.mask(&name);
        match known {
            Some(known) if known.name == name => known,
            Some(known) => Arc::new(TaskInfo { name, ..(*known).clone() }),
            None => {
                let info = Arc::new(TaskInfo {
                    id: self.run.next_task(),
                    name,
                    module: task.module.clone(),
                    role: task.role.as_ref().map(|role| role.name.clone()),
                    place: task.span.to_string(),
                    handler: task.handler,
                });
                self.infos.insert(address, info.clone());
                info
            }
        }
    }

    /// Takes in how a task ended on a host, and lets the host go on.
    fn finish(&mut self, host: usize, task: &Arc<Task>, position: &Position, end: End) {
        let name = self.batch.hosts[host].clone();
        let once = self.once.contains(position);
        let everyone: Vec<usize> = if once {
            (0..self.cursors.len()).filter(|other| self.cursors[*other].position().as_ref() == Some(position)).collect()
        } else {
            vec![host]
        };
        let failed = matches!(end.outcome.verdict, Verdict::Failed(_)) && !end.ignored;
        // A role has run where a task of it has done something.
        if let Some(role) = task.role.as_ref().filter(|_| {
            matches!(end.outcome.verdict, Verdict::Changed | Verdict::Unchanged)
                || (end.ignored && end.unreachable.is_none())
        }) {
            everyone.iter().for_each(|other| {
                self.ran.entry((*other, role.key.clone())).or_insert(Arc::as_ptr(role) as usize);
            });
        }
        // What a task says that runs once, it says for all hosts, wherever they are.
        let hearers = if once { (0..self.cursors.len()).collect() } else { vec![host] };
        self.count(&name, host, task, &end);
        for other in &everyone {
            self.before[*other] = self.cursors[*other].clone();
        }
        for other in &everyone {
            if let Some(handler) = self.cursors[*other].offered() {
                self.run.with_host(&self.batch.hosts[*other], |state| state.notified.remove(&handler));
            }
        }
        let mut includes = Vec::new();
        let mut leave = None;
        for effect in end.effects {
            match effect {
                Effect::Include { items, handlers, key } => includes.push((items, handlers, key)),
                Effect::Facts { host: Some(other), layer } => self.run.set_variables(&other, layer),
                Effect::Set(layer) | Effect::Facts { host: None, layer } => hearers.iter().for_each(|other| {
                    self.run.set_variables(&self.batch.hosts[*other], layer.clone());
                }),
                Effect::IncludeVars(layer) => hearers.iter().for_each(|other| {
                    self.run.with_host(&self.batch.hosts[*other], |state| {
                        Arc::make_mut(&mut state.included).extend(layer.clone());
                    });
                }),
                Effect::JoinGroup { group, parents } => everyone.iter().for_each(|other| {
                    self.join(&self.batch.hosts[*other].clone(), &group, &parents);
                }),
                Effect::Meta(word) => leave = Some(word),
                Effect::Abort(wrong) => self.wrong = Some(wrong),
            }
        }
        for other in &everyone {
            self.run.with_host(&self.batch.hosts[*other], |state| state.notified.extend(&end.notify));
        }
        if let Some(word) = leave {
            return self.meta(&word, host, &everyone);
        }
        if end.unreachable.is_some() {
            if end.ignored {
                self.cursors[host].advance(Ending::Passed);
            } else {
                self.run.with_host(&name, |state| state.unreachable = true);
                self.cursors[host].end();
                self.dead(&name);
                let context = template::context(&scope::of_task(&self.run, &self.batch, &name, task));
                let fatal = task.keyword("any_errors_fatal");
                if fatal.is_some_and(|node| template::lazy::value(node, &context).is_ok_and(|value| truthy(&value))) {
                    self.fatal = Some((position.clone(), host));
                }
            }
            return self.check_losses(&task.span);
        }
        if failed {
            let scope = scope::of_task(&self.run, &self.batch, &name, task);
            for other in &everyone {
                self.fail(*other, task, &end.result);
            }
            let fatal = task.keyword("any_errors_fatal").is_some_and(|node| {
                template::lazy::value(node, &template::context(&scope)).is_ok_and(|value| truthy(&value))
            });
            if fatal {
                self.fatal = Some((position.clone(), host));
            }
            return self.check_losses(&task.span);
        }
        if includes.is_empty() {
            everyone.iter().for_each(|other| self.cursors[*other].advance(Ending::Passed));
        } else {
            for other in everyone {
                // What is included once is for the host that included it.
                if other == host {
                    self.include(other, position, &includes);
                } else {
                    self.cursors[other].advance(Ending::Passed);
                }
            }
        }
    }

    fn count(&self, name: &str, host: usize, task: &Task, end: &End) {
        let rescued = self.cursors[host].would_rescue();
        self.run.with_host(name, |state| {
            let tally = &mut state.tally;
            match &end.outcome.verdict {
                _ if end.unreachable.is_some() && !end.ignored => tally.unreachable += 1,
                Verdict::Failed(_) if end.ignored => {
                    tally.ok += 1;
                    tally.ignored += 1;
                    tally.changed += u32::from(end.result.get("changed") == Some(&Json::Bool(true)));
                }
                Verdict::Failed(_) if rescued => tally.rescued += 1,
                Verdict::Failed(_) => tally.failed += 1,
                // What is said to the run itself is no task of the host's.
                Verdict::Skipped(_) | Verdict::Unchanged if task.module == "meta" => {}
                Verdict::Skipped(_) => tally.skipped += 1,
                Verdict::Unknown(_) => tally.unknown += 1,
                Verdict::Changed => {
                    tally.ok += 1;
                    tally.changed += 1;
                }
                Verdict::Unchanged => {
                    // Everything that is included counts.
                    let included = |effect: &&Effect| matches!(effect, Effect::Include { .. });
                    tally.ok += u32::try_from(end.effects.iter().filter(included).count()).unwrap_or(1).max(1);
                }
            }
        });
    }
}

/// How many hosts may be at a task at the same time.
fn limit(task: &Task, context: &impl Fn() -> minijinja::Value) -> Result<Option<usize>, Diagnostic> {
    let Some(node) = task.keyword("throttle").filter(|node| !node.is_null()) else { return Ok(None) };
    let wrong = |what: String| Diagnostic::absent(&node.span, format!("throttle must be a whole number: {what}"));
    let value = template::lazy::value(node, &context()).and_then(|value| template::resolve(&value));
    let text = value.map_err(|error| wrong(error.to_string()))?.to_string();
    let number: usize = text.trim().parse().map_err(|_| wrong(format!("{text} is none")))?;
    Ok((number > 0).then_some(number))
}

/// Whether `--start-at-task` means this task.
fn is_start(task: &Task, wanted: &str) -> bool {
    let name = &*task.title();
    let full = task.role.as_ref().map(|role| format!("{} : {name}", role.name));
    let matches = |text: &str| {
        text == wanted || globset::Glob::new(wanted).is_ok_and(|glob| glob.compile_matcher().is_match(text))
    };
    matches(name) || full.is_some_and(|full| matches(&full))
}

/// Whether the task that `--start-at-task` means is among these.
fn starts(item: &Item, wanted: &str) -> bool {
    match item {
        Item::Task(task) => is_start(task, wanted),
        Item::Block(block) => {
            [&block.body, &block.rescue, &block.always].iter().any(|part| part.iter().any(|item| starts(item, wanted)))
        }
    }
}

fn is_flush(task: &Task) -> bool {
    let word = task.arguments.free_form.as_ref().and_then(Node::as_str);
    task.module == "meta" && word == Some("flush_handlers") && task.own().when.is_none()
}

fn has_template(node: &Node) -> bool {
    match (node.as_str(), node.as_list()) {
        (Some(text), _) => template::is_template(text),
        (_, Some(items)) => items.iter().any(has_template),
        _ => false,
    }
}
