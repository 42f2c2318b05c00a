//! Writers of values: as Python prints them, as JSON and as YAML.

pub mod json;
pub mod python;
pub mod scalar;
pub mod yaml;
