//! `unarchive`: what an archive holds, in a directory.

use std::path::{Path, PathBuf};

use super::{
    attributes::{self, FileAttributes},
    directories, globbing, tempfile,
};
use crate::{
    options,
    protocol::{Attributes, Blob, Change, Content, Failure, Run},
    remote::{
        Applied, Mode, Module, Plan, Planned, Probe, Stop,
        machine::{probe::Found, system::FileKind},
    },
};

mod tar;
mod zip;

options! {
    /// Unpacks an archive into a directory that exists: tar with any compression that the host's `tar` knows, or zip with `unzip`.
    ///
    /// What is there already is compared with the archive and only unpacked when something is missing or differs.
    /// Check mode can say so for archives on the host; for one that has to be sent first it cannot know.
    ///
    /// ## Example
    /// ```yaml
    /// - unarchive:
    ///     src: app-1.2.tar.gz
    ///     dest: /opt/app
    ///     owner: app
    ///     extra_opts: [--strip-components=1]
    /// ```
    ///
    /// ## Returns
    /// `dest`, `src`, `handler`, `mode`, `owner`, `group`, `uid`, `gid`, `size`, `state`; `files` with `list_files`.
    pub struct Unarchive {
        /// The archive: on the controller, or on the host with `remote_src`; then also the address it is fetched from, as the host sees it.
        src: String,
        /// The directory to unpack into.
        dest: PathBuf,
        /// Whether `src` is on the host.
        remote_src: bool = false,
        /// The opposite of `remote_src`, from before that existed.
        copy: Option<bool>,
        /// A file or pattern; when it exists, nothing is done.
        creates: Option<PathBuf>,
        /// Return the names in the archive.
        list_files: bool = false,
        /// Leave files alone that are newer than the archive's.
        keep_newer: bool = false,
        /// Names to leave out.
        exclude: Vec<String>,
        /// Only these names.
        include: Vec<String>,
        /// More options for `tar` or `unzip`.
        extra_opts: Vec<String>,
        /// Whether the server of a `src` that is an address has to prove who it is.
        validate_certs: bool = true,
        /// Whether the controller decrypts a vaulted archive before it is sent.
        decrypt: bool = true,
        /// Taken for compatibility; content is always streamed.
        io_buffer_size: i64 = 65_536,
        /// The archive's content, put there by the controller.
        blob: Option<Blob> [_blob],
        ..attributes: FileAttributes
    }
}

/// The return value by which the host asks the controller for the archive at an address; never seen by users.
pub const WANTS_ARCHIVE: &str = "_wants_archive";

/// What the two kinds of archive are asked for.
trait Format {
    /// Ansible's name for what handles it.
    fn handler(&self) -> &'static str;
    /// The program it needs.
    fn program(&self) -> &'static str;
    /// The names in the archive.
    fn names(&self, probe: &Probe<'_>, archive: &Path) -> Found<Vec<String>>;
    /// Whether unpacking would change anything.
    fn differs(&self, probe: &Probe<'_>, archive: &Path) -> Found<bool>;
    /// Unpacks.
    fn extract(&self, archive: &Path) -> Run;
    /// Compares and unpacks in one go, for an archive that is only there for a moment; prints `changed` when it had to.
    fn refresh(&self, archive: &Path, root: bool) -> Run;
    /// Prints the names in an archive, a line each, as a shell command.
    fn listing(&self, archive: &Path) -> Vec<String>;
}

impl Module for Unarchive {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        if !self.include.is_empty() && !self.exclude.is_empty() {
            return Err(Stop::failed("parameters are mutually exclusive: include|exclude"));
        }
        if let Some(creates) = &self.creates
            && !globbing::matching(probe, creates)?.is_empty()
        {
            return Ok(Plan::skip(format!("skipped, since {} exists", creates.display())));
        }
        if !directories::is_directory(probe, &self.dest)? {
            let stop = Stop::failed(format!("Destination '{}' is not a directory", self.dest.display()));
            return Err(probe.lacks(stop));
        }
        let format = self.format();
        if probe.program(format.program())?.is_none() {
            let stop = Stop::failed(format!("Unable to find required '{}' binary in the path", format.program()));
            return Err(probe.lacks(stop).hint(format!("install the package {} on the host first", format.program())));
        }
        let mut plan = Plan::new();
        plan.set("src", self.src.as_str());
        plan.set("dest", self.dest.to_string_lossy());
        plan.set("handler", format.handler());
        match &self.blob {
            Some(blob) => self.send(&mut plan, probe, format.as_ref(), blob)?,
            None => self.unpack(&mut plan, probe, format.as_ref())?,
        }
        attributes::describe(&mut plan, probe, &self.dest)?;
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if self.blob.is_some() {
            let runs = || plan.changes.iter().zip(applied).filter(|(change, _)| matches!(change, Change::Run(_)));
            if let Some((_, failed)) = runs().find(|(_, applied)| applied.code != 0) {
                let message =
                    format!("failed to unpack {} to {}: {}", self.src, self.dest.display(), failed.stderr.trim());
                return Err(Stop::Failed(Failure::new(message), plan.result.clone()));
            }
            plan.changed = Some(runs().any(|(_, applied)| !applied.stdout.trim().is_empty()));
        }
        attributes::describe(plan, probe, &self.dest)
    }
}

impl Unarchive {
    fn format(&self) -> Box<dyn Format + '_> {
        let name = self.src.split(['?', '#']).next().unwrap_or_default().to_lowercase();
        if [".zip", ".jar", ".war", ".whl"].iter().any(|end| name.ends_with(end)) {
            Box::new(zip::Zip(self))
        } else {
            Box::new(tar::Tar(self))
        }
    }

