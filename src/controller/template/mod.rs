//! Templates: Jinja2 as Ansible 2.19 means it, on minijinja's extension points.

pub mod claims;
pub mod condition;
pub mod emit;
pub mod engine;
pub mod error;
pub mod files;
pub mod filters;
pub mod hosts;
pub mod inventories;
pub mod lazy;
pub mod lookup;
pub mod lookups;
pub mod methods;
mod rewrite;
pub mod special;
pub mod tests;
pub mod value;

#[cfg(test)]
mod probes;

pub use condition::condition;
pub use engine::{evaluate, is_template, render, render_text};
pub use error::TemplateError;
pub use hosts::{Fetch, HostScopes, host_vars};
pub use lazy::context;
pub use lookup::looked_up;
pub use lookups::Options as WebOptions;
pub use value::{from_json, resolve, to_json};
