//! Takes a plain-text dump apart into statements and COPY data, line by line, as `psql` would.

/// A part of a dump. All parts behind each other are the dump, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A statement with its semicolon, and the blanks and comments before it.
    Statement(Statement),
    /// A line for the COPY before.
    Data(Vec<u8>),
    /// The line `\.` that ends it.
    DataEnd(Vec<u8>),
    /// A command to `psql` itself, up to the end of its line.
    Meta {
        /// Its line.
        line: u64,
        /// As written.
        text: Vec<u8>,
    },
    /// Something that is no part of any statement: blanks and comments at the end, or what stands behind the `;` of a COPY.
    Rest {
        /// Its line.
        line: u64,
        /// As written.
        text: Vec<u8>,
        /// Why it cannot be skipped, if it cannot.
        trouble: Option<&'static str>,
    },
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The line of its first word.
    pub line: u64,
    /// The line of its semicolon.
    pub last_line: u64,
    /// As written.
    pub text: Vec<u8>,
    /// Its first words outside of quotes and parentheses, in capitals.
    pub words: Vec<String>,
    /// Whether data follows, up to a line `\.`.
    pub copies: bool,
}

/// Words of a statement that are looked at.
const WORDS_MAX: usize = 16;

/// What the next byte is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Inside {
    Nothing,
    Text {
        escapes: bool,
    },
    Name,
    /// Between `$tag$` and `$tag$`.
    Dollars(Vec<u8>),
    /// Comments nest.
    Comment(u32),
}

/// Takes a dump apart. It holds one statement at a time.
#[derive(Debug)]
pub struct Splitter {
    inside: Inside,
    /// The statement so far, with what stands before it.
    pending: Vec<u8>,
    /// Line of the statement's first word; none before that.
    begun: Option<u64>,
    word: Vec<u8>,
    words: Vec<String>,
    parentheses: u32,
    /// Open `BEGIN ATOMIC` and `CASE` in a function that is written in SQL itself.
    blocks: u32,
    /// Old dumps turn `standard_conforming_strings` off: backslashes escape in every text then.
    plain_backslashes: bool,
    data: bool,
    line: u64,
}

impl Default for Splitter {
    fn default() -> Self {
        Self {
            inside: Inside::Nothing,
            pending: Vec::new(),
            begun: None,
            word: Vec::new(),
            words: Vec::new(),
            parentheses: 0,
            blocks: 0,
            plain_backslashes: true,
            data: false,
            line: 0,
        }
    }
}

impl Splitter {
    /// Takes the next line with its end. Pieces that are complete go to `out`.
    pub fn line(&mut self, bytes: &[u8], out: &mut Vec<Piece>) {
        self.line += 1;
        if self.data {
            self.data = bytes.trim_ascii_end() != b"\\.";
            out.push(if self.data { Piece::Data(bytes.to_vec()) } else { Piece::DataEnd(bytes.to_vec()) });
            return;
        }
        let mut at = 0;
        while at < bytes.len() {
            let start = at;
            at = match self.inside.clone() {
                Inside::Nothing => match self.outside(bytes, at, out) {
                    Some(next) => next,
                    None => return,
                },
                Inside::Text { escapes } => self.text(bytes, at, escapes),
                Inside::Name => self.until(bytes, at, b"\""),
                Inside::Dollars(tag) => self.until(bytes, at, &tag),
                Inside::Comment(depth) => self.comment(bytes, at, depth),
            };
            // A statement's end has taken the bytes with it.
            self.pending.extend_from_slice(bytes.get(start..at).unwrap_or_default());
            if self.word.is_empty() && self.ends_here(bytes.get(start..at).unwrap_or_default()) {
                at = self.finish(bytes, at, out);
                if self.data {
                    return;
                }
            }
        }
    }

