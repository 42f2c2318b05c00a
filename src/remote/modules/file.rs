//! `file`: files, directories and links, and their attributes.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{
    attributes::{self, FileAttributes},
    directories, flags,
    times::Times,
};
use crate::{
    choices, options,
    protocol::{Attributes, Change, Content, Diff, Failure, Json, Map},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        machine::{
            probe::Found,
            system::{FileKind, Stat},
        },
    },
};

choices! {
    /// What should be at the path.
    pub enum State {
        /// Nothing; directories go with all they hold.
        Absent = "absent",
        /// A directory; missing parents are made too.
        Directory = "directory",
        /// What is there already; only its attributes are set.
        File = "file",
        /// A hard link to `src`.
        Hard = "hard",
        /// A symbolic link to `src`.
        Link = "link",
        /// A file; an empty one is made, of one that is there the times are set.
        Touch = "touch",
    }
}

options! {
    /// Makes and removes directories, links and empty files, and sets owner, group, permissions and times.
    ///
    /// ## Example
    /// ```yaml
    /// - file:
    ///     path: /srv/app/data
    ///     state: directory
    ///     owner: app
    ///     mode: '0750'
    /// - file: src=/srv/app/v2 dest=/srv/app/current state=link
    /// ```
    ///
    /// ## Returns
    /// `path` (`dest` for links and `touch`, with `src`), `state`, `mode`, `owner`, `group`, `uid`, `gid`, `size`.
    pub struct File {
        /// The path to manage.
        path: std::path::PathBuf [dest name],
        /// What should be there; when it is left out, what is there now, else `file` (`directory` with `recurse`).
        state: Option<State>,
        /// What a link leads to; relative to the directory of the link.
        src: Option<String>,
        /// Set the attributes of everything below a directory too.
        recurse: bool = false,
        /// Make links whose target is missing, and replace files and empty directories with links.
        force: bool = false,
        /// Act on what a link leads to.
        follow: bool = true,
        /// Only look whether the file seems to hold text, as Ansible's own preparation of diffs does.
        diff_peek: bool [_diff_peek] = false,
        ..times: Times,
        ..attributes: FileAttributes
    }
}

impl Module for File {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        if let Some(planned) = self.without_strangers(probe) {
            return planned;
        }
        self.planned(probe)
    }

    fn report(&self, plan: &mut Plan, _applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        let path =
            plan.result.get("path").or_else(|| plan.result.get("dest")).and_then(Json::as_str).map(PathBuf::from);
        match path {
            Some(path) => attributes::describe(plan, probe, &path),
            None => Ok(()),
        }
    }
}

impl File {
    /// A prediction does without owners and groups that nobody knows yet, and says so; `None` when all are known.
    fn without_strangers(&self, probe: &Probe<'_>) -> Option<Planned> {
        let (attributes, warnings) = self.attributes.without_strangers(probe);
        if warnings.is_empty() {
            return None;
        }
        let known = Self { attributes, ..self.clone() };
        // Of something that is there they could not be set either.
        let there = known.path(probe).and_then(|path| probe.exists(&path)).unwrap_or(false);
        if there && (known.attributes.owner != self.attributes.owner || known.attributes.group != self.attributes.group)
        {
            let failure = Failure::new(warnings.join("; "));
            return Some(Err(Stop::Failed(failure, Map::from_iter([("warnings".to_owned(), json!(warnings))]))));
        }
        Some(match known.planned(probe) {
            Ok(mut plan) => {
                plan.warnings.extend(warnings);
                Ok(plan)
            }
            Err(Stop::Failed(failure, mut result)) => {
                result.insert("warnings".to_owned(), json!(warnings));
                Err(Stop::Failed(failure, result))
            }
            Err(unknown) => Err(unknown),
        })
    }

