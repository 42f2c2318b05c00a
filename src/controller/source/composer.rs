//! Turns parser events into nodes: anchors, merge keys, tags, duplicate keys, and bounds against hostile input.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use libyaml_safer::{Event, EventData, Mark, Parser, ScalarStyle};

use super::{
    Diagnostic, Diagnostics, Mapping, Node, Shape, SourceFile, Span, Text, advice,
    mapping::MappingBuilder,
    resolver::{self, Plain},
    yaml::vault_diagnostic,
};
use crate::controller::vault::{self, Keyring};

/// Lists and mappings inside one another; deeper is an attack or a mistake, and recursion has to end before the stack does.
const MAX_DEPTH: usize = 128;
/// Nodes all aliases of a file stand for together, so that a few lines cannot become gigabytes.
const MAX_ALIASED_NODES: usize = 1_000_000;
/// The prefix `!!` stands for.
const CORE: &str = "tag:yaml.org,2002:";

/// What is marked on every string.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// Whether templates in it are templates.
    pub trusted: bool,
    /// Whether it must not be shown.
    pub secret: bool,
}

/// A finding has been pushed; nothing more to say.
pub(super) struct Stopped;

/// Composes the nodes of one file.
pub(super) struct Composer<'a, 'b> {
    parser: Parser<&'a mut &'b [u8]>,
    file: &'a Arc<SourceFile>,
    /// Bytes of the file before the parser's first.
    offset: usize,
    marks: Marks,
    /// Whether numbers follow JSON's grammar (`1e3`).
    json: bool,
    secrets: &'a Keyring,
    diagnostics: &'a mut Diagnostics,
    anchors: HashMap<String, Option<(Node, usize)>>,
    /// Nodes composed so far, aliases counted in full.
    nodes: usize,
    aliased: usize,
    depth: usize,
}

impl<'a, 'b> Composer<'a, 'b> {
    pub(super) fn new(
        parser: Parser<&'a mut &'b [u8]>,
        file: &'a Arc<SourceFile>,
        offset: usize,
        marks: Marks,
        json: bool,
        secrets: &'a Keyring,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        let anchors = HashMap::new();
        Self { parser, file, offset, marks, json, secrets, diagnostics, anchors, nodes: 0, aliased: 0, depth: 0 }
    }

    /// All documents, or `None` after a finding.
    pub(super) fn stream(mut self) -> Option<Vec<Node>> {
        let mut documents = Vec::new();
        loop {
            let event = self.event().ok()?;
            match event.data {
                EventData::StreamEnd => return Some(documents),
                EventData::DocumentStart { .. } => {
                    self.anchors.clear();
                    let first = self.event().ok()?;
                    documents.push(self.node(first, self.marks).ok()?);
                }
                _ => {}
            }
        }
    }

    fn event(&mut self) -> Result<Event, Stopped> {
        self.parser.parse().map_err(|error| {
            let finding = advice::syntax(self.file, self.offset, &error);
            self.diagnostics.push(finding);
            Stopped
        })
    }

    fn node(&mut self, event: Event, marks: Marks) -> Result<Node, Stopped> {
        let span = self.span(event.start_mark, event.end_mark);
        self.nodes += 1;
        match event.data {
            EventData::Alias { anchor } => self.alias(&anchor, &span),
            EventData::Scalar { anchor, tag, value, plain_implicit, style, .. } => {
                let plain = tag.is_none() && plain_implicit && style == ScalarStyle::Plain;
                let shape = self.scalar(&span, tag.as_deref(), &value, plain, marks)?;
                let node = Node { span, shape };
                if let Some(anchor) = anchor {
                    self.anchors.insert(anchor, Some((node.clone(), 1)));
                }
                Ok(node)
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                let marks = self.collection_marks(&span, tag.as_deref(), marks)?;
                self.collection(&span, anchor, |composer| composer.sequence(&span, marks))
            }
            EventData::MappingStart { anchor, tag, .. } => {
                let set = tag.as_deref() == Some("tag:yaml.org,2002:set");
                let marks = self.collection_marks(&span, tag.as_deref(), marks)?;
                let node = self.collection(&span, anchor, |composer| composer.mapping(&span, marks))?;
                Ok(if set { keys_as_list(&node) } else { node })
            }
            _ => self.stop(Diagnostic::error(&span, "expected a value here")),
        }
    }

    fn alias(&mut self, anchor: &str, span: &Span) -> Result<Node, Stopped> {
        match self.anchors.get(anchor) {
            Some(Some((node, size))) => {
                let (node, size) = (node.clone(), *size);
                self.aliased += size;
                self.nodes += size;
                if self.aliased > MAX_ALIASED_NODES {
                    let message = format!("aliases in this file stand for more than {MAX_ALIASED_NODES} values");
                    return self.stop(Diagnostic::error(span, message));
                }
                Ok(node)
            }
            Some(None) => self.stop(Diagnostic::error(span, format!("`*{anchor}` stands inside the value it names"))),
            None => {
                let names: Vec<&str> = self.anchors.keys().map(String::as_str).collect();
                let finding = Diagnostic::error(span, format!("no anchor `&{anchor}` stands above this alias"));
                let finding = match super::suggest(anchor, names.iter().copied()) {
                    Some(near) => finding.hint(format!("did you mean `*{near}`?")),
                    None => finding.hint("text that begins with `*` needs quotes"),
                };
                self.stop(finding)
            }
        }
    }

