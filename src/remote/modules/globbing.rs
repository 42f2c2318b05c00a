//! File name patterns with `*`, `?` and `[…]`, as Python's fnmatch and glob read them.

use std::path::{Path, PathBuf};

use regex::Regex;

use crate::remote::{Probe, Stop, machine::probe::Found};

/// A pattern as a regular expression for whole names.
///
/// # Errors
/// When a bracket expression is none.
pub fn pattern(pattern: &str) -> Result<Regex, Stop> {
    let mut source = String::from("(?s)^");
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '*' => source.push_str(".*"),
            '?' => source.push('.'),
            '[' => match bracket(rest) {
                Some((set, after)) => {
                    source.push_str(&set);
                    rest = after;
                }
                None => source.push_str("\\["),
            },
            other => source.push_str(&regex::escape(&other.to_string())),
        }
    }
    source.push('$');
    Regex::new(&source).map_err(|error| Stop::failed(format!("bad file name pattern {pattern}: {error}")))
}

/// A bracket expression without its opening bracket, and what follows it.
fn bracket(text: &str) -> Option<(String, &str)> {
    let negated = text.starts_with('!');
    let inner = &text[usize::from(negated)..];
    // A closing bracket that comes first is a member of the set.
    let end = inner.char_indices().skip(1).find(|(_, character)| *character == ']')?.0;
    let mut set = String::from(if negated { "[^" } else { "[" });
    for character in inner[..end].chars() {
        if "\\[]^&~".contains(character) {
            set.push('\\');
        }
        set.push(character);
    }
    set.push(']');
    Some((set, &inner[end + 1..]))
}

/// Whether a path has any pattern character.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The paths that match; without pattern characters, the path itself where it exists.
///
/// # Errors
/// When a directory cannot be looked at or known.
pub fn matching(probe: &Probe<'_>, path: &Path) -> Found<Vec<PathBuf>> {
    if !is_pattern(&path.to_string_lossy()) {
        return Ok(if probe.stat(path)?.is_some() { vec![path.to_owned()] } else { Vec::new() });
    }
    let mut found = vec![PathBuf::new()];
    for component in path.components() {
        let name = component.as_os_str().to_string_lossy().into_owned();
        let mut next = Vec::new();
        for base in found {
            if is_pattern(&name) {
                let wanted = pattern(&name)?;
                let directory = if base.as_os_str().is_empty() { Path::new(".") } else { &base };
                let names = match probe.read_dir(directory) {
                    Ok(names) => names,
                    Err(Stop::Failed(..)) => Vec::new(),
                    Err(unknown) => return Err(unknown),
                };
                let visible = |entry: &&String| name.starts_with('.') || !entry.starts_with('.');
                next.extend(
                    names.iter().filter(visible).filter(|entry| wanted.is_match(entry)).map(|entry| base.join(entry)),
                );
            } else {
                let candidate = base.join(&name);
                if probe.stat(&candidate)?.is_some() || candidate.as_os_str() == ".." {
                    next.push(candidate);
                }
            }
        }
        found = next;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let matches = |wanted: &str, name: &str| pattern(wanted).unwrap().is_match(name);
        assert!(matches("*.log", "a.log"));
        assert!(!matches("*.log", "a.log.1"));
        assert!(matches("a?[0-9].c", "ab3.c"));
        assert!(!matches("[!a]*", "abc"));
        assert!(matches("[]]x", "]x"));
        assert!(matches("a[b", "a[b"));
        assert!(matches("a+b", "a+b"));
    }
}
