//! `-e`: variables from the command line as words, JSON, YAML or a file.

use std::{path::Path, sync::Arc};

use crate::controller::{
    source::{Diagnostic, Diagnostics, Mapping, Node, Shape, SourceFile, Span, yaml},
    vault::Keyring,
};

/// Reads one `-e` to a mapping of trusted values with places. What is wrong with it is among the diagnostics.
pub fn parse(text: &str, secrets: &Keyring, diagnostics: &mut Diagnostics) -> Option<Node> {
    let file = SourceFile::new("<command line>", text);
    if let Some(path) = text.strip_prefix('@') {
        let node = yaml::load_one(Path::new(&super::configuration::expand_home(path)), secrets, diagnostics)?;
        return mapping(node, diagnostics);
    }
    let start = text.trim_start();
    if start.starts_with(['/', '.']) {
        let finding = Diagnostic::error(&Span::whole(&file), "a file of variables needs `@` in front");
        diagnostics.push(finding.hint(format!("-e @{start}")));
        return None;
    }
    if start.starts_with(['{', '[']) || is_yaml(start) {
        let node = yaml::parse(&file, secrets, diagnostics)?.into_iter().next()?;
        return mapping(node, diagnostics);
    }
    words(&file).map_err(|finding| diagnostics.push(finding)).ok()
}

/// `key: value` lines. Ansible takes YAML only as a flow mapping; words never have a colon before the first `=`.
fn is_yaml(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    first.ends_with(':') && !first.contains('=')
}

fn mapping(node: Node, diagnostics: &mut Diagnostics) -> Option<Node> {
    match node.shape {
        Shape::Map(_) => Some(node),
        Shape::Null => Some(Node { shape: Shape::Map(Arc::default()), ..node }),
        _ => {
            let message = format!("variables are a mapping of names to values, not {}", node.kind());
            diagnostics.push(Diagnostic::error(&node.span, message));
            None
        }
    }
}

fn words(file: &Arc<SourceFile>) -> Result<Node, Diagnostic> {
    let text = file.text.as_str();
    let mut entries: Vec<(Node, Node)> = Vec::new();
    for (start, end) in split(text).map_err(|at| {
        Diagnostic::error(&Span::at(file, at, text.len()), "this quote is never closed").hint("close it, or use JSON: -e '{\"name\": \"value\"}'")
    })? {
        let word = &text[start..end];
        let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            let finding = Diagnostic::error(&Span::at(file, start, end), "expected `name=value`");
            return Err(finding.hint("or JSON: -e '{\"name\": \"value\"}', or a file: -e @vars.yaml"));
        };
        let key = Node::text(Span::at(file, start, start + key.len()), key);
        let value = Node::text(Span::at(file, start + word.len() - value.len(), end), &unquote(value));
        entries.retain(|(other, _)| other.as_str() != key.as_str());
        entries.push((key, value));
    }
    Ok(Node { span: Span::whole(file), shape: Shape::Map(Arc::new(Mapping { entries })) })
}

/// Where words stand: split at space outside quotes and outside `{{ }}` and `{% %}`. An error is where a quote opens.
fn split(text: &str) -> Result<Vec<(usize, usize)>, usize> {
    let mut found = Vec::new();
    let (mut start, mut quote, mut depth) = (None, None::<(char, usize)>, 0_usize);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() && quote.is_none() && depth == 0 {
            if let Some(start) = start.take() {
                found.push((start, at));
            }
            continue;
        }
        start.get_or_insert(at);
        let next = chars.peek().map(|(_, next)| *next);
        match (c, quote) {
            ('\\', _) => drop(chars.next()),
            (c, Some((open, _))) if c == open => quote = None,
            ('\'' | '"', None) if depth == 0 => quote = Some((c, at)),
            ('{', None) if matches!(next, Some('{' | '%')) => {
                depth += 1;
                chars.next();
            }
            ('}' | '%', None) if depth > 0 && next == Some('}') => {
                depth -= 1;
                chars.next();
            }
            _ => {}
        }
    }
    if let Some((_, at)) = quote {
        return Err(at);
    }
    found.extend(start.map(|start| (start, text.len())));
    Ok(found)
}

/// The value without quotes around it, escapes decoded.
fn unquote(value: &str) -> String {
    let bare = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    let value = bare.unwrap_or(value);
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some(c @ ('\\' | '\'' | '"')) => text.push(c),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::source::render;

    fn json(text: &str) -> String {
        let mut diagnostics = Diagnostics::default();
        match parse(text, &Keyring::default(), &mut diagnostics) {
            Some(node) => node.to_json().to_string(),
            None => render(&diagnostics, false),
        }
    }

    #[test]
    fn variables_come_as_words_json_or_yaml() {
        let table = [
            ("a=1 b=two", r#"{"a":"1","b":"two"}"#),
            (r#"a="x y" b='p "q"'"#, r#"{"a":"x y","b":"p \"q\""}"#),
            ("a={{ b | default('c d') }} e=f=g", r#"{"a":"{{ b | default('c d') }}","e":"f=g"}"#),
            ("a=1 a=2", r#"{"a":"2"}"#),
            (r#"a="x\ny\\z""#, r#"{"a":"x\ny\\z"}"#),
            (r#"{"a": [1, true]}"#, r#"{"a":[1,true]}"#),
            ("{a: yes, b: 010}", r#"{"a":true,"b":8}"#),
            ("a: 1\nb: x", r#"{"a":1,"b":"x"}"#),
            ("a=", r#"{"a":""}"#),
            ("  ", "{}"),
        ];
        for (text, expected) in table {
            assert_eq!(json(text), expected, "{text}");
        }
    }

    #[test]
    fn values_are_trusted_and_know_their_place() {
        let node = parse("a=1 b={{ a }}", &Keyring::default(), &mut Diagnostics::default()).unwrap();
        let value = node.as_map().unwrap().get("b").unwrap().clone();
        assert_eq!(value.span.to_string(), "<command line>:1:7");
        assert!(matches!(value.shape, Shape::Str(text) if text.trusted));
    }

    #[test]
    fn a_file_needs_its_sign() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vars.yaml");
        std::fs::write(&path, "port: 80\n").unwrap();
        assert_eq!(json(&format!("@{}", path.display())), r#"{"port":80}"#);
        std::fs::write(&path, "- port\n").unwrap();
        assert!(json(&format!("@{}", path.display())).contains("variables are a mapping of names to values, not a list"));
        assert!(json("./vars.yaml").contains("-e @./vars.yaml"));
        assert!(json("@/nowhere/vars.yaml").contains("/nowhere/vars.yaml"));
    }

    #[test]
    fn what_is_no_variable_is_named() {
        assert!(json("a=1 novalue").contains("expected `name=value`"));
        assert!(json("a='x").contains("never closed"));
        assert!(json("[1]").contains("not a list"));
    }
}
