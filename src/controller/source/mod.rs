//! Text that remembers its place: files, spans, YAML nodes and diagnostics.

pub mod diagnostic;
pub mod node;
pub mod span;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use node::{Mapping, Node, Shape, Text};
pub use span::{SourceFile, Span};
