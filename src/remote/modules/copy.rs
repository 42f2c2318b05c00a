//! `copy`: puts files and directory trees in place.

use std::path::{Path, PathBuf};

use super::{
    attributes::{self, FileAttributes, new_file_bits},
    checksums::Algorithm,
    directories,
    replacement::{self, Care},
    tree::{Item, Sent},
    words,
};
use crate::{
    options,
    protocol::{Attributes, Blob, Change, Content, Json},
    remote::{
        Applied, Mode, Module, Plan, Planned, Probe, Stop,
        machine::{
            probe::Found,
            system::{FileKind, Stat},
        },
    },
};

options! {
    /// Puts a file or a directory tree in place, from the controller or (`remote_src`) from the host itself.
    ///
    /// Files are compared by content and replaced atomically; nothing is written when content, owner, group and mode are as asked for.
    ///
    /// ## Example
    /// ```yaml
    /// - copy:
    ///     src: app.conf
    ///     dest: /etc/app/app.conf
    ///     owner: app
    ///     mode: '0640'
    ///     validate: appctl check %s
    /// ```
    ///
    /// ## Returns
    /// `dest`, `src`, `checksum` (SHA-1) and `md5sum`, which for a large file are worked out only if the result is registered or shown, `mode`, `owner`, `group`, `uid`, `gid`, `size`, `state`; `backup_file` when one was made.
    pub struct Copy {
        /// A file or directory: on the controller, or on the host with `remote_src`. A directory with `/` at its end stands for what it holds.
        src: Option<String>,
        /// The content itself, instead of `src`.
        content: Option<Json>,
        /// Where to put it. An existing directory, or a path with `/` at its end, is a directory to put it into.
        dest: std::path::PathBuf,
        /// Keep the old version beside the new one.
        backup: bool = false,
        /// Replace a file whose content differs; otherwise only put it where nothing is.
        force: bool [thirsty] = true,
        /// Whether `src` is on the host.
        remote_src: bool = false,
        /// A command that has to accept the new file first, with `%s` for its path. No shell runs it.
        validate: Option<String>,
        /// Permissions of directories that are made on the way or as part of a tree.
        directory_mode: Option<Mode>,
        /// When `dest` is a link, replace what it leads to.
        follow: bool = false,
        /// Copy what links in the source lead to instead of the links.
        local_follow: bool = true,
        /// Whether the controller opens a source that is vaulted.
        decrypt: bool = true,
        /// The SHA-1 that the source has to have.
        checksum: Option<String>,
        /// The content of `src`, put there by the controller.
        blob: Option<Blob> [_blob],
        /// The name to use inside a directory, put there by the controller.
        original_basename: Option<String> [_original_basename _name],
        /// Whether anybody reads the checksums, said by the controller.
        sums: bool [_sums] = true,
        /// A directory tree, put there by the controller.
        tree: Option<Sent> [_tree],
        ..attributes: FileAttributes
    }
}

/// One file that is to be put in place.
struct Source {
    content: Content,
    /// Its permissions where it comes from, if that is known.
    mode: Option<u32>,
}

impl Module for Copy {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let (attributes, warnings) = self.attributes.without_strangers(probe);
        if !warnings.is_empty() {
            let mut plan = Self { attributes, ..self.clone() }.planned(probe)?;
            plan.warnings.extend(warnings);
            return Ok(plan);
        }
        self.planned(probe)
    }

    fn report(&self, plan: &mut Plan, _applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        let Some(dest) = plan.result.get("dest").and_then(Json::as_str).map(PathBuf::from) else { return Ok(()) };
        attributes::describe(plan, probe, &dest)?;
        let file = self.sums && probe.stat_followed(&dest)?.is_some_and(|stat| stat.kind == FileKind::File);
        if file && !plan.result.contains_key("checksum") {
            let checksum = Algorithm::Sha1.file(probe, &dest)?;
            plan.set("checksum", checksum);
        }
        if file && !self.remote_src {
            plan.set("md5sum", Algorithm::Md5.file(probe, &dest)?);
        }
        Ok(())
    }
}

