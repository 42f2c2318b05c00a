//! Lookups: `with_NAME`, `lookup()`, `query()` and `q()`.

use minijinja::Value;

use super::error::{TemplateError, Trouble};
use crate::controller::{source::Node, variables::Scope};

/// The items that `with_NAME` gives.
///
/// # Errors
/// When there is no such lookup or it does not work.
pub fn looked_up(name: &str, _items: &Node, _scope: &Scope, _context: &Value) -> Result<Vec<Value>, TemplateError> {
    Err(TemplateError::new(Trouble::Failed, format!("there is no lookup {name}")))
}
