//! Builds a mapping whose keys are unique, with merges beneath its own keys and a warning for keys written twice.

use std::collections::HashMap;

use super::{Diagnostic, Diagnostics, Mapping, Node, Shape};

/// When two keys are the same key, as Python's dictionaries see it: `1`, `1.0` and `true` are.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Null,
    Whole(i128),
    Fraction(u64),
    Text(std::sync::Arc<str>),
    /// Lists and mappings, which the composer refuses as keys.
    Other(usize),
}

#[derive(Default)]
pub(super) struct MappingBuilder {
    own: Vec<(Node, Node)>,
    merged: Vec<(Node, Node)>,
}

impl MappingBuilder {
    pub(super) fn insert(&mut self, key: Node, value: Node) {
        self.own.push((key, value));
    }

    /// Adds what stands behind `<<`; a later merge wins over an earlier one, own keys win over all.
    pub(super) fn merge(&mut self, mapping: &Mapping) {
        self.merged.extend(mapping.entries.iter().cloned());
    }

    pub(super) fn finish(self, diagnostics: &mut Diagnostics) -> Vec<(Node, Node)> {
        let mut entries: Vec<(Node, Node)> = Vec::with_capacity(self.merged.len() + self.own.len());
        let mut index: HashMap<Identity, (usize, bool)> = HashMap::with_capacity(entries.capacity());
        let tagged =
            self.merged.into_iter().map(|entry| (entry, false)).chain(self.own.into_iter().map(|entry| (entry, true)));
        for ((key, value), own) in tagged {
            match index.entry(identity(&key)) {
                std::collections::hash_map::Entry::Occupied(mut slot) => {
                    let (at, was_own) = *slot.get();
                    if was_own && own {
                        let name = key.as_str().map_or_else(String::new, |name| format!(" '{name}'"));
                        let first = entries[at].0.span.line;
                        let message =
                            format!("Found duplicate mapping key{name}, which is already set on line {first}");
                        let finding = Diagnostic { duplicate: true, ..Diagnostic::warning(&key.span, message) };
                        diagnostics.push(finding.hint("the last value counts; remove the other one"));
                    }
                    slot.insert((at, own));
                    entries[at] = (key, value);
                }
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert((entries.len(), own));
                    entries.push((key, value));
                }
            }
        }
        entries
    }
}

fn identity(key: &Node) -> Identity {
    match &key.shape {
        Shape::Null => Identity::Null,
        Shape::Bool(flag) => Identity::Whole((*flag).into()),
        Shape::Int(number) => Identity::Whole(*number),
        #[expect(clippy::cast_possible_truncation, reason = "only whole values within range are converted")]
        Shape::Float(number) if number.fract() == 0.0 && number.abs() < 1e38 => Identity::Whole(*number as i128),
        Shape::Float(number) => Identity::Fraction(number.to_bits()),
        Shape::Str(text) => Identity::Text(std::sync::Arc::clone(&text.value)),
        Shape::Time(text) => Identity::Text(std::sync::Arc::clone(text)),
        Shape::List(_) | Shape::Map(_) => Identity::Other(key.span.start),
    }
}
