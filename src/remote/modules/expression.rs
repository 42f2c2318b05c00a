//! Regular expressions and replacements as Python writes them, on top of a fast engine and one that knows look-around.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

use crate::remote::Stop;

/// A compiled expression.
#[derive(Clone, Debug)]
pub enum Expression {
    /// One that takes time linear in the text, whatever bytes it holds.
    Plain(Regex),
    /// One with look-around or references to its own groups; it matches nothing in text that is not UTF-8.
    Rich(Box<fancy_regex::Regex>),
}

/// Where the groups of a match are; the whole match is group 0.
#[derive(Clone, Debug)]
pub struct Groups<'t> {
    text: &'t [u8],
    spans: Vec<Option<Range<usize>>>,
}

impl<'t> Groups<'t> {
    /// What a group matched, if it took part.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&'t [u8]> {
        self.span(number).map(|span| &self.text[span])
    }

    /// Where a group matched, in bytes.
    #[must_use]
    pub fn span(&self, number: usize) -> Option<Range<usize>> {
        self.spans.get(number).cloned().flatten()
    }
}

impl Expression {
    /// Whether it matches anywhere.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        match self {
            Self::Plain(regex) => regex.is_match(text),
            Self::Rich(_) => self.find(text).is_some(),
        }
    }

    /// The first match.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<Range<usize>> {
        match self {
            Self::Plain(regex) => regex.find(text).map(|found| found.range()),
            Self::Rich(regex) => regex.find(std::str::from_utf8(text).ok()?).ok()?.map(|found| found.range()),
        }
    }

    /// The groups of the first match.
    #[must_use]
    pub fn captures<'t>(&self, text: &'t [u8]) -> Option<Groups<'t>> {
        self.all(text, 1).pop()
    }

    /// The text with every match replaced.
    #[must_use]
    pub fn replace_all(&self, text: &[u8], mut new: impl FnMut(&Groups<'_>) -> Vec<u8>) -> Vec<u8> {
        let (mut out, mut from) = (Vec::with_capacity(text.len()), 0);
        for found in self.all(text, usize::MAX) {
            let Some(span) = found.span(0) else { continue };
            out.extend_from_slice(&text[from..span.start]);
            out.extend(new(&found));
            from = span.end;
        }
        out.extend_from_slice(&text[from..]);
        out
    }

    /// The number of a named group.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<usize> {
        match self {
            Self::Plain(regex) => regex.capture_names().position(|known| known == Some(name)),
            Self::Rich(regex) => regex.capture_names().position(|known| known == Some(name)),
        }
    }

    /// How many groups there are, the whole match among them.
    #[must_use]
    pub fn groups(&self) -> usize {
        match self {
            Self::Plain(regex) => regex.captures_len(),
            Self::Rich(regex) => regex.captures_len(),
        }
    }

    /// The expression in the words of the engine, without the flags.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Plain(regex) => regex.as_str(),
            Self::Rich(regex) => regex.as_str(),
        }
    }

    fn all<'t>(&self, text: &'t [u8], most: usize) -> Vec<Groups<'t>> {
        match self {
            Self::Plain(regex) => {
                let spans = |found: regex::bytes::Captures<'_>| {
                    found.iter().map(|part| part.map(|part| part.range())).collect()
                };
                regex.captures_iter(text).take(most).map(|found| Groups { text, spans: spans(found) }).collect()
            }
            Self::Rich(regex) => {
                let Ok(readable) = std::str::from_utf8(text) else { return Vec::new() };
                let spans = |found: fancy_regex::Captures<'_, str>| {
                    found.iter().map(|part| part.map(|part| part.range())).collect()
                };
                // One that gives up, having looked back too often, has found nothing.
                let matches = regex.captures_iter(readable).map_while(Result::ok).take(most);
                matches.map(|found| Groups { text, spans: spans(found) }).collect()
            }
        }
    }
}

