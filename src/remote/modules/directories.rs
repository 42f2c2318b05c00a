//! Directories that have to be made before something can be put into them.

use std::path::{Path, PathBuf};

use crate::{
    protocol::{Change, Effect},
    remote::{
        Plan, Probe, Stop,
        machine::{
            probe::Found,
            system::{FileKind, Stat},
        },
    },
};

/// The directories that are missing for a path to be one, outermost first.
///
/// # Errors
/// When something on the way is there and no directory.
pub fn missing(probe: &Probe<'_>, path: &Path) -> Found<Vec<PathBuf>> {
    let mut missing = Vec::new();
    for directory in path.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()) {
        match probe.stat_followed(directory)? {
            Some(stat) if stat.kind == FileKind::Directory => break,
            Some(_) => return Err(Stop::failed(format!("{} is there and no directory", directory.display()))),
            None if probe.stat(directory)?.is_some() => {
                return Err(Stop::failed(format!("{} is a link that leads nowhere", directory.display())));
            }
            None => missing.push(directory.to_owned()),
        }
    }
    missing.reverse();
    Ok(missing)
}

/// Whether a path leads to a directory, links followed.
///
/// # Errors
/// When it cannot be looked at.
pub fn is_directory(probe: &Probe<'_>, path: &Path) -> Found<bool> {
    Ok(probe.stat_followed(path)?.is_some_and(|stat| stat.kind == FileKind::Directory))
}

/// Has a directory there that something is put into; a prediction takes it as brought by a package where there is one to come, and tells so.
///
/// # Errors
/// `missing`, when nothing brings it.
pub fn expect(plan: &mut Plan, probe: &Probe<'_>, path: &Path, missing: impl Fn() -> Stop) -> Found<bool> {
    if is_directory(probe, path)? {
        return Ok(false);
    }
    if !probe.awaits_packages() || probe.stat(path)?.is_some() {
        return Err(missing());
    }
    plan.push(Change::Assume(Effect::new("file", &path.to_string_lossy(), "directory".into())));
    Ok(true)
}

/// The directory a path is in; `.` for a lone name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

/// Everything below a directory, links not followed, parents before what they hold.
///
/// # Errors
/// When a directory cannot be read.
pub fn walk(probe: &Probe<'_>, directory: &Path) -> Found<Vec<(PathBuf, Stat)>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for name in probe.read_dir(&directory)? {
            let path = directory.join(name);
            let Some(stat) = probe.stat(&path)? else { continue };
            if stat.kind == FileKind::Directory {
                open.push(path.clone());
            }
            found.push((path, stat));
        }
    }
    Ok(found)
}