    fn planned(&self, probe: &Probe<'_>) -> Planned {
        let path = self.path(probe)?;
        let stat = probe.stat(&path)?;
        if self.diff_peek {
            return peek(probe, &path);
        }
        let state = match (self.state, &stat) {
            (Some(state), _) => state,
            (None, Some(stat)) => match attributes::state_word(Some(stat)) {
                "directory" => State::Directory,
                "link" => State::Link,
                "hard" => State::Hard,
                _ => State::File,
            },
            (None, None) if self.recurse => State::Directory,
            (None, None) => State::File,
        };
        if self.recurse && state != State::Directory {
            return Err(Stop::failed("recurse option requires state to be 'directory'"));
        }
        if self.src.is_some() && !matches!(state, State::Link | State::Hard) {
            return Err(Stop::failed("src option requires state to be 'link' or 'hard'"));
        }
        let mut plan = Plan::new();
        match state {
            // What is in a folder that a package brings is the package's business.
            State::Absent
                if probe.awaits_packages()
                    && stat.is_none()
                    && !directories::is_directory(probe, directories::parent(&path))? =>
            {
                return Err(probe.lacks(Stop::failed(format!("{} is not there", path.display()))));
            }
            State::Absent => absent(&mut plan, &path, stat.as_ref()),
            State::File => self.existing(&mut plan, probe, path.clone(), stat)?,
            State::Directory => self.directory(&mut plan, probe, path.clone(), stat)?,
            State::Link => self.link(&mut plan, probe, &path, stat)?,
            State::Hard => self.hard(&mut plan, probe, &path, stat)?,
            State::Touch => self.touch(&mut plan, probe, &path, stat)?,
        }
        if probe.wants_diff() {
            difference(&mut plan);
        }
        if state == State::Absent && probe.wants_diff() && directories::is_directory(probe, &path)? {
            contents(&mut plan, probe, &path)?;
        }
        Ok(plan)
    }

    /// The path itself; a hard link whose path is a directory goes into it.
    fn path(&self, probe: &Probe<'_>) -> Found<PathBuf> {
        let text = self.path.to_string_lossy();
        let trimmed = text.trim_end_matches('/');
        let path = PathBuf::from(if trimmed.is_empty() { "/" } else { trimmed });
        if !matches!(self.state, Some(State::Link | State::Absent))
            && let Some(name) = self.src.as_deref().map(Path::new).and_then(Path::file_name)
            && directories::is_directory(probe, &path)?
        {
            return Ok(path.join(name));
        }
        Ok(path)
    }

    fn existing(&self, plan: &mut Plan, probe: &Probe<'_>, path: PathBuf, stat: Option<Stat>) -> Found<()> {
        let (path, stat) = self.followed(probe, path, stat)?;
        plan.set("path", path.to_string_lossy());
        match stat {
            Some(stat) if !matches!(stat.kind, FileKind::Directory | FileKind::Symlink) => {
                self.adjust(plan, probe, &path, &stat, false)
            }
            other => {
                let state = attributes::state_word(other.as_ref());
                plan.set("state", state);
                let mut failure = Failure::new(format!("file ({}) is {state}, cannot continue", path.display()));
                if state == "absent" {
                    failure =
                        failure.hint("state: touch makes an empty file; state: file only changes one that is there");
                }
                let stop = Stop::Failed(failure, plan.result.clone());
                Err(if state == "absent" { probe.lacks(stop) } else { stop })
            }
        }
    }

