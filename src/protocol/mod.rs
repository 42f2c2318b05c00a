//! What crosses the wire between controller and host: plain data, no I/O beyond reading and writing frames.

pub mod call;
pub mod change;
pub mod claim;
pub mod frame;
pub mod image;
pub mod outcome;

pub use call::{Background, Blob, Call, FromHost, Ready, ToHost};
pub use change::{Attributes, Change, Content, Effect, HttpRequest, Run};
pub use claim::Claim;
pub use outcome::{Diff, Failure, Outcome, Verdict};

/// A JSON object as modules take and return it; keeps the order of its keys.
pub type Map = serde_json::Map<String, serde_json::Value>;

/// Any JSON value.
pub type Json = serde_json::Value;
