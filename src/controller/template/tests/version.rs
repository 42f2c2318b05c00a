//! Versions compared: loosely, strictly, semantically and by PEP 440.

use std::cmp::Ordering;

/// What a version is expected to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Numbers and words in any arrangement.
    Loose,
    /// `1.2` or `1.2.3`, with `a1` or `b1` behind.
    Strict,
    /// Semantic Versioning 2.
    Semantic,
    /// Python packages.
    Pep440,
}

/// Orders two versions; the error is a sentence.
pub fn compare(left: &str, right: &str, form: Form) -> Result<Ordering, String> {
    match form {
        Form::Loose => loose(left, right),
        Form::Strict => Ok(strict(left)?.cmp(&strict(right)?)),
        Form::Semantic => semantic(left, right),
        Form::Pep440 => Ok(pep440(left)?.cmp(&pep440(right)?)),
    }
}

#[derive(Debug, PartialEq)]
enum Part {
    Number(String),
    Word(String),
}

/// Digits, lower-case words, and whatever stands between them; points only separate.
fn parts(text: &str) -> Vec<Part> {
    let kind = |character: char| match character {
        _ if character.is_numeric() => 0,
        'a'..='z' => 1,
        '.' => 2,
        _ => 3,
    };
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let end =
            if first == '.' { 1 } else { rest.find(|character| kind(character) != kind(first)).unwrap_or(rest.len()) };
        let piece = &rest[..end];
        match kind(first) {
            0 => {
                let digits = piece.trim_start_matches('0');
                parts.push(Part::Number(if digits.is_empty() { "0" } else { digits }.to_owned()));
            }
            2 => {}
            _ => parts.push(Part::Word(piece.to_owned())),
        }
        rest = &rest[end..];
    }
    parts
}

fn loose(left: &str, right: &str) -> Result<Ordering, String> {
    let (left, right) = (parts(left), parts(right));
    for (one, other) in left.iter().zip(&right) {
        let ordering = match (one, other) {
            (Part::Number(one), Part::Number(other)) => numeric(one, other),
            (Part::Word(one), Part::Word(other)) => one.cmp(other),
            (Part::Number(_), Part::Word(_)) => {
                return Err("'<' not supported between instances of 'int' and 'str'".to_owned());
            }
            (Part::Word(_), Part::Number(_)) => {
                return Err("'<' not supported between instances of 'str' and 'int'".to_owned());
            }
        };
        if ordering.is_ne() {
            return Ok(ordering);
        }
    }
    Ok(left.len().cmp(&right.len()))
}

/// Numbers of any length without leading zeros.
fn numeric(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

type Mark = Option<(char, u64)>;

/// A strict version; one without a letter comes after those with one.
fn strict(text: &str) -> Result<([u64; 3], bool, Mark), String> {
    let wrong = || format!("invalid version number '{text}'");
    let (numbers, mark) = match text.find(['a', 'b']) {
        Some(at) => {
            let letter = text[at..].chars().next().ok_or_else(wrong)?;
            (&text[..at], Some((letter, text[at + 1..].parse().map_err(|_| wrong())?)))
        }
        None => (text, None),
    };
    let numbers: Vec<u64> = numbers.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let (found, mark): ([u64; 3], Mark) = match numbers[..] {
        [major, minor] => ([major, minor, 0], mark),
        [major, minor, patch] => ([major, minor, patch], mark),
        _ => return Err(wrong()),
    };
    Ok((found, mark.is_none(), mark))
}

fn semantic(left: &str, right: &str) -> Result<Ordering, String> {
    let (left, right) = (semantic_parts(left)?, semantic_parts(right)?);
    let ordering = left.0.cmp(&right.0);
    if ordering.is_ne() {
        return Ok(ordering);
    }
    Ok(match (left.1.is_empty(), right.1.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            for (one, other) in left.1.iter().zip(&right.1) {
                let ordering = match (one.parse::<u64>(), other.parse::<u64>()) {
                    (Ok(one), Ok(other)) => one.cmp(&other),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => one.cmp(other),
                };
                if ordering.is_ne() {
                    return Ok(ordering);
                }
            }
            left.1.len().cmp(&right.1.len())
        }
    })
}

fn semantic_parts(text: &str) -> Result<([u64; 3], Vec<String>), String> {
    let wrong = || format!("invalid semantic version '{text}'");
    let (bare, _) = text.split_once('+').unwrap_or((text, ""));
    let (core, pre) = bare.split_once('-').map_or((bare, None), |(core, pre)| (core, Some(pre)));
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    let core: Vec<&str> = core.split('.').collect();
    let [major, minor, patch] = core[..] else { return Err(wrong()) };
    if ![major, minor, patch].into_iter().all(plain) {
        return Err(wrong());
    }
    let pre: Vec<String> = pre.map(|pre| pre.split('.').map(str::to_owned).collect()).unwrap_or_default();
    if pre.iter().any(|part| part.is_empty() || (part.bytes().all(|byte| byte.is_ascii_digit()) && !plain(part))) {
        return Err(wrong());
    }
    let number = |part: &str| part.parse().map_err(|_| wrong());
    Ok(([number(major)?, number(minor)?, number(patch)?], pre))
}

