//! Where a value was written: file, line and column.

use std::{fmt, path::PathBuf, sync::Arc};

/// A file that was read, kept for as long as a span points into it.
#[derive(Debug)]
pub struct SourceFile {
    /// As the user named it, or `<command line>` and the like.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// A place in a file. Cheap to clone.
#[derive(Clone)]
pub struct Span {
    /// The file.
    pub file: Arc<SourceFile>,
    /// First byte.
    pub start: usize,
    /// First byte behind.
    pub end: usize,
    /// Line of `start`, from 1.
    pub line: u32,
    /// Column of `start` in characters, from 1.
    pub column: u32,
}

impl Span {
    /// The place of text that is in no file (`<command line>`, `<default>`), covering all of it.
    #[must_use]
    pub fn synthetic(name: &str, text: &str) -> Self {
        let file = SourceFile { path: PathBuf::from(format!("<{name}>")), text: text.to_owned() };
        Self { end: text.len(), file: Arc::new(file), start: 0, line: 1, column: 1 }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.path.display(), self.line, self.column)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
