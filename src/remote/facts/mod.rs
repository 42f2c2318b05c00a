//! The catalog of facts: what a host says of itself.

pub mod wildcard;
