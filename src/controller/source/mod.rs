//! Text that remembers its place: files, spans, YAML nodes and diagnostics.

mod advice;
pub mod composer;
pub mod diagnostic;
pub mod emit;
mod mapping;
pub mod node;
pub mod render;
pub mod resolver;
pub mod span;
pub mod suggest;
pub mod yaml;

pub use composer::Marks;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use node::{Mapping, Node, Shape, Text};
pub use render::render;
pub use span::{SourceFile, Span};
pub use suggest::suggest;
