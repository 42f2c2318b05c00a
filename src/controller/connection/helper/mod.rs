//! The helper on a host as the controller sees it: brought there, started, spoken to.

mod blobs;
mod bootstrap;
mod embedded;
mod error;
pub mod images;
pub mod lease;
pub mod relay;
mod session;
#[cfg(test)]
mod tests;

pub use blobs::{BlobStore, Blobs};
pub use embedded::{HELPERS, Helper, helpers};
pub use error::{SessionError, without_helper_hint};
pub use session::{Progress, Session};
