//! From a play to what one host does: variables in their order, tags, and the sections of the play as one list.

pub mod batch;
mod configuration;
pub mod handlers;
pub mod magic;
pub mod play;
pub mod scope;
pub mod tags;

pub use batch::Batch;
pub use play::PlayRun;
