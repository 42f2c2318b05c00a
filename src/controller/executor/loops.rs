//! `loop`, `with_*` and `loop_control`.

use std::sync::Arc;

use minijinja::{Value, value::ValueKind};

use crate::controller::{
    playbook::Loop,
    source::{Node, Shape},
    template::{self, TemplateError, error::Trouble},
    variables::{Layer, Scope, Var, scope::as_written},
};

/// Items whose calls are on their way at the same time, on all hosts together: each takes memory until it is answered.
const BURST: usize = 16_384;
/// The least and the most of them on one host.
const HOST_BURST: (usize, usize) = (64, 1024);

/// Items of a loop whose calls may be on their way to one of so many hosts at the same time.
#[must_use]
pub fn burst(hosts: usize) -> usize {
    (BURST / hosts.max(1)).clamp(HOST_BURST.0, HOST_BURST.1)
}

/// The items of a loop, and how they are called.
pub struct Items {
    /// In order.
    pub values: Vec<Value>,
    /// The items as the user has written them, where they stand so in a list.
    written: Option<Arc<Vec<Node>>>,
    /// The variable that holds the item.
    pub variable: String,
    /// The variable that holds its number.
    index: Option<String>,
    /// Whether `ansible_loop` is there.
    extended: bool,
    /// Whether that holds all items too.
    all: bool,
    label: Option<Node>,
    /// Seconds between two items.
    pub pause: f64,
    /// Stop when this holds.
    pub break_when: Option<Node>,
}

/// Works out the items of a task's loop.
///
/// # Errors
/// When they cannot be rendered or are no list.
pub fn items(each: &Loop, scope: &Scope, context: &Value) -> Result<Items, TemplateError> {
    let values = match &each.lookup {
        None => list(&template::lazy::value(&each.items, context)?, &each.items)?,
        Some(lookup) => template::looked_up(lookup, &each.items, scope, context)?,
    };
    let control = |name: &str| each.control.as_ref().and_then(|control| control.as_map()?.get(name));
    let text = |name: &str| -> Result<Option<String>, TemplateError> {
        control(name).map(|node| template::lazy::value(node, context).map(|value| value.to_string())).transpose()
    };
    // What a lookup makes of the list may be other items; `with_items` only takes apart lists in it.
    let same = |items: &[Node]| match each.lookup.as_deref() {
        None | Some("list") => true,
        Some("items") => items.iter().all(|item| item.as_str().is_some_and(|text| !template::is_template(text))),
        Some(_) => false,
    };
    let written = match &each.items.shape {
        Shape::List(items) if items.len() == values.len() && same(items) => Some(items.clone()),
        _ => None,
    };
    Ok(Items {
        values,
        written,
        variable: text("loop_var")?.unwrap_or_else(|| "item".to_owned()),
        index: text("index_var")?,
        extended: control("extended").is_some_and(|node| !matches!(node.shape, Shape::Bool(false))),
        all: control("extended_allitems").is_none_or(|node| !matches!(node.shape, Shape::Bool(false))),
        label: control("label").cloned(),
        pause: text("pause")?.and_then(|text| text.parse().ok()).unwrap_or(0.0),
        break_when: control("break_when").cloned(),
    })
}

fn list(value: &Value, node: &Node) -> Result<Vec<Value>, TemplateError> {
    let resolved = template::resolve(value).map_err(|error| error.at(&node.span))?;
    match resolved.kind() {
        ValueKind::Seq | ValueKind::Iterable => Ok(resolved.try_iter()?.collect()),
        kind => Err(TemplateError::new(
            Trouble::Failed,
            format!(
                "invalid data passed to 'loop', it requires a list, got {kind} instead; use `dict2items` for a mapping"
            ),
        )
        .at(&node.span)),
    }
}

impl Items {
    /// What an item's turn sees besides.
    #[must_use]
    pub fn layer(&self, at: usize) -> Layer {
        let mut layer = Layer::new();
        let mut set = |name: &str, value: Value| {
            layer.insert(Arc::from(name), Var::Data(value));
        };
        set(&self.variable, self.values[at].clone());
        set("ansible_loop_var", Value::from(self.variable.as_str()));
        if let Some(node) = self.written.as_ref().and_then(|written| written.get(at)) {
            layer.insert(as_written(&self.variable), Var::Node(node.clone()));
        }
        let mut set = |name: &str, value: Value| {
            layer.insert(Arc::from(name), Var::Data(value));
        };
        if let Some(index) = &self.index {
            set(index, Value::from(at));
            set("ansible_index_var", Value::from(index.as_str()));
        }
        if self.extended {
            let count = self.values.len();
            let mut extended = vec![
                ("index", Value::from(at + 1)),
                ("index0", Value::from(at)),
                ("first", Value::from(at == 0)),
                ("last", Value::from(at + 1 == count)),
                ("length", Value::from(count)),
                ("revindex", Value::from(count - at)),
                ("revindex0", Value::from(count - at - 1)),
            ];
            if self.all {
                extended.push(("allitems", Value::from(self.values.clone())));
            }
            if let Some(previous) = at.checked_sub(1) {
                extended.push(("previtem", self.values[previous].clone()));
            }
            if let Some(next) = self.values.get(at + 1) {
                extended.push(("nextitem", next.clone()));
            }
            set("ansible_loop", Value::from_pairs(extended));
        }
        layer
    }

    /// How an item is called on the screen.
    ///
    /// # Errors
    /// When `label` cannot be worked out.
    pub fn label(&self, at: usize, context: &Value) -> Result<String, TemplateError> {
        let labelled = self.label.as_ref().map(|node| template::lazy::value(node, context));
        match labelled.transpose() {
            Ok(label) => Ok(label.as_ref().unwrap_or(&self.values[at]).to_string()),
            // What is only known after apply is no reason to fail.
            Err(error) if error.kind == Trouble::Unknown => Ok(self.values[at].to_string()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_as_large_as_its_hosts_leave_room_for() {
        assert_eq!([1, 16, 100, 256, 50_000].map(burst), [1024, 1024, 163, 64, 64]);
    }
}
