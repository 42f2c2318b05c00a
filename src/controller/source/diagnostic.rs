//! What is wrong with the user's files: collected, then printed together with carets and advice.

use super::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The run does not start.
    Error,
    /// The run starts, the user should know.
    Warning,
}

/// One finding in one place.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// A lower-case sentence without a full stop.
    pub message: String,
    /// Where, if it is anywhere.
    pub span: Option<Span>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// Whether it is about something that is not there rather than something that is wrong.
    pub absence: bool,
    /// Whether it is about a key that is written twice.
    pub duplicate: bool,
}

/// Findings collected over a whole run of checks.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    /// In the order found.
    pub found: Vec<Diagnostic>,
}

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn error(span: &Span, message: impl Into<String>) -> Self {
        Self { span: Some(span.clone()), ..Self::bare(message) }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(span: &Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// An error without a place.
    #[must_use]
    pub fn bare(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span: None,
            hints: Vec::new(),
            absence: false,
            duplicate: false,
        }
    }

    /// An error about a file or role that is not there.
    #[must_use]
    pub fn absent(span: &Span, message: impl Into<String>) -> Self {
        Self { absence: true, ..Self::error(span, message) }
    }

    /// The same finding with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Whether any finding is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}
