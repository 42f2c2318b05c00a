//! Inventories in INI form: `[group]`, `[group:vars]`, `[group:children]`, hosts with `key=value` behind them.

use std::collections::HashMap;

use super::{Source, literal, named_hosts, words};
use crate::controller::{
    inventory::{Inventory, UNGROUPED, vars_files::with_suggestion},
    source::{Diagnostic, Diagnostics, Span},
};

/// What the lines below a heading are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Hosts,
    Vars,
    Children,
}

/// Adds the groups of a file. As in Ansible, `[x:vars]` and a child need a section of their own somewhere in a source.
pub fn read(source: &Source, inventory: &mut Inventory, diagnostics: &mut Diagnostics) {
    let group = inventory.add_group(UNGROUPED, &Span::at(source.file, 0, 0));
    let mut reader = Reader {
        source,
        inventory,
        diagnostics,
        group,
        section: Section::Hosts,
        declared: HashMap::new(),
        links: Vec::new(),
    };
    let mut start = 0;
    for (number, line) in source.file.text.split_inclusive('\n').enumerate() {
        if let Err(finding) = reader.line(Line { text: line, start, number }) {
            reader.diagnostics.push(finding);
        }
        start += line.len();
    }
    reader.finish();
}

#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    /// Its first byte in the file.
    start: usize,
    /// From 0.
    number: usize,
}

struct Reader<'a> {
    source: &'a Source<'a>,
    inventory: &'a mut Inventory,
    diagnostics: &'a mut Diagnostics,
    group: usize,
    section: Section,
    /// Groups this file speaks of; a place where only variables were given for it, as long as that is all.
    declared: HashMap<String, Option<Span>>,
    /// Parent, child, place; followed at the end, because a child may be declared later.
    links: Vec<(usize, String, Span)>,
}

