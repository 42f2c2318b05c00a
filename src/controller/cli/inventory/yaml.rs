//! YAML as Ansible writes it.

use serde_json::Value as Json;

use super::Problem;
use crate::controller::template::{
    emit::yaml::{Style, write},
    from_json,
};

/// Block style, keys in alphabetical order.
pub(super) fn text(value: &Json) -> Result<String, Problem> {
    let style = Style { flow: Some(false), ..Style::default() };
    write(&from_json(value), &style)
        .map_err(|error| Problem::World(format!("the inventory cannot be written as YAML: {error}")))
}