impl Copy {
    fn planned(&self, probe: &Probe<'_>) -> Planned {
        let mut plan = Plan::new();
        if self.remote_src
            && let Some(src) = &self.src
        {
            let expanded = words::expand(probe, src);
            if expanded != *src {
                return Self { src: Some(expanded), ..self.clone() }.planned(probe);
            }
        }
        if let Some(src) = &self.src {
            plan.set("src", src.as_str());
        }
        if let Some(tree) = &self.tree {
            let keeps = self.attributes.mode == Some(Mode::Preserve);
            let items: Vec<Item> =
                tree.0.iter().map(|item| if keeps { item.clone() } else { item.without_mode() }).collect();
            return self.place_tree(plan, probe, &self.dest, &items);
        }
        let Some(source) = self.source(probe)? else { return self.copy_directory(plan, probe) };
        let path = self.destination(&mut plan, probe)?;
        plan.set("dest", path.to_string_lossy());
        let before = probe.stat(&path)?;
        if before.is_some() && !self.force {
            plan.changes.clear();
            plan.set("msg", "file already exists");
            attributes::describe(&mut plan, probe, &path)?;
            return Ok(plan);
        }
        if let Content::Text(text) = &source.content {
            plan.set("checksum", Algorithm::Sha1.bytes(text.as_bytes()));
        }
        let expected = self.place(&mut plan, probe, &path, before.as_ref(), &source)?;
        attributes::describe_stat(&mut plan, probe, expected.as_ref());
        if before.is_none() {
            plan.set("state", "file");
        }
        Ok(plan)
    }

