//! A build folder that lies on the host: what it holds, and how it is packed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::build::Build;
use crate::{
    protocol::{Map, Run},
    remote::{
        Probe, Stop,
        machine::{digest, system::FileKind},
    },
};

/// Files that one folder may hold: a wrong path like `/` ends here instead of in hours of hashing.
const FILES_MAX: usize = 20_000;

/// A build folder on the host.
#[derive(Debug)]
pub struct Folder {
    files: Map,
    ignored: Vec<String>,
    /// Images that its Dockerfile builds on.
    pub bases: Vec<String>,
}

/// Reads a build folder.
///
/// # Errors
/// When it or its Dockerfile cannot be read.
pub fn read(probe: &Probe<'_>, build: &Build) -> Result<Folder, Stop> {
    let root = &build.path;
    if probe.stat_followed(root)?.is_none_or(|stat| stat.kind != FileKind::Directory) {
        return Err(Stop::failed(format!("there is no folder {} to build on the host", root.display())));
    }
    let dockerfile = build.dockerfile.as_deref().unwrap_or("Dockerfile");
    let text = probe.read_text(&root.join(dockerfile))?;
    let ignore = root.join(".dockerignore");
    let rules = if probe.exists(&ignore)? { Rules::parse(&probe.read_text(&ignore)?) } else { Rules::default() };
    let mut folder = Folder { files: Map::new(), ignored: Vec::new(), bases: bases(&text) };
    let keep = [dockerfile, ".dockerignore"];
    walk(probe, root, "", &rules, &keep, &mut folder)?;
    Ok(folder)
}

fn walk(
    probe: &Probe<'_>,
    root: &Path,
    at: &str,
    rules: &Rules,
    keep: &[&str],
    folder: &mut Folder,
) -> Result<(), Stop> {
    for name in probe.read_dir(&root.join(at))? {
        let path = if at.is_empty() { name } else { format!("{at}/{name}") };
        let full = root.join(&path);
        let Some(stat) = probe.stat(&full)? else { continue };
        let out = rules.ignored(&path) && !keep.contains(&path.as_str());
        match stat.kind {
            // A folder that is left out may hold something that an exception brings back.
            FileKind::Directory if out && !rules.has_exceptions() => folder.ignored.push(path),
            FileKind::Directory => walk(probe, root, &path, rules, keep, folder)?,
            _ if out => folder.ignored.push(path),
            FileKind::Symlink => {
                let target = probe.read_link(&full)?;
                _ = folder.files.insert(path, json!(format!("-> {}", target.display())));
            }
            FileKind::File => {
                let executable = if stat.mode & 0o111 == 0 { "" } else { "x" };
                let hash = match probe.sha256(&full) {
                    // Check mode: a file that is only predicted makes the context another one, whatever it will hold.
                    Err(Stop::Unknown(_)) => "known after apply".to_owned(),
                    known => known?,
                };
                _ = folder.files.insert(path, json!(format!("{}{executable}", &hash[..16.min(hash.len())])));
            }
            _ => folder.ignored.push(path),
        }
        if folder.files.len() > FILES_MAX {
            return Err(Stop::failed(format!("{} holds more than {FILES_MAX} files to build of", root.display()))
                .hint("is it the right folder? A .dockerignore leaves out what is not needed"));
        }
    }
    Ok(())
}

impl Folder {
    /// Its files with a short hash each.
    #[must_use]
    pub fn files(&self) -> Map {
        self.files.clone()
    }

    /// The hash of all it holds.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut lines: Vec<String> = self.files.iter().map(|(path, hash)| format!("{path}\0{hash}")).collect();
        lines.sort();
        digest(lines.join("\n").as_bytes())
    }

    /// Packs it into an archive in a folder that belongs to the user alone; gives the command and the archive.
    #[must_use]
    pub fn pack(&self, root: &Path, home: &Path) -> (Run, PathBuf) {
        let archive = home.join(format!(".deployer-context-{}.tar", &self.digest()[..16]));
        let mut list = String::new();
        for path in &self.ignored {
            _ = writeln!(list, "./{path}");
        }
        let mut run = Run::new(["tar", "--exclude-from=-", "--anchored", "--no-wildcards", "--numeric-owner", "-cf"]);
        run.argv.extend([archive.display().to_string(), "-C".to_owned(), root.display().to_string(), ".".to_owned()]);
        run.stdin = Some(list);
        run.umask = Some(0o077);
        (run, archive)
    }
}

