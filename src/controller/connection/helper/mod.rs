//! The helper on a host as the controller sees it: brought there, started, spoken to.

mod blobs;
mod bootstrap;
mod embedded;
mod error;
pub mod images;
pub mod lease;
mod pace;
pub mod relay;
mod session;
#[cfg(test)]
mod tests;
mod ticket;

pub use blobs::{BlobStore, Blobs};
pub use embedded::{Helper, helpers};
pub use error::{SessionError, without_helper_hint};
pub use session::{Progress, Session};
