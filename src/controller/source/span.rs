//! Where a value was written: file, line and column.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Diagnostic;

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

impl SourceFile {
    /// A file with this text.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into() })
    }

    /// Reads a file, which must be UTF-8.
    pub fn read(path: &Path) -> Result<Arc<Self>, Diagnostic> {
        let bytes = std::fs::read(path)
            .map_err(|error| Diagnostic::bare(format!("cannot read {}: {error}", path.display())))?;
        Self::from_bytes(path, bytes)
    }

    /// A file with these bytes, which must be UTF-8.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Arc<Self>, Diagnostic> {
        String::from_utf8(bytes).map(|text| Self::new(path, text)).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.split(|byte| *byte == b'\n').count();
            Diagnostic::bare(format!("{} is not UTF-8 text: line {line} holds other bytes", path.display()))
                .hint("save the file as UTF-8")
        })
    }
}

impl Span {
    /// The place of text that is in no file (`<command line>`, `<default>`), covering all of it.
    #[must_use]
    pub fn synthetic(name: &str, text: &str) -> Self {
        Self::whole(&SourceFile::new(format!("<{name}>"), text))
    }

    /// All of a file.
    #[must_use]
    pub fn whole(file: &Arc<SourceFile>) -> Self {
        Self { file: Arc::clone(file), start: 0, end: file.text.len(), line: 1, column: 1 }
    }

    /// Some bytes of a file. Counts lines from the start, so for single places, not in loops over big files.
    #[must_use]
    pub fn at(file: &Arc<SourceFile>, start: usize, end: usize) -> Self {
        let before = file.text.get(..start).unwrap_or(&file.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before.rsplit('\n').next().map_or(0, |text| text.chars().count());
        let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        Self { file: Arc::clone(file), start, end, line: number(line), column: number(column) }
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
