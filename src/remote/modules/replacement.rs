//! Putting a new version of a file in place: backup, validation, difference, write.

use std::path::{Path, PathBuf};

use super::{attributes, clock, words};
use crate::{
    protocol::{Attributes, Change, Content, Run},
    remote::{
        Plan, Probe, Stop,
        machine::{
            probe::Found,
            system::{FileKind, Stat},
        },
    },
};

/// Files above this many bytes are not shown in diffs.
const DIFF_BYTES_MAX: u64 = 104_448;

/// What is done besides writing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Care<'a> {
    /// Keep the old version beside the new one.
    pub backup: bool,
    /// A command that has to accept the new version first, with `%s` for its path.
    pub validate: Option<&'a str>,
    /// Write into the existing file.
    pub in_place: bool,
}

/// Plans to put a file in place of what is there.
///
/// # Errors
/// When the command to validate with has no `%s`, or a directory is in the way.
pub fn replace(
    plan: &mut Plan,
    probe: &Probe<'_>,
    path: &Path,
    before: Option<&Stat>,
    content: Content,
    wanted: Attributes,
    care: Care<'_>,
) -> Found<()> {
    if before.is_some_and(|stat| stat.kind == FileKind::Directory) {
        return Err(Stop::failed(format!("{} is a directory and cannot be replaced with a file", path.display())));
    }
    if probe.wants_diff() {
        show(plan, probe, path, before, &content);
    }
    if let Some(stat) = before {
        if !attributes::nothing(&wanted) {
            attributes::show_difference(plan, probe, path, stat, &wanted);
        }
        if care.backup && stat.kind != FileKind::Symlink {
            plan_backup(plan, probe, path, stat);
        }
    }
    let in_place = care.in_place && before.is_some_and(|stat| stat.kind == FileKind::File);
    let Some(command) = care.validate else {
        plan.push(Change::Write { path: path.to_owned(), content, attributes: wanted, in_place });
        return Ok(());
    };
    let candidate = candidate(probe, path);
    // The validator may look at mode and owner, and sees the file as it will be.
    let trial = match before {
        Some(stat) => attributes::kept(stat, wanted.clone()),
        None => wanted.clone(),
    };
    plan.push(Change::Write { path: candidate.clone(), content, attributes: trial, in_place: false });
    plan.push(Change::Run(validation(command, &candidate)?));
    let content = Content::CopyOf(candidate.clone());
    plan.push(Change::Write { path: path.to_owned(), content, attributes: wanted, in_place });
    plan.push(Change::Remove { path: candidate });
    Ok(())
}

/// Plans to keep what is at a path under another name, returned as `backup_file`.
pub fn plan_backup(plan: &mut Plan, probe: &Probe<'_>, path: &Path, stat: &Stat) {
    let name = format!("{}.{}.{}", path.display(), stat.inode, clock::backup_suffix(probe.now()));
    plan.set("backup_file", name.as_str());
    plan.push(Change::Backup { path: path.to_owned(), to: PathBuf::from(name) });
}

fn candidate(probe: &Probe<'_>, path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", probe.now()))
}

/// The validator, wrapped so that a version it refuses does not stay behind.
fn validation(command: &str, candidate: &Path) -> Result<Run, Stop> {
    const REFUSE: &str = r#""$@" || { code=$?; rm -f -- "$0"; echo "failed to validate" >&2; exit $code; }"#;
    if !command.contains("%s") {
        return Err(Stop::failed(format!("validate must contain %s: {command}")));
    }
    let words = words::split(command).map_err(|problem| Stop::failed(format!("validate: {problem}: {command}")))?;
    let path = candidate.to_string_lossy();
    let mut argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), REFUSE.to_owned(), path.clone().into_owned()];
    argv.extend(words.iter().map(|word| word.replace("%s", &path)));
    Ok(Run::new(argv))
}

fn show(plan: &mut Plan, probe: &Probe<'_>, path: &Path, before: Option<&Stat>, content: &Content) {
    let old = match before {
        Some(stat) if stat.kind == FileKind::File => shown(probe, path, stat.size),
        Some(stat) if stat.kind == FileKind::Symlink => {
            probe.read_link(path).map(|target| format!("link to {}\n", target.display())).unwrap_or_default()
        }
        _ => String::new(),
    };
    let new = match content {
        Content::Text(text) if text.len() as u64 > DIFF_BYTES_MAX => summary(text.len() as u64),
        Content::Text(text) => text.clone(),
        Content::Bytes(bytes) => summary(bytes.len() as u64),
        Content::Blob(blob) => format!("{} bytes with SHA-256 {}\n", blob.size, blob.sha256),
        Content::CopyOf(original) => {
            let size = probe.stat_followed(original).ok().flatten().map_or(0, |stat| stat.size);
            shown(probe, original, size)
        }
    };
    plan.diff(path.to_string_lossy(), old, new);
}

fn shown(probe: &Probe<'_>, path: &Path, size: u64) -> String {
    if size > DIFF_BYTES_MAX {
        return summary(size);
    }
    match probe.read(path) {
        Ok(bytes) if !bytes.contains(&0) => String::from_utf8(bytes).unwrap_or_else(|_| summary(size)),
        Ok(_) => summary(size),
        Err(_) => String::new(),
    }
}

fn summary(size: u64) -> String {
    format!("{size} bytes that are not shown\n")
}
