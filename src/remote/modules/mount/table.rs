//! Lines of a file system table.

/// One mount, as a line of six fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) source: String,
    pub(super) path: String,
    pub(super) kind: String,
    pub(super) options: String,
    pub(super) dump: String,
    pub(super) pass: String,
}

impl Line {
    pub(super) fn parse(line: &str) -> Option<Self> {
        if line.trim_start().starts_with('#') {
            return None;
        }
        let mut fields = line.split_whitespace().map(unescape);
        Some(Self {
            source: fields.next()?,
            path: fields.next()?,
            kind: fields.next()?,
            options: fields.next().unwrap_or_else(|| "defaults".to_owned()),
            dump: fields.next().unwrap_or_else(|| "0".to_owned()),
            pass: fields.next().unwrap_or_else(|| "0".to_owned()),
        })
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = [&self.source, &self.path, &self.kind, &self.options, &self.dump, &self.pass];
        f.write_str(&fields.map(|field| escape(field)).join(" "))
    }
}

/// Puts a mount into a table, in place of the one at its path; every other line stays as it is.
pub(super) fn with(table: &str, path: &str, wanted: Option<&Line>) -> String {
    let mut after = String::new();
    let mut left = wanted;
    for line in table.lines() {
        match Line::parse(line).filter(|there| there.path == path && there.kind != "swap") {
            None => after.extend([line, "\n"]),
            Some(there) => {
                if let Some(wanted) = left.take() {
                    let text = if *wanted == there { line.to_owned() } else { wanted.to_string() };
                    after.extend([text.as_str(), "\n"]);
                }
            }
        }
    }
    if let Some(wanted) = left {
        after.extend([wanted.to_string().as_str(), "\n"]);
    }
    if after.trim_end() == table.trim_end() { table.to_owned() } else { after }
}

fn escape(field: &str) -> String {
    field.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011")
}

fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}
