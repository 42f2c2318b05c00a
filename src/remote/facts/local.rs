//! Facts that the host's owner keeps in `*.fact` files: JSON, INI, or a program that prints either.

use std::path::Path;

use crate::protocol::{Json, Map, Run};

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["local"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let directory = facts.fact_path.to_owned();
    let mut local = Map::new();
    for file in facts.names(&directory) {
        let Some(name) = file.strip_suffix(".fact") else { continue };
        let path = directory.join(&file);
        local.insert(name.to_owned(), value_of(facts, &path));
    }
    facts.set("local", local);
}

/// The value of one file; what is wrong with it is its value too, so that one bad file does not hide the others.
fn value_of(facts: &Gathering<'_, '_>, path: &Path) -> Json {
    let shown = path.display();
    let Some(stat) = facts.probe.stat_followed(path).ok().flatten() else {
        return Json::from(format!("Could not stat fact ({shown}): there is no such file"));
    };
    let text = if stat.mode & 0o111 != 0 {
        let mut run = Run::new([path.to_string_lossy()]);
        run.timeout = Some(facts.timeout);
        match facts.probe.query_run(&run) {
            Ok(output) if output.success() => output.stdout,
            Ok(output) => {
                let said = output.stderr.trim();
                return Json::from(format!(
                    "Failure executing fact script ({shown}), rc: {}, err: {said}",
                    output.code
                ));
            }
            Err(_) => return Json::from(format!("Failure executing fact script ({shown}): it could not be run")),
        }
    } else {
        match facts.text(path) {
            Some(text) => text,
            None => return Json::from(format!("error loading facts from ({shown}): it could not be read")),
        }
    };
    serde_json::from_str(&text)
        .ok()
        .or_else(|| ini(&text))
        .unwrap_or_else(|| Json::from(format!("error loading facts as ini or JSON - please check content: {shown}")))
}

fn ini(text: &str) -> Option<Json> {
    let mut sections = Map::new();
    let mut section: Option<String> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.insert(name.to_owned(), Json::Object(Map::new()));
            section = Some(name.to_owned());
            continue;
        }
        let at = line.find(['=', ':'])?;
        let (key, value) = (line[..at].trim().to_lowercase(), percent(line[at + 1..].trim())?);
        sections.get_mut(section.as_ref()?)?.as_object_mut()?.insert(key, value.into());
    }
    section.map(|_| Json::Object(sections))
}

/// A value without its doubled percent signs; one that stands alone makes the file a bad one, as Python's reader has it.
fn percent(value: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..=at]);
        rest = match rest[at + 1..].chars().next() {
            Some('%') => &rest[at + 2..],
            Some('(') => &rest[at + 1..],
            _ => return None,
        };
    }
    Some(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ini_needs_sections() {
        assert_eq!(ini("[a]\nKey = v=1\n").unwrap(), serde_json::json!({"a": {"key": "v=1"}}));
        assert_eq!(ini("key = 1\n"), None);
        assert_eq!(ini("[a]\nb = 5%% %(c)s\n").unwrap(), serde_json::json!({"a": {"b": "5% %(c)s"}}));
        assert_eq!(ini("[a]\nb = 5 % of\n"), None);
    }
}