type Pep = (u64, Vec<u64>, (i8, u64), (i8, u64), (i8, u64), Vec<(u8, u64, String)>);

/// A sort key by PEP 440: epoch, release, pre, post, dev and local parts.
fn pep440(text: &str) -> Result<Pep, String> {
    let wrong = || format!("Invalid version: '{text}'");
    let lower = text.trim().to_lowercase();
    let (main, local) = lower.split_once('+').map_or((lower.as_str(), None), |(main, local)| (main, Some(local)));
    let main = main.strip_prefix('v').unwrap_or(main);
    let (epoch, main) = match main.split_once('!') {
        Some((epoch, main)) => (epoch.parse().map_err(|_| wrong())?, main),
        None => (0, main),
    };
    let end = main.find(|character: char| !(character.is_ascii_digit() || character == '.')).unwrap_or(main.len());
    let release = main[..end].trim_end_matches('.');
    let mut rest = &main[release.len()..];
    let mut release: Vec<u64> = release.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    while release.len() > 1 && release.last() == Some(&0) {
        release.pop();
    }
    let (mut pre, mut post, mut dev) = (None, None, None);
    while !rest.is_empty() {
        let implicit = rest.starts_with('-') && rest[1..].starts_with(|character: char| character.is_ascii_digit());
        let word = rest.trim_start_matches(['.', '-', '_']);
        let letters = word.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(word.len());
        let after = word[letters..].trim_start_matches(['.', '-', '_']);
        let digits = after.find(|character: char| !character.is_ascii_digit()).unwrap_or(after.len());
        let number = if digits == 0 { 0 } else { after[..digits].parse().map_err(|_| wrong())? };
        match &word[..letters] {
            "" if implicit => post = Some(number),
            "a" | "alpha" => pre = Some((0, number)),
            "b" | "beta" => pre = Some((1, number)),
            "rc" | "c" | "pre" | "preview" => pre = Some((2, number)),
            "post" | "rev" | "r" => post = Some(number),
            "dev" => dev = Some(number),
            _ => return Err(wrong()),
        }
        rest = if digits == 0 { &word[letters..] } else { &after[digits..] };
        if digits == 0 && rest.len() == word.len() {
            return Err(wrong());
        }
    }
    // A development release comes before the pre-releases of its release, a final one after them.
    let pre = match (pre, post, dev) {
        (Some(pre), ..) => pre,
        (None, None, Some(_)) => (-1, 0),
        _ => (3, 0),
    };
    let post = post.map_or((-1, 0), |number| (0, number));
    let dev = dev.map_or((1, 0), |number| (0, number));
    let local = local.map(|local| {
        local
            .split(['.', '-', '_'])
            .map(|part| part.parse().map_or_else(|_| (0, 0, part.to_owned()), |number| (1, number, String::new())))
            .collect()
    });
    Ok((epoch, release, pre, post, dev, local.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered() {
        use Form::{Loose, Pep440, Semantic, Strict};
        use Ordering::{Equal, Greater, Less};
        let table = [
            ("1.2.3", "1.10", Loose, Less),
            ("2.0b1", "2.0", Loose, Greater),
            ("1.0", "1.0.0", Loose, Less),
            ("20.04", "20.4", Loose, Equal),
            ("1.0b1", "1.0", Strict, Less),
            ("1.2", "1.2.0", Strict, Equal),
            ("1.0.0-alpha.2", "1.0.0-alpha.10", Semantic, Less),
            ("1.0.0", "1.0.0-rc.1", Semantic, Greater),
            ("1.0.0+a", "1.0.0+b", Semantic, Equal),
            ("1.0.dev1", "1.0a1", Pep440, Less),
            ("1.0", "1.0.0", Pep440, Equal),
            ("1.0.post1", "1.0", Pep440, Greater),
            ("1!0.1", "2.0", Pep440, Greater),
        ];
        for (left, right, form, expected) in table {
            assert_eq!(compare(left, right, form), Ok(expected), "{left} {right}");
        }
        assert!(compare("1.a", "1.1", Loose).is_err());
        assert!(compare("1", "1.1", Strict).is_err());
        assert!(compare("1.0", "1.0.0", Semantic).is_err());
        assert!(compare("abc", "1", Pep440).is_err());
    }
}
