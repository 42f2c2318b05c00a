//! What runs on the host: modules that turn options and what is there into changes, and the machine that makes them.

mod answers;
pub mod burst;
mod contents;
pub mod docker;
pub mod execute;
pub mod facts;
pub mod image;
pub mod job;
pub mod lease;
pub mod machine;
pub mod modules;
pub mod options;
pub mod plan;
pub mod relay;
pub mod serve;
pub mod words;

pub use machine::probe::Probe;
pub use options::{Choice, Kind, Mode, OptionSpec, OptionType, Options};
pub use plan::{Applied, Entry, Module, Plan, Planned, Stop};
