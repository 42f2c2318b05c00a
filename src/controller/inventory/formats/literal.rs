//! Python literals, in which INI inventories write values: `5`, `True`, `['a', 'b']`; anything else is a plain string.

use std::sync::Arc;

use crate::controller::source::{Mapping, Node, Shape, Span, Text};

/// Brackets inside one another; deeper text stays a string.
const MAX_DEPTH: usize = 64;

/// The value of the text, all of it at one place.
#[must_use]
pub fn evaluate(text: &str, span: &Span) -> Node {
    let mut reader = Reader { rest: text.trim_start_matches([' ', '\t']), span, depth: 0 };
    let shape = reader.value().filter(|_| reader.at_end());
    shape.map_or_else(|| Node::text(span.clone(), text), |shape| Node { span: span.clone(), shape })
}

struct Reader<'a> {
    rest: &'a str,
    span: &'a Span,
    depth: usize,
}

impl Reader<'_> {
    fn at_end(&mut self) -> bool {
        self.skip();
        self.rest.is_empty() || self.rest.starts_with('#')
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: char) -> bool {
        self.skip();
        self.rest.strip_prefix(token).map(|rest| self.rest = rest).is_some()
    }

    fn value(&mut self) -> Option<Shape> {
        self.skip();
        match self.rest.chars().next()? {
            '[' => self.nested(|reader| reader.items(']').map(list)),
            '(' => self.nested(Self::tuple),
            '{' => self.nested(Self::braces),
            '\'' | '"' => self.strings(),
            '+' | '-' => {
                let negative = self.rest.starts_with('-');
                match self.nested(Self::value)? {
                    Shape::Int(number) => Some(Shape::Int(if negative { -number } else { number })),
                    Shape::Float(number) => Some(Shape::Float(if negative { -number } else { number })),
                    _ => None,
                }
            }
            '0'..='9' | '.' => self.number(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Option<Shape>) -> Option<Shape> {
        self.rest = &self.rest[1..];
        self.depth += 1;
        let shape = if self.depth > MAX_DEPTH { None } else { read(self) };
        self.depth -= 1;
        shape
    }

    fn items(&mut self, close: char) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.node()?);
            if !self.take(',') {
                return self.take(close).then_some(items);
            }
        }
        Some(items)
    }

    /// A tuple is a list to us; one value in brackets without a comma is only that value.
    fn tuple(&mut self) -> Option<Shape> {
        if self.take(')') {
            return Some(list(Vec::new()));
        }
        let first = self.node()?;
        if self.take(')') {
            return Some(first.shape);
        }
        let mut items = vec![first];
        if !self.take(',') {
            return None;
        }
        items.extend(self.items(')')?);
        Some(list(items))
    }

    /// A dictionary, or a set, which is a list to us.
    fn braces(&mut self) -> Option<Shape> {
        if self.take('}') {
            return Some(Shape::Map(Arc::default()));
        }
        let first = self.node()?;
        if !self.take(':') {
            let mut items = vec![first];
            if self.take(',') {
                items.extend(self.items('}')?);
            } else if !self.take('}') {
                return None;
            }
            return Some(list(items));
        }
        let mut entries = Vec::new();
        let mut key = first;
        loop {
            let value = self.node()?;
            match entries
                .iter_mut()
                .find(|(known, _): &&mut (Node, Node)| key.as_str().is_some() && known.as_str() == key.as_str())
            {
                Some((_, known)) => *known = value,
                None => entries.push((key, value)),
            }
            let comma = self.take(',');
            if self.take('}') {
                return Some(Shape::Map(Arc::new(Mapping { entries })));
            }
            if !comma {
                return None;
            }
            key = self.node()?;
            if !self.take(':') {
                return None;
            }
        }
    }

    fn node(&mut self) -> Option<Node> {
        let shape = self.value()?;
        Some(Node { span: self.span.clone(), shape })
    }

    fn word(&mut self) -> Option<Shape> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let shape = match word {
            "True" => Shape::Bool(true),
            "False" => Shape::Bool(false),
            "None" => Shape::Null,
            "u" | "U" | "r" | "R" | "b" | "B" if rest.starts_with(['\'', '"']) => return self.strings(),
            "set" if rest.starts_with("()") => {
                self.rest = &rest[2..];
                return Some(list(Vec::new()));
            }
            _ => return None,
        };
        self.rest = rest;
        Some(shape)
    }

    fn number(&mut self) -> Option<Shape> {
        let plain = |text: &str| Shape::Str(Text { value: text.into(), trusted: true, secret: false });
        if let Some(rest) = self.rest.strip_prefix("...") {
            self.rest = rest;
            return Some(plain("..."));
        }
        let mut end = 0;
        for (at, c) in self.rest.char_indices() {
            let exponent_sign = matches!(c, '+' | '-')
                && self.rest[..at].ends_with(['e', 'E'])
                && !self.rest.starts_with("0x")
                && !self.rest.starts_with("0X");
            if !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.') || exponent_sign) {
                break;
            }
            end = at + c.len_utf8();
        }
        let (word, rest) = self.rest.split_at(end);
        // Python takes underscores only between digits.
        if word.starts_with('_')
            || word.ends_with('_')
            || word.contains("__")
            || word.contains("_.")
            || word.contains("._")
        {
            return None;
        }
        let digits = word.replace('_', "").to_lowercase();
        let shape = match digits.get(..2) {
            Some("0x") => Shape::Int(i128::from_str_radix(&digits[2..], 16).ok()?),
            Some("0o") => Shape::Int(i128::from_str_radix(&digits[2..], 8).ok()?),
            Some("0b") => Shape::Int(i128::from_str_radix(&digits[2..], 2).ok()?),
            _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                // `0644` is an error in Python, so it stays a string.
                if digits.starts_with('0') && digits.bytes().any(|byte| byte != b'0') {
                    return None;
                }
                Shape::Int(digits.parse().ok()?)
            }
            // A complex number has no form here but its text.
            _ if digits.strip_suffix('j').is_some_and(|number| number.parse::<f64>().is_ok()) => plain(&digits),
            _ if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && !digits.contains(['n', 'i']) => {
                Shape::Float(digits.parse().ok()?)
            }
            _ => return None,
        };
        self.rest = rest;
        Some(shape)
    }

    /// One or more adjacent strings, which are one.
    fn strings(&mut self) -> Option<Shape> {
        let mut value = String::new();
        loop {
            self.skip();
            let after_prefix = self.rest.trim_start_matches(['u', 'U', 'r', 'R', 'b', 'B']);
            let prefix = &self.rest[..self.rest.len() - after_prefix.len()];
            if prefix.len() > 1 || !after_prefix.starts_with(['\'', '"']) {
                let text = Text { value: value.into(), trusted: true, secret: false };
                return Some(Shape::Str(text));
            }
            let raw = matches!(prefix, "r" | "R");
            self.rest = after_prefix;
            self.string(raw, &mut value)?;
        }
    }

    fn string(&mut self, raw: bool, value: &mut String) -> Option<()> {
        let quote = self.rest.get(..1)?;
        let triple = quote.repeat(3);
        let quote = if self.rest.starts_with(&triple) { triple } else { quote.to_owned() };
        self.rest = &self.rest[quote.len()..];
        loop {
            if let Some(rest) = self.rest.strip_prefix(quote.as_str()) {
                self.rest = rest;
                return Some(());
            }
            let c = self.next()?;
            if c != '\\' {
                value.push(c);
            } else if raw {
                value.push('\\');
                value.push(self.next()?);
            } else {
                self.escape(value)?;
            }
        }
    }

    fn escape(&mut self, value: &mut String) -> Option<()> {
        let c = self.next()?;
        let plain = match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'v' => '\x0b',
            '\\' | '\'' | '"' => c,
            '\n' => return Some(()),
            'x' => return self.code(2, value),
            'u' => return self.code(4, value),
            'U' => return self.code(8, value),
            '0'..='7' => {
                let more = self.rest.bytes().take(2).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                let digits = format!("{c}{}", &self.rest[..more]);
                self.rest = &self.rest[more..];
                char::from_u32(u32::from_str_radix(&digits, 8).ok()?)?
            }
            _ => {
                value.push('\\');
                c
            }
        };
        value.push(plain);
        Some(())
    }

    fn code(&mut self, length: usize, value: &mut String) -> Option<()> {
        let digits = self.rest.get(..length)?;
        value.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        self.rest = &self.rest[length..];
        Some(())
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }
}

