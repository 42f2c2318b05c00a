//! A task on one host: its loop, its tries, its verdict.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::StreamExt;
use minijinja::Value;
use serde_json::json;

use super::{
    attempt::{Attempt, Stopped, Tried},
    background::{self, Manner},
    delegation::Delegate,
    environment, keyword,
    lane::Lane,
    limit, loops,
    module::Called,
    reach::{Way, truthy},
    result,
    turn::{Done, Effect, Turn},
    verdict,
};
use crate::{
    controller::{
        actions,
        compiler::{Batch, scope},
        event::{Event, Report, Status, TaskInfo},
        playbook::Task,
        source::{Diagnostics, Node},
        state::{Run, lock},
        template::{self, TemplateError, error::Trouble},
        variables::{Layer, Scope, Var},
    },
    protocol::{Failure, Json, Map, Outcome, Verdict},
    remote::modules::short_name,
};

/// Tries of a task with `until` that does not say how many.
const RETRIES: u64 = 3;
/// Seconds between them.
const DELAY: f64 = 5.0;
/// What nobody sees: a task that was not carried out comes again, or its host has left.
pub(super) const NOT_RUN: &str = "not carried out";

/// A task on a host.
pub struct Step {
    /// The run.
    pub run: Arc<Run>,
    /// The hosts of the play.
    pub batch: Arc<Batch>,
    /// The host.
    pub host: String,
    /// The task.
    pub task: Arc<Task>,
    /// The task, for events.
    pub info: Arc<TaskInfo>,
}

/// How a task ended on a host.
pub struct End {
    /// How.
    pub outcome: Outcome,
    /// As `register` keeps it.
    pub result: Map,
    /// The variables it sets when it is registered, and others.
    pub effects: Vec<Effect>,
    /// The numbers of the handlers to notify.
    pub notify: BTreeSet<usize>,
    /// The failure is ignored.
    pub ignored: bool,
    /// The host could not be reached; ignored with `ignore_unreachable`.
    pub unreachable: Option<Failure>,
}

impl Step {
    /// Carries the task out and tells how it ended.
    pub async fn carry_out(self, lane: Arc<Lane>) -> End {
        let scope = scope::of_task(&self.run, &self.batch, &self.host, &self.task);
        let context = template::context(&scope);
        let private = result::is_private(&self.task, &context);
        let (attempt, looped) = match &self.task.each {
            None => (self.attempts(&scope, private, &lane).await, false),
            Some(each) => match loops::items(each, &scope, &context) {
                Ok(items) => (self.items(&items, &scope, private, &lane).await, true),
                Err(error) => (self.no_items(error, &context), false),
            },
        };
        let end = self.end(attempt, &scope, &context, private, looped);
        lane.end(!matches!(end.outcome.verdict, Verdict::Failed(_)) || end.ignored);
        end
    }

    /// A loop whose items cannot be known: skipped if its condition says so without them.
    fn no_items(&self, error: TemplateError, context: &Value) -> Attempt {
        let skipped = error.is_undefined()
            && self
                .task
                .levels
                .iter()
                .filter_map(|level| level.when.as_ref())
                .any(|when| matches!(template::condition(when, context), Ok(false)));
        if skipped { Attempt::skipped("Conditional result was False") } else { Attempt::template(&error) }
    }

