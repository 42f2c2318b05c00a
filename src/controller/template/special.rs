//! Values that mean something by being what they are: `omit`, and what check mode does not know.

use std::{fmt, sync::Arc};

use minijinja::{
    Value,
    value::{Object, ObjectRepr},
};

use super::error::{TemplateError, Trouble};

/// `omit`: whatever it is given to is left out.
#[derive(Debug)]
struct Omit;

impl Object for Omit {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Check mode: a value that is only known once another change is made.
#[derive(Debug)]
struct Unknown {
    reason: String,
}

impl Object for Unknown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from_dyn_object(self.clone()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(known after apply)")
    }
}

/// The value of `omit`.
#[must_use]
pub fn omit() -> Value {
    Value::from_object(Omit)
}

/// Whether a value is `omit`.
#[must_use]
pub fn is_omit(value: &Value) -> bool {
    value.downcast_object_ref::<Omit>().is_some()
}

/// A value that check mode does not know, and why.
pub fn unknown(reason: impl Into<String>) -> Value {
    Value::from_object(Unknown { reason: reason.into() })
}

/// Why check mode does not know this value, if it does not.
#[must_use]
pub fn why_unknown(value: &Value) -> Option<&str> {
    value.downcast_object_ref::<Unknown>().map(|unknown| unknown.reason.as_str())
}

/// A result of which only some keys are known: the others are unknown instead of undefined.
#[derive(Debug)]
struct Partly {
    known: Value,
    reason: String,
}

impl Object for Partly {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match self.known.get_item(key) {
            Ok(value) if !value.is_undefined() => Some(value),
            _ => Some(unknown(self.reason.clone())),
        }
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        self.known
            .try_iter()
            .map_or(minijinja::value::Enumerator::Empty, |keys| minijinja::value::Enumerator::Values(keys.collect()))
    }
}

/// A mapping of which only some keys are known.
pub fn partly_unknown(known: Value, reason: impl Into<String>) -> Value {
    Value::from_object(Partly { known, reason: reason.into() })
}

/// The value, unless it is undefined, unknown or broken.
///
/// # Errors
/// What keeps it from being used; `name` is how the template calls it.
pub(super) fn used(value: &Value, name: &str) -> Result<(), TemplateError> {
    if value.is_undefined() {
        return Err(super::lazy::explain(name));
    }
    if let Some(reason) = why_unknown(value) {
        return Err(TemplateError::new(Trouble::Unknown, reason));
    }
    Ok(())
}
