//! `find`: files and directories below others, by name, age, size and content.

use std::path::{Path, PathBuf};

use super::{
    checksums::Algorithm,
    directories,
    expression::{self, Expression, Lines},
    globbing, inspection,
};
use crate::{
    choices, options,
    protocol::{Json, Map},
    remote::{
        Mode, Module, Plan, Planned, Probe, Stop,
        machine::{
            probe::Found,
            system::{FileKind, Stat},
        },
    },
};

choices! {
    /// What to look for.
    pub enum FileType {
        /// Everything.
        Any = "any",
        /// Directories.
        Directory = "directory",
        /// Regular files.
        File = "file",
        /// Symbolic links.
        Link = "link",
    }
}

choices! {
    /// Which time an age is counted from.
    pub enum AgeStamp {
        /// When it was last read.
        Atime = "atime",
        /// When its attributes last changed.
        Ctime = "ctime",
        /// When its content last changed.
        Mtime = "mtime",
    }
}

options! {
    /// Finds files below directories. Nothing is changed.
    ///
    /// ## Example
    /// ```yaml
    /// - find:
    ///     paths: /var/backups
    ///     patterns: '*.dump,*.sql.gz'
    ///     age: 30d
    ///     recurse: true
    ///   register: old
    /// ```
    ///
    /// ## Returns
    /// `files` (each with `path` and what `stat` returns), `matched`, `examined`, `skipped_paths`, `msg`.
    pub struct Find {
        /// Directories to look below.
        paths: Vec<PathBuf> [name path],
        /// Names to find: shell patterns, or regular expressions with `use_regex`; all when none is given.
        patterns: Vec<String> [pattern],
        /// Names to leave out.
        excludes: Vec<String> [exclude],
        /// A regular expression that a line of the file begins with, or (`read_whole_file`) that is anywhere in it.
        contains: Option<String>,
        /// Match `contains` against the whole file instead of line by line.
        read_whole_file: bool = false,
        /// What to find.
        file_type: FileType = FileType::File,
        /// At least this old; negative: at most. A number with `s`, `m`, `h`, `d` or `w` behind it.
        age: Option<String>,
        /// Which time counts for `age`.
        age_stamp: AgeStamp = AgeStamp::Mtime,
        /// At least this large; negative: at most. A number with `b`, `k`, `m`, `g` or `t` behind it.
        size: Option<String>,
        /// Look below directories that are found.
        recurse: bool = false,
        /// How many levels to look at; no limit when it is left out.
        depth: Option<i64>,
        /// Find names that start with a dot too.
        hidden: bool = false,
        /// Look below links to directories.
        follow: bool = false,
        /// Compute checksums of regular files.
        get_checksum: bool = false,
        /// How to compute them.
        checksum_algorithm: Algorithm [checksum checksum_algo] = Algorithm::Sha1,
        /// Whether names are given as regular expressions.
        use_regex: bool = false,
        /// Permissions they have.
        mode: Option<Mode>,
        /// Whether permissions have to be exactly those; otherwise one of them is enough.
        exact_mode: bool = true,
        /// Stop after so many.
        limit: Option<i64>,
        /// How files are encoded, by a name that the host's `iconv` knows; files that are not are skipped paths.
        encoding: Option<String>,
    }
}

/// The conditions, ready to be compared with.
struct Conditions {
    patterns: Vec<Name>,
    excludes: Vec<Name>,
    contains: Option<Expression>,
    age: Option<i128>,
    size: Option<i128>,
}

/// How a name is recognised.
enum Name {
    Glob(regex::Regex),
    Expression(Expression),
}

