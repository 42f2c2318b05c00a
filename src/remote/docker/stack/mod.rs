//! Stacks: compose definitions read into what a swarm is to hold, and held against what it holds.

pub mod compose;
pub mod fields;
pub mod interpolate;
pub mod service;
pub mod specs;
pub mod waiting;

/// The label by which `docker stack` knows what belongs together.
pub const NAMESPACE: &str = "com.docker.stack.namespace";
/// The label in which it keeps the image as the definition names it.
pub const IMAGE: &str = "com.docker.stack.image";
