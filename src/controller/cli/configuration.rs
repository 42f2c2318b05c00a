//! Defaults below the command line: `ANSIBLE_*` from the environment, then `ansible.cfg`, found where Ansible finds it.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::controller::source::{Diagnostic, SourceFile, Span};

/// Environment variables by name.
pub type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Environment and configuration file.
pub struct Configuration {
    environment: Environment,
    entries: Vec<Entry>,
    /// The file in use.
    pub file: Option<PathBuf>,
    /// What the user should know about how it was found.
    pub warnings: Vec<String>,
}

struct Entry {
    section: String,
    key: String,
    value: String,
    span: Span,
    directory: PathBuf,
}

/// A value and where it comes from.
pub struct Setting {
    text: String,
    span: Span,
    directory: PathBuf,
}

impl Configuration {
    /// Reads the file for a run that is started in `directory`: `$ANSIBLE_CONFIG`, `./ansible.cfg` (not where others may
    /// write), `~/.ansible.cfg`, `/etc/ansible/ansible.cfg`.
    ///
    /// # Errors
    /// When a file is there and cannot be read, or is no configuration.
    pub fn load(environment: Environment, directory: &Path) -> Result<Self, Diagnostic> {
        let mut warnings = Vec::new();
        let file = find(&environment, directory, &mut warnings);
        let entries = match &file {
            Some(path) => entries(path)?,
            None => Vec::new(),
        };
        Ok(Self { environment, entries, file, warnings })
    }

    /// The first of some environment variables that is set, else the entry of the file.
    #[must_use]
    pub fn get(&self, variables: &[&str], section: &str, key: &str) -> Option<Setting> {
        let from_environment = variables.iter().find_map(|name| {
            let text = (self.environment)(name)?;
            let file = SourceFile::new(format!("<environment {name}>"), text.clone());
            Some(Setting { text, span: Span::whole(&file), directory: PathBuf::new() })
        });
        from_environment.or_else(|| {
            let entry = self.entries.iter().rfind(|entry| entry.section == section && entry.key == key)?;
            let (span, directory) = (entry.span.clone(), entry.directory.clone());
            Some(Setting { text: entry.value.clone(), span, directory })
        })
    }

    /// The user's home.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        (self.environment)("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
    }
}

impl Setting {
    /// As text; an empty one is none.
    #[must_use]
    pub fn text(self) -> Option<String> {
        if self.text.is_empty() { None } else { Some(self.text) }
    }

    /// As a boolean, by Ansible's words.
    ///
    /// # Errors
    /// When it is another word.
    pub fn boolean(&self) -> Result<bool, Diagnostic> {
        match self.text.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => Ok(true),
            "n" | "no" | "off" | "0" | "false" | "f" | "0.0" | "" => Ok(false),
            other => Err(self.wrong(&format!("expected yes or no, not `{other}`"))),
        }
    }

    /// As a number.
    ///
    /// # Errors
    /// When it is none.
    pub fn number<N: std::str::FromStr>(&self) -> Result<N, Diagnostic> {
        self.text.trim().parse().map_err(|_| self.wrong(&format!("expected a number, not `{}`", self.text)))
    }

    /// As a path: `~` is the home, and what is relative belongs to the file it stands in.
    #[must_use]
    pub fn path(self) -> Option<PathBuf> {
        if self.text.trim().is_empty() { None } else { Some(self.resolve(self.text.trim())) }
    }

    /// As paths with something between.
    #[must_use]
    pub fn paths(&self, between: char) -> Vec<PathBuf> {
        self.words(between).map(|part| self.resolve(part)).collect()
    }

    /// As words with something between.
    pub fn words(&self, between: char) -> impl Iterator<Item = &str> {
        self.text.split(between).map(str::trim).filter(|part| !part.is_empty())
    }

    /// What is wrong with it.
    #[must_use]
    pub fn wrong(&self, message: &str) -> Diagnostic {
        Diagnostic::error(&self.span, message)
    }

    fn resolve(&self, text: &str) -> PathBuf {
        let text = text.replace("{{CWD}}", ".");
        self.directory.join(expand_home(&text))
    }
}

/// A path with the user's home for `~`.
#[must_use]
pub fn expand_home(path: &str) -> String {
    let home = std::env::var("HOME").unwrap_or_default();
    match path.strip_prefix('~') {
        Some(rest) if !home.is_empty() && (rest.is_empty() || rest.starts_with('/')) => format!("{home}{rest}"),
        _ => path.to_owned(),
    }
}

