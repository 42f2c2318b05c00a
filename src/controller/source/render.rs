//! Prints findings as rustc does: message, place, the line with a caret, advice.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};

use super::{Diagnostic, Diagnostics, Severity, Span};

/// Longest part of a line that is shown; a minified file would flood the terminal.
const MAX_LINE: usize = 400;

/// All findings, one after another with an empty line between, ending in a newline; empty without findings.
#[must_use]
pub fn render(diagnostics: &Diagnostics, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for diagnostic in &diagnostics.found {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&one(diagnostic, &renderer));
        text.push('\n');
    }
    text
}

fn one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let place = diagnostic.span.as_ref().map(Place::of);
    let title = level.primary_title(&diagnostic.message);
    let hints = diagnostic.hints.iter().map(|hint| Level::HELP.message(hint));
    let group = match &place {
        Some(place) => title
            .element(
                Snippet::source(place.source)
                    .line_start(place.line)
                    .path(&place.path)
                    .fold(false)
                    .annotation(AnnotationKind::Primary.span(place.start..place.end)),
            )
            .elements(hints),
        None => Group::with_title(title).elements(hints),
    };
    renderer.render(&[group])
}

/// The one line of a span that is shown, whatever the span says.
struct Place<'a> {
    path: String,
    source: &'a str,
    line: usize,
    start: usize,
    end: usize,
}

impl<'a> Place<'a> {
    fn of(span: &'a Span) -> Self {
        let text = span.file.text.as_str();
        let start = floor(text, span.start);
        let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let stop = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let stop = floor(text, stop.min(begin + MAX_LINE).max(start));
        let source = text[begin..stop].trim_end_matches('\r');
        // A list or mapping spans lines; its first line is enough to find it.
        let end = floor(text, span.end).min(begin + source.len()).max(start);
        let start = start.min(begin + source.len());
        Self {
            path: span.file.path.display().to_string(),
            source,
            line: span.line as usize,
            start: start - begin,
            end: end.max(start) - begin,
        }
    }
}

fn floor(text: &str, index: usize) -> usize {
    text.floor_char_boundary(index.min(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::source::SourceFile;

    fn rendered(diagnostic: Diagnostic) -> String {
        render(&Diagnostics { found: vec![diagnostic] }, false)
    }

    #[test]
    fn shows_line_caret_and_advice() {
        let file = SourceFile::new("site.yml", "- hosts: all\n  taks: []\n");
        let span = Span::at(&file, 15, 19);
        let text = rendered(Diagnostic::error(&span, "unknown key `taks`").hint("did you mean `tasks`?"));
        insta::assert_snapshot!(text, @r"
        error: unknown key `taks`
         --> site.yml:2:3
          |
        2 |   taks: []
          |   ^^^^
          |
          = help: did you mean `tasks`?
        ");
    }

    #[test]
    fn shows_findings_without_a_place() {
        let text = rendered(Diagnostic::bare("cannot read x.yml: no such file").hint("check the path"));
        insta::assert_snapshot!(text, @r"
        error: cannot read x.yml: no such file
         |
         = help: check the path
        ");
    }

    #[test]
    fn a_span_at_the_end_of_the_file_is_shown() {
        let file = SourceFile::new("a.yml", "key: [1,\n");
        let text = rendered(Diagnostic::error(&Span::at(&file, 9, 9), "expected `,` or `]`"));
        assert!(text.contains("a.yml:2:1"), "{text}");
    }

    #[test]
    fn a_span_of_many_lines_shows_the_first() {
        let file = SourceFile::new("a.yml", "täsks:\n  - a\n  - b\n");
        let text = rendered(Diagnostic::warning(&Span::at(&file, 0, 18), "odd"));
        assert!(text.contains("^^^^^^") && !text.contains("- a"), "{text}");
    }
}