    /// The one file to copy; `None` when `src` is a directory on the host.
    fn source(&self, probe: &Probe<'_>) -> Found<Option<Source>> {
        let source = if let Some(blob) = &self.blob {
            Source { content: Content::Blob(blob.clone()), mode: None }
        } else if let Some(content) = &self.content {
            let text = match content {
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            Source { content: Content::Text(text), mode: None }
        } else if let (Some(src), true) = (&self.src, self.remote_src) {
            let path = PathBuf::from(src);
            match probe.stat_followed(&path)? {
                None => return Err(probe.lacks(Stop::failed(format!("Source {src} not found")))),
                Some(stat) if stat.kind == FileKind::Directory => return Ok(None),
                Some(stat) if stat.kind != FileKind::File => {
                    return Err(Stop::failed(format!("Source {src} is not a file")));
                }
                Some(stat) => Source { content: Content::CopyOf(path), mode: Some(stat.mode) },
            }
        } else {
            return Err(Stop::failed("src or content is required"));
        };
        if let Some(expected) = &self.checksum {
            let found = match &source.content {
                Content::Text(text) => Algorithm::Sha1.bytes(text.as_bytes()),
                Content::CopyOf(path) => Algorithm::Sha1.file(probe, path)?,
                // The controller has the content and has compared it.
                Content::Blob(_) | Content::Bytes(_) => expected.clone(),
            };
            if found != *expected {
                let message = "Copied file does not match the expected checksum. Transfer failed.";
                return Err(Stop::failed(format!("{message} Expected {expected}, found {found}")));
            }
        }
        Ok(Some(source))
    }

    /// The path of the file itself, with the directories that have to be made for it planned.
    fn destination(&self, plan: &mut Plan, probe: &Probe<'_>) -> Found<PathBuf> {
        let directory = self.dest.to_string_lossy().ends_with('/') || directories::is_directory(probe, &self.dest)?;
        let mut path = self.dest.clone();
        if directory {
            let own = self
                .src
                .as_deref()
                .map(Path::new)
                .and_then(Path::file_name)
                .map(|name| name.to_string_lossy().into_owned());
            let name = self.original_basename.clone().or(own).ok_or_else(|| {
                Stop::failed(format!("can not use content with a dir as dest: {}", self.dest.display()))
            })?;
            self.make_directories(plan, probe, &self.dest)?;
            path.push(name);
        } else {
            let parent = directories::parent(&path);
            let missing = || Stop::failed(format!("Destination directory {} does not exist", parent.display()));
            let brought = directories::expect(plan, probe, parent, missing)?;
            if brought && !self.force {
                return Err(probe.lacks(missing()));
            }
        }
        if self.follow
            && let Some(resolved) = probe.resolve(&path)?
        {
            path = resolved;
        }
        Ok(path)
    }

    fn make_directories(&self, plan: &mut Plan, probe: &Probe<'_>, path: &Path) -> Found<bool> {
        let missing = directories::missing(probe, path)?;
        for directory in &missing {
            let attributes = self.directory_attributes().fresh(probe, attributes::new_directory_bits(probe), true)?;
            plan.diff(directory.to_string_lossy(), "state: absent\n", "state: directory\n");
            plan.push(Change::Directory { path: directory.clone(), attributes });
        }
        Ok(!missing.is_empty())
    }

    fn directory_attributes(&self) -> FileAttributes {
        self.attributes.with_mode(self.directory_mode.clone())
    }

    /// Plans one file; gives what will be there, where something is there now.
    fn place(
        &self,
        plan: &mut Plan,
        probe: &Probe<'_>,
        path: &Path,
        before: Option<&Stat>,
        source: &Source,
    ) -> Found<Option<Stat>> {
        let wanted = match (&self.attributes.mode, source.mode) {
            (Some(Mode::Preserve), mode) => self.attributes.with_mode(mode.map(Mode::Bits)),
            _ => self.attributes.clone(),
        };
        if let Some(stat) = before
            && stat.kind == FileKind::File
            && same(probe, path, stat, &source.content)?
        {
            attributes::adjust(plan, probe, path, stat, &wanted)?;
            return Ok(Some(attributes::once_set(stat, &wanted.differing(probe, stat)?)));
        }
        let replaced = before.filter(|stat| stat.kind == FileKind::File);
        let attributes = match replaced {
            // A copy on the host brings its permissions along.
            Some(stat) => Attributes {
                mode: wanted
                    .fresh(probe, source.mode.unwrap_or(stat.mode), false)?
                    .mode
                    .filter(|mode| *mode != stat.mode),
                ..wanted.differing(probe, stat)?
            },
            None => wanted.fresh(probe, source.mode.unwrap_or_else(|| new_file_bits(probe)), false)?,
        };
        let expected = replaced.map(|stat| attributes::once_set(stat, &attributes));
        let care =
            Care { backup: self.backup, validate: self.validate.as_deref(), in_place: self.attributes.unsafe_writes };
        replacement::replace(plan, probe, path, before, source.content.clone(), attributes, care)?;
        Ok(expected)
    }

    fn copy_directory(&self, plan: Plan, probe: &Probe<'_>) -> Planned {
        let src = self.src.clone().unwrap_or_default();
        let from = Path::new(&src);
        let mut dest = self.dest.clone();
        if !src.ends_with('/')
            && let Some(name) = from.file_name()
        {
            dest.push(name);
        }
        let items = Item::read(probe, from, self.local_follow)?;
        self.place_tree(plan, probe, &dest, &items)
    }

    fn place_tree(&self, mut plan: Plan, probe: &Probe<'_>, dest: &Path, items: &[Item]) -> Planned {
        plan.set("dest", dest.to_string_lossy());
        let new = self.make_directories(&mut plan, probe, dest)?;
        // Whatever is below something that is about to be made cannot be there yet.
        let mut made: Vec<PathBuf> = if new { vec![dest.to_owned()] } else { Vec::new() };
        for item in items {
            let path = dest.join(item.path());
            let parent_is_new = made.iter().any(|directory| path.starts_with(directory));
            let before = if parent_is_new { None } else { probe.stat(&path)? };
            match item {
                Item::Directory { mode, .. } => {
                    if !parent_is_new && directories::is_directory(probe, &path)? {
                        if let (Some(stat), Some(resolved)) = (probe.stat_followed(&path)?, probe.resolve(&path)?) {
                            attributes::adjust(&mut plan, probe, &resolved, &stat, &self.directory_attributes())?;
                        }
                        continue;
                    }
                    if before.is_some() {
                        return Err(Stop::failed(format!("{} is there and no directory", path.display())));
                    }
                    let bits = mode.unwrap_or_else(|| attributes::new_directory_bits(probe));
                    let attributes = self.directory_attributes().fresh(probe, bits, true)?;
                    plan.diff(path.to_string_lossy(), "state: absent\n", "state: directory\n");
                    plan.push(Change::Directory { path: path.clone(), attributes });
                    made.push(path);
                }
                Item::File { content, mode, .. } => {
                    if before.is_some() && !self.force {
                        continue;
                    }
                    let source = Source { content: content.clone(), mode: *mode };
                    self.place(&mut plan, probe, &path, before.as_ref(), &source)?;
                }
                Item::Symlink { target, .. } => {
                    let same = matches!(before, Some(stat) if stat.kind == FileKind::Symlink)
                        && probe.read_link(&path)? == *target;
                    if !same {
                        if matches!(before, Some(stat) if stat.kind == FileKind::Directory) {
                            return Err(Stop::failed(format!(
                                "{} is a directory and cannot become a link",
                                path.display()
                            )));
                        }
                        plan.diff(path.to_string_lossy(), "", format!("link to {}\n", target.display()));
                        plan.push(Change::Symlink { path, target: target.clone() });
                    }
                }
            }
        }
        attributes::describe(&mut plan, probe, dest)?;
        Ok(plan)
    }
}

/// Whether a file holds this.
fn same(probe: &Probe<'_>, path: &Path, stat: &Stat, content: &Content) -> Found<bool> {
    let size = match content {
        Content::Text(text) => text.len() as u64,
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::Blob(blob) => blob.size,
        Content::CopyOf(original) => probe.stat_followed(original)?.map_or(0, |stat| stat.size),
    };
    // Predicted files may not know their size.
    if !probe.predicting() && size != stat.size {
        return Ok(false);
    }
    Ok(match content {
        Content::Text(text) => probe.read(path)? == text.as_bytes(),
        Content::Bytes(bytes) => probe.read(path)? == *bytes,
        Content::Blob(blob) => probe.sha256(path)? == blob.sha256,
        Content::CopyOf(original) => probe.sha256(path)? == probe.sha256(original)?,
    })
}

#[cfg(test)]
mod tests;
