//! Variables: layers in Ansible's order of precedence, and what one host sees of them.

pub mod layers;
pub mod scope;
pub mod shared;

pub use layers::Level;
pub use scope::{FACTS, Layer, Scope, Unknown, Var};
