//! Check mode's interpreter over changes: instead of being made they become predictions.

use std::path::{Path, PathBuf};

use super::{
    digest,
    overlay::{Overlay, PredictedFile},
    system::{FileKind, Stat, System},
};
use crate::protocol::{Attributes, Change, Content, Effect};

impl Overlay {
    /// Takes a change as made.
    pub fn predict(&mut self, change: &Change, system: &dyn System) {
        match change {
            Change::Write { path, content, attributes, .. } => self.write(path, content, attributes, system),
            Change::Backup { path, to } => {
                let content = Content::CopyOf(path.clone());
                self.write(to, &content, &Attributes::default(), system);
            }
            Change::Directory { path, attributes } => {
                let stat = self.changed(path, FileKind::Directory, attributes, system);
                self.put(path, stat, None);
            }
            Change::Symlink { path, target } => {
                let stat = self.changed(path, FileKind::Symlink, &Attributes::default(), system);
                self.put(path, stat, Some(target.clone()));
            }
            Change::HardLink { path, target } => {
                let content = Content::CopyOf(target.clone());
                self.write(path, &content, &Attributes::default(), system);
                if let (Some(inode), Some(PredictedFile::Present { stat, .. })) =
                    (self.current(target, system).map(|stat| stat.inode), self.files.get_mut(path))
                {
                    stat.inode = inode;
                }
            }
            Change::Attributes { path, attributes } => self.set_attributes(path, attributes, system),
            Change::Remove { path } => {
                self.files.retain(|known, _| !known.starts_with(path));
                self.files.insert(path.clone(), PredictedFile::Absent);
            }
            Change::Rename { path, to } => {
                let content = Content::CopyOf(path.clone());
                self.write(to, &content, &Attributes::default(), system);
                self.files.insert(path.clone(), PredictedFile::Absent);
            }
            Change::Run(_) | Change::Http(_) | Change::Assume(_) => self.assume(change.effects()),
        }
    }

    fn assume(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect.key.strip_prefix("file/") {
                // A command that makes a file says so under its absolute path; what it holds is not known.
                Some(path) => {
                    let path = PathBuf::from(format!("/{}", path.trim_start_matches('/')));
                    let predicted = if effect.value.is_null() {
                        PredictedFile::Absent
                    } else {
                        let kind = match effect.value.as_str() {
                            Some("directory") => FileKind::Directory,
                            _ => FileKind::File,
                        };
                        PredictedFile::Present {
                            stat: fresh(kind),
                            content: None,
                            sha256: None,
                            target: None,
                            copy_of: None,
                        }
                    };
                    self.files.insert(path, predicted);
                }
                None => {
                    self.facts.insert(effect.key.clone(), effect.value.clone());
                }
            }
        }
    }

    fn write(&mut self, path: &Path, content: &Content, attributes: &Attributes, system: &dyn System) {
        let mut stat = self.changed(path, FileKind::File, attributes, system);
        let (bytes, sha256, copy_of) = match content {
            Content::Text(text) => (Some(text.as_bytes().to_vec()), None, None),
            Content::Bytes(bytes) => (Some(bytes.clone()), None, None),
            Content::Blob(blob) => {
                stat.size = blob.size;
                (None, Some(blob.sha256.clone()), None)
            }
            Content::CopyOf(original) => match self.files.get(original) {
                Some(PredictedFile::Present { content, sha256, copy_of, .. }) => {
                    (content.clone(), sha256.clone(), copy_of.clone())
                }
                _ => (None, None, Some(original.clone())),
            },
        };
        if let Some(bytes) = &bytes {
            stat.size = bytes.len() as u64;
        }
        let sha256 = sha256.or_else(|| bytes.as_deref().map(digest));
        let predicted = PredictedFile::Present { stat, content: bytes, sha256, target: None, copy_of };
        self.files.insert(path.to_owned(), predicted);
    }

    fn set_attributes(&mut self, path: &Path, attributes: &Attributes, system: &dyn System) {
        let Some(mut current) = self.current(path, system) else { return };
        merge(&mut current, attributes);
        match self.files.get_mut(path) {
            Some(PredictedFile::Present { stat, .. }) => *stat = current,
            _ => {
                let target = (current.kind == FileKind::Symlink).then(|| system.read_link(path).ok()).flatten();
                let copy_of = (current.kind == FileKind::File).then(|| path.to_owned());
                let predicted = PredictedFile::Present { stat: current, content: None, sha256: None, target, copy_of };
                self.files.insert(path.to_owned(), predicted);
            }
        }
    }

    fn put(&mut self, path: &Path, stat: Stat, target: Option<PathBuf>) {
        let predicted = PredictedFile::Present { stat, content: None, sha256: None, target, copy_of: None };
        self.files.insert(path.to_owned(), predicted);
    }

    fn current(&self, path: &Path, system: &dyn System) -> Option<Stat> {
        match self.file(path) {
            Some(PredictedFile::Present { stat, .. }) => Some(*stat),
            Some(_) => None,
            None => system.stat(path).ok().flatten(),
        }
    }

    fn changed(&self, path: &Path, kind: FileKind, attributes: &Attributes, system: &dyn System) -> Stat {
        let mut stat = self.current(path, system).filter(|stat| stat.kind == kind).unwrap_or_else(|| {
            let mut stat = fresh(kind);
            stat.uid = system.uid();
            stat.mode &= !system.umask();
            stat
        });
        stat.mtime = system.now();
        merge(&mut stat, attributes);
        stat
    }
}

fn merge(stat: &mut Stat, attributes: &Attributes) {
    stat.mode = attributes.mode.unwrap_or(stat.mode);
    let number = |id: Option<u32>, name: &Option<String>| id.or_else(|| name.as_deref().map(placeholder));
    stat.uid = number(attributes.uid, &attributes.owner).unwrap_or(stat.uid);
    stat.gid = number(attributes.gid, &attributes.group).unwrap_or(stat.gid);
    stat.mtime = attributes.mtime.unwrap_or(stat.mtime);
    stat.atime = attributes.atime.unwrap_or(stat.atime);
}

/// The number that stands in predictions for an account that has none yet: the same for the same name, and above those that hosts give.
#[must_use]
pub fn placeholder(name: &str) -> u32 {
    const ABOVE_ALL: u32 = 0xf000_0000;
    u32::from_str_radix(&digest(name.as_bytes())[..7], 16).unwrap_or_default() | ABOVE_ALL
}

/// Something new, before a umask.
pub(super) const fn fresh(kind: FileKind) -> Stat {
    let mode = match kind {
        FileKind::Directory | FileKind::Symlink => 0o777,
        _ => 0o666,
    };
    Stat {
        kind,
        mode,
        uid: 0,
        gid: 0,
        size: 0,
        links: 1,
        inode: 0,
        device: 0,
        atime: 0,
        mtime: 0,
        ctime: 0,
        block_size: 4096,
        blocks: 0,
    }
}
