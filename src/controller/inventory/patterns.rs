//! Patterns choose hosts: `web:db`, `all,!staging`, `&eu`, `web*`, `~web\d+`, `web[0:2]`, limits, `@file`.

use std::{collections::HashMap, path::Path};

use fancy_regex::Regex;
use indexmap::IndexSet;

use super::{ALL, HostName, Inventory, LOCALHOST, formats::outside_brackets, vars_files::with_suggestion};
use crate::controller::source::{Diagnostic, Severity, Span};

/// What a pattern chose.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// In the order of the patterns and, within one, of the inventory; each once.
    pub hosts: Vec<HostName>,
    /// Parts that match nothing.
    pub warnings: Vec<Diagnostic>,
}

/// A host by its index, or one that is used without being in the inventory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Match {
    Known(usize),
    Implicit(&'static str),
}

impl Inventory {
    /// The hosts of a pattern within a limit, see [`Inventory::select`], without the warnings.
    pub fn resolve(&self, pattern: &str, limit: Option<&str>) -> Result<Vec<HostName>, Diagnostic> {
        self.select(&[pattern], limit, None).map(|selection| selection.hosts)
    }

    /// The hosts of patterns (one, or the items of a list) that are also in the limit, as Ansible finds them: parts
    /// that add come first, then those with `&`, then those with `!`; without parts that add, all hosts are.
    /// A part that matches nothing is a warning at the place given; an error is a regular expression that is none, an
    /// index behind the last host, or a limit file that cannot be read.
    pub fn select(
        &self,
        patterns: &[&str],
        limit: Option<&str>,
        place: Option<&Span>,
    ) -> Result<Selection, Diagnostic> {
        let mut search = Search { inventory: self, place, warnings: Vec::new(), known: HashMap::new() };
        let parts: Vec<String> = patterns.iter().flat_map(|pattern| split(pattern)).collect();
        if parts.is_empty() {
            return Ok(Selection::default());
        }
        let mut hosts = search.all_parts(&parts)?;
        if let Some(limit) = limit.filter(|limit| !limit.trim().is_empty()) {
            search.place = None;
            let within = search.all_parts(&limit_parts(limit)?)?;
            hosts.retain(|host| within.contains(host));
        }
        let name = |found: Match| match found {
            Match::Known(index) => self.hosts[index].name.clone(),
            Match::Implicit(name) => name.into(),
        };
        Ok(Selection { hosts: hosts.into_iter().map(name).collect(), warnings: search.warnings })
    }
}

struct Search<'a> {
    inventory: &'a Inventory,
    place: Option<&'a Span>,
    warnings: Vec<Diagnostic>,
    /// Parts already looked up.
    known: HashMap<String, IndexSet<Match>>,
}

impl Search<'_> {
    fn all_parts(&mut self, parts: &[String]) -> Result<IndexSet<Match>, Diagnostic> {
        let kind = |part: &str| match part.as_bytes().first() {
            Some(b'&') => 1,
            Some(b'!') => 2,
            _ => 0,
        };
        let mut hosts = IndexSet::new();
        if parts.iter().all(|part| kind(part) != 0) {
            hosts = self.part(ALL)?;
        }
        for wanted in 0..3 {
            for part in parts.iter().filter(|part| kind(part) == wanted) {
                match wanted {
                    // A host's own name wins over a group of that name, but only where it adds.
                    0 => match self.inventory.hosts.get_index_of(part.as_str()) {
                        Some(index) => {
                            hosts.insert(Match::Known(index));
                        }
                        None => hosts.extend(self.part(part)?),
                    },
                    1 => {
                        let found = self.part(&part[1..])?;
                        hosts.retain(|host| found.contains(host));
                    }
                    _ => {
                        let found = self.part(&part[1..])?;
                        hosts.retain(|host| !found.contains(host));
                    }
                }
            }
        }
        Ok(hosts)
    }

    fn part(&mut self, part: &str) -> Result<IndexSet<Match>, Diagnostic> {
        if let Some(found) = self.known.get(part) {
            return Ok(found.clone());
        }
        let (expression, subscript) = split_subscript(part);
        let found = self.expression(expression)?;
        let found = match subscript {
            Some(subscript) if !found.is_empty() => subscript.apply(&found).ok_or_else(|| {
                let count = found.len();
                self.finding(Severity::Error, format!("`{part}` points behind the last of {count} hosts"))
            })?,
            _ => found,
        };
        self.known.insert(part.to_owned(), found.clone());
        Ok(found)
    }

    fn expression(&mut self, expression: &str) -> Result<IndexSet<Match>, Diagnostic> {
        let inventory = self.inventory;
        let mut found = IndexSet::new();
        let mut group_matched = false;
        if expression.starts_with('~') || expression.contains(['*', '?', '[']) {
            let regex = self.compile(expression)?;
            let fits = |name: &str| regex.is_match(name).unwrap_or(false);
            for (index, name) in inventory.groups.keys().enumerate() {
                if fits(name) {
                    group_matched = true;
                    found.extend(inventory.host_indexes(index).into_iter().map(Match::Known));
                }
            }
            let hosts = inventory.hosts.keys().enumerate().filter(|(_, name)| fits(name));
            found.extend(hosts.map(|(index, _)| Match::Known(index)));
        } else if let Some(group) = inventory.groups.get_index_of(expression) {
            group_matched = true;
            found.extend(inventory.host_indexes(group).into_iter().map(Match::Known));
        } else if let Some(index) = inventory.hosts.get_index_of(expression) {
            found.insert(Match::Known(index));
        }
        if found.is_empty()
            && let Some(name) = LOCALHOST.iter().find(|name| **name == expression)
        {
            let named = LOCALHOST.iter().find_map(|name| inventory.hosts.get_index_of(*name));
            found.insert(named.map_or(Match::Implicit(name), Match::Known));
        }
        if found.is_empty() && !group_matched {
            let finding = self.finding(Severity::Warning, format!("no host or group matches `{expression}`"));
            let names = inventory.groups.keys().chain(inventory.hosts.keys()).map(|name| &**name);
            self.warnings.push(with_suggestion(finding, expression, names));
        }
        Ok(found)
    }

    fn compile(&self, expression: &str) -> Result<Regex, Diagnostic> {
        let text = match expression.strip_prefix('~') {
            Some(regex) => format!("^(?:{regex})"),
            None => wildcards(expression),
        };
        Regex::new(&text).map_err(|error| {
            self.finding(Severity::Error, format!("`{expression}` is not a regular expression")).hint(error.to_string())
        })
    }

    fn finding(&self, severity: Severity, message: String) -> Diagnostic {
        Diagnostic { severity, span: self.place.cloned(), ..Diagnostic::bare(message) }
    }
}

