//! What can go wrong in a template, and where.

use std::fmt;

use crate::controller::source::Span;

/// Why there is no value.
#[derive(Clone, Debug)]
pub struct TemplateError {
    /// What kind of trouble.
    pub kind: Trouble,
    /// A sentence for people.
    pub message: String,
    /// Where the template was written.
    pub span: Option<Span>,
    /// What was worked out when it came up, in Ansible's words, for the result of the task.
    pub about: Option<String>,
}

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It uses something that is not defined.
    Undefined,
    /// Check mode: it uses something that is only known after another change is made.
    Unknown,
    /// It is not a template.
    Syntax,
    /// Anything else.
    Failed,
}

/// Carried inside the engine's own errors, so that the kind survives filters and lazy variables.
#[derive(Clone, Debug)]
pub(super) struct Carried(pub(super) TemplateError);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Carried {}

impl TemplateError {
    /// An error of a kind.
    pub fn new(kind: Trouble, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), span: None, about: None }
    }

    /// The same error in a place; an error keeps the place it has.
    #[must_use]
    pub fn at(mut self, span: &Span) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }

    /// The same error with what was worked out; an error keeps what it has.
    #[must_use]
    pub fn about(mut self, what: impl FnOnce() -> String) -> Self {
        self.about.get_or_insert_with(what);
        self
    }

    /// Whether it is about something undefined.
    #[must_use]
    pub fn is_undefined(&self) -> bool {
        self.kind == Trouble::Undefined
    }

    /// As an error of the engine.
    #[must_use]
    pub fn into_engine(self) -> minijinja::Error {
        let kind = match self.kind {
            Trouble::Undefined => minijinja::ErrorKind::UndefinedError,
            _ => minijinja::ErrorKind::InvalidOperation,
        };
        minijinja::Error::new(kind, self.message.clone()).with_source(Carried(self))
    }
}

impl From<minijinja::Error> for TemplateError {
    fn from(error: minijinja::Error) -> Self {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = source {
            if let Some(carried) = inner.downcast_ref::<Carried>() {
                return carried.0.clone();
            }
            source = inner.source();
        }
        let kind = match error.kind() {
            minijinja::ErrorKind::UndefinedError => Trouble::Undefined,
            minijinja::ErrorKind::SyntaxError => Trouble::Syntax,
            _ => Trouble::Failed,
        };
        let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let message = match error.kind() {
            minijinja::ErrorKind::SyntaxError => format!("syntax error in template: {message}"),
            // The engine says no more than that a calculation has no result.
            minijinja::ErrorKind::InvalidOperation if divides_by_zero(&message) => {
                format!("division by zero: {message}")
            }
            _ => message,
        };
        Self { kind, message, span: None, about: None }
    }
}

fn divides_by_zero(message: &str) -> bool {
    message.starts_with("unable to calculate ")
        && ["/ 0", "/ 0.0", "/ -0.0", "% 0", "% 0.0"].iter().any(|end| message.ends_with(end))
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}