    async fn items(&self, items: &loops::Items, scope: &Scope, private: bool, lane: &Lane) -> Attempt {
        let (mut ends, mut lost) = (Vec::new(), None);
        let mut effects = Vec::new();
        let count = items.values.len();
        // What items set is seen by the items behind them.
        let grows = matches!(self.task.module.as_str(), "set_fact" | "include_vars");
        let waits = grows || items.pause > 0.0 || items.break_when.is_some() || self.is_retried();
        let width = if waits || self.run.settings.serial_tasks { 1 } else { loops::burst(self.batch.hosts.len()) };
        let grown = &std::sync::Mutex::new(Layer::new());
        let lanes = lane.items(
            count,
            self.task.asynchronous.is_none() && actions::find(&self.task.module).is_none_or(|action| action.single),
        );
        let each = lanes.into_iter().map(Arc::new).enumerate().map(|(at, lane)| async move {
            if width == 1 && at > 0 && items.pause > 0.0 {
                tokio::time::sleep(Duration::from_secs_f64(items.pause)).await;
            }
            lane.turn().await;
            let before = lock(grown).clone();
            let scope = scope.over(before).over(items.layer(at));
            let attempt = self.attempts(&scope, private, &lane).await;
            lane.end(true);
            if grows {
                lock(grown).extend(variables(&attempt.effects));
            }
            (at, scope, attempt)
        });
        let mut each = std::pin::pin!(futures_util::stream::iter(each).buffered(width));
        while let Some((at, scope, mut attempt)) = each.next().await {
            let context = template::context(&scope);
            let seen = template::context(&self.with_result(&scope, &attempt.result, &attempt.outcome));
            let label = items.label(at, &seen).unwrap_or_else(|error| {
                let message = format!("Failed to template loop_control.label: {}", error.message);
                attempt.result.insert("failed".to_owned(), json!(true));
                attempt.result.insert("msg".to_owned(), json!(message));
                attempt.outcome.verdict = Verdict::Failed(Failure::new(message));
                items.values[at].to_string()
            });
            attempt.result.insert("ansible_loop_var".to_owned(), json!(items.variable));
            if let Ok(item) = template::to_json(&items.values[at]) {
                attempt.result.insert(items.variable.clone(), item);
            }
            let label = if private { "(censored due to no_log)".to_owned() } else { self.run.mask(&label) };
            let mut report = result::report(&self.run, &attempt.outcome, &attempt.result, private);
            if report.status == Status::Failed && self.says("ignore_errors", &context) {
                report.status = Status::Ignored;
            }
            if let Some(failure) = attempt.unreachable.take() {
                report.status = if self.says("ignore_unreachable", &context) {
                    Status::Ignored
                } else {
                    lost = Some(failure);
                    Status::Unreachable
                };
            }
            self.run.events.emit(Event::Item {
                host: self.host.clone(),
                task: self.info.clone(),
                label,
                report: Arc::new(report),
            });
            effects.append(&mut attempt.effects);
            let stop = items.break_when.as_ref().is_some_and(|node| {
                let seen = self.with_result(&scope, &attempt.result, &attempt.outcome);
                matches!(template::condition(node, &template::context(&seen)), Ok(true))
            });
            ends.push((attempt.outcome, attempt.result));
            if stop {
                break;
            }
        }
        let (outcome, result) = result::of_loop(&ends);
        Attempt { outcome, result, effects, unreachable: lost }
    }

