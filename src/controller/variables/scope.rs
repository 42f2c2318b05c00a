//! What one host sees at one task: layers of variables, the strongest first.

use std::sync::Arc;

use indexmap::IndexMap;
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
}

impl Scope {
    /// A scope of these layers, the strongest first.
    #[must_use]
    pub const fn new(layers: Vec<Arc<Layer>>) -> Self {
        Self { layers }
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
        Self { layers }
    }

    /// The variable of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Var> {
        self.layers.iter().find_map(|layer| layer.get(name))
    }

    /// All names, each once.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        let mut seen = indexmap::IndexSet::new();
        for layer in self.layers.iter().rev() {
            seen.extend(layer.keys().cloned());
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