/// How an expression meets line ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// `^` and `$` match at every line.
    pub multi: bool,
    /// `.` matches line ends too.
    pub dot_all: bool,
}

/// Compiles an expression.
///
/// # Errors
/// When it is none, which names the expression.
pub fn compile(pattern: &str, lines: Lines) -> Result<Expression, Stop> {
    let translated = translate(pattern, lines.multi || is_multi_line(pattern));
    let build = |unicode: bool| {
        RegexBuilder::new(&translated)
            .unicode(unicode)
            .multi_line(lines.multi)
            .dot_matches_new_line(lines.dot_all)
            .build()
    };
    // Ignoring case is only known for ASCII.
    if let Ok(plain) = build(true).or_else(|_| build(false)) {
        return Ok(Expression::Plain(plain));
    }
    let flags = [(lines.multi, "(?m)"), (lines.dot_all, "(?s)")];
    let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect();
    fancy_regex::Regex::new(&format!("{flags}{translated}")).map(|rich| Expression::Rich(Box::new(rich))).map_err(
        |error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Stop::failed(format!("cannot use the regular expression {pattern}: {reason}"))
        },
    )
}

/// Whether the expression itself asks for `^` and `$` at every line.
pub fn is_multi_line(pattern: &str) -> bool {
    let flags = pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')'));
    flags.is_some_and(|(flags, _)| flags.chars().all(char::is_alphabetic) && flags.contains('m'))
}

/// Rewrites what Python and this engine write differently.
fn translate(pattern: &str, multi: bool) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '\\' => {
                let Some(escaped) = rest.chars().next() else {
                    out.push('\\');
                    break;
                };
                rest = &rest[escaped.len_utf8()..];
                match escaped {
                    'Z' if !in_class => out.push_str("\\z"),
                    '<' | '>' => out.push(escaped),
                    other => out.extend(['\\', other]),
                }
            }
            '[' if in_class => out.push_str("\\["),
            '[' => {
                in_class = true;
                out.push('[');
                if let Some(after) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = after;
                }
                if let Some(after) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = after;
                }
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => out.extend(['\\', character]),
            // Without multi-line mode it also matches before a line end that is the last character.
            '$' if !in_class && !multi => out.push_str("(?:\\n?\\z)"),
            '{' if !in_class => match repetition(rest) {
                Some((minimum, after)) => {
                    out.push('{');
                    out.push_str(minimum);
                    rest = after;
                }
                None => out.push_str("\\{"),
            },
            other => out.push(other),
        }
    }
    out
}

