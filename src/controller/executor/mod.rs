//! One step on one host, from its variables to its verdict.

pub(in crate::controller) mod attempt;
pub mod background;
mod custom;
mod delegation;
mod environment;
pub mod foresight;
mod keyword;
pub mod lane;
pub(crate) mod limit;
pub mod loops;
pub mod module;
mod notify;
mod options;
pub mod peers;
pub mod plain;
pub mod reach;
pub mod result;
mod stand_in;
pub mod step;
pub mod turn;
mod verdict;

pub use step::{End, Step};
pub use turn::{Done, Effect, Turn};
