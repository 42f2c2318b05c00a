//! The `ini` lookup: values of INI and properties files.

use minijinja::{Error, Value};

use super::super::emit::python;
use super::super::filters::arguments::invalid;
use super::super::filters::encode::decoded;
use super::super::filters::pattern::Pattern;
use super::files::bytes;
use super::{Lookup, Options, Surroundings, text_term};

pub(super) const ALL: &[Lookup] = &[Lookup::new(
    "ini",
    "type file section re encoding default case_sensitive allow_no_value allow_none interpolation",
    ini,
)];

fn ini(around: &dyn Surroundings, terms: &[Value], options: &Options) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for term in terms {
        let term = text_term("ini", term)?;
        let (mut key, mut options) = (term.clone(), options.clone());
        if term.contains('=') || term.trim().contains(' ') {
            key = inline(&term, &mut options)?;
        }
        let properties = options.text("type").as_deref() == Some("properties");
        let name = options.text("file").unwrap_or_else(|| "ansible.ini".to_owned());
        let section = if properties {
            "java_properties".to_owned()
        } else {
            options.text("section").unwrap_or_else(|| "global".to_owned())
        };
        let encoding = options.text("encoding").unwrap_or_else(|| "utf-8".to_owned());
        let text = decoded(bytes(around, "ini", &Value::from(name.as_str()))?, &encoding)?;
        let file = File::parse(&text, properties, &options, &name)?;
        let Some(entries) = file.section(&section) else {
            return Err(invalid(format!("No section {} in {}.", python::quoted(&section), python::quoted(&name))));
        };
        let interpolated = |value: &str| {
            if options.flag("interpolation", true) { interpolate(value, &entries, 0) } else { Ok(value.to_owned()) }
        };
        if options.flag("re", false) {
            let pattern = Pattern::new(&key, false, false)?;
            for (known, value) in &entries {
                if pattern.matches_start(known)? {
                    out.push(
                        value.as_deref().map(interpolated).transpose()?.map_or_else(|| Value::from(()), Value::from),
                    );
                }
            }
            continue;
        }
        let wanted = if options.flag("case_sensitive", false) { key.clone() } else { key.to_lowercase() };
        match entries.iter().find(|(known, _)| *known == wanted) {
            Some((_, Some(value))) => out.push(Value::from(interpolated(value)?)),
            Some((_, None)) => {}
            None => out.push(options.get("default").cloned().unwrap_or_else(|| Value::from(""))),
        }
    }
    Ok(out)
}

/// Options written into the term itself: `key section=x file=y`. Words without a key continue the one before.
fn inline(term: &str, options: &mut Options) -> Result<String, Error> {
    let mut parts: Vec<String> = Vec::new();
    for word in term.split_whitespace() {
        let opens = word.split_once('=').is_some_and(|(name, _)| ALL[0].options.split(' ').any(|known| known == name));
        match parts.last_mut() {
            Some(last) if !opens => {
                last.push(' ');
                last.push_str(word);
            }
            _ => parts.push(word.to_owned()),
        }
    }
    let mut key = None;
    for part in parts {
        match part.split_once('=') {
            Some((name, _)) if !ALL[0].options.split(' ').any(|known| known == name) => {
                return Err(invalid(format!("{} is not a valid option.", python::quoted(name))));
            }
            Some((name, value)) => options.set(name, Value::from(value)),
            None => key = key.or(Some(part)),
        }
    }
    key.ok_or_else(|| {
        invalid(format!("No key to look up was provided as first term within string inline options: {term}"))
    })
}

type Entries = Vec<(String, Option<String>)>;

struct File {
    sections: Vec<(String, Entries)>,
}

impl File {
    fn parse(text: &str, properties: bool, options: &Options, name: &str) -> Result<Self, Error> {
        let bare = options.flag("allow_no_value", false) || options.flag("allow_none", false);
        let case_sensitive = options.flag("case_sensitive", false);
        let mut sections: Vec<(String, Entries)> = Vec::new();
        if properties {
            sections.push(("java_properties".to_owned(), Vec::new()));
        }
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = trimmed.strip_prefix('[').and_then(|rest| rest.rfind(']').map(|end| &rest[..end])) {
                if sections.iter().any(|(known, _)| known == section) && section != "DEFAULT" {
                    return Err(invalid(format!(
                        "section {} already exists in {}",
                        python::quoted(section),
                        python::quoted(name)
                    )));
                }
                sections.push((section.to_owned(), Vec::new()));
                continue;
            }
            let Some((_, entries)) = sections.last_mut() else {
                return Err(invalid(format!("File contains no section headers: {}", python::quoted(name))));
            };
            // An indented line goes on with the value above it.
            if line.starts_with([' ', '\t'])
                && let Some((_, Some(value))) = entries.last_mut()
            {
                value.push('\n');
                value.push_str(trimmed);
                continue;
            }
            let (key, value) = match trimmed.split_once(['=', ':']) {
                Some((key, value)) => (key.trim_end(), Some(value.trim().to_owned())),
                None if bare => (trimmed, None),
                None => return Err(invalid(format!("Source contains parsing errors: {}", python::quoted(name)))),
            };
            let key = if case_sensitive { key.to_owned() } else { key.to_lowercase() };
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(invalid(format!("Duplicate option in {}.", python::quoted(name))));
            }
            entries.push((key, value));
        }
        Ok(Self { sections })
    }

    /// A section's entries, and the defaults it does not set.
    fn section(&self, name: &str) -> Option<Entries> {
        let mut entries = self.sections.iter().find(|(known, _)| known == name)?.1.clone();
        for (_, defaults) in self.sections.iter().filter(|(known, _)| known == "DEFAULT") {
            for (key, value) in defaults {
                if !entries.iter().any(|(known, _)| known == key) {
                    entries.push((key.clone(), value.clone()));
                }
            }
        }
        Some(entries)
    }
}

/// `%(name)s` replaced by other values of the section, `%%` by a percent sign.
fn interpolate(value: &str, entries: &Entries, depth: usize) -> Result<String, Error> {
    if depth > 10 {
        return Err(invalid("Value interpolation too deeply recursive"));
    }
    let (mut out, mut rest) = (String::new(), value);
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        let tail = &rest[percent + 1..];
        if let Some(after) = tail.strip_prefix('%') {
            out.push('%');
            rest = after;
        } else if let Some((name, after)) = tail.strip_prefix('(').and_then(|inner| inner.split_once(")s")) {
            let known = entries.iter().find(|(known, _)| *known == name.to_lowercase() || known == name);
            let Some((_, Some(found))) = known else {
                return Err(invalid(format!("Bad value substitution: unknown option {}", python::quoted(name))));
            };
            out.push_str(&interpolate(found, entries, depth + 1)?);
            rest = after;
        } else {
            return Err(invalid(format!(
                "'%' must be followed by '%' or '(', found: {}",
                python::quoted(&rest[percent..])
            )));
        }
    }
    Ok(out + rest)
}