    /// An archive on the host.
    fn unpack(&self, plan: &mut Plan, probe: &Probe<'_>, format: &dyn Format) -> Found<()> {
        if self.src.contains("://") {
            plan.set(WANTS_ARCHIVE, self.src.as_str());
            return Ok(());
        }
        let archive = Path::new(&self.src);
        match probe.stat_followed(archive)? {
            None => return Err(probe.lacks(Stop::failed(format!("Source '{}' does not exist", self.src)))),
            Some(stat) if stat.kind != FileKind::File => {
                return Err(Stop::failed(format!("Source '{}' is not a file", self.src)));
            }
            Some(_) => {}
        }
        let names = match format.names(probe, archive) {
            // A prediction cannot be unpacked.
            Err(Stop::Failed(..)) if probe.predicting() => {
                return Err(Stop::Unknown(format!("what {} holds is known after apply", self.src)));
            }
            names => names?,
        };
        if names.is_empty() {
            return Err(Stop::failed(format!("found no files in the archive {}", self.src)));
        }
        if self.list_files {
            plan.set("files", names.clone());
        }
        if format.differs(probe, archive)? {
            plan.push(Change::Run(format.extract(archive)));
            for run in self.ownership(probe, format, archive)? {
                plan.push(Change::Run(run));
            }
            return Ok(());
        }
        for name in names.iter().filter(|name| !name.trim_matches('/').is_empty()) {
            let path = self.dest.join(name.trim_start_matches('/'));
            if let Some(stat) = probe.stat(&path)? {
                attributes::adjust(plan, probe, &path, &stat, &self.attributes)?;
            }
        }
        Ok(())
    }

    /// An archive that the controller has.
    fn send(&self, plan: &mut Plan, probe: &Probe<'_>, format: &dyn Format, blob: &Blob) -> Found<()> {
        if probe.predicting() {
            return Err(Stop::Unknown(format!(
                "what {} would change in {} is known after apply",
                self.src,
                self.dest.display()
            )));
        }
        let archive = tempfile::unused(probe, &tempfile::directory(probe), "deployer.", "")?;
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        let content = Content::Blob(blob.clone());
        plan.push(Change::Write { path: archive.clone(), content, attributes, in_place: false });
        let mut runs = vec![format.refresh(&archive, probe.uid() == 0)];
        runs.extend(self.ownership(probe, format, &archive)?);
        // The archive is removed whatever they say.
        plan.changes.extend(runs.into_iter().map(|run| Change::Run(Run { success: vec![Run::ANY_CODE], ..run })));
        plan.push(Change::Remove { path: archive });
        Ok(())
    }

    /// Commands that set owner, group and mode of all that was unpacked and print what they had to change.
    fn ownership(&self, probe: &Probe<'_>, format: &dyn Format, archive: &Path) -> Found<Vec<Run>> {
        const EACH: &str = r#"cd "$1" || exit; dest=$1 tool=$2 value=$3; shift 3
"$@" | sed '/^\/*$/d; s,^/*,./,' | tr '\n' '\0' | (cd "$dest" && xargs -0 -r "$tool" -c -- "$value")"#;
        let wanted = self.attributes.fresh(probe, 0, false)?;
        let mut values = Vec::new();
        if let Some(owner) = wanted.uid.map(|uid| uid.to_string()).or(wanted.owner) {
            values.push(("chown", owner));
        }
        if let Some(group) = wanted.gid.map(|gid| gid.to_string()).or(wanted.group) {
            values.push(("chgrp", group));
        }
        match &self.attributes.mode {
            Some(Mode::Bits(bits)) => values.push(("chmod", format!("{bits:04o}"))),
            Some(Mode::Symbolic(clauses)) => values.push(("chmod", clauses.clone())),
            Some(Mode::Preserve) | None => {}
        }
        let dest = self.dest.to_string_lossy().into_owned();
        let run = |(tool, value): (&str, String)| {
            let mut argv: Vec<String> = ["/bin/sh", "-c", EACH, "sh", &dest, tool, &value].map(str::to_owned).to_vec();
            argv.extend(format.listing(archive));
            Run::new(argv)
        };
        Ok(values.into_iter().map(run).collect())
    }
}

#[cfg(test)]
mod tests;