    fn directory(&self, plan: &mut Plan, probe: &Probe<'_>, path: PathBuf, stat: Option<Stat>) -> Found<()> {
        let (path, stat) = self.followed(probe, path, stat)?;
        plan.set("path", path.to_string_lossy());
        let Some(stat) = stat else {
            for directory in directories::missing(probe, &path)? {
                let mut attributes = self.attributes.fresh(probe, attributes::new_directory_bits(probe), true)?;
                self.times.wanted(probe, None, false)?.put_into(&mut attributes);
                plan.diff(directory.to_string_lossy(), "state: absent\n", "state: directory\n");
                plan.push(Change::Directory { path: directory, attributes });
            }
            plan.set("state", "directory");
            return Ok(());
        };
        if stat.kind != FileKind::Directory {
            let state = attributes::state_word(Some(&stat));
            return Err(Stop::failed(format!("{} already exists as a {state}", path.display())));
        }
        self.adjust(plan, probe, &path, &stat, false)?;
        if self.recurse {
            let mut seen = vec![path.clone()];
            self.below(plan, probe, &path, &mut seen)?;
        }
        Ok(())
    }

    fn below(&self, plan: &mut Plan, probe: &Probe<'_>, top: &Path, seen: &mut Vec<PathBuf>) -> Found<()> {
        for (path, stat) in directories::walk(probe, top)? {
            self.set(plan, probe, &path, &stat, false)?;
            if stat.kind != FileKind::Symlink || !self.follow {
                continue;
            }
            if let Some(target) = probe.resolve(&path)?
                && let Some(stat) = probe.stat(&target)?
                && !seen.contains(&target)
            {
                seen.push(target.clone());
                self.set(plan, probe, &target, &stat, false)?;
                if stat.kind == FileKind::Directory {
                    self.below(plan, probe, &target, seen)?;
                }
            }
        }
        Ok(())
    }

