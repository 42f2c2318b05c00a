//! Variables as templates see them: rendered when they are looked at, with all that they refer to.

use std::{cell::RefCell, fmt, sync::Arc};

use minijinja::{
    Value,
    value::{Enumerator, Object, ObjectRepr},
};

use super::{
    engine::render_text,
    error::{TemplateError, Trouble},
};
use crate::controller::{
    source::{Mapping, Node, Shape},
    variables::{Scope, Var},
};

/// The function that gives an undefined value on purpose.
const UNDEF: &str = "undef(";

thread_local! {
    /// Why the last variable that turned out undefined is so: its template uses something that is not there.
    static LAST_UNDEFINED: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// The root of every template: the variables of a scope.
struct Root {
    scope: Scope,
}

/// The context that templates of this scope are rendered with.
#[must_use]
pub fn context(scope: &Scope) -> Value {
    Value::from_object(Root { scope: scope.clone() })
}

/// The scope behind a context that [`context`] made.
#[must_use]
pub fn scope_of(context: &Value) -> Option<&Scope> {
    context.downcast_object_ref::<Root>().map(|root| &root.scope)
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("variables")
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        match name {
            "vars" | "__scope" => return Some(Value::from_dyn_object(self.clone())),
            _ => {}
        }
        match self.scope.get(name)? {
            Var::Data(value) => Some(value.clone()),
            Var::Node(node) => Some(or_invalid(name, value(node, &Value::from_dyn_object(self.clone())))),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // Whoever shows everything of a host would come back to it through `hostvars`, without end.
        let names = self.scope.names().into_iter().filter(|name| &**name != "hostvars");
        Enumerator::Values(names.map(|name| Value::from(&*name)).collect())
    }
}

/// A mapping of the user's files.
struct LazyMap {
    map: Arc<Mapping>,
    context: Value,
}

impl fmt::Debug for LazyMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mapping")
    }
}

impl Object for LazyMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (_, found) = match key.as_str() {
            Some(name) => self.map.entry(name).or_else(|| self.rendered(key))?,
            None => self.rendered(key)?,
        };
        Some(or_invalid(&key.to_string(), value(found, &self.context)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys = self.map.entries.iter();
        Enumerator::Values(keys.map(|(key, _)| or_invalid("key", value(key, &self.context))).collect())
    }
}

impl LazyMap {
    /// The entry whose key is no plain string, or a template.
    fn rendered(&self, key: &Value) -> Option<(&Node, &Node)> {
        let same = |node: &Node| value(node, &self.context).is_ok_and(|value| &value == key);
        self.map.entries.iter().find(|(node, _)| !plain_text(node) && same(node)).map(|(key, value)| (key, value))
    }
}

fn plain_text(node: &Node) -> bool {
    matches!(&node.shape, Shape::Str(_)) && super::engine::template_text(node).is_none()
}

/// A list of the user's files.
struct LazyList {
    items: Arc<Vec<Node>>,
    context: Value,
}

impl fmt::Debug for LazyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("list")
    }
}

impl Object for LazyList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let item = self.items.get(key.as_usize()?)?;
        Some(or_invalid("item", value(item, &self.context)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }
}

/// What was written as a value: scalars rendered, containers when they are looked into.
///
/// # Errors
/// When a template cannot be rendered.
pub fn value(node: &Node, context: &Value) -> Result<Value, TemplateError> {
    Ok(match &node.shape {
        Shape::Null => Value::from(()),
        Shape::Bool(value) => Value::from(*value),
        Shape::Int(value) => i64::try_from(*value).map_or_else(|_| Value::from(*value), Value::from),
        Shape::Float(value) => Value::from(*value),
        Shape::Str(text) if text.trusted => {
            return render_text(&text.value, context).map_err(|error| error.at(&node.span));
        }
        Shape::Str(text) => Value::from(&*text.value),
        Shape::Time(text) => super::filters::calendar::written(text),
        Shape::List(items) => Value::from_object(LazyList { items: items.clone(), context: context.clone() }),
        Shape::Map(map) => Value::from_object(LazyMap { map: map.clone(), context: context.clone() }),
    })
}

/// A variable whose template uses something undefined is undefined itself; other errors surface where it is used.
fn or_invalid(name: &str, value: Result<Value, TemplateError>) -> Value {
    match value {
        Ok(value) => value,
        Err(error) if error.kind == Trouble::Undefined => {
            LAST_UNDEFINED.set(Some((name.to_owned(), error.message)));
            Value::UNDEFINED
        }
        Err(error) => Value::from(error.into_engine()),
    }
}

/// Notes why an item of what comes out of a filter is undefined.
pub(super) fn remember(message: String) {
    LAST_UNDEFINED.set(Some((super::value::UNNAMED.to_owned(), message)));
}

/// Notes what `undef()` was given to say.
pub(super) fn remember_undef(message: String) {
    LAST_UNDEFINED.set(Some((UNDEF.to_owned(), message)));
}

/// What was noted of something unnamed that is undefined.
pub(super) fn remembered() -> Option<String> {
    LAST_UNDEFINED.take().filter(|(name, _)| name == super::value::UNNAMED).map(|(_, message)| message)
}

/// The error for using `name`, which is undefined.
pub(super) fn explain(name: &str) -> TemplateError {
    let because = LAST_UNDEFINED.take().filter(|(variable, _)| name.contains(variable.as_str()));
    let message = match (because, name.rsplit_once('.')) {
        (Some((_, inner)), _) if name == super::value::UNNAMED => inner,
        (Some((variable, inner)), _) if variable == UNDEF => inner,
        (Some((variable, inner)), _) if inner.contains(&format!("'{variable}'")) => inner,
        (Some((variable, inner)), _) => format!("{inner} (used by '{variable}')"),
        (None, _) if element(name).is_some() => {
            let (parent, number) = element(name).unwrap_or_default();
            format!("'{name}' is undefined: '{parent}' object has no element {number}")
        }
        (None, Some((parent, attribute))) if is_path(name) => {
            format!("'{parent}' has no attribute '{attribute}', or is undefined itself")
        }
        _ => format!("'{name}' is undefined"),
    };
    TemplateError::new(Trouble::Undefined, message)
}

/// The list and the number of `list[number]`.
fn element(name: &str) -> Option<(&str, &str)> {
    let (parent, number) = name.strip_suffix(']')?.rsplit_once('[')?;
    (is_path(parent) && number.parse::<usize>().is_ok()).then_some((parent, number))
}

fn is_path(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '\''))
}
