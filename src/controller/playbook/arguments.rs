//! Options of a task: a mapping, or `key=value` words behind the module's name.

use crate::controller::source::{Mapping, Node, Shape, Span, Text};

/// Options as written.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// Names and values in the order written.
    pub options: Vec<(Node, Node)>,
    /// Words that belong to no option: a command line, a file name.
    pub free_form: Option<Node>,
    /// `args: "{{ mapping }}"`, which fills in what is not said.
    pub template: Option<Node>,
}

/// Modules whose words without `=` are their command or file.
const FREE_FORM: &[&str] = &[
    "command",
    "shell",
    "raw",
    "script",
    "meta",
    "include",
    "include_tasks",
    "import_tasks",
    "import_playbook",
    "include_vars",
    "win_command",
    "win_shell",
];

/// Modules whose words are a command, which keeps the ends of its lines.
const COMMANDS: &[&str] = &["command", "shell", "raw", "script", "win_command", "win_shell"];

/// Actions that take words they have no use for; what is missing then is for them to say.
const LOOSE: &[&str] = &["add_host", "group_by", "set_fact", "include_role", "import_role"];

/// The option that stands for words with a template where no option is: what they come to must not become options.
pub(super) const VARIABLE_WORDS: &str = "_variable_params";

impl Arguments {
    /// Reads what stands behind a module's name, and `args`.
    ///
    /// # Errors
    /// A sentence, and the place it is about.
    pub fn read(module: &str, value: &Node, args: Option<&Node>) -> Result<Self, (String, Span)> {
        let mut arguments = Self::default();
        match &value.shape {
            Shape::Null => {}
            Shape::Map(map) => arguments.options.clone_from(&map.entries),
            Shape::Str(text) => arguments.words(module, text, &value.span)?,
            Shape::List(_) if FREE_FORM.contains(&module) => arguments.free_form = Some(value.clone()),
            Shape::Bool(_) | Shape::Int(_) | Shape::Float(_) if FREE_FORM.contains(&module) => {
                arguments.free_form = Some(value.clone());
            }
            _ => {
                let message = format!("{module} takes a mapping of options, not {}", value.kind());
                return Err((message, value.span.clone()));
            }
        }
        match args.map(|node| (&node.shape, node)) {
            None | Some((Shape::Null, _)) => {}
            Some((Shape::Map(map), _)) => arguments.fill(map),
            Some((Shape::Str(_), node)) => arguments.template = Some(node.clone()),
            Some((_, node)) => {
                return Err((format!("args must be a mapping, not {}", node.kind()), node.span.clone()));
            }
        }
        Ok(arguments)
    }

    /// The value of an option.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.options.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
    }

    fn fill(&mut self, map: &Mapping) {
        for (key, value) in &map.entries {
            if key.as_str().is_none_or(|name| self.get(name).is_none()) {
                self.options.push((key.clone(), value.clone()));
            }
        }
    }

    fn words(&mut self, module: &str, text: &Text, span: &Span) -> Result<(), (String, Span)> {
        let free = FREE_FORM.contains(&module);
        let node = |value: &str| Node {
            span: span.clone(),
            shape: Shape::Str(Text { value: value.into(), trusted: text.trusted, secret: text.secret }),
        };
        let mut rest = Vec::new();
        for word in split(&text.value) {
            match named(word) {
                Some((name, value)) if is_name(name) && (!free || RAW_OPTIONS.contains(&name)) => {
                    self.options.push((node(name), node(&unquote(value))));
                }
                _ => rest.push(word),
            }
        }
        let whole_template = text.value.trim().starts_with("{{") && text.value.trim().ends_with("}}");
        if rest.is_empty() {
            return Ok(());
        }
        if free {
            let mut line = rest.concat_words(&text.value);
            if COMMANDS.contains(&module) {
                line.push_str(&text.value[text.value.trim_end_matches('\n').len()..]);
            }
            self.free_form = Some(node(&line));
            return Ok(());
        }
        if whole_template && self.options.is_empty() {
            self.template = Some(node(&text.value));
            return Ok(());
        }
        if LOOSE.contains(&module) {
            return Ok(());
        }
        if rest.iter().any(|word| word.contains("{{")) {
            self.options.push((node(VARIABLE_WORDS), node(&rest.join(" "))));
            return Ok(());
        }
        Err((format!("{module} takes options as key=value words; `{}` is none", rest[0]), span.clone()))
    }
}

/// Options that `command` and its relatives take between the words of the command.
const RAW_OPTIONS: &[&str] = &[
    "creates",
    "removes",
    "chdir",
    "executable",
    "warn",
    "stdin",
    "stdin_add_newline",
    "strip_empty_ends",
    "file",
    "name",
    "dir",
    "depth",
    "tags",
    "apply",
];

trait Words {
    fn concat_words(&self, source: &str) -> String;
}

impl Words for Vec<&str> {
    /// The words as they stand in the source, with what separates them; a backslash at the end of a line joins two lines.
    fn concat_words(&self, source: &str) -> String {
        let mut out = String::new();
        let mut end = None;
        for word in self {
            let start = word.as_ptr() as usize - source.as_ptr() as usize;
            if *word == "\\" && source[start + 1..].starts_with('\n') {
                out.push_str(if end.is_some() { " " } else { "" });
                end = None;
                continue;
            }
            if let Some(end) = end {
                let between = &source[end..start];
                out.push_str(if between.trim().is_empty() { between } else { " " });
            }
            out.push_str(word);
            end = Some(start + word.len());
        }
        out
    }
}