impl Module for Find {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        if self.paths.is_empty() {
            return Err(Stop::failed("missing required arguments: paths"));
        }
        if self.limit.is_some_and(|limit| limit <= 0) {
            return Err(Stop::failed("limit has to be at least 1; leave it out for no limit"));
        }
        let conditions = self.conditions()?;
        let mut plan = Plan::new();
        let mut found = Sighting::default();
        for path in &self.paths {
            let walked = if directories::is_directory(probe, path)? {
                self.walk(probe, path, 1, &conditions, &mut found)
            } else {
                Err(Stop::failed(format!("'{}' is not a directory", path.display())))
            };
            match walked {
                Ok(()) => {}
                Err(Stop::Failed(failure, _)) => {
                    plan.warnings.push(format!("skipped {}: {}", path.display(), failure.message));
                    found.skipped.insert(path.to_string_lossy().into_owned(), failure.message.into());
                }
                Err(unknown) => return Err(unknown),
            }
        }
        let message = if !found.skipped.is_empty() {
            "Not all paths examined, check warnings for details"
        } else if self.full(&found) {
            "Limit of matches reached"
        } else {
            "All paths examined"
        };
        plan.set("msg", message);
        plan.set("matched", found.files.len());
        plan.set("files", found.files);
        plan.set("examined", found.examined);
        plan.set("skipped_paths", found.skipped);
        Ok(plan)
    }
}

/// What was seen so far.
#[derive(Default)]
struct Sighting {
    files: Vec<Json>,
    examined: usize,
    skipped: Map,
}

/// Deeper directories are taken for links that lead in a circle.
const DEPTH_MAX: i64 = 256;

impl Find {
    fn conditions(&self) -> Result<Conditions, Stop> {
        let names = |patterns: &[String]| -> Result<Vec<Name>, Stop> {
            let one = |pattern: &String| {
                Ok(if self.use_regex {
                    Name::Expression(expression::compile(&at_start(pattern), Lines::default())?)
                } else {
                    Name::Glob(globbing::pattern(pattern)?)
                })
            };
            patterns.iter().map(one).collect()
        };
        let contains = match (&self.contains, self.read_whole_file) {
            (Some(pattern), true) => Some(pattern.clone()),
            (Some(pattern), false) => Some(at_start(pattern)),
            (None, _) => None,
        };
        Ok(Conditions {
            patterns: names(&self.patterns)?,
            excludes: names(&self.excludes)?,
            contains: contains.map(|pattern| expression::compile(&pattern, Lines::default())).transpose()?,
            age: self.age.as_deref().map(|age| scaled("age", age, &AGE_UNITS)).transpose()?,
            size: self.size.as_deref().map(|size| scaled("size", size, &SIZE_UNITS)).transpose()?,
        })
    }

    /// The content of a file as UTF-8, out of the encoding that was given.
    fn decoded(&self, probe: &Probe<'_>, path: &Path) -> Found<Vec<u8>> {
        let content = probe.read(path)?;
        let Some(encoding) = &self.encoding else { return Ok(content) };
        let readable = if ["utf-8", "utf8"].contains(&encoding.to_lowercase().as_str()) {
            std::str::from_utf8(&content).is_ok().then_some(content)
        } else {
            let name = path.to_string_lossy();
            let output = probe.query(&["iconv", "-f", encoding, "-t", "utf-8", &name])?;
            if ["not supported", "unsupported", "unknown", "failed to start conversion"]
                .iter()
                .any(|word| output.stderr.contains(word))
            {
                return Err(Stop::failed(format!("unknown encoding: {encoding}")));
            }
            output.success().then(|| output.stdout.into_bytes())
        };
        readable.ok_or_else(|| {
            Stop::failed(format!(
                "Failed to read the file {} due to an encoding error. current encoding: {encoding}",
                path.display()
            ))
        })
    }

    fn full(&self, found: &Sighting) -> bool {
        self.limit.is_some_and(|limit| usize::try_from(limit).is_ok_and(|limit| found.files.len() >= limit))
    }

