//! The lines of an SSH configuration file: keyword and words, quotes and comments as OpenSSH reads them.

/// One line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1.
    pub number: usize,
    /// Lower case.
    pub keyword: String,
    /// Words behind it, quotes removed.
    pub words: Vec<String>,
    /// Everything behind it, as written, for keywords that take a command line.
    pub rest: String,
}

/// Splits a text into lines; the message of an error names what is wrong with the line of that number.
pub(super) fn parse(text: &str) -> Result<Vec<Line>, (usize, String)> {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| match parse_line(line, index + 1) {
            Ok(None) => None,
            Ok(Some(line)) => Some(Ok(line)),
            Err(message) => Some(Err((index + 1, message))),
        })
        .collect()
}

/// One line; `None` when it says nothing.
pub(super) fn parse_line(line: &str, number: usize) -> Result<Option<Line>, String> {
    let line = line.trim_matches(|c: char| c.is_whitespace() || c == '\u{c}');
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim();
    let words = split(rest)?;
    if words.is_empty() {
        return Err(format!("{keyword} needs a value"));
    }
    Ok(Some(Line { number, keyword: keyword.trim_matches('"').to_ascii_lowercase(), words, rest: rest.to_owned() }))
}

/// Words separated by blanks; quotes group, a backslash escapes quotes, itself and blanks, `#` at a word's start ends.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(&c) = chars.peek() {
            match (c, quote) {
                ('\\', _) => {
                    chars.next();
                    let escaped = |c: &char| matches!(c, '"' | '\'' | '\\') || (quote.is_none() && *c == ' ');
                    word.push(chars.next_if(escaped).unwrap_or('\\'));
                    continue;
                }
                (c, None) if c.is_whitespace() => break,
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                _ => word.push(c),
            }
            chars.next();
        }
        if quote.is_some() {
            return Err("a quote is not closed".into());
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(text).unwrap()
    }

    #[test]
    fn quotes_group_and_comments_end() {
        assert_eq!(words(r#"a "b c" d\ e # f"#), ["a", "b c", "d e"]);
        assert_eq!(words("a#b"), ["a#b"]);
        assert!(split("\"open").is_err());
    }

    #[test]
    fn an_equals_sign_may_stand_for_the_blank() {
        let line = parse_line("  Port = 2222", 1).unwrap().unwrap();
        assert_eq!((line.keyword.as_str(), line.words), ("port", vec!["2222".to_owned()]));
        assert_eq!(parse_line("# Port 1", 1), Ok(None));
        assert!(parse_line("Port", 1).is_err());
    }
}