    /// Tries until the task holds what it says in `until`.
    async fn attempts(&self, scope: &Scope, private: bool, lane: &Arc<Lane>) -> Attempt {
        let context = template::context(scope);
        let number = |node: &Option<Node>| -> Option<f64> {
            let value = template::lazy::value(node.as_ref()?, &context).ok()?;
            value.to_string().parse().ok()
        };
        let retries = number(&self.task.retries);
        if self.task.until.is_none() && retries.is_none() {
            return self.attempt(scope, private, lane, None).await;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of tries")]
        let tries = retries.map_or(RETRIES, |number| number.max(0.0) as u64) + 1;
        let delay = Duration::from_secs_f64(number(&self.task.delay).unwrap_or(DELAY).max(0.0));
        for at in 1..=tries {
            let mut attempt = self.attempt(scope, private, lane, Some(at)).await;
            attempt.result.insert("attempts".to_owned(), json!(at));
            if matches!(attempt.outcome.verdict, Verdict::Skipped(_) | Verdict::Unknown(_))
                || attempt.unreachable.is_some()
            {
                return attempt;
            }
            let seen = self.with_result(scope, &attempt.result, &attempt.outcome);
            let holds = match &self.task.until {
                Some(until) => template::condition(until, &template::context(&seen)),
                None => Ok(!matches!(attempt.outcome.verdict, Verdict::Failed(_))),
            };
            match holds {
                Ok(true) => return attempt,
                Ok(false) if at < tries => {
                    let (host, task) = (self.host.clone(), self.info.clone());
                    self.run.events.emit(Event::Retry { host, task, left: tries - at });
                    tokio::time::sleep(delay).await;
                }
                // `failed_when` has the last word.
                Ok(false) if attempt.result.get("failed_when_result") == Some(&json!(false)) => {
                    attempt.result.insert("failed".to_owned(), json!(true));
                    attempt.result.insert("attempts".to_owned(), json!(at - 1));
                    return attempt;
                }
                Ok(false) => {
                    let failure = match attempt.outcome.verdict {
                        Verdict::Failed(failure) => failure,
                        _ => Failure::new(format!("`until` did not hold after {at} attempts")),
                    };
                    attempt.outcome.verdict = Verdict::Failed(failure);
                    attempt.result.insert("failed".to_owned(), json!(true));
                    // Ansible counts the retries here, not the tries.
                    attempt.result.insert("attempts".to_owned(), json!(at - 1));
                    return attempt;
                }
                Err(error) => return Attempt::template(&error),
            }
        }
        Attempt::skipped("no tries")
    }

    /// One try: condition, options, action or module, and what counts as changed and failed.
    async fn attempt(&self, scope: &Scope, private: bool, lane: &Arc<Lane>, number: Option<u64>) -> Attempt {
        let tried = self.act_if(scope, lane).await;
        self.judged(scope, tried, private, number)
    }

    /// One try up to the action's or module's own word.
    pub(super) async fn act_if(&self, scope: &Scope, lane: &Arc<Lane>) -> Tried {
        let context = template::context(scope);
        if let Err(error) = Delegate::check(&self.task, &context) {
            return Tried::Ended(Attempt::template(&error));
        }
        // What is done for all hosts together asks for each of them whether it is meant.
        let together = actions::find(&self.task.module).is_some_and(|action| action.together);
        let conditions = self.task.levels.iter().filter_map(|level| level.when.as_ref()).filter(|_| !together);
        for when in conditions {
            let holds = template::condition(when, &context);
            if lane.take_asked() || !lane.conditions().is_empty() {
                match self.claim_of_condition(when, &context, lane) {
                    Some(claim) => lane.on_condition(claim),
                    None => {
                        lane.give_way();
                        return Tried::Ended(Attempt::skipped(NOT_RUN));
                    }
                }
                continue;
            }
            match holds {
                Ok(true) => {}
                Ok(false) => {
                    let mut attempt = Attempt::skipped("Conditional result was False");
                    let false_part = verdict::false_condition(when, &context);
                    attempt.result.insert("false_condition".to_owned(), false_part);
                    return Tried::Ended(attempt);
                }
                Err(error) => {
                    let error = error.about(|| "Error while evaluating conditional".to_owned());
                    return Tried::Ended(Attempt::template(&error));
                }
            }
        }
        let limit = match self.task.keyword("timeout").map(|node| template::lazy::value(node, &context)) {
            None => Ok(None),
            Some(Ok(value)) => limit::of(&value.to_string()),
            Some(Err(error)) => return Tried::Ended(Attempt::template(&error)),
        };
        let done = match limit {
            Err(message) => Ok(Done::failed(message)),
            Ok(None) => self.act(scope, &context, lane).await,
            Ok(Some(limit)) => match tokio::time::timeout(limit, self.act(scope, &context, lane)).await {
                Ok(done) => done,
                Err(_) => {
                    // Whatever still runs there is ended with its session.
                    let link = self.run.link(&self.host);
                    link.lock().await.sessions.clear();
                    Ok(limit::up(limit))
                }
            },
        };
        match done {
            Ok(done) => Tried::Done(done),
            Err(Stopped::Template(error)) => Tried::Ended(Attempt::template(&error)),
            Err(Stopped::Unreachable(failure)) => Tried::Ended(Attempt::unreachable(failure)),
        }
    }

    /// What the task itself makes of a try, which is one of several where it has a number.
    pub(super) fn judged(&self, scope: &Scope, tried: Tried, private: bool, number: Option<u64>) -> Attempt {
        let Done { mut outcome, effects } = match tried {
            Tried::Ended(attempt) => return attempt,
            Tried::Done(done) => done,
        };
        let mut registered = outcome.registered();
        if let Some(number) = number {
            registered.insert("attempts".to_owned(), json!(number));
        }
        if let Err(error) = self.judge(scope, &mut outcome, &mut registered) {
            if error.kind == Trouble::Unknown {
                return Attempt::template(&error);
            }
            outcome.verdict = Verdict::Failed(verdict::failure(&error));
        }
        if private {
            outcome.diffs.clear();
        }
        Attempt { outcome, result: registered, effects, unreachable: None }
    }

    fn is_retried(&self) -> bool {
        self.task.until.is_some() || self.task.retries.is_some()
    }

    async fn act(&self, scope: &Scope, context: &Value, lane: &Arc<Lane>) -> Result<Done, Stopped> {
        let turn = self.turn(scope, context, lane).await?;
        let (module, own) = if template::is_template(&self.task.module) {
            let rendered = template::render_text(&self.task.module, context)?.to_string();
            let own = turn.own_module(&rendered);
            (short_name(&rendered).to_owned(), own)
        } else {
            (self.task.module.clone(), self.task.custom.clone())
        };
        let asked = match background::asked(&self.task, context)? {
            Ok(asked) => asked,
            Err(message) => return Ok(Done::failed(message)),
        };
        if let Some(path) = own {
            return Box::pin(turn.custom(&path, asked)).await;
        }
        if let Some(asked) = asked {
            match background::manner(&module, actions::find(&module).is_some(), asked) {
                Err(message) => return Ok(Done::failed(message)),
                Ok(Manner::Foreground) => {}
                Ok(Manner::Background) => {
                    return match turn.in_background(&module, turn.json_options()?, &[], asked).await? {
                        Called::Outcome(outcome) => Ok((*outcome).into()),
                        Called::Unreachable(failure) => Err(Stopped::Unreachable(failure)),
                        Called::NotRun => Ok(Done::failed(NOT_RUN)),
                    };
                }
            }
        }
        if let Some(action) = actions::find(&module) {
            if turn.check && !action.check {
                let reason = format!("This action ({module}) does not support check mode.");
                return Ok(Outcome::left_out(reason).into());
            }
            if let Some(message) = unknown_options(action, &turn) {
                return Ok(Done::failed(message));
            }
            let done = (action.run)(&turn).await;
            return match turn.lost() {
                Some(failure) => Err(Stopped::Unreachable(failure)),
                None => Ok(done),
            };
        }
        match turn.call(&module, turn.json_options()?, &[]).await {
            Called::Outcome(outcome) => {
                self.run.keep_facts(turn.facts_host(), &outcome);
                Ok((*outcome).into())
            }
            Called::Unreachable(failure) => Err(Stopped::Unreachable(failure)),
            Called::NotRun => Ok(Done::failed(NOT_RUN)),
        }
    }

    pub(super) async fn turn(&self, scope: &Scope, context: &Value, lane: &Arc<Lane>) -> Result<Turn, Stopped> {
        let delegate = Delegate::of(&self.task, context)?;
        let seen = delegate.as_ref().map(|other| other.scope(&self.run, &self.host, scope));
        let seen_context = seen.as_ref().map(template::context);
        let (scope, context) = (seen.as_ref().unwrap_or(scope), seen_context.as_ref().unwrap_or(context));
        let way = match delegate.as_ref().filter(|other| other.name != self.host) {
            None => Way::find(&self.run.settings, &self.host, false, &self.task, context, context)?,
            Some(other) => {
                let own = template::context(&scope::of_inventory(&self.run, &other.name).scope());
                Way::find(&self.run.settings, &other.name, true, &self.task, &own, context)?
            }
        };
        let flag = |name: &str, default: bool| -> Result<bool, TemplateError> {
            match keyword::value(&self.task, name, context)? {
                Some(value) => {
                    if value.as_str().is_some_and(|word| !is_boolean(word)) {
                        let message = format!(
                            "Error processing keyword '{name}': The value '{value}' could not be converted to 'bool'."
                        );
                        let error = TemplateError::new(Trouble::Failed, message);
                        return Err(self.task.keyword(name).map_or(error.clone(), |node| error.at(&node.span)));
                    }
                    Ok(truthy(&value))
                }
                None => Ok(default),
            }
        };
        Ok(Turn {
            run: self.run.clone(),
            batch: self.batch.clone(),
            host: self.host.clone(),
            delegate: delegate.map(|other| (other.name, other.takes_facts)),
            task: self.task.clone(),
            info: self.info.clone(),
            scope: scope.clone(),
            context: context.clone(),
            options: self.options(context)?,
            way,
            environment: environment::of(&self.task, context)?,
            check: flag("check_mode", self.run.settings.check)?,
            diff: flag("diff", self.run.settings.diff)?,
            lane: lane.clone(),
            bare: actions::find(&self.task.module).is_none() && self.task.custom.is_none(),
            stops: !self.says("ignore_errors", context),
            unreachable: std::sync::Mutex::default(),
        })
    }

    /// The scope with the result under the name it will be registered with.
    pub(super) fn with_result(&self, scope: &Scope, result: &Map, outcome: &Outcome) -> Scope {
        match self.register_name() {
            Some(name) => scope.over(Layer::from_iter([(Arc::from(name), Var::Data(self.value(result, outcome)))])),
            None => scope.clone(),
        }
    }

    fn register_name(&self) -> Option<&str> {
        self.task.register.as_ref().and_then(Node::as_str)
    }

    /// A result as a value; in check mode, what a skipped command would have said is not known.
    fn value(&self, result: &Map, outcome: &Outcome) -> Value {
        /// What a command says once it runs.
        const SAID: &[&str] = &["rc", "stdout", "stderr", "stdout_lines", "stderr_lines", "start", "end", "delta"];
        let value = |map: &Map| template::from_json(&Json::Object(map.clone()));
        match &outcome.verdict {
            Verdict::Unknown(reason) => template::special::partly_unknown(value(result), reason.clone()),
            Verdict::Skipped(_) if self.run.settings.check && result.contains_key("cmd") => {
                let mut known = result.clone();
                SAID.iter().for_each(|name| drop(known.remove(*name)));
                let reason = format!("what `{}` says is known after apply", self.info.name);
                template::special::partly_unknown(value(&known), reason)
            }
            _ => match &outcome.later {
                Some(reason) => template::special::partly_unknown(value(result), reason.clone()),
                None => value(result),
            },
        }
    }

    fn says(&self, keyword: &str, context: &Value) -> bool {
        self.task
            .keyword(keyword)
            .is_some_and(|node| template::lazy::value(node, context).is_ok_and(|value| truthy(&value)))
    }

    pub(super) fn end(&self, attempt: Attempt, scope: &Scope, context: &Value, private: bool, looped: bool) -> End {
        let Attempt { outcome, result, mut effects, unreachable } = attempt;
        if let Some(name) = self.register_name() {
            let value = self.value(&result, &outcome);
            effects.push(Effect::Set(Layer::from_iter([(Arc::from(name), Var::Data(value))])));
        }
        let failed = matches!(outcome.verdict, Verdict::Failed(_));
        let ignored = match &unreachable {
            None => failed && self.says("ignore_errors", context),
            Some(_) => self.says("ignore_unreachable", context),
        };
        let mut report = result::report(&self.run, &outcome, &result, private);
        if ignored {
            report.status = Status::Ignored;
        }
        if unreachable.is_some() {
            report.status = Status::Unreachable;
        }
        let changed = matches!(outcome.verdict, Verdict::Changed);
        let notify = match if changed { self.notified(&template::context(scope)) } else { Ok(BTreeSet::new()) } {
            Ok(notify) => notify,
            Err(diagnostic) => {
                effects.push(Effect::Abort(Diagnostics { found: vec![diagnostic] }));
                return End { outcome, result, effects, notify: BTreeSet::new(), ignored, unreachable };
            }
        };
        self.tell(report, looped);
        End { outcome, result, effects, notify, ignored, unreachable }
    }

    fn tell(&self, report: Report, looped: bool) {
        let quiet = matches!(self.task.module.as_str(), "meta");
        if quiet && report.status == Status::Ok {
            return;
        }
        let delegated_to = self.task.keyword("delegate_to").and_then(Node::as_str).map(str::to_owned);
        self.run.events.emit(Event::Ended {
            host: self.host.clone(),
            task: self.info.clone(),
            delegated_to,
            looped,
            report: Arc::new(report),
        });
    }
}

/// Whether a word is one of the names of true and false.
fn is_boolean(word: &str) -> bool {
    let words = ["y", "yes", "true", "on", "1", "t", "n", "no", "false", "off", "0", "f", ""];
    words.contains(&word.to_lowercase().as_str())
}

/// The variables that effects set on the host itself.
fn variables(effects: &[Effect]) -> Layer {
    let layers = effects.iter().filter_map(|effect| match effect {
        Effect::Facts { host: None, layer } | Effect::IncludeVars(layer) => Some(layer),
        _ => None,
    });
    layers.flat_map(|layer| layer.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
}

/// Says which options an action does not take; those that hand them on to a module leave that to it.
fn unknown_options(action: &actions::Action, turn: &Turn) -> Option<String> {
    let spec = (action.spec)();
    if spec.is_empty() || crate::remote::modules::find(action.name).is_some() {
        return None;
    }
    let known = |name: &str| spec.iter().any(|option| option.name == name || option.aliases.contains(&name));
    let unknown: Vec<&str> = turn.options.iter().map(|(name, _)| &**name).filter(|name| !known(name)).collect();
    (!unknown.is_empty()).then(|| format!("Invalid options for {}: {}", action.name, unknown.join(",")))
}
