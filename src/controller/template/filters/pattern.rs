//! Patterns and replacement templates of Python's `re`, translated for the engine here.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use fancy_regex::{Regex, RegexBuilder};
use minijinja::Error;

use super::arguments::invalid;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Arc<Regex>,
}

/// One match: byte offsets of the whole and of every group.
pub type Groups = Vec<Option<(usize, usize)>>;

type Key = (String, bool, bool);

/// Compiled patterns; loops ask for the same few again and again.
static CACHE: LazyLock<Mutex<HashMap<Key, Pattern>>> = LazyLock::new(Mutex::default);
const CACHE_SIZE: usize = 512;
const BACKTRACK_LIMIT: usize = 10_000_000;

/// What is wrong with a pattern, with the words that playbooks know from Python.
fn in_words(error: &str) -> String {
    error.replace("Target of repeat operator is invalid", "nothing to repeat")
}

impl Pattern {
    /// Compiles with Python's `IGNORECASE` and `MULTILINE`. Fails as `re.compile` would.
    pub fn new(source: &str, ignore_case: bool, multi_line: bool) -> Result<Self, Error> {
        let key = (source.to_owned(), ignore_case, multi_line);
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = cache.get(&key) {
            return Ok(found.clone());
        }
        let translated = translate(source, multi_line)?;
        let regex = RegexBuilder::new(&translated)
            .case_insensitive(ignore_case)
            .multi_line(multi_line)
            .backtrack_limit(BACKTRACK_LIMIT)
            .build()
            .map_err(|error| {
                invalid(format!("Invalid regular expression '{source}': {}", in_words(&error.to_string())))
            })?;
        let pattern = Self { regex: Arc::new(regex) };
        if cache.len() >= CACHE_SIZE {
            cache.clear();
        }
        cache.insert(key, pattern.clone());
        Ok(pattern)
    }

    /// The number of groups without the whole match.
    pub fn group_count(&self) -> usize {
        self.regex.captures_len() - 1
    }

    /// The number of a named group.
    pub fn group_number(&self, name: &str) -> Option<usize> {
        self.regex.capture_names().position(|known| known == Some(name))
    }

    /// The first match at or after a byte offset.
    pub fn find(&self, text: &str, start: usize) -> Result<Option<Groups>, Error> {
        let found = self.regex.captures_from_pos(text, start).map_err(|error| invalid(error.to_string()))?;
        Ok(found.map(|captures| {
            (0..captures.len()).map(|group| captures.get(group).map(|found| (found.start(), found.end()))).collect()
        }))
    }

    /// Whether it matches at the very start, as `re.match`.
    pub fn matches_start(&self, text: &str) -> Result<bool, Error> {
        Ok(self.find(text, 0)?.and_then(|groups| groups[0]).is_some_and(|(start, _)| start == 0))
    }

    /// Every match in order, at most `most`. After an empty match the search goes on one character later.
    pub fn find_all(&self, text: &str, most: usize) -> Result<Vec<Groups>, Error> {
        let mut found: Vec<Groups> = Vec::new();
        let mut position = 0;
        let mut after_empty = false;
        while found.len() < most && position <= text.len() {
            let Some(groups) = self.find(text, position)? else { break };
            let Some((start, end)) = groups[0] else { break };
            if after_empty && start == end && end == position {
                position += text[position..].chars().next().map_or(1, char::len_utf8);
                after_empty = false;
                continue;
            }
            after_empty = start == end;
            position = end;
            found.push(groups);
        }
        Ok(found)
    }

    /// `re.subn`: replaces at most `most` matches and says how many there were.
    pub fn replace(&self, text: &str, template: &str, most: usize) -> Result<(String, usize), Error> {
        let parts = self.template(template)?;
        let matches = self.find_all(text, most)?;
        let (mut out, mut last) = (String::with_capacity(text.len()), 0);
        for groups in &matches {
            let Some((start, end)) = groups[0] else { continue };
            out.push_str(&text[last..start]);
            for part in &parts {
                match part {
                    Part::Text(literal) => out.push_str(literal),
                    Part::Group(number) => {
                        out.push_str(groups[*number].map_or("", |(start, end)| &text[start..end]));
                    }
                }
            }
            last = end;
        }
        out.push_str(&text[last..]);
        Ok((out, matches.len()))
    }