/// Images that a Dockerfile builds on, those of its own stages left out.
#[must_use]
pub fn bases(dockerfile: &str) -> Vec<String> {
    let (mut bases, mut stages) = (Vec::new(), vec!["scratch".to_owned()]);
    for line in dockerfile.lines() {
        let words: Vec<&str> = line.split_whitespace().filter(|word| !word.starts_with("--")).collect();
        let [from, image, rest @ ..] = words.as_slice() else { continue };
        if !from.eq_ignore_ascii_case("from") {
            continue;
        }
        if !stages.contains(&image.to_lowercase()) && !image.contains('$') && !bases.contains(&(*image).to_owned()) {
            bases.push((*image).to_owned());
        }
        if let [as_word, stage, ..] = rest
            && as_word.eq_ignore_ascii_case("as")
        {
            stages.push(stage.to_lowercase());
        }
    }
    bases
}

/// The rules of a `.dockerignore`: the last one that fits decides.
#[derive(Debug, Default)]
pub struct Rules(Vec<(bool, Vec<String>)>);

impl Rules {
    /// Reads the rules.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(
            lines
                .map(|line| {
                    let (except, pattern) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
                    let parts = pattern.split('/').filter(|part| !part.is_empty() && *part != ".");
                    (except, parts.map(str::to_owned).collect())
                })
                .collect(),
        )
    }

    fn has_exceptions(&self) -> bool {
        self.0.iter().any(|(except, _)| *except)
    }

    /// Whether a path, relative to the folder, is left out.
    #[must_use]
    pub fn ignored(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |pattern: &[String]| (1..=parts.len()).any(|end| matches(pattern, &parts[..end]));
        self.0.iter().rev().find(|(_, pattern)| !pattern.is_empty() && fits(pattern)).is_some_and(|(except, _)| !except)
    }
}

fn matches(pattern: &[String], parts: &[&str]) -> bool {
    match pattern.split_first() {
        None => parts.is_empty(),
        Some((first, rest)) if first == "**" => {
            (0..=parts.len()).any(|skip| matches(rest, &parts[skip..])) || (rest.is_empty() && !parts.is_empty())
        }
        Some((first, rest)) => parts.split_first().is_some_and(|(part, others)| {
            let (pattern, text): (Vec<char>, Vec<char>) = (first.chars().collect(), part.chars().collect());
            glob(&pattern, &text) && matches(rest, others)
        }),
    }
}

fn glob(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => glob(rest, text) || (!text.is_empty() && glob(pattern, &text[1..])),
        (Some(('?', rest)), Some((_, others))) => glob(rest, others),
        (Some(('[', rest)), Some((c, others))) => {
            let Some(end) = rest.iter().position(|c| *c == ']') else { return false };
            let (set, rest) = (&rest[..end], &rest[end + 1..]);
            let (negated, set) = match set.split_first() {
                Some(('^' | '!', set)) => (true, set),
                _ => (false, set),
            };
            let ranged = set.windows(3).any(|w| w[1] == '-' && w[0] <= *c && *c <= w[2]);
            (ranged || set.contains(c)) != negated && glob(rest, others)
        }
        (Some(('\\', rest)), Some((c, others))) => {
            rest.split_first().is_some_and(|(p, rest)| p == c && glob(rest, others))
        }
        (Some((p, rest)), Some((c, others))) => p == c && glob(rest, others),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_fits_decides() {
        let rules = Rules::parse("# all\n*.pyc\n**/cache\ndocs/*\n!docs/keep.md\n/top?\n[a-c].txt\n");
        for out in ["x.pyc", "a/b/cache", "cache", "cache/x", "docs/a.md", "top1", "b.txt"] {
            assert!(rules.ignored(out), "{out}");
        }
        for kept in ["a/x.pyc", "docs", "docs/keep.md", "top", "d.txt", "sub/top1"] {
            assert!(!rules.ignored(kept), "{kept}");
        }
    }

    #[test]
    fn bases_are_images_and_not_stages() {
        let text = "FROM --platform=x base:1 AS build\nRUN x\nfrom build\nFROM $X\nFROM scratch\nFROM other\n";
        assert_eq!(bases(text), ["base:1", "other"]);
    }
}
