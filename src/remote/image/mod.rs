//! Reads an image for the controller, layer by layer as asked for: from an engine of this machine or an archive on it.

mod archive;
mod engine;
mod gzip;
pub mod scratch;
mod serve;
mod tarball;
#[cfg(test)]
mod tests;

pub use serve::serve;

/// The first word of a helper that reads an image.
pub const WORD: &str = "image";

/// Its second word where the image is an engine's; the socket and the image's name follow.
pub const ENGINE: &str = "engine";

/// Its second word where the image is in an archive; the path and the image's name follow.
pub const ARCHIVE: &str = "archive";
