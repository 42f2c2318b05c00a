//! Shell wildcards over names: `*`, `?` and `[…]`.

use regex::Regex;

/// Whether a name holds wildcards at all.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a whole name matches a pattern.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    if !is_pattern(pattern) {
        return pattern == name;
    }
    Regex::new(&translate(pattern)).is_ok_and(|regex| regex.is_match(name))
}

fn translate(pattern: &str) -> String {
    let mut regex = String::from("^(?s:");
    let mut rest = pattern.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => match rest.as_str().char_indices().skip(1).find(|(_, letter)| *letter == ']') {
                Some((end, _)) => {
                    let class = &rest.as_str()[..end];
                    let (negated, class) = match class.strip_prefix('!') {
                        Some(class) => ("^", class),
                        None => ("", class),
                    };
                    regex.push('[');
                    regex.push_str(negated);
                    regex.push_str(&class.replace('\\', "\\\\").replace('[', "\\["));
                    regex.push(']');
                    rest = rest.as_str()[end + 1..].chars();
                }
                None => regex.push_str("\\["),
            },
            other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push_str(")$");
    regex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_whole_names() {
        assert!(matches("python3.*", "python3.11"));
        assert!(!matches("python3.*", "python3"));
        assert!(matches("lib[!a]?z", "libc1z"));
        assert!(!matches("lib[!a]?z", "liba1z"));
        assert!(matches("g++", "g++"));
        assert!(matches("a[b", "a[b"));
    }
}