    /// What is left when the dump has ended.
    pub fn end(&mut self, out: &mut Vec<Piece>) {
        let trouble = if self.data {
            Some("the data of a COPY does not end: there is no line \\.")
        } else if self.inside != Inside::Nothing {
            Some("a quotation or comment does not end")
        } else if self.begun.is_some() || !self.word.is_empty() {
            Some("the last statement does not end: there is no ;")
        } else {
            None
        };
        let text = std::mem::take(&mut self.pending);
        if trouble.is_some() || !text.is_empty() {
            out.push(Piece::Rest { line: self.begun.unwrap_or(self.line), text, trouble });
        }
    }

    /// Bytes held of a statement that is not complete yet.
    #[must_use]
    pub fn held(&self) -> usize {
        self.pending.len()
    }

    fn ends_here(&self, taken: &[u8]) -> bool {
        self.inside == Inside::Nothing && taken == b";" && self.parentheses == 0 && self.blocks == 0
    }

    /// One step outside of quotes and comments; none when a command to `psql` took the rest of the line.
    fn outside(&mut self, bytes: &[u8], at: usize, out: &mut Vec<Piece>) -> Option<usize> {
        let byte = bytes[at];
        let next = bytes.get(at + 1).copied();
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 || (byte == b'$' && !self.word.is_empty()) {
            // A byte-order mark is no word.
            if !(self.begun.is_none()
                && self.word.is_empty()
                && self.line == 1
                && bytes[at..].starts_with(b"\xef\xbb\xbf"))
            {
                self.begun.get_or_insert(self.line);
                self.word.push(byte);
                return Some(at + 1);
            }
            return Some(at + 3);
        }
        let escapes = self.word.eq_ignore_ascii_case(b"e") || !self.plain_backslashes;
        self.end_word();
        if byte == b'-' && next == Some(b'-') {
            return Some(bytes.len());
        }
        if byte == b'/' && next == Some(b'*') {
            self.inside = Inside::Comment(1);
            return Some(at + 2);
        }
        if byte == b'\\' {
            if !self.pending.is_empty() {
                let trouble = self.begun.map(|_| "a command to psql stands inside a statement");
                let line = self.begun.unwrap_or(self.line);
                out.push(Piece::Rest { line, text: std::mem::take(&mut self.pending), trouble });
            }
            self.reset();
            out.push(Piece::Meta { line: self.line, text: bytes[at..].to_vec() });
            return None;
        }
        if !byte.is_ascii_whitespace() {
            self.begun.get_or_insert(self.line);
        }
        match byte {
            b'\'' => self.inside = Inside::Text { escapes },
            b'"' => self.inside = Inside::Name,
            b'$' => {
                if let Some(tag) = dollar_tag(&bytes[at..]) {
                    let length = tag.len();
                    self.inside = Inside::Dollars(tag);
                    return Some(at + length);
                }
            }
            b'(' => self.parentheses += 1,
            b')' => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        Some(at + 1)
    }

    fn text(&mut self, bytes: &[u8], at: usize, escapes: bool) -> usize {
        match bytes[at] {
            // Even at the end of a line: what is escaped is the line's end.
            b'\\' if escapes => (at + 2).min(bytes.len()),
            b'\'' => {
                // A doubled quote ends one text and begins the next, which comes to the same.
                self.inside =
                    if bytes.get(at + 1) == Some(&b'\'') { Inside::Text { escapes } } else { Inside::Nothing };
                if self.inside == Inside::Nothing { at + 1 } else { at + 2 }
            }
            _ => at + 1,
        }
    }

    fn until(&mut self, bytes: &[u8], at: usize, mark: &[u8]) -> usize {
        match bytes[at..].windows(mark.len()).position(|window| window == mark) {
            Some(found) => {
                self.inside = Inside::Nothing;
                at + found + mark.len()
            }
            None => bytes.len(),
        }
    }

    fn comment(&mut self, bytes: &[u8], at: usize, depth: u32) -> usize {
        match &bytes[at..] {
            [b'*', b'/', ..] => {
                self.inside = if depth == 1 { Inside::Nothing } else { Inside::Comment(depth - 1) };
                at + 2
            }
            [b'/', b'*', ..] => {
                self.inside = Inside::Comment(depth + 1);
                at + 2
            }
            _ => at + 1,
        }
    }

    fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        let word = String::from_utf8_lossy(&self.word).to_ascii_uppercase();
        self.word.clear();
        if self.parentheses > 0 {
            return;
        }
        if self.makes_routine() {
            match word.as_str() {
                "BEGIN" => self.blocks += 1,
                "CASE" if self.blocks > 0 => self.blocks += 1,
                "END" => self.blocks = self.blocks.saturating_sub(1),
                _ => {}
            }
        }
        if self.words.len() < WORDS_MAX {
            self.words.push(word);
        }
    }

