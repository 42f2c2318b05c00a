//! Facts that the host's owner keeps in `*.fact` files: JSON, INI, or a program that prints either.

use crate::protocol::{Json, Map};

use super::Gathering;

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let directory = facts.fact_path.to_owned();
    let mut local = Map::new();
    for file in facts.names(&directory) {
        let Some(name) = file.strip_suffix(".fact") else { continue };
        let path = directory.join(&file);
        let executable = facts.probe.stat_followed(&path).ok().flatten().is_some_and(|stat| stat.mode & 0o111 != 0);
        let said = if executable { facts.says(&[&path.to_string_lossy()]) } else { facts.text(&path) };
        let value = match said {
            None => Json::from(format!("error: {} could not be read or failed", path.display())),
            Some(text) => serde_json::from_str(&text)
                .ok()
                .or_else(|| ini(&text))
                .unwrap_or_else(|| Json::from(format!("error: {} is neither JSON nor INI", path.display()))),
        };
        local.insert(name.to_owned(), value);
    }
    facts.set("local", local);
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
        let (key, value) = (line[..at].trim().to_lowercase(), line[at + 1..].trim());
        sections.get_mut(section.as_ref()?)?.as_object_mut()?.insert(key, value.into());
    }
    section.map(|_| Json::Object(sections))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ini_needs_sections() {
        assert_eq!(ini("[a]\nKey = v=1\n").unwrap(), serde_json::json!({"a": {"key": "v=1"}}));
        assert_eq!(ini("key = 1\n"), None);
    }
}
