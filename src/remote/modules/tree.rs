//! A directory tree that is to be copied: sent by the controller or read on the host.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::{
    protocol::{Blob, Content, Json},
    remote::{
        Kind, OptionType, Probe, Stop,
        machine::{probe::Found, system::FileKind},
    },
};

/// One thing in a tree, under its path from the top; parents come first.
#[derive(Clone, Debug)]
pub enum Item {
    /// A directory.
    Directory {
        /// Where.
        path: PathBuf,
        /// Its permissions, if they are to be kept.
        mode: Option<u32>,
    },
    /// A regular file.
    File {
        /// Where.
        path: PathBuf,
        /// Its permissions, if they are known.
        mode: Option<u32>,
        /// What it holds.
        content: Content,
    },
    /// A symbolic link.
    Symlink {
        /// Where.
        path: PathBuf,
        /// What it holds.
        target: PathBuf,
    },
}

/// A tree as the controller sends it: a list of `{path, kind: directory | file | symlink, mode, blob | target}`.
#[derive(Clone, Debug)]
pub struct Sent(pub Vec<Item>);

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Wire {
    Directory { path: PathBuf, mode: Option<u32> },
    File { path: PathBuf, mode: Option<u32>, blob: Blob },
    Symlink { path: PathBuf, target: PathBuf },
}

impl OptionType for Sent {
    const KIND: Kind = Kind::Blob;

    fn read(value: &Json) -> Result<Self, String> {
        let items: Vec<Wire> = serde_json::from_value(value.clone())
            .map_err(|error| format!("not a tree from the controller: {error}"))?;
        let items = items.into_iter().map(|item| match item {
            Wire::Directory { path, mode } => Item::Directory { path, mode },
            Wire::File { path, mode, blob } => Item::File { path, mode, content: Content::Blob(blob) },
            Wire::Symlink { path, target } => Item::Symlink { path, target },
        });
        Ok(Self(items.collect()))
    }
}

impl Item {
    /// Where it is, from the top of the tree.
    pub fn path(&self) -> &Path {
        match self {
            Self::Directory { path, .. } | Self::File { path, .. } | Self::Symlink { path, .. } => path,
        }
    }

    /// The same without the permissions it has where it comes from.
    pub fn without_mode(&self) -> Self {
        let mut item = self.clone();
        if let Self::Directory { mode, .. } | Self::File { mode, .. } = &mut item {
            *mode = None;
        }
        item
    }

    /// The tree below a directory on the host.
    ///
    /// # Errors
    /// When something in it cannot be read or is neither file, directory nor link.
    pub fn read(probe: &Probe<'_>, top: &Path, follow: bool) -> Found<Vec<Self>> {
        let mut items = Vec::new();
        read_into(probe, top, Path::new(""), follow, &mut items, 0)?;
        Ok(items)
    }
}

/// Deeper trees are taken for links that lead in a circle.
const DEPTH_MAX: usize = 256;

/// Whether a link leads to a directory that it is in.
fn is_circle(probe: &Probe<'_>, directory: &Path, link: &Path) -> Found<bool> {
    let is_link = probe.stat(link)?.is_some_and(|stat| stat.kind == FileKind::Symlink);
    Ok(is_link && probe.resolve(link).ok().flatten().is_some_and(|target| plain(directory).starts_with(plain(&target))))
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
        plain
    })
}

fn read_into(
    probe: &Probe<'_>,
    top: &Path,
    below: &Path,
    follow: bool,
    items: &mut Vec<Item>,
    depth: usize,
) -> Found<()> {
    let directory = top.join(below);
    if depth > DEPTH_MAX {
        return Err(Stop::failed(format!("{} is nested too deeply; do links lead in a circle?", directory.display())));
    }
    for name in probe.read_dir(&directory)? {
        let path = below.join(&name);
        let from = top.join(&path);
        let leads_back = follow && is_circle(probe, &directory, &from)?;
        // A link that leads nowhere, or back to where it stands, stays a link.
        let stat = if follow && !leads_back { probe.stat_followed(&from).ok().flatten() } else { None };
        let Some(stat) = stat.map_or_else(|| probe.stat(&from), |stat| Ok(Some(stat)))? else { continue };
        match stat.kind {
            FileKind::Directory => {
                items.push(Item::Directory { path: path.clone(), mode: Some(stat.mode) });
                read_into(probe, top, &path, follow, items, depth + 1)?;
            }
            FileKind::File => {
                items.push(Item::File { path, mode: Some(stat.mode), content: Content::CopyOf(from) });
            }
            FileKind::Symlink => items.push(Item::Symlink { path, target: probe.read_link(&from)? }),
            _ => return Err(Stop::failed(format!("cannot copy {}: not a file, directory or link", from.display()))),
        }
    }
    Ok(())
}
