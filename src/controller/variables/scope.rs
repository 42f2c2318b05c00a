//! What one host sees at one task: layers of variables, the strongest first.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use indexmap::{IndexMap, IndexSet};
use minijinja::Value;

use crate::controller::source::{Node, Span, composer::Marks};

/// A variable: as it was written and still to be templated, or data that never is.
#[derive(Clone, Debug)]
pub enum Var {
    /// From the user's files; strings in it are templates where they are trusted.
    Node(Node),
    /// Facts, registered results, rendered values: final.
    Data(Value),
}

/// Variables of one level.
pub type Layer = IndexMap<Arc<str>, Var>;

/// Layers from the strongest to the weakest. Cheap to clone; layers are shared between hosts and tasks.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    layers: Vec<Arc<Layer>>,
    /// What is not known yet, and how many of the layers, from the weakest on, it stands over.
    unknown: Option<(usize, Arc<Unknown>)>,
}

/// Variables that tasks on their way will set. Who asks for one sees none, and must not go by it: that is noted.
#[derive(Debug, Default)]
pub struct Unknown {
    names: IndexSet<Arc<str>>,
    /// Whether the facts of the host are among them, whatever they will be called.
    facts: bool,
    asked: AtomicBool,
}

/// The variable that holds all facts.
pub const FACTS: &str = "ansible_facts";

/// Variables that are called as facts are, and are none: of the connection, and magic ones.
const NO_FACTS: &[&str] = &[
    "ansible_async_dir",
    "ansible_check_mode",
    "ansible_connection",
    "ansible_diff_mode",
    "ansible_forks",
    "ansible_host",
    "ansible_host_key_checking",
    "ansible_included_var_files",
    "ansible_job_id",
    "ansible_limit",
    "ansible_managed",
    "ansible_password",
    "ansible_playbook_python",
    "ansible_port",
    "ansible_private_key_file",
    "ansible_search_path",
    "ansible_stats",
    "ansible_timeout",
    "ansible_user",
    "ansible_verbosity",
    "ansible_version",
];

/// What such variables begin with.
const NO_FACTS_PREFIXES: &[&str] = &[
    "ansible_become",
    "ansible_collection",
    "ansible_delegated_",
    "ansible_dependent_role",
    "ansible_failed_",
    "ansible_group_",
    "ansible_index_var",
    "ansible_loop",
    "ansible_parent_role",
    "ansible_play_",
    "ansible_role_",
    "ansible_run_",
    "ansible_shell_",
    "ansible_skip_",
    "ansible_ssh_",
    "ansible_su_",
    "ansible_sudo_",
];

/// Behind the name of a loop variable: what the user has written for the item. No variable has a blank in its name.
const AS_WRITTEN: &str = " as written";

/// The name under which a layer keeps what the user has written for an item.
#[must_use]
pub fn as_written(name: &str) -> Arc<str> {
    format!("{name}{AS_WRITTEN}").into()
}

/// Whether a fact may have that name.
fn is_fact(name: &str) -> bool {
    name.starts_with("ansible_")
        && !NO_FACTS.contains(&name)
        && !NO_FACTS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

impl Unknown {
    /// These names.
    pub fn new(names: impl Iterator<Item = Arc<str>>) -> Self {
        let names: IndexSet<Arc<str>> = names.collect();
        Self { facts: names.contains(FACTS), names, asked: AtomicBool::new(false) }
    }

    /// Whether somebody has asked for one of them.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The same, and the question is forgotten.
    #[must_use]
    pub fn take_asked(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
    }

    /// Whether a variable is one of them.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        self.names.contains(name) || (self.facts && is_fact(name))
    }
}

impl Scope {
    /// A scope of these layers, the strongest first.
    #[must_use]
    pub const fn new(layers: Vec<Arc<Layer>>) -> Self {
        Self { layers, unknown: None }
    }

    /// The same scope where some variables are not known yet, whatever the layers say; layers over it may set them.
    #[must_use]
    pub fn without(&self, unknown: Arc<Unknown>) -> Self {
        Self { layers: self.layers.clone(), unknown: Some((self.layers.len(), unknown)) }
    }