/// Splits at commas; without a comma at colons, unless the text is an address or a host with a port.
fn split(pattern: &str) -> Vec<String> {
    let trimmed = |parts: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        parts.map(str::trim).filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect()
    };
    if pattern.contains(',') {
        return trimmed(&mut pattern.split(','));
    }
    let bare = pattern.trim();
    let port = bare.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.starts_with(['!', '&', '~'])
            && !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && !outside_brackets(host).any(|c| c == ':')
    });
    if port || bare.trim_start_matches(['!', '&']).trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_ok() {
        return trimmed(&mut std::iter::once(bare));
    }
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, c) in pattern.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ':' | ' ' if depth == 0 => {
                parts.push(&pattern[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&pattern[start..]);
    trimmed(&mut parts.into_iter())
}

/// The parts of `--limit`; `@file` stands for the lines of a file.
fn limit_parts(limit: &str) -> Result<Vec<String>, Diagnostic> {
    let mut parts = Vec::new();
    for part in split(limit) {
        let Some(path) = part.strip_prefix('@') else {
            parts.push(part);
            continue;
        };
        let text = std::fs::read_to_string(Path::new(path))
            .map_err(|error| Diagnostic::bare(format!("cannot read the limit file {path}: {error}")))?;
        parts.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned));
    }
    Ok(parts)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subscript {
    /// From 0; from the end when negative.
    One(i64),
    /// Both included; to the last where there is no end.
    Slice(usize, Option<usize>),
}

impl Subscript {
    fn apply(self, hosts: &IndexSet<Match>) -> Option<IndexSet<Match>> {
        match self {
            Self::One(index) => {
                let length = i64::try_from(hosts.len()).ok()?;
                let index = if index < 0 { length + index } else { index };
                Some(IndexSet::from([*hosts.get_index(usize::try_from(index).ok()?)?]))
            }
            Self::Slice(first, last) => {
                let count = last.map_or(usize::MAX, |last| (last + 1).saturating_sub(first));
                Some(hosts.iter().skip(first).take(count).copied().collect())
            }
        }
    }
}

fn split_subscript(part: &str) -> (&str, Option<Subscript>) {
    let none = (part, None);
    if part.starts_with('~') {
        return none;
    }
    let Some((base, inside)) = part.strip_suffix(']').and_then(|part| part.rsplit_once('[')) else { return none };
    if base.is_empty() {
        return none;
    }
    let subscript = match inside.split_once([':', '-']) {
        Some((first, last)) if !first.is_empty() => match (first.parse(), last) {
            (Ok(first), "") => Some(Subscript::Slice(first, None)),
            (Ok(first), last) => last.parse().ok().map(|last| Subscript::Slice(first, Some(last))),
            _ => None,
        },
        _ => inside.parse().ok().map(Subscript::One),
    };
    subscript.map_or(none, |subscript| (base, Some(subscript)))
}

/// Shell wildcards as a regular expression over the whole name.
fn wildcards(pattern: &str) -> String {
    let mut regex = "(?s)^".to_owned();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            // A bracket right behind the opening one is a member.
            '[' => match rest.char_indices().skip(usize::from(rest.starts_with('!')) + 1).find(|(_, c)| *c == ']') {
                Some((end, _)) => {
                    let (set, negated) = rest[..end].strip_prefix('!').map_or((&rest[..end], ""), |set| (set, "^"));
                    let set = set.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]").replace('^', "\\^");
                    regex.extend(["[", negated, &set.replace("&&", "&\\&"), "]"]);
                    rest = &rest[end + 1..];
                }
                None => regex.push_str("\\["),
            },
            _ => regex.push_str(&fancy_regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push('$');
    regex
}

#[cfg(test)]
#[path = "patterns_tests.rs"]
mod tests;
