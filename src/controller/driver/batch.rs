//! One batch of hosts through one play.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::json;
use tokio::task::JoinSet;

use super::handlers;
use crate::{
    controller::{
        compiler::{
            Batch, PlayRun, scope,
            tags::{self, Selection},
        },
        event::{Event, TaskInfo},
        executor::{Effect, End, Step, reach::truthy},
        inventory::Inventory,
        playbook::{Item, Task},
        scheduler::{Cursor, Ending, Position, Strategy, strategies},
        source::{Diagnostic, Diagnostics, Node, Span, composer::Marks},
        state::Run,
        template,
        variables::{Layer, Var},
    },
    protocol::{Json, Verdict},
};

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
/// When the play names a strategy that is none.
pub(super) async fn carry_out(run: &Arc<Run>, play: &Arc<PlayRun>, hosts: Vec<String>) -> Result<After, Diagnostics> {
    let strategy = strategy(play)?;
    run.events.emit(Event::PlayStarted { name: play.name.clone(), hosts: hosts.clone() });
    let alive = play.hosts.iter().filter(|host| !run.with_host(host, |state| state.failed || state.unreachable));
    let alive = RwLock::new(alive.cloned().collect());
    let batch = Arc::new(Batch { play: play.clone(), hosts: hosts.clone(), alive });
    let selection = Selection { only: run.settings.tags.clone(), skip: run.settings.skip_tags.clone() };
    let cursors = hosts.iter().map(|_| Cursor::new(play.items.clone())).collect();
    let state = Through {
        run: run.clone(),
        batch,
        strategy,
        selection,
        cursors,
        busy: HashMap::new(),
        handlers: play.handlers.clone(),
        infos: HashMap::new(),
        started: HashSet::new(),
        included: HashMap::new(),
        once: HashSet::new(),
        lost: 0,
        after: After::GoOn,
        start_at: run.settings.start_at_task.clone(),
    };
    for host in &hosts {
        run.with_host(host, |state| state.notified.clear());
    }
    Ok(state.walk().await)
}