impl Reader<'_> {
    fn span(&self, line: Line, start: usize, end: usize) -> Span {
        let column = line.text[..start].chars().count();
        let number = |value: usize| u32::try_from(value + 1).unwrap_or(u32::MAX);
        Span {
            file: std::sync::Arc::clone(self.source.file),
            start: line.start + start,
            end: line.start + end,
            line: number(line.number),
            column: number(column),
        }
    }

    fn line(&mut self, line: Line) -> Result<(), Diagnostic> {
        let text = line.text.trim();
        if text.is_empty() || text.starts_with([';', '#']) {
            return Ok(());
        }
        let begin = line.text.len() - line.text.trim_start().len();
        let span = self.span(line, begin, begin + text.len());
        if let Some((name, section)) = heading(text) {
            return self.heading(name, section, &span);
        }
        if text.starts_with('[') && text.ends_with(']') {
            return Err(
                Diagnostic::error(&span, "this heading is not readable").hint("write `[group]`, without spaces inside")
            );
        }
        match self.section {
            Section::Hosts => self.host(
                Line { text: &line.text[begin..begin + text.len()], start: line.start + begin, ..line },
                begin,
                line,
            ),
            Section::Vars => {
                let Some((name, value)) = text.split_once('=') else {
                    let finding = Diagnostic::error(&span, "expected `name=value`");
                    return Err(finding.hint("hosts stand under `[group]`, without `:vars`"));
                };
                let at = begin + name.len() + 1;
                let place = self.span(line, at + value.len() - value.trim_start().len(), begin + text.len());
                self.inventory.groups[self.group].set(name.trim(), literal::evaluate(value.trim(), &place));
                Ok(())
            }
            Section::Children => {
                let name = text.split('#').next().unwrap_or_default().trim();
                if name.is_empty() || name.contains([':', ']']) || name.contains(char::is_whitespace) {
                    return Err(Diagnostic::error(&span, "expected the name of a group and nothing else"));
                }
                self.links.push((self.group, name.to_owned(), span));
                Ok(())
            }
        }
    }

    fn heading(&mut self, name: &str, section: &str, span: &Span) -> Result<(), Diagnostic> {
        self.section = match section {
            "" | "hosts" => Section::Hosts,
            "vars" => Section::Vars,
            "children" => Section::Children,
            other => {
                let finding = Diagnostic::error(span, format!("unknown kind of section `{other}`"));
                return Err(with_suggestion(finding, other, ["hosts", "vars", "children"]));
            }
        };
        let known = self.inventory.groups.contains_key(name);
        self.group = self.inventory.add_group(name, span);
        let slot = self.declared.entry(name.to_owned()).or_insert_with(|| (!known).then(|| span.clone()));
        if self.section != Section::Vars {
            *slot = None;
        }
        Ok(())
    }

    fn host(&mut self, text: Line, begin: usize, whole: Line) -> Result<(), Diagnostic> {
        let words = words::split(text.text).map_err(|at| {
            let span = self.span(whole, begin + at, begin + at + 1);
            Diagnostic::error(&span, "this quote is never closed")
                .hint("a backslash before it makes it an ordinary character")
        })?;
        let Some((host, settings)) = words.split_first() else { return Ok(()) };
        let span = self.span(whole, begin + host.start, begin + host.end);
        if host.text == "---" {
            let finding = Diagnostic::error(&span, "`---` begins a YAML file, this is read as INI");
            return Err(finding.hint("give the file the ending `.yml`"));
        }
        let hosts = named_hosts(&host.text, &span, Some(self.source.path), self.inventory).map_err(|finding| {
            if host.text.ends_with(':') { finding.hint("a YAML inventory needs the ending `.yml`") } else { finding }
        })?;
        let mut vars = Vec::with_capacity(settings.len());
        for word in settings {
            let span = self.span(whole, begin + word.start, begin + word.end);
            let Some((name, value)) = word.text.split_once('=') else {
                let finding =
                    Diagnostic::error(&span, format!("expected `name=value` behind a host, not `{}`", word.text));
                return Err(finding.hint("one host per line; no spaces around `=`; values with spaces in quotes"));
            };
            vars.push((name.to_owned(), literal::evaluate(value, &span)));
        }
        for index in hosts {
            self.inventory.add_host_to_group(index, self.group);
            let host = &mut self.inventory.hosts[index];
            host.vars.extend(vars.iter().map(|(name, value)| (name.as_str().into(), value.clone())));
        }
        Ok(())
    }

    fn finish(self) {
        let only_vars: Vec<(&String, &Span)> =
            self.declared.iter().filter_map(|(name, span)| Some((name, span.as_ref()?))).collect();
        for (parent, child, span) in &self.links {
            let Some(index) = self.inventory.groups.get_index_of(child.as_str()) else {
                let finding = Diagnostic::error(span, format!("there is no group `{child}`"));
                let names = self.inventory.groups.keys().map(|name| &**name);
                let finding = with_suggestion(finding, child, names);
                self.diagnostics.push(finding.hint(format!("an empty group is written `[{child}]`")));
                continue;
            };
            if let Err(finding) = self.inventory.add_child(*parent, index, span) {
                self.diagnostics.push(finding);
            }
        }
        for (name, span) in only_vars {
            if self.links.iter().any(|(_, child, _)| child == name) {
                continue;
            }
            let finding = Diagnostic::error(span, format!("variables for a group `{name}` that is not there"));
            let names = self.inventory.groups.keys().map(|known| &**known).filter(|known| known != name);
            self.diagnostics.push(with_suggestion(finding, name, names));
        }
    }
}

/// Name and kind of `[name]` or `[name:kind]`, with an optional comment behind.
fn heading(text: &str) -> Option<(&str, &str)> {
    let (inside, behind) = text.strip_prefix('[')?.split_once(']')?;
    let behind = behind.trim_start();
    if !behind.is_empty() && !behind.starts_with('#') {
        return None;
    }
    let (name, section) = inside.split_once(':').unwrap_or((inside, ""));
    let word = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let fits = !name.is_empty()
        && !name.contains(char::is_whitespace)
        && word(section)
        && inside.contains(':') != section.is_empty();
    fits.then_some((name, section))
}