/// Whether what follows a brace makes it a repetition; a missing minimum is zero.
fn repetition(rest: &str) -> Option<(&'static str, &str)> {
    let inner = &rest[..rest.find('}')?];
    let (minimum, maximum) = inner.split_once(',').map_or((inner, None), |(low, high)| (low, Some(high)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(minimum) || !maximum.is_none_or(digits) || inner.is_empty() || inner == "," {
        return None;
    }
    Some((if minimum.is_empty() { "0" } else { "" }, rest))
}

/// A replacement with references to groups.
#[derive(Clone, Debug)]
pub struct Replacement(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// Reads `\1`, `\g<1>`, `\g<name>` and the usual escapes.
    ///
    /// # Errors
    /// A reference to a group that the expression does not have, or an escape that means nothing.
    pub fn read(text: &str, expression: &Expression) -> Result<Self, Stop> {
        let bad = |what: &str| Stop::failed(format!("cannot use the replacement {text}: {what}"));
        let group = |name: &str| {
            let number = name.parse().ok().or_else(|| expression.group(name));
            number
                .filter(|number| *number < expression.groups())
                .ok_or_else(|| bad(&format!("the expression has no group {name}")))
        };
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let Some(escaped) = rest.chars().next() else { return Err(bad("it ends with a backslash")) };
            let mut reference = None;
            if let Some(after) = rest.strip_prefix("g<") {
                let (name, after) = after.split_once('>').ok_or_else(|| bad("missing >, unterminated name"))?;
                reference = Some(group(name)?);
                rest = after;
            } else if ('1'..='9').contains(&escaped) {
                let end = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
                reference = Some(group(&rest[..end])?);
                rest = &rest[end..];
            } else {
                rest = &rest[escaped.len_utf8()..];
                match escaped {
                    'n' => literal.push('\n'),
                    't' => literal.push('\t'),
                    'r' => literal.push('\r'),
                    'a' => literal.push('\x07'),
                    'f' => literal.push('\x0c'),
                    'v' => literal.push('\x0b'),
                    '0' => literal.push('\0'),
                    '\\' => literal.push('\\'),
                    letter if letter.is_ascii_alphabetic() => return Err(bad(&format!("bad escape \\{letter}"))),
                    other => literal.extend(['\\', other]),
                }
            }
            if let Some(number) = reference {
                parts.push(Part::Text(std::mem::take(&mut literal)));
                parts.push(Part::Group(number));
            }
        }
        literal.push_str(rest);
        parts.push(Part::Text(literal));
        Ok(Self(parts))
    }

    /// The text for one match; groups that took no part are empty.
    pub fn expand(&self, captures: &Groups<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Group(number) => {
                    out.extend_from_slice(captures.get(*number).unwrap_or_default());
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        compile(pattern, Lines::default()).unwrap().is_match(text.as_bytes())
    }

    #[test]
    fn python_spellings_are_understood() {
        assert!(matches("^foo$", "foo\n"));
        assert!(matches("^$", "\n"));
        assert!(!matches("^$", "foo\n"));
        assert!(!matches("^foo$", "foo bar\n"));
        assert!(matches(r"^\s*#?\s*Port\b", "# Port 22\n"));
        assert!(matches("(?i)^PORT", "port 22"));
        assert!(matches(r"[[a]x", "[x"));
        assert!(matches(r"^[^]]x\Z", "ax"));
        assert!(matches(r"{{ x }}\${HOME}", "{{ x }}${HOME}"));
        assert!(matches("^a{,2}$", "aa"));
        assert!(matches(r"\<b\>", "<b>"));
        assert!(matches(r"a\/b\-c\ d", "a/b-c d"));
        assert!(matches("(?m)^b$", "a\nb\nc"));
    }

    #[test]
    fn look_around_and_references_are_known() {
        for (pattern, good, bad) in [("x(?=y)", "xy", "xz"), ("(?<!a)b", "cb", "ab"), (r"^(a) \1$", "a a", "a b")] {
            assert!(matches(pattern, good) && !matches(pattern, bad), "{pattern}");
        }
        let doubled = compile(r"(\w)\1", Lines { multi: true, dot_all: false }).unwrap();
        let replaced = doubled.replace_all(b"aab\ncc", |found| found.get(1).unwrap().to_vec());
        assert_eq!(replaced, b"ab\nc");
        assert!(!compile("(?=x)", Lines::default()).unwrap().is_match(b"\xff"), "only text can be looked around in");
    }

    #[test]
    fn what_is_no_expression_is_named() {
        for pattern in ["(a", "[b", "*"] {
            match compile(pattern, Lines::default()) {
                Err(Stop::Failed(failure, _)) => assert!(failure.message.contains(pattern), "{}", failure.message),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn replacements_refer_to_groups() {
        let expression = compile(r"(?P<key>\w+)=(\w*)", Lines::default()).unwrap();
        let captures = expression.captures(b"a=b").unwrap();
        let expand =
            |text: &str| String::from_utf8(Replacement::read(text, &expression).unwrap().expand(&captures)).unwrap();
        assert_eq!(expand(r"\2=\g<key>\g<1>0\n\.\\"), "b=aa0\n\\.\\");
        assert_eq!(expand("$1 ${key}"), "$1 ${key}");
        assert!(Replacement::read(r"\3", &expression).is_err());
        assert!(Replacement::read(r"\q", &expression).is_err());
    }
}
