//! One file of one-line apt sources.

use std::path::PathBuf;

/// Words that a source begins with.
const KINDS: &[&str] = &["deb", "deb-src"];

/// A file of sources, as it was and as it is to be.
pub(super) struct List {
    pub path: PathBuf,
    /// Its text before; nothing for one that is new.
    pub before: Option<String>,
    lines: Vec<Line>,
    changed: bool,
}

/// A line: a source or not, alive or a comment, with a note behind it.
struct Line {
    source: Option<String>,
    text: String,
    alive: bool,
    note: String,
}

impl List {
    pub(super) fn read(path: PathBuf, text: String) -> Self {
        let lines = text.lines().map(Line::read).collect();
        Self { path, before: Some(text), lines, changed: false }
    }

    pub(super) fn fresh(path: PathBuf, source: &str) -> Self {
        let mut list = Self { path, before: None, lines: Vec::new(), changed: false };
        list.add(source);
        list
    }

    pub(super) fn add(&mut self, source: &str) {
        let (source, text) = (Some(source.to_owned()), source.to_owned());
        self.lines.push(Line { source, text, alive: true, note: String::new() });
        self.changed = true;
    }

    /// Brings the source back where it is a comment; says whether it is here at all.
    pub(super) fn revive(&mut self, source: &str) -> bool {
        let mut found = false;
        for line in self.lines.iter_mut().filter(|line| line.source.as_deref() == Some(source)) {
            found = true;
            self.changed |= !line.alive;
            line.alive = true;
        }
        found
    }

    /// Takes the living lines of a source out.
    pub(super) fn remove(&mut self, source: &str) {
        let before = self.lines.len();
        self.lines.retain(|line| !line.alive || line.source.as_deref() != Some(source));
        self.changed |= self.lines.len() != before;
    }

    pub(super) const fn is_changed(&self) -> bool {
        self.changed
    }

    pub(super) fn text(&self) -> String {
        self.lines.iter().map(Line::write).collect()
    }
}

impl Line {
    fn read(line: &str) -> Self {
        let line = line.trim();
        let (alive, rest) = match line.strip_prefix('#') {
            Some(rest) => (false, rest),
            None => (true, line),
        };
        let (text, note) = match rest.find('#').filter(|at| *at > 0) {
            Some(at) => (&rest[..at], rest[at + 1..].trim()),
            None => (rest, ""),
        };
        let text = text.trim();
        let source = source(text);
        Self { text: source.clone().unwrap_or_else(|| text.to_owned()), source, alive, note: note.to_owned() }
    }

    fn write(&self) -> String {
        let hash = if self.alive { "" } else { "# " };
        let note = if self.note.is_empty() { String::new() } else { format!(" # {}", self.note) };
        format!("{hash}{}{note}\n", self.text)
    }
}

/// A source with single blanks between its words; nothing when the line is none.
pub(super) fn source(line: &str) -> Option<String> {
    let line = line.split('#').next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    (words.len() > 1 && KINDS.contains(&words[0])).then(|| words.join(" "))
}

/// The name of a file for a source: its address in letters and digits.
pub(super) fn name_of(source: &str) -> String {
    let mut plain = source.to_owned();
    if let (Some(from), Some(to)) = (plain.find('['), plain.find(']'))
        && from < to
    {
        plain.replace_range(from..=to, "");
    }
    let address = plain.split_whitespace().find(|word| !KINDS.contains(word)).unwrap_or_default();
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let address = address.split_once('@').map_or(address, |(_, rest)| rest);
    let words = address.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_address_without_protocol_options_and_password() {
        for (source, name) in [
            ("deb https://user:secret@a-b.example.com/linux/deb/ x main", "a_b_example_com_linux_deb"),
            ("deb [arch=amd64 signed-by=/k/x.asc] http://a.example x main", "a_example"),
            ("deb-src file:/tmp/repo/ x main", "file_tmp_repo"),
        ] {
            assert_eq!(name_of(source), name);
        }
    }
}
