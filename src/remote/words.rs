//! Splits text into words as a POSIX shell does, and expands what Ansible expands in them.

use super::{Probe, modules::accounts, options::expand_path};

/// The words of a command line: quotes and backslashes are honoured, `#` and operators are ordinary characters.
///
/// # Errors
/// A quotation mark or backslash without an end.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => match characters.next() {
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err("No escaped character".to_owned()),
            },
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        None => return Err("No closing quotation".to_owned()),
                        Some(end) if end == character => break,
                        Some('\\') if character == '"' => match characters.next() {
                            None => return Err("No closing quotation".to_owned()),
                            Some(escaped @ ('"' | '\\')) => word.push(escaped),
                            Some(other) => word.extend(['\\', other]),
                        },
                        Some(other) => word.push(other),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// A word with a leading `~` and `$VARIABLES` replaced by what they are on the host; unknown ones stay.
pub fn expand(probe: &Probe<'_>, word: &str) -> String {
    if !word.starts_with('~') && !word.contains('$') {
        return word.to_owned();
    }
    expand_path(word, |user| accounts::home(probe, user), |name| probe.variable(name))
}

/// A word as a shell has to read it.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does_without_its_operators() {
        let words = |line| split(line).unwrap();
        assert_eq!(words(r#"a 'b c' "d \" $e" f\ g # h | i"#), ["a", "b c", "d \" $e", "f g", "#", "h", "|", "i"]);
        assert_eq!(words(r#"x="y z"w '' "#), ["x=y zw", ""]);
        assert_eq!(words(r#"sh -c "echo \"a b\"" '$x' c\ d"#), ["sh", "-c", "echo \"a b\"", "$x", "c d"]);
        assert_eq!(words("a '' b"), ["a", "", "b"]);
        assert_eq!(words("  "), Vec::<String>::new());
        assert!(split("it's").is_err());
        assert!(split("a 'b").is_err());
        assert!(split("end\\").is_err());
    }

    #[test]
    fn quoted_words_are_read_back_as_they_were() {
        for word in ["plain", "", "two words", "it's", "$x `y` \\"] {
            assert_eq!(split(&quote(word)).unwrap(), [word]);
        }
    }
}