    fn makes_routine(&self) -> bool {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        matches!(
            words.as_slice(),
            ["CREATE", "FUNCTION" | "PROCEDURE", ..] | ["CREATE", "OR", "REPLACE", "FUNCTION" | "PROCEDURE", ..]
        )
    }

    /// The statement is complete; gives where the line goes on.
    fn finish(&mut self, bytes: &[u8], at: usize, out: &mut Vec<Piece>) -> usize {
        let words = std::mem::take(&mut self.words);
        let copies = words.first().is_some_and(|word| word == "COPY")
            && words.windows(2).any(|pair| pair[0] == "FROM" && pair[1] == "STDIN");
        if let [set, name, value, ..] = words.as_slice()
            && set == "SET"
            && name == "STANDARD_CONFORMING_STRINGS"
        {
            self.plain_backslashes = value != "OFF";
        }
        let mut text = std::mem::take(&mut self.pending);
        let line = self.begun.unwrap_or(self.line);
        self.reset();
        let mut rest = None;
        if copies {
            self.data = true;
            let behind = bytes.get(at..).unwrap_or_default();
            if behind.iter().all(u8::is_ascii_whitespace) {
                text.extend_from_slice(behind);
            } else {
                rest = Some(Piece::Rest {
                    line: self.line,
                    text: behind.to_vec(),
                    trouble: Some("something stands behind the ; of a COPY … FROM stdin"),
                });
            }
        }
        out.push(Piece::Statement(Statement { line, last_line: self.line, text, words, copies }));
        out.extend(rest);
        at
    }

    fn reset(&mut self) {
        self.begun = None;
        self.word.clear();
        self.words.clear();
        self.parentheses = 0;
        self.blocks = 0;
    }
}

/// `$$` or `$tag$` at the start of the bytes.
fn dollar_tag(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes.iter().skip(1).position(|byte| *byte == b'$')? + 1;
    let tag = &bytes[1..end];
    let fits = tag.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80)
        && !tag.first().is_some_and(u8::is_ascii_digit);
    fits.then(|| bytes[..=end].to_vec())
}

impl Piece {
    /// As written.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        match self {
            Self::Statement(statement) => &statement.text,
            Self::Data(text) | Self::DataEnd(text) | Self::Meta { text, .. } | Self::Rest { text, .. } => text,
        }
    }
}

impl Statement {
    /// The first line of it, for people: without comments before it, and not too long.
    #[must_use]
    pub fn head(&self) -> String {
        const CHARACTERS_MAX: usize = 120;
        let text = String::from_utf8_lossy(&self.text);
        let skipped = usize::try_from(self.line).unwrap_or(0).saturating_sub(self.first_line());
        let line = text.lines().nth(skipped).unwrap_or_default().trim();
        let mut head: String = line.chars().take(CHARACTERS_MAX).collect();
        if head.len() < line.len() {
            head.push('…');
        }
        head
    }

    /// The line that the text begins on, blanks and comments included.
    fn first_line(&self) -> usize {
        let ends = self.text.strip_suffix(b"\n").unwrap_or(&self.text).iter().filter(|byte| **byte == b'\n').count();
        usize::try_from(self.last_line).unwrap_or(0).saturating_sub(ends)
    }
}

#[cfg(test)]
mod tests;