    fn collection(
        &mut self,
        span: &Span,
        anchor: Option<String>,
        compose: impl FnOnce(&mut Self) -> Result<Node, Stopped>,
    ) -> Result<Node, Stopped> {
        if self.depth == MAX_DEPTH {
            return self.stop(Diagnostic::error(span, format!("values are nested more than {MAX_DEPTH} deep")));
        }
        let before = self.nodes;
        if let Some(anchor) = &anchor {
            self.anchors.insert(anchor.clone(), None);
        }
        self.depth += 1;
        let node = compose(self);
        self.depth -= 1;
        let node = node?;
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Some((node.clone(), self.nodes - before + 1)));
        }
        Ok(node)
    }

    fn sequence(&mut self, start: &Span, marks: Marks) -> Result<Node, Stopped> {
        let mut items = Vec::new();
        loop {
            let event = self.event()?;
            if event.data == EventData::SequenceEnd {
                let last = items.last().map(|item: &Node| &item.span);
                let span = self.extend(start, last, event.end_mark);
                return Ok(Node { span, shape: Shape::List(Arc::new(items)) });
            }
            items.push(self.node(event, marks)?);
        }
    }

    fn mapping(&mut self, start: &Span, marks: Marks) -> Result<Node, Stopped> {
        let mut builder = MappingBuilder::default();
        let mut last = None;
        loop {
            let event = self.event()?;
            if event.data == EventData::MappingEnd {
                let span = self.extend(start, last.as_ref(), event.end_mark);
                let entries = builder.finish(self.diagnostics);
                return Ok(Node { span, shape: Shape::Map(Arc::new(Mapping { entries })) });
            }
            let merge = matches!(&event.data, EventData::Scalar { tag, value, style, .. }
                if (value == "<<" && tag.is_none() && *style == ScalarStyle::Plain)
                    || tag.as_deref() == Some("tag:yaml.org,2002:merge"));
            // A key names something: it is shown in messages even where values are not.
            let key = self.node(event, Marks { secret: false, ..marks })?;
            if matches!(key.shape, Shape::List(_) | Shape::Map(_)) {
                let finding = advice::collection_as_key(&key);
                return self.stop(finding);
            }
            let value_event = self.event()?;
            let value = self.node(value_event, marks)?;
            last = Some(value.span.clone());
            if merge {
                self.merge(&mut builder, &value)?;
            } else {
                builder.insert(key, value);
            }
        }
    }

    fn merge(&mut self, builder: &mut MappingBuilder, value: &Node) -> Result<(), Stopped> {
        let wrong = |node: &Node| {
            Diagnostic::error(&node.span, format!("`<<` merges mappings, this is {}", node.kind()))
                .hint("give it an alias of a mapping (`<<: *name`) or a list of such aliases")
        };
        match &value.shape {
            Shape::Map(map) => builder.merge(map),
            Shape::List(items) => {
                // The first mapping of a list wins over later ones.
                for item in items.iter().rev() {
                    match &item.shape {
                        Shape::Map(map) => builder.merge(map),
                        _ => return self.stop(wrong(item)),
                    }
                }
            }
            _ => return self.stop(wrong(value)),
        }
        Ok(())
    }

    fn collection_marks(&mut self, span: &Span, tag: Option<&str>, marks: Marks) -> Result<Marks, Stopped> {
        match tag {
            None | Some("!") => Ok(marks),
            Some("!unsafe") => Ok(Marks { trusted: false, ..marks }),
            Some("!vault" | "!vault-encrypted") => self
                .stop(Diagnostic::error(span, "`!vault` needs text").hint("write `!vault |` and the vault below it")),
            Some(tag) => match tag.strip_prefix(CORE) {
                Some("map" | "seq" | "omap" | "pairs" | "set" | "python/dict" | "python/list") => Ok(marks),
                _ => self.unknown_tag(span, tag),
            },
        }
    }

    fn scalar(
        &mut self,
        span: &Span,
        tag: Option<&str>,
        value: &str,
        plain: bool,
        marks: Marks,
    ) -> Result<Shape, Stopped> {
        let text = |value: &str, marks: Marks| {
            if marks.secret {
                self.secrets.note_opened(value);
            }
            Shape::Str(Text { value: value.into(), trusted: marks.trusted, secret: marks.secret })
        };
        if plain {
            return Ok(self.resolve(value, marks));
        }
        let Some(tag) = tag else { return Ok(text(value, marks)) };
        match tag {
            "!" => Ok(text(value, marks)),
            "!unsafe" => Ok(self.resolve(value, Marks { trusted: false, ..marks })),
            "!vault" | "!vault-encrypted" => self.sealed(span, value, marks),
            _ => {
                let Some(core) = tag.strip_prefix(CORE) else { return self.unknown_tag(span, tag) };
                let fitting = match core {
                    "str" | "python/unicode" | "python/str" | "timestamp" | "merge" | "value" => {
                        Some(text(value, marks))
                    }
                    "null" => Some(Shape::Null),
                    "int" => resolver::int(value).map(Shape::Int),
                    "float" => resolver::float(value).or_else(|| value.parse().ok()).map(Shape::Float),
                    "bool" => match resolver::resolve(value) {
                        Plain::Bool(flag) => Some(Shape::Bool(flag)),
                        _ => None,
                    },
                    "binary" => {
                        let digits: String = value.split_whitespace().collect();
                        let bytes = BASE64_STANDARD.decode(digits).ok();
                        bytes.map(|bytes| text(&String::from_utf8_lossy(&bytes), marks))
                    }
                    _ => return self.unknown_tag(span, tag),
                };
                match fitting {
                    Some(shape) => Ok(shape),
                    None => self.stop(Diagnostic::error(span, format!("this is no value for `!!{core}`"))),
                }
            }
        }
    }

    fn resolve(&self, value: &str, marks: Marks) -> Shape {
        let text = |value: &str| {
            if marks.secret {
                self.secrets.note_opened(value);
            }
            Shape::Str(Text { value: value.into(), trusted: marks.trusted, secret: marks.secret })
        };
        match resolver::resolve(value) {
            Plain::Null => Shape::Null,
            Plain::Bool(flag) => Shape::Bool(flag),
            Plain::Int(number) => Shape::Int(number),
            Plain::Float(number) => Shape::Float(number),
            // What is secret stays text, which can be masked.
            Plain::Time(time) if marks.secret => text(&time),
            Plain::Time(time) => Shape::Time(time.into()),
            Plain::Text if self.json => value.parse().map_or_else(|_| text(value), Shape::Float),
            Plain::Merge | Plain::Text => text(value),
        }
    }

    fn sealed(&mut self, span: &Span, value: &str, marks: Marks) -> Result<Shape, Stopped> {
        let value = value.trim_start();
        if !vault::is_vault(value) {
            let finding = Diagnostic::error(span, "the text under `!vault` does not begin with `$ANSIBLE_VAULT;`");
            return self.stop(finding.hint("write `!vault |` and the vault, indented, on the lines below"));
        }
        let opened = match self.secrets.open(value) {
            Ok(plain) => plain,
            Err(error) => {
                // The rest of the file can still be checked, so one sealed value does not stop it.
                self.diagnostics.push(vault_diagnostic(span, &error));
                return Ok(Shape::Null);
            }
        };
        match std::str::from_utf8(opened.expose()) {
            Ok(plain) => {
                self.secrets.note_opened(plain);
                Ok(Shape::Str(Text { value: plain.into(), trusted: marks.trusted, secret: true }))
            }
            Err(_) => self.stop(Diagnostic::error(span, "the decrypted value is not UTF-8 text")),
        }
    }

    fn unknown_tag<T>(&mut self, span: &Span, tag: &str) -> Result<T, Stopped> {
        const KNOWN: [&str; 3] = ["!vault", "!unsafe", "!vault-encrypted"];
        // The parser's place covers the value too; a tag has no blank in it.
        let written = span.file.text.get(span.start..span.end).and_then(|text| text.split_whitespace().next());
        let span = &Span { end: span.start + written.map_or(0, str::len), ..span.clone() };
        let shown = tag.strip_prefix(CORE).map_or_else(|| tag.to_owned(), |core| format!("!!{core}"));
        let finding = Diagnostic::error(span, format!("unknown tag `{shown}`"));
        let finding = match super::suggest(&shown, KNOWN) {
            Some(near) => finding.hint(format!("did you mean `{near}`?")),
            None => finding.hint("text that begins with `!` needs quotes"),
        };
        self.stop(finding)
    }

    fn stop<T>(&mut self, finding: Diagnostic) -> Result<T, Stopped> {
        self.diagnostics.push(finding);
        Err(Stopped)
    }

    fn span(&self, start: Mark, end: Mark) -> Span {
        let number = |value: u64| u32::try_from(value + 1).unwrap_or(u32::MAX);
        let index = |mark: Mark| usize::try_from(mark.index).unwrap_or(usize::MAX).saturating_add(self.offset);
        Span {
            file: Arc::clone(self.file),
            start: index(start),
            end: index(end),
            line: number(start.line),
            column: number(start.column),
        }
    }

    /// A collection ends with its last value; a block's end event stands before the next token, a flow's at its bracket.
    fn extend(&self, start: &Span, last: Option<&Span>, end: Mark) -> Span {
        let flow = start.end > start.start;
        let end = if flow { self.span(end, end).end } else { last.map_or(start.end, |last| last.end.max(start.end)) };
        Span { end, ..start.clone() }
    }
}

/// `!!set` has no counterpart in JSON or in templates but a list.
fn keys_as_list(node: &Node) -> Node {
    let keys = node.as_map().map(|map| map.entries.iter().map(|(key, _)| key.clone()).collect()).unwrap_or_default();
    Node { span: node.span.clone(), shape: Shape::List(Arc::new(keys)) }
}
