//! Patterns of `Host` lines and `known_hosts`: `*`, `?` and a leading `!`.

/// Whether a text matches one pattern.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go back to when a star has to take one byte more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    p = *at + 1;
                    t = *taken;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// Whether a text matches a list: one pattern has to, and none with `!` may.
#[must_use]
pub fn matches_list<'a>(patterns: impl IntoIterator<Item = &'a str>, text: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, text) => return false,
            Some(_) => {}
            None => found |= matches(pattern, text),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_text() {
        assert!(matches("*.example.org", "a.b.example.org"));
        assert!(!matches("*.example.org", "example.org"));
        assert!(matches("web?", "web1"));
        assert!(!matches("web?", "web12"));
        assert!(matches("*", ""));
        assert!(matches("a*b*c", "axxbyybzc"));
    }

    #[test]
    fn one_negated_match_is_enough_to_refuse() {
        assert!(matches_list(["web*", "!web9"], "web1"));
        assert!(!matches_list(["web*", "!web9"], "web9"));
        assert!(!matches_list(["!web9"], "web1"));
    }
}