    fn link(&self, plan: &mut Plan, probe: &Probe<'_>, path: &Path, stat: Option<Stat>) -> Found<()> {
        let old = match &stat {
            Some(stat) if stat.kind == FileKind::Symlink => Some(probe.read_link(path)?),
            _ => None,
        };
        let Some(target) = self.src.as_ref().map(PathBuf::from).or_else(|| old.clone()) else {
            return Err(Stop::failed("src is required for creating new symlinks"));
        };
        plan.set("dest", path.to_string_lossy());
        plan.set("src", target.to_string_lossy());
        let absolute = directories::parent(path).join(&target);
        // By convention packages bring what is linked to.
        if !self.force && self.src.is_some() && !probe.awaits_packages() && !probe.exists(&absolute)? {
            return Err(Stop::failed(format!(
                "src file does not exist, use 'force=yes' if you really want to create the link: {}",
                absolute.display()
            )));
        }
        let state = attributes::state_word(stat.as_ref());
        let refusal = match &stat {
            Some(stat) if stat.kind == FileKind::Directory && self.force && !probe.read_dir(path)?.is_empty() => {
                Some(format!("the directory {} is not empty, refusing to convert it", path.display()))
            }
            Some(stat) if stat.kind != FileKind::Symlink && !self.force => {
                Some(format!("refusing to convert from {state} to symlink for {}", path.display()))
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            return Err(Stop::failed(refusal).hint("force: true replaces files and empty directories"));
        }
        let new = old.as_ref() != Some(&target);
        if new {
            let before = match &old {
                Some(old) => format!("state: link\nsrc: {}\n", old.display()),
                None => format!("state: {state}\n"),
            };
            plan.diff(path.to_string_lossy(), before, format!("state: link\nsrc: {}\n", target.display()));
            if matches!(stat, Some(stat) if stat.kind == FileKind::Directory) {
                plan.push(Change::Remove { path: path.to_owned() });
            }
            plan.push(Change::Symlink { path: path.to_owned(), target: target.clone() });
        }
        if self.follow {
            match probe.resolve(&absolute)? {
                Some(resolved) => {
                    if let Some(stat) = probe.stat(&resolved)? {
                        self.set(plan, probe, &resolved, &stat, false)?;
                    }
                }
                None if self.attributes.mode.is_some()
                    || self.attributes.owner.is_some()
                    || self.attributes.group.is_some() =>
                {
                    plan.warnings.push(
                        "Cannot set fs attributes on a non-existent symlink target. follow should be set to False to avoid this."
                            .to_owned(),
                    );
                }
                None => {}
            }
        } else if new {
            let attributes = Attributes { mode: None, ..self.attributes.fresh(probe, 0, false)? };
            if !attributes::nothing(&attributes) {
                plan.push(Change::Attributes { path: path.to_owned(), attributes });
            }
        } else if let Some(stat) = &stat {
            self.set(plan, probe, path, stat, false)?;
        }
        plan.set("state", "link");
        Ok(())
    }

    fn hard(&self, plan: &mut Plan, probe: &Probe<'_>, path: &Path, stat: Option<Stat>) -> Found<()> {
        plan.set("dest", path.to_string_lossy());
        let Some(src) = &self.src else {
            return match stat {
                Some(stat) if attributes::state_word(Some(&stat)) == "hard" => {
                    self.adjust(plan, probe, path, &stat, false)
                }
                _ => Err(Stop::failed("src is required for creating new hardlinks")),
            };
        };
        plan.set("src", src.as_str());
        let target = PathBuf::from(src);
        let Some(resolved) = probe.resolve(&target)? else {
            return Err(probe.lacks(gone(plan)));
        };
        let Some(original) = probe.stat(&resolved)? else {
            return Err(gone(plan));
        };
        if original.kind == FileKind::Directory {
            return Err(Stop::failed(format!("{src} is a directory, and directories have no hard links")));
        }
        if let Some(stat) = &stat {
            if stat.inode == original.inode && stat.device == original.device {
                return self.adjust(plan, probe, path, stat, false);
            }
            let state = attributes::state_word(Some(stat));
            if stat.kind == FileKind::Directory {
                return Err(Stop::failed(format!("Cannot link, {state} exists at destination")));
            }
            if stat.kind != FileKind::Symlink && !self.force {
                return Err(
                    Stop::failed(format!("Cannot link, {state} exists at destination")).hint("force: true replaces it")
                );
            }
        }
        let before = attributes::state_word(stat.as_ref());
        plan.diff(path.to_string_lossy(), format!("state: {before}\n"), format!("state: hard\nsrc: {src}\n"));
        plan.push(Change::HardLink { path: path.to_owned(), target: resolved });
        self.set(plan, probe, path, &original, false)?;
        plan.set("state", "hard");
        Ok(())
    }

    fn touch(&self, plan: &mut Plan, probe: &Probe<'_>, path: &Path, stat: Option<Stat>) -> Found<()> {
        plan.set("dest", path.to_string_lossy());
        if let Some(stat) = stat {
            let (path, stat) = self.followed(probe, path.to_owned(), Some(stat))?;
            return match stat {
                Some(stat) => self.adjust(plan, probe, &path, &stat, true),
                None => Err(Stop::failed(format!("{} is a link that leads nowhere", path.display()))),
            };
        }
        let parent = directories::parent(path);
        directories::expect(plan, probe, parent, || {
            let (path, parent) = (path.display(), parent.display());
            Stop::failed(format!("could not touch {path}: the directory {parent} does not exist"))
        })?;
        let mut attributes = self.attributes.fresh(probe, attributes::new_file_bits(probe), false)?;
        self.times.wanted(probe, None, false)?.put_into(&mut attributes);
        plan.diff(path.to_string_lossy(), "state: absent\n", "state: touch\n");
        plan.push(Change::Write {
            path: path.to_owned(),
            content: Content::Text(String::new()),
            attributes,
            in_place: false,
        });
        flags::adjust(plan, probe, path, self.attributes.attributes.as_deref())?;
        plan.set("state", "file");
        Ok(())
    }

    /// Sets attributes of the one thing the task is about and returns what it then looks like.
    fn adjust(&self, plan: &mut Plan, probe: &Probe<'_>, path: &Path, stat: &Stat, touch: bool) -> Found<()> {
        let attributes = self.set(plan, probe, path, stat, touch)?;
        attributes::describe_stat(plan, probe, Some(&attributes::once_set(stat, &attributes)));
        Ok(())
    }

    fn set(&self, plan: &mut Plan, probe: &Probe<'_>, path: &Path, stat: &Stat, touch: bool) -> Found<Attributes> {
        let mut attributes = self.attributes.differing(probe, stat)?;
        self.times.wanted(probe, Some(stat), touch)?.put_into(&mut attributes);
        if !attributes::nothing(&attributes) {
            attributes::show_difference(plan, probe, path, stat, &attributes);
            plan.push(Change::Attributes { path: path.to_owned(), attributes: attributes.clone() });
        }
        if stat.kind != FileKind::Symlink {
            flags::adjust(plan, probe, path, self.attributes.attributes.as_deref())?;
        }
        Ok(attributes)
    }

    fn followed(&self, probe: &Probe<'_>, path: PathBuf, stat: Option<Stat>) -> Found<(PathBuf, Option<Stat>)> {
        if self.follow
            && matches!(stat, Some(stat) if stat.kind == FileKind::Symlink)
            && let Some(resolved) = probe.resolve(&path)?
        {
            let stat = probe.stat(&resolved)?;
            return Ok((resolved, stat));
        }
        Ok((path, stat))
    }
}

/// Returns as `diff` what differs of the path itself, by name.
fn difference(plan: &mut Plan) {
    let path = plan.result.get("path").or_else(|| plan.result.get("dest"));
    let Some(name) = path.and_then(Json::as_str).map(str::to_owned) else { return };
    let rows = |pick: fn(&Diff) -> &String| {
        let own = plan.diffs.iter().filter(|diff| diff.name == name);
        let lines = own.flat_map(|diff| pick(diff).lines()).filter_map(|line| line.split_once(": "));
        let mut map = Map::from_iter([("path".to_owned(), Json::from(name.as_str()))]);
        map.extend(lines.map(|(key, value)| (key.to_owned(), Json::from(value.trim_matches('\'')))));
        map
    };
    let diff = json!({ "before": rows(|diff| &diff.before), "after": rows(|diff| &diff.after) });
    plan.set("diff", diff);
}

/// Returns with the difference what goes with a directory.
fn contents(plan: &mut Plan, probe: &Probe<'_>, path: &Path) -> Found<()> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for (path, stat) in directories::walk(probe, path)? {
        let name = Json::from(path.to_string_lossy());
        if stat.kind == FileKind::Directory { folders.push(name) } else { files.push(name) }
    }
    if let Some(before) = plan.result.get_mut("diff").and_then(|diff| diff.get_mut("before")) {
        before["path_content"] = json!({ "directories": folders, "files": files });
    }
    Ok(())
}

/// A hard link needs something to lead to.
fn gone(plan: &Plan) -> Stop {
    let failure = Failure::new("src does not exist").hint("a hard link needs a file that is there already");
    Stop::Failed(failure, plan.result.clone())
}

/// Says whether a file looks like no text; nothing is changed.
fn peek(probe: &Probe<'_>, path: &Path) -> Planned {
    const LOOKED_BYTES: usize = 8192;
    let mut plan = Plan::new();
    plan.set("path", path.to_string_lossy());
    let file = probe.stat_followed(path)?.is_some_and(|stat| stat.kind == FileKind::File);
    let binary = file && probe.read(path)?.iter().take(LOOKED_BYTES).any(|byte| *byte == 0);
    plan.set("appears_binary", binary);
    Ok(plan)
}

fn absent(plan: &mut Plan, path: &Path, stat: Option<&Stat>) {
    plan.set("path", path.to_string_lossy());
    plan.set("state", "absent");
    if stat.is_some() {
        plan.diff(path.to_string_lossy(), format!("state: {}\n", attributes::state_word(stat)), "state: absent\n");
        plan.push(Change::Remove { path: path.to_owned() });
    }
}

#[cfg(test)]
mod tests;