    fn template(&self, template: &str) -> Result<Vec<Part>, Error> {
        let (mut parts, mut literal) = (Vec::new(), String::new());
        let mut rest = template.chars().peekable();
        while let Some(character) = rest.next() {
            if character != '\\' {
                literal.push(character);
                continue;
            }
            let Some(escape) = rest.next() else { return Err(invalid("bad escape (end of pattern)")) };
            let group = match escape {
                'g' => {
                    if rest.next() != Some('<') {
                        return Err(invalid("missing <"));
                    }
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            Some('>') => break,
                            Some(character) => name.push(character),
                            None => return Err(invalid("missing >, unterminated name")),
                        }
                    }
                    match name.parse() {
                        Ok(number) => number,
                        Err(_) => {
                            self.group_number(&name).ok_or_else(|| invalid(format!("unknown group name '{name}'")))?
                        }
                    }
                }
                '1'..='9' => {
                    let mut number = escape.to_digit(10).unwrap_or(0) as usize;
                    if let Some(second) = rest.next_if(char::is_ascii_digit) {
                        number = number * 10 + second.to_digit(10).unwrap_or(0) as usize;
                    }
                    number
                }
                _ => {
                    match escape {
                        'n' => literal.push('\n'),
                        't' => literal.push('\t'),
                        'r' => literal.push('\r'),
                        'f' => literal.push('\u{c}'),
                        'v' => literal.push('\u{b}'),
                        'a' => literal.push('\u{7}'),
                        'b' => literal.push('\u{8}'),
                        '0' => literal.push('\0'),
                        '\\' => literal.push('\\'),
                        _ if escape.is_ascii_alphabetic() => return Err(invalid(format!("bad escape \\{escape}"))),
                        _ => literal.extend(['\\', escape]),
                    }
                    continue;
                }
            };
            if group > self.group_count() {
                return Err(invalid(format!("invalid group reference {group}")));
            }
            parts.push(Part::Text(std::mem::take(&mut literal)));
            parts.push(Part::Group(group));
        }
        parts.push(Part::Text(literal));
        Ok(parts)
    }
}

enum Part {
    Text(String),
    Group(usize),
}

/// Rewrites what the two dialects read differently: `$`, `\Z`, `{` without a count, brackets and operators in
/// classes, escaped punctuation.
fn translate(source: &str, multi_line: bool) -> Result<String, Error> {
    let characters: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len() + 8);
    let mut multi_line = multi_line;
    let mut at = 0;
    while at < characters.len() {
        let character = characters[at];
        match character {
            '\\' => at = escape(&characters, at, false, &mut out)?,
            '[' => at = class(&characters, at, &mut out)?,
            '$' => out.push_str(if multi_line { "$" } else { r"(?=\n?\z)" }),
            '{' => match count(&characters, at) {
                Some((end, quantifier)) => {
                    out.push_str(&quantifier);
                    at = end;
                }
                None => out.push_str(r"\{"),
            },
            '}' => out.push_str(r"\}"),
            '(' if characters[at..].starts_with(&['(', '?', '#']) => {
                while at < characters.len() && characters[at] != ')' {
                    at += 1;
                }
            }
            '(' if characters.get(at + 1) == Some(&'?') => {
                // Flags the engine lacks: ASCII, locale and Unicode matching.
                let end = (at + 2..characters.len())
                    .find(|end| !characters[*end].is_ascii_lowercase() && characters[*end] != 'L');
                if let Some(end) = end.filter(|end| *end > at + 2 && matches!(characters[*end], ')' | ':' | '-')) {
                    let flags: String = characters[at + 2..end].iter().filter(|flag| !"aLu".contains(**flag)).collect();
                    multi_line |= characters[end] == ')' && flags.contains('m');
                    if !(flags.is_empty() && characters[end] == ')') {
                        out.push_str("(?");
                        out.push_str(&flags);
                        out.push(characters[end]);
                    }
                    at = end;
                } else {
                    out.push('(');
                }
            }
            _ => out.push(character),
        }
        at += 1;
    }
    Ok(out)
}