fn strategy(play: &PlayRun) -> Result<&'static dyn Strategy, Diagnostics> {
    let Some(node) = play.play.get("strategy").filter(|node| !node.is_null()) else {
        return Ok(strategies::CATALOG[0]);
    };
    let name = node.as_str().unwrap_or_default();
    strategies::find(name).ok_or_else(|| {
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
    /// Handlers of the play and of what was included.
    handlers: Arc<Vec<Item>>,
    /// By the address of the task, which lives as long as the play.
    infos: HashMap<usize, Arc<TaskInfo>>,
    started: HashSet<u64>,
    /// What hosts have included at a place: its key and items, by order of appearance.
    included: HashMap<Position, Vec<(String, Arc<Vec<Item>>)>>,
    /// Places whose `run_once` task has run.
    once: HashSet<Position>,
    /// Hosts that failed or were lost in this batch.
    lost: usize,
    after: After,
    start_at: Option<String>,
}

type Ended = (usize, Arc<Task>, Position, End);

impl Through {
    async fn walk(mut self) -> After {
        let mut work: JoinSet<Ended> = JoinSet::new();
        loop {
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
                None if (0..self.cursors.len()).all(|host| self.cursors[host].task().is_none()) => return self.after,
                None => {}
                Some(Ok((host, task, position, end))) => {
                    self.busy.remove(&host);
                    self.finish(host, &task, &position, end);
                }
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            }
        }
    }

    /// Moves hosts behind tasks that are not for them, and into handlers.
    fn pass_over(&mut self) {
        for host in 0..self.cursors.len() {
            if self.busy.contains_key(&host) {
                continue;
            }
            while let Some(task) = self.cursors[host].task().cloned() {
                if is_flush(&task) {
                    self.flush(host);
                } else if self.after == After::EndPlay || !self.is_chosen(host, &task) {
                    self.cursors[host].advance(Ending::Passed);
                } else {
                    break;
                }
            }
        }
    }

    fn is_chosen(&mut self, host: usize, task: &Task) -> bool {
        if task.name.as_ref().is_none_or(|name| name.as_str() != Some("Gathering Facts"))
            && let Some(wanted) = &self.start_at
        {
            let name = task.name.as_ref().and_then(Node::as_str).unwrap_or(&task.module);
            let full = task.role.as_ref().map(|role| format!("{} : {name}", role.name));
            let matches = |text: &str| {
                text == wanted || globset::Glob::new(wanted).is_ok_and(|glob| glob.compile_matcher().is_match(text))
            };
            if !matches(name) && !full.is_some_and(|full| matches(&full)) {
                return false;
            }
            self.start_at = None;
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
        let notified = self.run.with_host(name, |state| std::mem::take(&mut state.notified));
        if notified.is_empty() {
            self.cursors[host].advance(Ending::Passed);
        } else {
            self.cursors[host].choose(self.handlers.clone(), notified);
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
            if let Some(node) = task.keyword("throttle")
                && let Some(limit) = template::lazy::value(node, &context())
                    .ok()
                    .and_then(|value| value.to_string().parse::<usize>().ok())
                && limit > 0
                && self.busy.values().filter(|at| **at == position).count() >= limit
            {
                continue;
            }
            if flag("run_once") && self.strategy.name() == "linear" {
                if self.busy.values().any(|at| *at == position) {
                    continue;
                }
                self.once.insert(position.clone());
            }
            let info = self.info(host, &task);
            if self.started.insert(info.id) {
                self.run.events.emit(Event::TaskStarted { task: info.clone() });
            }
            self.busy.insert(host, position.clone());
            let step = Step {
                run: self.run.clone(),
                batch: self.batch.clone(),
                host: self.batch.hosts[host].clone(),
                task: task.clone(),
                info,
            };
            work.spawn(async move { (host, task, position, step.carry_out().await) });
        }
    }

    fn info(&mut self, host: usize, task: &Arc<Task>) -> Arc<TaskInfo> {
        if let Some(known) = self.infos.get(&(Arc::as_ptr(task) as usize)) {
            return known.clone();
        }
        let name = task.name.as_ref().and_then(Node::as_str).unwrap_or(&task.module);
        let name = if template::is_template(name) {
            let scope = scope::of_task(&self.run, &self.batch, &self.batch.hosts[host], task);
            template::render_text(name, &template::context(&scope))
                .map_or_else(|_| name.to_owned(), |name| name.to_string())
        } else {
            name.to_owned()
        };
        let info = Arc::new(TaskInfo {
            id: self.run.next_task(),
            name: self.run.mask(&name),
            module: task.module.clone(),
            role: task.role.as_ref().map(|role| role.name.clone()),
            place: task.span.to_string(),
            handler: task.handler,
        });
        self.infos.insert(Arc::as_ptr(task) as usize, info.clone());
        info
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
        self.count(&name, host, &end);
        let mut includes = Vec::new();
        let mut leave = None;
        for effect in end.effects {
            match effect {
                Effect::Include { items, handlers, key } => includes.push((items, handlers, key)),
                Effect::Set(layer) => {
                    let delegate = self.facts_host(task, &name);
                    match delegate {
                        Some(other) if task.register.is_none() => self.run.set_variables(&other, layer),
                        _ => everyone.iter().for_each(|other| {
                            self.run.set_variables(&self.batch.hosts[*other], layer.clone());
                        }),
                    }
                }
                Effect::IncludeVars(layer) => everyone.iter().for_each(|other| {
                    self.run.with_host(&self.batch.hosts[*other], |state| {
                        Arc::make_mut(&mut state.included).extend(layer.clone());
                    });
                }),
                Effect::AddHost { name, groups, variables } => self.add_host(&name, &groups, &variables),
                Effect::JoinGroup { group, parents } => everyone.iter().for_each(|other| {
                    self.join(&self.batch.hosts[*other].clone(), &group, &parents);
                }),
                Effect::Meta(word) => leave = Some(word),
            }
        }
        let context =
            (!end.notify.is_empty()).then(|| template::context(&scope::of_task(&self.run, &self.batch, &name, task)));
        for wanted in &end.notify {
            let found =
                context.as_ref().map(|context| handlers::named(&self.handlers, wanted, context)).unwrap_or_default();
            if found.is_empty() {
                self.run.warn(format!(
                    "{}: The requested handler '{wanted}' was not found in either the main handlers list nor in the listening handlers list",
                    task.span
                ));
            }
            for other in &everyone {
                self.run.with_host(&self.batch.hosts[*other], |state| state.notified.extend(found.iter().copied()));
            }
        }
        if let Some(word) = leave {
            return self.meta(&word, host, &everyone);
        }
        if end.unreachable.is_some() {
            let goes_on = task.keyword("ignore_unreachable").is_some_and(|node| {
                let context = template::context(&scope::of_task(&self.run, &self.batch, &name, task));
                template::lazy::value(node, &context).is_ok_and(|value| truthy(&value))
            });
            if goes_on {
                self.cursors[host].advance(Ending::Passed);
            } else {
                self.run.with_host(&name, |state| state.unreachable = true);
                self.cursors[host].end();
                self.dead(&name);
            }
            return self.check_losses(task);
        }
        if failed {
            let scope = scope::of_task(&self.run, &self.batch, &name, task);
            for other in &everyone {
                self.fail(*other, task, &end.result);
            }
            let fatal = task.keyword("any_errors_fatal").is_some_and(|node| {
                template::lazy::value(node, &template::context(&scope)).is_ok_and(|value| truthy(&value))
            });
            if fatal && self.cursors[host].failed() {
                for other in 0..self.cursors.len() {
                    if self.cursors[other].task().is_some() && !self.cursors[other].failed() {
                        self.cursors[other].end();
                        let name = self.batch.hosts[other].clone();
                        self.run.with_host(&name, |state| state.failed = true);
                    }
                }
                self.after = After::EndRun;
            }
            return self.check_losses(task);
        }
        if includes.is_empty() {
            everyone.iter().for_each(|other| self.cursors[*other].advance(Ending::Passed));
        } else {
            for other in everyone {
                self.include(other, position, &includes);
            }
        }
    }

    fn facts_host(&self, task: &Task, host: &str) -> Option<String> {
        let node = task.keyword("delegate_facts")?;
        let context = template::context(&scope::of_task(&self.run, &self.batch, host, task));
        template::lazy::value(node, &context).is_ok_and(|value| truthy(&value)).then_some(())?;
        let delegate = template::lazy::value(task.keyword("delegate_to")?, &context).ok()?;
        Some(delegate.to_string())
    }

    fn count(&self, name: &str, host: usize, end: &End) {
        let rescued = self.cursors[host].would_rescue();
        self.run.with_host(name, |state| {
            let tally = &mut state.tally;
            match &end.outcome.verdict {
                _ if end.unreachable.is_some() => tally.unreachable += 1,
                Verdict::Failed(_) if end.ignored => {
                    tally.ok += 1;
                    tally.ignored += 1;
                }
                Verdict::Failed(_) if rescued => tally.rescued += 1,
                Verdict::Failed(_) => tally.failed += 1,
                Verdict::Skipped(_) => tally.skipped += 1,
                Verdict::Unknown(_) => tally.unknown += 1,
                Verdict::Changed => {
                    tally.ok += 1;
                    tally.changed += 1;
                }
                Verdict::Unchanged => {
                    if !end.effects.iter().any(|effect| matches!(effect, Effect::Meta(_))) {
                        tally.ok += 1;
                    }
                }
            }
        });
    }

    fn fail(&mut self, host: usize, task: &Task, result: &crate::protocol::Map) {
        let name = self.batch.hosts[host].clone();
        if self.cursors[host].would_rescue() {
            let task_name = task.name.as_ref().and_then(Node::as_str).unwrap_or(&task.module);
            let failed_task = template::from_json(&json!({ "name": task_name, "action": task.module }));
            let failed_result = template::from_json(&Json::Object(result.clone()));
            let layer = Layer::from_iter([
                (Arc::from("ansible_failed_task"), Var::Data(failed_task)),
                (Arc::from("ansible_failed_result"), Var::Data(failed_result)),
            ]);
            self.run.set_variables(&name, layer);
        }
        self.cursors[host].advance(Ending::Failed);
        if self.cursors[host].failed() {
            self.run.with_host(&name, |state| state.failed = true);
            self.dead(&name);
            let forced = self.run.settings.force_handlers
                || self.batch.play.play.get("force_handlers").is_some_and(|node| truthy(&node.to_value()));
            let notified = self.run.with_host(&name, |state| std::mem::take(&mut state.notified));
            if forced && !notified.is_empty() {
                let mut cursor = Cursor::new(Arc::default());
                cursor.choose(self.handlers.clone(), notified);
                self.cursors[host] = cursor;
            }
        }
    }

    fn dead(&mut self, name: &str) {
        self.lost += 1;
        self.batch.alive.write().unwrap_or_else(PoisonError::into_inner).retain(|host| host != name);
    }

    /// `max_fail_percentage`, and a batch of which nobody is left.
    fn check_losses(&mut self, task: &Task) {
        let all = self.batch.hosts.len();
        if let Some(node) = self.batch.play.play.get("max_fail_percentage") {
            let value = template::lazy::value(node, &template::context(&self.run.loader.scope));
            let limit: Option<f64> = value.ok().and_then(|value| value.to_string().trim_end_matches('%').parse().ok());
            #[expect(clippy::cast_precision_loss, reason = "counts of hosts")]
            let share = self.lost as f64 / all as f64 * 100.0;
            if limit.is_some_and(|limit| share > limit) && self.after != After::EndRun {
                self.run.warn(format!("{}: more hosts failed than max_fail_percentage allows", task.span));
                self.cursors.iter_mut().for_each(Cursor::end);
                self.after = After::EndRun;
            }
        }
        if self.lost >= all && self.after == After::GoOn {
            self.after = After::EndPlay;
        }
    }

    fn include(&mut self, host: usize, position: &Position, includes: &[(Arc<Vec<Item>>, Vec<Item>, String)]) {
        let key: String = includes.iter().map(|(_, _, key)| key.as_str()).collect::<Vec<_>>().join("\n");
        let known = self.included.entry(position.clone()).or_default();
        let group = known.iter().position(|(other, _)| *other == key);
        let (group, items) = match group {
            Some(group) => (group, known[group].1.clone()),
            None => {
                let items: Vec<Item> = includes.iter().flat_map(|(items, _, _)| items.iter().cloned()).collect();
                let items = Arc::new(items);
                known.push((key, items.clone()));
                let more: Vec<Item> = includes.iter().flat_map(|(_, handlers, _)| handlers.iter().cloned()).collect();
                if !more.is_empty() {
                    Arc::make_mut(&mut self.handlers).extend(more);
                }
                (known.len() - 1, items)
            }
        };
        self.cursors[host].include(items, u32::try_from(group).unwrap_or(u32::MAX));
    }

    fn meta(&mut self, word: &str, host: usize, everyone: &[usize]) {
        match word {
            "end_host" => self.cursors[host].end(),
            "end_play" => {
                self.cursors.iter_mut().for_each(Cursor::end);
                self.after = After::EndPlay;
            }
            "end_batch" => self.cursors.iter_mut().for_each(Cursor::end),
            "end_role" => self.end_role(host),
            "flush_handlers" => self.flush(host),
            "clear_facts" => {
                self.run.with_host(&self.batch.hosts[host], |state| {
                    state.facts = crate::controller::state::no_facts();
                    state.gathered.clear();
                });
                self.cursors[host].advance(Ending::Passed);
            }
            "clear_host_errors" => {
                for name in &self.batch.hosts {
                    self.run.with_host(name, |state| {
                        state.failed = false;
                        state.unreachable = false;
                    });
                }
                everyone.iter().for_each(|other| self.cursors[*other].advance(Ending::Passed));
            }
            "refresh_inventory" => {
                let mut diagnostics = Diagnostics::default();
                let settings = &self.run.settings;
                let fresh = Inventory::load(&settings.inventory, &settings.keyring, &mut diagnostics);
                if !diagnostics.has_errors() {
                    *self.run.inventory.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                }
                everyone.iter().for_each(|other| self.cursors[*other].advance(Ending::Passed));
            }
            _ => everyone.iter().for_each(|other| self.cursors[*other].advance(Ending::Passed)),
        }
    }

    /// Passes over what is left of the current role.
    fn end_role(&mut self, host: usize) {
        let role = self.cursors[host].task().and_then(|task| task.role.clone());
        self.cursors[host].advance(Ending::Passed);
        while let (Some(role), Some(task)) = (&role, self.cursors[host].task().cloned()) {
            if !task.role.as_ref().is_some_and(|other| Arc::ptr_eq(other, role)) {
                break;
            }
            self.cursors[host].advance(Ending::Passed);
        }
    }

    fn add_host(&self, name: &str, groups: &[String], variables: &crate::protocol::Map) {
        let span = Span::synthetic("add_host", name);
        let mut inventory = self.run.inventory.write().unwrap_or_else(PoisonError::into_inner);
        let host = inventory.add_host(name, &span);
        for group in groups.iter().filter(|group| !group.is_empty()) {
            let group = inventory.add_group(group, &span);
            inventory.add_host_to_group(host, group);
        }
        let marks = Marks { trusted: false, secret: false };
        for (variable, value) in variables {
            inventory.hosts[host].vars.insert(variable.as_str().into(), Node::from_json(value, &span, marks));
        }
        inventory.reconcile();
    }

    fn join(&self, host: &str, group: &str, parents: &[String]) {
        let span = Span::synthetic("group_by", group);
        let mut inventory = self.run.inventory.write().unwrap_or_else(PoisonError::into_inner);
        let index = inventory.add_group(group, &span);
        let Some(host) = inventory.hosts.get_index_of(host) else { return };
        inventory.add_host_to_group(host, index);
        for parent in parents {
            let parent = inventory.add_group(parent, &span);
            if let Err(diagnostic) = inventory.add_child(parent, index, &span) {
                self.run.warn(diagnostic.message);
            }
        }
        inventory.reconcile();
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