fn find(environment: &Environment, directory: &Path, warnings: &mut Vec<String>) -> Option<PathBuf> {
    if let Some(path) = environment("ANSIBLE_CONFIG").filter(|path| !path.is_empty()) {
        let path = directory.join(expand_home(&path));
        let path = if path.is_dir() { path.join("ansible.cfg") } else { path };
        return path.is_file().then_some(path);
    }
    let here = directory.join("ansible.cfg");
    if here.is_file() {
        let open = std::fs::metadata(directory).is_ok_and(|meta| meta.permissions().mode() & 0o002 != 0);
        if !open {
            return Some(here);
        }
        warnings.push(format!(
            "{} is ignored, because everyone may write to its folder; name it in ANSIBLE_CONFIG to use it",
            here.display()
        ));
    }
    let home = environment("HOME").map(|home| Path::new(&home).join(".ansible.cfg"));
    home.into_iter().chain([PathBuf::from("/etc/ansible/ansible.cfg")]).find(|path| path.is_file())
}

fn entries(path: &Path) -> Result<Vec<Entry>, Diagnostic> {
    let file = SourceFile::read(path)?;
    let directory = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut entries: Vec<Entry> = Vec::new();
    let (mut section, mut at) = (String::new(), 0);
    for line in file.text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        // Only `;` begins a comment behind a value.
        let bare = line.split_once(" ;").map_or(line, |(bare, _)| bare).trim_end();
        let text = bare.trim_start();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        let span = span(&file, start + bare.len() - text.len(), start + bare.len());
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            name.0.clone_into(&mut section);
        } else if text.len() < bare.len()
            && let Some(last) = entries.last_mut().filter(|last| last.section == section)
        {
            // An indented line goes on with the value above.
            last.value.push('\n');
            last.value.push_str(text);
        } else if let Some((key, value)) = text.split_once(['=', ':']) {
            let (key, value) = (key.trim().to_ascii_lowercase(), unquote(value.trim()).to_owned());
            let (section, directory) = (section.clone(), directory.clone());
            entries.push(Entry { section, key, value, span, directory });
        } else {
            return Err(Diagnostic::error(&span, "expected `[section]` or `name = value`"));
        }
    }
    Ok(entries)
}

fn span(file: &Arc<SourceFile>, start: usize, end: usize) -> Span {
    Span::at(file, start, end)
}

fn unquote(value: &str) -> &str {
    let bare = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    bare.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&'static str, String)]) -> Environment {
        let pairs = pairs.to_vec();
        Box::new(move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()))
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let text = "# comment\n[defaults]\nforks = 7 ; few\nRoles_Path = roles:~/r\n[diff]\nalways: yes\n";
        std::fs::write(directory.path().join("ansible.cfg"), text).unwrap();
        let plain = Configuration::load(environment(&[]), directory.path()).unwrap();
        let forks = |found: &Configuration| found.get(&["ANSIBLE_FORKS"], "defaults", "forks").unwrap().number::<usize>();
        assert_eq!(forks(&plain).unwrap(), 7);
        assert!(plain.get(&[], "diff", "always").unwrap().boolean().unwrap());
        assert_eq!(plain.get(&[], "defaults", "roles_path").unwrap().paths(':')[0], directory.path().join("roles"));
        let set = Configuration::load(environment(&[("ANSIBLE_FORKS", "9".to_owned())]), directory.path()).unwrap();
        assert_eq!(forks(&set).unwrap(), 9);
    }

    #[test]
    fn a_file_where_everyone_may_write_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ansible.cfg"), "[defaults]\nforks = 7\n").unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let ignored = Configuration::load(environment(&[]), directory.path()).unwrap();
        assert!(ignored.get(&[], "defaults", "forks").is_none());
        assert!(ignored.warnings[0].contains("everyone may write"), "{:?}", ignored.warnings);
        let named = environment(&[("ANSIBLE_CONFIG", "ansible.cfg".to_owned())]);
        assert!(Configuration::load(named, directory.path()).unwrap().get(&[], "defaults", "forks").is_some());
    }

    #[test]
    fn the_home_comes_after_the_folder() {
        let (directory, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(home.path().join(".ansible.cfg"), "[defaults]\nforks = 3\n").unwrap();
        let home_is = || environment(&[("HOME", home.path().display().to_string())]);
        let found = Configuration::load(home_is(), directory.path()).unwrap();
        assert_eq!(found.file, Some(home.path().join(".ansible.cfg")));
        std::fs::write(directory.path().join("ansible.cfg"), "").unwrap();
        let found = Configuration::load(home_is(), directory.path()).unwrap();
        assert_eq!(found.file, Some(directory.path().join("ansible.cfg")));
    }

    #[test]
    fn wrong_values_show_their_place() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ansible.cfg"), "[defaults]\nforks = many\n").unwrap();
        let found = Configuration::load(environment(&[]), directory.path()).unwrap();
        let finding = found.get(&[], "defaults", "forks").unwrap().number::<usize>().unwrap_err();
        assert_eq!(finding.message, "expected a number, not `many`");
        assert_eq!(finding.span.unwrap().line, 2);
        std::fs::write(directory.path().join("ansible.cfg"), "[defaults]\nnonsense\n").unwrap();
        assert!(Configuration::load(environment(&[]), directory.path()).is_err());
    }
}
