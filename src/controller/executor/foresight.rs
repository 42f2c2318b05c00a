//! A task before its turn: done already, or, where it depends on results that are still on their way, what the host has to find true
//! so that those behind it may go on.

use std::sync::Arc;

use minijinja::Value;

use super::{Effect, End, Step, attempt::Tried, environment, lane::Lane, reach::Way, result, turn::Done};
use crate::{
    controller::{
        compiler::scope,
        playbook::{Role, Task},
        source::Node,
        template::{self, claims},
        variables::{Scope, Var},
    },
    protocol::Claim,
};

/// What is done on the controller alone and has no effect there.
pub const INNER: &[&str] = &["assert", "debug", "fail", "set_fact"];

/// How a task ended that was done before its turn.
pub struct Kept(Tried);

/// What a task came to before its turn.
pub enum Early {
    /// It is done, and to be concluded in its turn.
    Done(Box<Kept>),
    /// The host has let those behind it go on; it is to be done in its turn.
    InTurn,
}

impl Step {
    /// Does the task before those in front of it have ended; nothing if it has to wait for them. [`Step::conclude`] makes an end of it
    /// in its time.
    pub async fn ahead(self, lane: Arc<Lane>) -> Option<Early> {
        let scope = scope::of_task(&self.run, &self.batch, &self.host, &self.task);
        let scope = lane.scope(&scope, |name| self.is_overruled(name));
        let tried = self.act_if(&scope, &lane).await;
        if self.is_inner() && !lane.has_given_way() && (lane.has_asked() || !lane.conditions().is_empty()) {
            if self.leave_to_host(&scope, &lane).await {
                return Some(Early::InTurn);
            }
            lane.give_way();
            return None;
        }
        if lane.is_left_to_turn() && !lane.has_given_way() {
            return Some(Early::InTurn);
        }
        if tried.is_lost() || lane.has_given_way() || (lane.has_asked() && !lane.has_sent()) {
            lane.give_way();
            return None;
        }
        if !lane.has_sent() {
            self.note_values(&tried, &lane);
        }
        lane.end_early(tried.is_well());
        Some(Early::Done(Box::new(Kept(tried))))
    }

    /// Makes an end of what was done early.
    #[must_use]
    pub fn conclude(self, Kept(tried): Kept) -> End {
        let scope = scope::of_task(&self.run, &self.batch, &self.host, &self.task);
        let context = template::context(&scope);
        let private = result::is_private(&self.task, &context);
        let attempt = self.judged(&scope, tried, private, None);
        self.end(attempt, &scope, &context, private, false)
    }

    /// Whether the task is done on the controller alone and has no effect there.
    pub(super) fn is_inner(&self) -> bool {
        INNER.contains(&self.task.module.as_str())
    }

    /// Whether something stronger than what tasks set gives a variable its value.
    pub(super) fn is_overruled(&self, name: &str) -> bool {
        let given = |role: &Role| role.parameters.contains_key(name);
        self.run.extra_vars.contains_key(name) || self.task.role.as_deref().is_some_and(given)
    }

    /// What a variable is, or how the host comes to it.
    fn name(&self, name: &str, context: &Value, lane: &Lane) -> Option<Claim> {
        if lane.is_pending(name) {
            return lane.claim(name).filter(|_| !self.is_overruled(name));
        }
        let value = context.get_attr(name).ok()?;
        if value.is_undefined() {
            let nothing = Claim::Value(serde_json::json!({}));
            return (!lane.take_asked()).then(|| Claim::Part(Box::new(nothing), Box::new(Claim::Value(name.into()))));
        }
        let value = template::resolve(&value).and_then(|value| template::to_json(&value)).ok()?;
        (!lane.take_asked()).then_some(Claim::Value(value))
    }

    /// That a condition of the task holds.
    pub(super) fn claim_of_condition(&self, when: &Node, context: &Value, lane: &Lane) -> Option<Claim> {
        claims::condition(when, &|name| self.name(name, context, lane))
    }

    /// Lets those behind go on where the host finds that this task will not fail; `false` where it cannot be put so.
    pub(super) async fn leave_to_host(&self, scope: &Scope, lane: &Lane) -> bool {
        match self.promise(scope, lane) {
            Some(claim) => lane.fence(claim).await,
            None => false,
        }
    }

    /// That this task will not fail. What it sets is made known to those behind.
    fn promise(&self, scope: &Scope, lane: &Lane) -> Option<Claim> {
        let context = template::context(scope);
        let _ = lane.take_asked();
        // Nothing but its options may depend on what is to come.
        Way::find(&self.run.settings, &self.host, false, &self.task, &context, &context).ok()?;
        environment::of(&self.task, &context).ok()?;
        if lane.take_asked() {
            return None;
        }
        let names = |name: &str| self.name(name, &context, lane);
        let body = self.succeeds(&names)?;
        let conditions = lane.conditions();
        let certain = conditions.is_empty();
        for (name, value) in self.sets() {
            lane.sets(name, value.filter(|_| certain).and_then(|node| claims::value(node, &names)));
        }
        Some(if certain { body } else { Claim::Any(vec![Claim::Not(Box::new(Claim::All(conditions))), body]) })
    }

    /// That the task succeeds, once its conditions hold.
    fn succeeds(&self, names: &claims::Names<'_>) -> Option<Claim> {
        let Task { arguments, levels, .. } = &*self.task;
        if arguments.template.is_some() || levels.iter().any(|level| level.module_defaults.is_some()) {
            return None;
        }
        let mut parts = Vec::new();
        for (key, node) in &arguments.options {
            match (self.task.module.as_str(), key.as_str()?) {
                (_, name) if template::is_template(name) => return None,
                ("assert", "that") => parts.push(claims::condition(node, names)?),
                // A variable that is not there is shown as such.
                ("debug", "var") => {
                    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
                    node.as_str().filter(|text| text.chars().all(plain))?;
                }
                _ => parts.push(claims::renders(node, names)?),
            }
        }
        if let Some(node) = &arguments.free_form {
            parts.push(claims::renders(node, names)?);
        }
        if self.task.module == "fail" {
            parts.push(Claim::Value(false.into()));
        }
        Some(claims::folded(Claim::All(parts)))
    }

    /// The variables that the task sets, and what is written for them.
    fn sets(&self) -> Vec<(&str, Option<&Node>)> {
        let facts = self.task.arguments.options.iter().filter(|_| self.task.module == "set_fact");
        let facts = facts.filter_map(|(key, node)| Some((key.as_str()?, Some(node))));
        facts.chain(self.task.register.as_ref().and_then(Node::as_str).map(|name| (name, None))).collect()
    }

    /// Takes in what a task has set that made no call.
    pub(super) fn note_values(&self, tried: &Tried, lane: &Lane) {
        for (name, _) in self.sets() {
            lane.sets(name, None);
        }
        let Tried::Done(Done { effects, .. }) = tried else { return };
        for effect in effects {
            let Effect::Facts { host: None, layer } = effect else { continue };
            for (name, var) in layer {
                if let Var::Data(value) = var
                    && let Ok(value) = template::to_json(value)
                {
                    lane.sets(name, Some(Claim::Value(value)));
                }
            }
        }
    }
}