/// Translates the escape at `at`; returns the offset of its last character.
fn escape(characters: &[char], at: usize, in_class: bool, out: &mut String) -> Result<usize, Error> {
    let Some(escaped) = characters.get(at + 1).copied() else {
        return Err(invalid("bad escape (end of pattern)"));
    };
    match escaped {
        'Z' if !in_class => out.push_str(r"\z"),
        'b' if in_class => out.push_str(r"\x08"),
        '0' => out.push_str(r"\x00"),
        '_' => out.push('_'),
        'A' | 'b' | 'B' if !in_class => out.extend(['\\', escaped]),
        'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | 'u' | '1'..='9' => {
            out.extend(['\\', escaped]);
        }
        'U' => {
            out.push_str(r"\U");
        }
        _ if escaped.is_ascii_alphabetic() => {
            return Err(invalid(format!("bad escape \\{escaped} at position {at}")));
        }
        _ if escaped.is_ascii() => {
            use std::fmt::Write as _;
            let _ = write!(out, "\\x{:02x}", u32::from(escaped));
        }
        _ => out.push(escaped),
    }
    Ok(at + 1)
}

/// Translates the class at `at`; returns the offset of its closing bracket.
fn class(characters: &[char], at: usize, out: &mut String) -> Result<usize, Error> {
    out.push('[');
    let mut position = at + 1;
    if characters.get(position) == Some(&'^') {
        out.push('^');
        position += 1;
    }
    let first = position;
    while let Some(character) = characters.get(position).copied() {
        match character {
            ']' if position > first => {
                out.push(']');
                return Ok(position);
            }
            '\\' => position = escape(characters, position, true, out)?,
            '-' => {
                // A hyphen is a range only between two ends.
                let edge = position == first || matches!(characters.get(position + 1), Some(']') | None);
                out.push_str(if edge { r"\-" } else { "-" });
            }
            '[' | ']' | '&' | '~' | '^' | '#' | ' ' => {
                use std::fmt::Write as _;
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            _ => out.push(character),
        }
        position += 1;
    }
    Err(invalid(format!("unterminated character set at position {at}")))
}

/// A repeat count at `at` and the offset of its end; `None` where the brace stands for itself.
fn count(characters: &[char], at: usize) -> Option<(usize, String)> {
    let end = at + characters[at..].iter().position(|character| *character == '}')?;
    let inner: String = characters[at + 1..end].iter().collect();
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match inner.split_once(',') {
        Some((low, high)) if digits(low) && digits(high) && inner.len() > 1 => {
            let low = if low.is_empty() { "0" } else { low };
            Some((end, format!("{{{low},{high}}}")))
        }
        None if !inner.is_empty() && digits(&inner) => Some((end, format!("{{{inner}}}"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(pattern: &str, template: &str, text: &str) -> String {
        Pattern::new(pattern, false, false).unwrap().replace(text, template, usize::MAX).unwrap().0
    }

    #[test]
    fn replaces_as_python() {
        let table = [
            (r"(\w+) (\w+)", r"\2-\g<1>", "a b", "b-a"),
            ("(?P<x>b)", r"[\g<x>]", "abc", "a[b]c"),
            ("x*", "-", "abxd", "-a-b--d-"),
            ("$", "!", "a\n", "a!\n!"),
            ("a{", "b", "a{", "b"),
            ("{{", "<", "{{x", "<x"),
            (r"[[\]]", "_", "[a]", "_a_"),
            ("[]a]", "_", "]ab", "__b"),
            (r"\<b\>", "i", "<b>", "i"),
            (r"[a&&b]", "_", "a&b", "___"),
            (r"\/", "-", "a/b", "a-b"),
            (r"a\Z", "b", "aa", "ab"),
            ("(?<=a)b(?!c)", "X", "abab", "aXaX"),
            (r"(a)\1", "<>", "aab", "<>b"),
            ("a{,2}", "x", "aaa", "xxx"),
            ("(?m)^", "> ", "a\nb", "> a\n> b"),
            (r"b", r"\n\&\\", "abc", "a\n\\&\\c"),
            (r"[\w.-]+@", "", "me.x-y@z", "z"),
            (r"é+", "e", "éé", "e"),
        ];
        for (pattern, template, text, expected) in table {
            assert_eq!(replace(pattern, template, text), expected, "{pattern}");
        }
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for pattern in ["(", "[a", "\\", r"\q", "*a"] {
            assert!(Pattern::new(pattern, false, false).is_err(), "{pattern}");
        }
        let pattern = Pattern::new("a", false, false).unwrap();
        assert!(pattern.replace("a", r"\1", 9).is_err());
        assert!(pattern.replace("a", r"\g<x>", 9).is_err());
        assert!(pattern.replace("a", r"\q", 9).is_err());
    }
}