    fn walk(
        &self,
        probe: &Probe<'_>,
        directory: &Path,
        level: i64,
        wanted: &Conditions,
        found: &mut Sighting,
    ) -> Found<()> {
        let mut below = Vec::new();
        for name in probe.read_dir(directory)? {
            found.examined += 1;
            if self.depth.is_some_and(|depth| depth > 0 && level > depth) {
                continue;
            }
            let path = directory.join(&name);
            let Some(stat) = probe.stat(&path)? else { continue };
            let enters = stat.kind == FileKind::Directory
                || (self.follow && stat.kind == FileKind::Symlink && directories::is_directory(probe, &path)?);
            if enters {
                below.push(path.clone());
            }
            if (self.hidden || !name.starts_with('.')) && self.matches(probe, &path, &name, &stat, wanted)? {
                let mut file = Map::new();
                file.insert("path".to_owned(), path.to_string_lossy().into());
                file.extend(inspection::values(probe, &stat));
                if self.get_checksum && stat.kind == FileKind::File {
                    file.insert("checksum".to_owned(), self.checksum_algorithm.file(probe, &path)?.into());
                }
                found.files.push(Json::Object(file));
            }
            if self.full(found) {
                return Ok(());
            }
        }
        let goes_on = self.recurse && level < DEPTH_MAX && self.depth.is_none_or(|depth| depth <= 0 || level <= depth);
        for directory in below.into_iter().filter(|_| goes_on) {
            match self.walk(probe, &directory, level + 1, wanted, found) {
                Err(Stop::Failed(failure, _)) => {
                    found.skipped.insert(directory.to_string_lossy().into_owned(), failure.message.into());
                }
                other => other?,
            }
            if self.full(found) {
                break;
            }
        }
        Ok(())
    }

    fn matches(&self, probe: &Probe<'_>, path: &Path, name: &str, stat: &Stat, wanted: &Conditions) -> Found<bool> {
        let kind = match self.file_type {
            FileType::Any => true,
            FileType::Directory => stat.kind == FileKind::Directory,
            FileType::File => stat.kind == FileKind::File,
            FileType::Link => stat.kind == FileKind::Symlink,
        };
        let named = |names: &[Name]| {
            names.iter().any(|candidate| match candidate {
                Name::Glob(pattern) => pattern.is_match(name),
                Name::Expression(expression) => expression.is_match(name.as_bytes()),
            })
        };
        if !kind || !(wanted.patterns.is_empty() || named(&wanted.patterns)) || named(&wanted.excludes) {
            return Ok(false);
        }
        let time = match self.age_stamp {
            AgeStamp::Atime => stat.atime,
            AgeStamp::Ctime => stat.ctime,
            AgeStamp::Mtime => stat.mtime,
        };
        let age = probe.now() - time;
        if wanted.age.is_some_and(|limit| !beyond(age, limit * 1_000_000_000)) {
            return Ok(false);
        }
        if stat.kind == FileKind::File && wanted.size.is_some_and(|limit| !beyond(i128::from(stat.size), limit)) {
            return Ok(false);
        }
        if let Some(mode) = &self.mode {
            let bits = mode.bits(0, false, probe.umask()).map_err(Stop::failed)?;
            let fits = if self.exact_mode { stat.mode == bits } else { stat.mode & bits != 0 };
            if !fits {
                return Ok(false);
            }
        }
        match &wanted.contains {
            Some(expression) if self.file_type == FileType::File => {
                let content = self.decoded(probe, path)?;
                Ok(if self.read_whole_file {
                    expression.is_match(&content)
                } else {
                    content.split_inclusive(|byte| *byte == b'\n').any(|line| expression.is_match(line))
                })
            }
            _ => Ok(true),
        }
    }
}

const AGE_UNITS: [(char, i128); 5] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
const SIZE_UNITS: [(char, i128); 5] = [('b', 1), ('k', 1 << 10), ('m', 1 << 20), ('g', 1 << 30), ('t', 1 << 40)];

