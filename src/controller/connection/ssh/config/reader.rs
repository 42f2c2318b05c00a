//! Reads configuration files for one destination: which blocks apply, and the first value of every keyword.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    super::{super::ConnectError, patterns},
    Places, lines,
    lines::Line,
};

/// Includes inside includes, as deep as OpenSSH goes.
const INCLUDE_DEPTH_MAX: usize = 16;

/// Values by keyword; keywords that gather have one entry per line.
pub(super) type Values = HashMap<String, Vec<Vec<String>>>;

/// Whether a keyword's value is a command line rather than words.
pub(super) fn takes_rest(keyword: &str) -> bool {
    matches!(keyword, "proxycommand" | "localcommand" | "remotecommand" | "knownhostscommand")
}

fn gathers(keyword: &str) -> bool {
    matches!(keyword, "identityfile" | "certificatefile")
}

pub(super) struct Reader<'a> {
    /// As typed.
    original: String,
    /// What `Host` patterns see: as typed, in the final pass the resolved name.
    host: String,
    places: &'a Places,
    values: Values,
    final_pass: bool,
    wants_final: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(destination: &str, places: &'a Places) -> Self {
        Self {
            original: destination.into(),
            host: destination.into(),
            places,
            values: Values::new(),
            final_pass: false,
            wants_final: false,
        }
    }

    pub(super) fn give(&mut self, options: &[(String, Vec<String>)]) -> Result<(), ConnectError> {
        for (keyword, words) in options {
            if matches!(keyword.as_str(), "host" | "match" | "include") {
                return Err(ConnectError::Config {
                    file: "ssh arguments".into(),
                    line: 1,
                    message: format!("{keyword} cannot be given with -o"),
                });
            }
            self.put(keyword, words.clone());
        }
        Ok(())
    }

    pub(super) const fn wants_final(&self) -> bool {
        self.wants_final
    }

    pub(super) fn start_final(&mut self) {
        self.final_pass = true;
        self.host = self.hostname();
        self.values.insert("hostname".into(), vec![vec![self.host.clone()]]);
    }

    pub(super) fn into_values(self) -> Values {
        self.values
    }

    /// Reads the given file alone, or the user's and then the system's.
    pub(super) fn files(&mut self, only: Option<&Path>) -> Result<(), ConnectError> {
        match only {
            Some(path) if path.as_os_str() == "none" => Ok(()),
            Some(path) => self.file(&expand_home(&path.to_string_lossy(), &self.places.home), true, true, 0),
            None => {
                self.file(&self.places.home.join(".ssh/config"), true, false, 0)?;
                self.file(&self.places.system.clone(), false, false, 0)
            }
        }
    }

    fn file(&mut self, path: &Path, users: bool, required: bool, depth: usize) -> Result<(), ConnectError> {
        self.file_under(path, users, required, depth, true)
    }

    fn file_under(
        &mut self,
        path: &Path,
        users: bool,
        required: bool,
        depth: usize,
        outer: bool,
    ) -> Result<(), ConnectError> {
        let wrong = |line, message| ConnectError::Config { file: path.to_owned(), line, message };
        if depth > INCLUDE_DEPTH_MAX {
            return Err(wrong(1, "Include goes too deep; does a file include itself?".into()));
        }
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(_) if !required => return Ok(()),
            Err(error) => return Err(wrong(0, format!("cannot be read: {error}"))),
        };
        let mut applies = outer;
        for line in lines::parse(&text).map_err(|(number, message)| wrong(number, message))? {
            match line.keyword.as_str() {
                "host" => {
                    applies = outer && patterns::matches_list(line.words.iter().map(String::as_str), &self.host);
                }
                "match" => {
                    let verdict = self.matches(&line).map_err(|message| wrong(line.number, message))?;
                    applies = outer && verdict;
                }
                "include" => {
                    for word in &line.words {
                        for included in self.included(word, users) {
                            self.file_under(&included, users, false, depth + 1, applies)?;
                        }
                    }
                }
                _ if applies => {
                    let words = if takes_rest(&line.keyword) { vec![line.rest] } else { line.words };
                    self.put(&line.keyword, words);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn put(&mut self, keyword: &str, words: Vec<String>) {
        let entry = self.values.entry(keyword.to_owned()).or_default();
        if gathers(keyword) {
            if !entry.contains(&words) {
                entry.push(words);
            }
        } else if entry.is_empty() {
            entry.push(words);
        }
    }

    fn first(&self, keyword: &str) -> Option<&str> {
        self.values.get(keyword)?.first()?.first().map(String::as_str)
    }

    /// `HostName` so far, else what was typed.
    fn hostname(&self) -> String {
        match self.first("hostname") {
            Some(name) => name.replace("%%", "\0").replace("%h", &self.host).replace('\0', "%"),
            None => self.host.clone(),
        }
    }

    fn matches(&mut self, line: &Line) -> Result<bool, String> {
        let mut verdict = true;
        let mut words = line.words.iter();
        while let Some(word) = words.next() {
            let (negated, word) = word.strip_prefix('!').map_or((false, word.as_str()), |word| (true, word));
            let (criterion, inline) = match word.split_once('=') {
                Some((criterion, value)) => (criterion.to_ascii_lowercase(), Some(value.to_owned())),
                None => (word.to_ascii_lowercase(), None),
            };
            let met = match criterion.as_str() {
                "all" => true,
                "final" => {
                    self.wants_final = true;
                    self.final_pass
                }
                "canonical" => self.final_pass,
                "host" | "originalhost" | "user" | "localuser" | "exec" | "tagged" | "localnetwork" | "address" => {
                    let value = match inline {
                        Some(value) => value,
                        None => words.next().ok_or_else(|| format!("Match {criterion} needs a value"))?.clone(),
                    };
                    let text = match criterion.as_str() {
                        "host" => self.hostname(),
                        "originalhost" => self.original.clone(),
                        "user" => self.first("user").unwrap_or(&self.places.user).to_owned(),
                        "localuser" => self.places.user.clone(),
                        "exec" => {
                            return Err("Match exec is refused: reading a configuration must not run programs; \
                                        write the condition as Match host or Match user"
                                .into());
                        }
                        other => return Err(format!("Match {other} is not supported")),
                    };
                    patterns::matches_list(value.split(','), &text)
                }
                other => return Err(format!("Match does not know `{other}`")),
            };
            verdict &= met != negated;
        }
        Ok(verdict)
    }

    fn included(&self, word: &str, users: bool) -> Vec<PathBuf> {
        let base = if users { self.places.home.join(".ssh") } else { "/etc/ssh".into() };
        glob(&base.join(expand_home(word, &self.places.home)))
    }
}

/// `~` and `~/…` become the home; another user's home is left as it is.
pub(super) fn expand_home(text: &str, home: &Path) -> PathBuf {
    match text.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(text),
    }
}

/// Files that a path with `*` and `?` in its names stands for, sorted.
fn glob(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in path.components().skip(1) {
        let part = part.as_os_str().to_string_lossy().into_owned();
        if !part.contains(['*', '?']) {
            for path in &mut found {
                path.push(&part);
            }
            continue;
        }
        found = found
            .iter()
            .flat_map(|folder| {
                let mut names: Vec<String> = std::fs::read_dir(folder)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .filter_map(|entry| entry.file_name().into_string().ok())
                    .filter(|name| patterns::matches(&part, name) && (part.starts_with('.') || !name.starts_with('.')))
                    .collect();
                names.sort();
                names.into_iter().map(|name| folder.join(name)).collect::<Vec<_>>()
            })
            .collect();
    }
    found.retain(|path| path.is_file());
    found
}