/// The name and the value around the first `=` that stands in no template.
fn named(word: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let at = from + word[from..].find('=')?;
        if word[..at].matches("{{").count() == word[..at].matches("}}").count() {
            return Some((&word[..at], &word[at + 1..]));
        }
        from = at + 1;
    }
}

/// Names of options, which a template may work out: `{{ item }}=1`.
fn is_name(name: &str) -> bool {
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    !name.is_empty() && (plain(name) || name.contains("{{"))
}

/// Takes one pair of quotes around a word off.
fn unquote(word: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = word.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote))
            && word.len() >= 2
        {
            return unescape(inner);
        }
    }
    word.to_owned()
}

/// Turns `\n`, `\t` and the like into what they stand for; other backslashes stay.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('v') => out.push('\u{b}'),
            Some(kind @ ('x' | 'u' | 'U')) => out.push_str(&numbered(kind, &mut letters)),
            Some(quote @ ('"' | '\'' | '\\')) => out.push(quote),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// The character that the hexadecimal digits behind `\x`, `\u` or `\U` stand for; the text itself when they stand for none.
fn numbered(kind: char, letters: &mut std::str::Chars<'_>) -> String {
    let count = match kind {
        'x' => 2,
        'u' => 4,
        _ => 8,
    };
    let digits: String = letters.as_str().chars().take(count).take_while(char::is_ascii_hexdigit).collect();
    let character = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
    match character {
        Some(character) if digits.len() == count => {
            letters.nth(count - 1);
            character.to_string()
        }
        _ => format!("\\{kind}"),
    }
}

/// Splits at blanks outside quotes and templates. The words are slices of the text.
pub(super) fn split(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut depth = 0_u32;
    let mut at = 0;
    while at < bytes.len() {
        let two = &bytes[at..(at + 2).min(bytes.len())];
        match (quote, bytes[at]) {
            _ if matches!(two, b"{{" | b"{%" | b"{#") => {
                start.get_or_insert(at);
                depth += 1;
                at += 2;
                continue;
            }
            _ if depth > 0 && matches!(two, b"}}" | b"%}" | b"#}") => {
                depth -= 1;
                at += 2;
                continue;
            }
            _ if depth > 0 => {}
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, byte @ (b'"' | b'\'')) => {
                start.get_or_insert(at);
                quote = Some(byte);
            }
            (None, b' ' | b'\t' | b'\n' | b'\r') => {
                if let Some(from) = start.take() {
                    words.push(&text[from..at]);
                }
            }
            (None, _) => {
                start.get_or_insert(at);
            }
        }
        at += 1;
    }
    if let Some(from) = start {
        words.push(&text[from..]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(module: &str, text: &str) -> Arguments {
        Arguments::read(module, &Node::text(Span::synthetic("test", text), text), None).unwrap()
    }

    #[test]
    fn words_are_options_and_quotes_and_templates_hold_together() {
        let arguments = read("copy", "src=a.txt dest=\"/tmp/b c\" mode={{ m | default('x y') }}");
        let said: Vec<_> = arguments.options.iter().map(|(k, v)| (k.as_str().unwrap(), v.as_str().unwrap())).collect();
        assert_eq!(said, [("src", "a.txt"), ("dest", "/tmp/b c"), ("mode", "{{ m | default('x y') }}")]);
    }

    #[test]
    fn a_template_may_work_out_the_name() {
        let arguments = read("set_fact", "{{ 'a' if b == c else 'd' }}=moo");
        let said: Vec<_> = arguments.options.iter().map(|(k, v)| (k.as_str().unwrap(), v.as_str().unwrap())).collect();
        assert_eq!(said, [("{{ 'a' if b == c else 'd' }}", "moo")]);
    }

    #[test]
    fn escapes_in_quoted_words_are_taken_and_others_stay() {
        let arguments = read("copy", r#"content="a\nb\"\d" dest=/x"#);
        assert_eq!(arguments.get("content").and_then(Node::as_str), Some("a\nb\"\\d"));
    }

    #[test]
    fn a_command_of_several_lines_keeps_them_unless_they_are_joined() {
        let line =
            |text: &str| read("shell", text).free_form.and_then(|node| node.as_str().map(str::to_owned)).unwrap();
        assert_eq!(line("echo a \\\n\"b\nc\" \\\n| cat\necho d\n"), "echo a \"b\nc\" | cat\necho d\n");
        assert_eq!(line("creates=/tmp/x\necho  a\n"), "echo  a\n");
        assert_eq!(line("echo a\\\nb"), "echo a\\\nb");
    }

    #[test]
    fn a_command_keeps_its_words_and_gives_up_its_options() {
        let arguments = read("shell", "echo  a=b 'c  d' creates=/tmp/x");
        assert_eq!(arguments.free_form.as_ref().and_then(Node::as_str), Some("echo  a=b 'c  d'"));
        assert_eq!(arguments.get("creates").and_then(Node::as_str), Some("/tmp/x"));
    }
}