fn list(items: Vec<Node>) -> Shape {
    Shape::List(Arc::new(items))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        evaluate(text, &Span::synthetic("test", text)).to_json().to_string()
    }

    #[test]
    fn literals_are_evaluated_as_python_does() {
        let table = [
            ("5", "5"),
            ("-5", "-5"),
            ("1_000", "1000"),
            ("0x1f", "31"),
            ("0o17", "15"),
            ("00", "0"),
            ("1e3", "1000.0"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("2.5E-1", "0.25"),
            ("True", "true"),
            ("b'x'", r#""x""#),
            ("[..., 1j, set()]", r#"["...","1j",[]]"#),
            ("False", "false"),
            ("None", "null"),
            ("5 # five", "5"),
            ("'a b'", r#""a b""#),
            (r#""a" 'b'"#, r#""ab""#),
            (r"'\x41\u00e9\101\n\q'", r#""AéA\n\\q""#),
            (r"r'\d'", r#""\\d""#),
            ("'''a'b'''", r#""a'b""#),
            ("[]", "[]"),
            ("[1, 'a', [True],]", r#"[1,"a",[true]]"#),
            ("(1, 2)", "[1,2]"),
            ("(1,)", "[1]"),
            ("(1)", "1"),
            ("{}", "{}"),
            ("{'a': 1, 2: [], 'a': 3,}", r#"{"a":3,"2":[]}"#),
            ("{1, 2}", "[1,2]"),
        ];
        for (text, expected) in table {
            assert_eq!(json(text), expected, "{text}");
        }
    }

    #[test]
    fn everything_else_stays_the_string_it_is() {
        let table = [
            "",
            "yes",
            "true",
            "foo # bar",
            "0644",
            "1__0",
            "1_",
            "10.0.0.1",
            "1-2",
            "1 2",
            "[1, 2",
            "['a' 1]",
            "{'a'}x",
            "{'a': }",
            "'open",
            "{{ x }}",
            "[{{ x }}]",
            "a=b",
            "2024-01-01",
            "1h",
            "inf",
            "nan",
            "1e",
            "+'a'",
            ".",
            "é",
            "(",
        ];
        for text in table {
            let node = evaluate(text, &Span::synthetic("test", text));
            assert_eq!(node.as_str(), Some(text), "{text}");
        }
        for sign in ["[", "-", "{1:"] {
            let deep = sign.repeat(50_000);
            assert_eq!(evaluate(&deep, &Span::synthetic("test", "")).as_str(), Some(deep.as_str()));
        }
    }
}
