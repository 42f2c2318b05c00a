//! Splits a line of an INI inventory into words as a POSIX shell would: quotes, backslashes, `#` comments.

/// One word and the bytes of the line it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word without quotes.
    pub text: String,
    /// First byte.
    pub start: usize,
    /// First byte behind.
    pub end: usize,
}

/// The words of a line. An error names the byte at which a quote opens that is never closed, or of a lone backslash.
pub fn split(line: &str) -> Result<Vec<Word>, usize> {
    let mut words = Vec::new();
    let mut current: Option<Word> = None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            words.extend(current.take());
            continue;
        }
        // A comment also begins in the middle of a word.
        if c == '#' {
            break;
        }
        let word = current.get_or_insert(Word { text: String::new(), start: at, end: at });
        match c {
            '\'' | '"' => quoted(&mut chars, c, word).ok_or(at)?,
            '\\' => word.text.push(chars.next().ok_or(at)?.1),
            _ => word.text.push(c),
        }
        word.end = chars.offset();
    }
    words.extend(current);
    Ok(words)
}

fn quoted(chars: &mut std::str::CharIndices, quote: char, word: &mut Word) -> Option<()> {
    loop {
        match chars.next()?.1 {
            c if c == quote => return Some(()),
            '\\' if quote == '"' => match chars.next()?.1 {
                c @ ('"' | '\\') => word.text.push(c),
                c => word.text.extend(['\\', c]),
            },
            c => word.text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_split_as_in_a_shell() {
        let table: [(&str, &[&str]); 8] = [
            ("web a=1  b=2", &["web", "a=1", "b=2"]),
            (r#"h a="x y" b='p "q" r'"#, &["h", "a=x y", r#"b=p "q" r"#]),
            (r#"h a="x \"y\" \n" b=c\ d"#, &["h", r#"a=x "y" \n"#, "b=c d"]),
            ("h a=1 # comment 'open", &["h", "a=1"]),
            ("h a=b#c d", &["h", "a=b"]),
            ("h a='#x'", &["h", "a=#x"]),
            ("h ''", &["h", ""]),
            ("h a=[1,2] b={'k':1}", &["h", "a=[1,2]", "b={k:1}"]),
        ];
        for (line, expected) in table {
            assert_eq!(texts(line), expected, "{line}");
        }
    }

    #[test]
    fn words_know_their_bytes() {
        let words = split("wéb  a='x y'").unwrap();
        assert_eq!((words[0].start, words[0].end), (0, 4));
        assert_eq!((words[1].start, words[1].end), (6, 13));
    }

    #[test]
    fn open_quotes_are_found_where_they_open() {
        assert_eq!(split("h a='x"), Err(4));
        assert_eq!(split("h a=x\\"), Err(5));
    }
}