/// A number with a unit behind it.
fn scaled(what: &str, text: &str, units: &[(char, i128)]) -> Result<i128, Stop> {
    let lower = text.trim().to_lowercase();
    let unit = units.iter().find(|(letter, _)| lower.ends_with(*letter));
    let (number, factor) = unit.map_or((lower.as_str(), 1), |(_, factor)| (&lower[..lower.len() - 1], *factor));
    number
        .parse::<i128>()
        .map(|number| number * factor)
        .map_err(|_| Stop::failed(format!("failed to process {what}: {text}")))
}

/// Whether a value is at least a limit, or at most a negative one's size.
const fn beyond(value: i128, limit: i128) -> bool {
    if limit >= 0 { value >= limit } else { value <= -limit }
}

/// The expression held to the start of the text.
fn at_start(pattern: &str) -> String {
    format!(r"\A(?:{pattern})")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::rehearsal::Rehearsal;
    use crate::remote::machine::fake::Fake;

    #[expect(clippy::needless_pass_by_value, reason = "tests read better without borrows")]
    fn paths(options: Value) -> Vec<String> {
        let host = Fake::new()
            .file("/d/a.log", "one\ntwo\n")
            .file("/d/b.txt", "two")
            .file("/d/.hidden", "")
            .file("/d/sub/c.log", &"x".repeat(2048));
        let mut all = json!({"paths": "/d"});
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let result = Rehearsal::on(host).apply("find", all).result;
        assert_eq!(result["matched"], result["files"].as_array().unwrap().len());
        result["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn files_are_found_by_name_and_kind() {
        assert_eq!(paths(json!({})), ["/d/a.log", "/d/b.txt"]);
        assert_eq!(paths(json!({"hidden": true, "patterns": ".h*"})), ["/d/.hidden"]);
        assert_eq!(paths(json!({"recurse": true, "patterns": "*.log"})), ["/d/a.log", "/d/sub/c.log"]);
        assert_eq!(paths(json!({"recurse": true, "depth": 1, "patterns": "*.log"})), ["/d/a.log"]);
        assert_eq!(paths(json!({"excludes": "*.log"})), ["/d/b.txt"]);
        assert_eq!(paths(json!({"use_regex": true, "patterns": ["^[ab]\\.l.*$"]})), ["/d/a.log"]);
        assert_eq!(paths(json!({"file_type": "directory"})), ["/d/sub"]);
        assert_eq!(paths(json!({"recurse": true, "limit": 2})).len(), 2);
    }

    #[test]
    fn files_are_found_by_size_age_mode_and_content() {
        assert_eq!(paths(json!({"recurse": true, "size": "1k"})), ["/d/sub/c.log"]);
        assert_eq!(paths(json!({"recurse": true, "size": "-1k"})), ["/d/a.log", "/d/b.txt"]);
        assert_eq!(paths(json!({"age": "1d"})), Vec::<String>::new());
        assert_eq!(paths(json!({"age": "-1d"})).len(), 2);
        assert_eq!(paths(json!({"mode": "0600"})).len(), 0);
        assert_eq!(paths(json!({"mode": "0600", "exact_mode": false})).len(), 2);
        assert_eq!(paths(json!({"contains": "two"})), ["/d/a.log", "/d/b.txt"]);
        assert_eq!(paths(json!({"contains": "wo"})), Vec::<String>::new());
        assert_eq!(paths(json!({"contains": "wo$", "read_whole_file": true})), ["/d/a.log", "/d/b.txt"]);
    }

    #[test]
    fn a_path_that_is_no_directory_is_skipped_with_a_warning() {
        let outcome = Rehearsal::on(Fake::new()).apply("find", json!({"paths": ["/none", "/etc"]}));
        assert_eq!(outcome.result["matched"], 2);
        assert_eq!(outcome.result["skipped_paths"]["/none"], "'/none' is not a directory");
        assert_eq!(outcome.warnings.len(), 1);
    }
}