    /// The same scope with one more layer over all others.
    #[must_use]
    pub fn over(&self, layer: Layer) -> Self {
        if layer.is_empty() {
            return self.clone();
        }
        let mut layers = Vec::with_capacity(self.layers.len() + 1);
        layers.push(Arc::new(layer));
        layers.extend(self.layers.iter().cloned());
        Self { layers, unknown: self.unknown.clone() }
    }

    /// The variable of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Var> {
        let Some((under, unknown)) = &self.unknown else {
            return self.layers.iter().find_map(|layer| layer.get(name));
        };
        let (over, under) = self.layers.split_at(self.layers.len() - under);
        over.iter().find_map(|layer| layer.get(name)).or_else(|| {
            if unknown.holds(name) {
                unknown.asked.store(true, Ordering::Relaxed);
                return None;
            }
            under.iter().find_map(|layer| layer.get(name))
        })
    }

    /// The variable of that name as the user has written it, a loop item included.
    #[must_use]
    pub fn written(&self, name: &str) -> Option<&Node> {
        match self.get(name)? {
            Var::Node(node) => Some(node),
            Var::Data(_) => match self.layers.iter().find_map(|layer| layer.get(&*as_written(name)))? {
                Var::Node(node) => Some(node),
                Var::Data(_) => None,
            },
        }
    }

    /// All names, each once.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        if let Some((_, unknown)) = &self.unknown {
            unknown.asked.store(true, Ordering::Relaxed);
        }
        let mut seen = IndexSet::new();
        for layer in self.layers.iter().rev() {
            seen.extend(layer.keys().filter(|name| !name.ends_with(AS_WRITTEN)).cloned());
        }
        seen.into_iter().collect()
    }
}

impl Var {
    /// The variable as something written; data in it is no template.
    #[must_use]
    pub fn to_node(&self) -> Node {
        match self {
            Self::Node(node) => node.clone(),
            Self::Data(value) => {
                let json = serde_json::to_value(value).unwrap_or_default();
                let marks = Marks { trusted: false, secret: false };
                Node::from_json(&json, &Span::synthetic("data", ""), marks)
            }
        }
    }

    /// Whether it is a mapping.
    #[must_use]
    pub fn is_map(&self) -> bool {
        match self {
            Self::Node(node) => node.as_map().is_some(),
            Self::Data(value) => value.kind() == minijinja::value::ValueKind::Map,
        }
    }

    /// Data from anything that is a template value.
    pub fn data(value: impl Into<Value>) -> Self {
        Self::Data(value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, value: &str) -> Layer {
        Layer::from_iter([(Arc::from(name), Var::data(value))])
    }

    #[test]
    fn what_is_not_known_yet_hides_what_was_and_asking_is_noted() {
        let unknown = Arc::new(Unknown::new([Arc::from("result")].into_iter()));
        let scope = Scope::new(vec![Arc::new(layer("result", "old"))]).over(layer("other", "here"));
        let scope = scope.without(unknown.clone());
        assert!(scope.get("other").is_some() && !unknown.is_asked());
        assert!(scope.over(layer("result", "own")).get("result").is_some() && !unknown.is_asked());
        assert!(scope.get("result").is_none() && unknown.is_asked());
    }

    #[test]
    fn with_the_facts_everything_is_unknown_that_may_be_one() {
        let unknown = Arc::new(Unknown::new([Arc::from(FACTS)].into_iter()));
        let scope = Scope::new(vec![Arc::new(layer("ansible_user", "ops"))]).without(unknown.clone());
        assert!(
            scope.get("ansible_user").is_some() && scope.get("ansible_become_exe").is_none() && !unknown.is_asked()
        );
        for name in [FACTS, "ansible_hostname", "ansible_eth0"] {
            assert!(scope.get(name).is_none() && unknown.take_asked(), "{name}");
        }
    }

    #[test]
    fn whoever_lists_all_names_has_asked() {
        let unknown = Arc::new(Unknown::new([Arc::from("result")].into_iter()));
        drop(Scope::new(Vec::new()).without(unknown.clone()).names());
        assert!(unknown.is_asked());
    }
}
