//! Turns the YAML parser's errors into findings that say what to do about the classic mistakes.

use std::sync::Arc;

use libyaml_safer::Error;

use super::{Diagnostic, Node, SourceFile, Span};

/// A syntax error where the parser saw it, with advice where the line shows a well-known mistake.
pub(super) fn syntax(file: &Arc<SourceFile>, offset: usize, error: &Error) -> Diagnostic {
    let Some(mark) = error.problem_mark() else {
        return unreadable(file, error);
    };
    let start = usize::try_from(mark.index).unwrap_or(usize::MAX).saturating_add(offset).min(file.text.len());
    let end = file.text.get(start..).and_then(|rest| rest.chars().next()).map_or(start, |c| start + c.len_utf8());
    let number = |value: u64| u32::try_from(value + 1).unwrap_or(u32::MAX);
    let span = Span { file: Arc::clone(file), start, end, line: number(mark.line), column: number(mark.column) };
    let problem = error.problem();

    let lines: Vec<&str> = file.text.lines().collect();
    let here = usize::try_from(mark.line).unwrap_or(usize::MAX).min(lines.len());
    let line = lines.get(here).copied().unwrap_or_default();
    let above = lines[..here].iter().rev().find(|line| is_content(line)).copied().unwrap_or_default();
    let context = error.context_mark().and_then(|mark| lines.get(usize::try_from(mark.line).ok()?)).copied();

    if let Some(fixed) = [line, above].into_iter().chain(context).find_map(quote_template) {
        let finding = Diagnostic::error(&span, "a value that begins with `{{` needs quotes");
        return finding.hint(format!("write `{fixed}`"));
    }
    let tab = line.starts_with(|c: char| c.is_whitespace()) && leading(line).contains('\t');
    if problem.contains("tab character")
        || (problem.contains("cannot start any token") && (tab || at(&span) == Some('\t')))
    {
        return Diagnostic::error(&span, "a tab is used for indentation").hint("indent with spaces");
    }
    explain(problem, &span, line, above, error)
}

fn explain(problem: &str, span: &Span, line: &str, above: &str, error: &Error) -> Diagnostic {
    let finding = |message: &str| Diagnostic::error(span, message);
    match problem {
        "found character that cannot start any token" => {
            let letter = at(span).map_or_else(String::new, |c| format!(" `{c}`"));
            finding(&format!("text cannot begin with{letter}")).hint("put the text in quotes")
        }
        "mapping values are not allowed in this context" => {
            let column = span.column.saturating_sub(1) as usize;
            let before: String = line.chars().take(column).collect();
            if before.contains(": ") {
                finding("a second `: ` in text without quotes").hint("put the text behind the first colon in quotes")
            } else {
                let finding =
                    finding("this key is not at the indentation of its neighbours, or the line above is not finished");
                indentation_advice(finding, line, above)
            }
        }
        "did not find expected key" | "did not find expected '-' indicator" => {
            if let Some(behind) = text_behind_quote(above).or_else(|| text_behind_quote(line)) {
                return finding("text follows a closing quote")
                    .hint(format!("quote the whole value, including `{behind}`, or none of it"));
            }
            indentation_advice(finding("this line does not fit the indentation of the lines above"), line, above)
        }
        "could not find expected ':'" => {
            finding("a key without a colon").hint("write `key: value`, with a space behind the colon")
        }
        "found unknown escape character" => finding("unknown escape in double quotes")
            .hint("use single quotes, in which a backslash is only a backslash, or write `\\\\`"),
        "found unexpected end of stream" => {
            let opened =
                error.context_mark().map_or_else(String::new, |mark| format!(" opened on line {}", mark.line + 1));
            finding(&format!("the quotes{opened} are never closed"))
        }
        "did not find expected <document start>" => {
            indentation_advice(finding("nothing may follow the value of the whole file"), line, above)
        }
        "block sequence entries are not allowed in this context" => {
            finding("a list may not begin on this line").hint("begin the list on a line of its own")
        }
        "did not find expected ',' or ']'" => finding("expected `,` or `]`").hint(opened(error, '[')),
        "did not find expected ',' or '}'" => finding("expected `,` or `}`").hint(opened(error, '{')),
        other => {
            let context = error.context().map_or_else(String::new, |context| format!(" {context}"));
            finding(&format!("{other}{context}"))
        }
    }
}

/// A list or mapping used as a key; nearly always a template without quotes.
pub(super) fn collection_as_key(key: &Node) -> Diagnostic {
    let text = &key.span.file.text;
    let line = text.lines().nth(key.span.line.saturating_sub(1) as usize).unwrap_or_default();
    let template = text.get(..key.span.start).is_some_and(|before| before.trim_end().ends_with('{'));
    if template {
        let finding = Diagnostic::error(&key.span, "a value that begins with `{{` needs quotes");
        return match quote_template(line) {
            Some(fixed) => finding.hint(format!("write `{fixed}`")),
            None => finding,
        };
    }
    Diagnostic::error(&key.span, format!("{} cannot be a key", key.kind()))
}

fn unreadable(file: &Arc<SourceFile>, error: &Error) -> Diagnostic {
    let bad =
        |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}') || matches!(c, '\u{fffe}' | '\u{ffff}');
    match file.text.char_indices().find(|(_, c)| bad(*c)) {
        Some((start, c)) => {
            let span = Span::at(file, start, start + c.len_utf8());
            Diagnostic::error(&span, format!("the control character U+{:04X} may not stand in YAML", u32::from(c)))
                .hint("remove it, or write it as an escape in double quotes")
        }
        None => Diagnostic::error(&Span::at(file, 0, 0), error.problem()),
    }
}

fn indentation_advice(finding: Diagnostic, line: &str, above: &str) -> Diagnostic {
    let (this, that) = (leading(line).chars().count(), leading(above).chars().count());
    if !is_content(line) || above.is_empty() {
        return finding;
    }
    if this == that {
        return finding.hint("check that the line above ends its value");
    }
    let relation = if this > that { "more" } else { "less" };
    finding.hint(format!("it is indented {relation} than the line above: by {this}, not by {that}"))
}

fn opened(error: &Error, bracket: char) -> String {
    error.context_mark().map_or_else(
        || format!("close every `{bracket}`"),
        |mark| format!("the `{bracket}` stands on line {}, column {}", mark.line + 1, mark.column + 1),
    )
}

/// The line with quotes around its value, if that begins with a template and has none.
fn quote_template(line: &str) -> Option<String> {
    let at = line.find("{{").filter(|at| {
        let before = line[..*at].trim_end();
        line[..*at].ends_with(' ') && (before.ends_with(':') || before.trim() == "-")
    })?;
    let value = line[at..].trim_end();
    // The value itself may hold quotes of one kind.
    let quote = if value.contains('"') { '\'' } else { '"' };
    (!value.contains(quote)).then(|| format!("{}{quote}{value}{quote}", line[..at].trim_start()))
}

fn text_behind_quote(line: &str) -> Option<&str> {
    let value =
        line.split_once(": ").map_or_else(|| line.trim_start().strip_prefix("- "), |(_, value)| Some(value))?.trim();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let behind = value[1..].split_once(quote)?.1.trim();
    (!behind.is_empty() && !behind.starts_with('#')).then_some(behind)
}

fn is_content(line: &str) -> bool {
    let text = line.trim_start();
    !text.is_empty() && !text.starts_with('#')
}

fn leading(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

fn at(span: &Span) -> Option<char> {
    span.file.text.get(span.start..)?.chars().next()
}
