//! `assemble`: one file out of the pieces in a directory.

use std::path::PathBuf;

use super::{
    attributes::{self, FileAttributes},
    checksums::Algorithm,
    directories,
    expression::{self, Lines},
    replacement::{self, Care},
};
use crate::{
    options,
    protocol::{Content, Json},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        machine::{probe::Found, system::FileKind},
    },
};

options! {
    /// Puts a file together from the files of a directory, in the order of their names.
    ///
    /// ## Example
    /// ```yaml
    /// - assemble:
    ///     src: /etc/app/conf.d
    ///     dest: /etc/app/app.conf
    ///     regexp: '\.conf$'
    ///     validate: appctl check %s
    /// ```
    ///
    /// ## Returns
    /// `dest`, `src`, `checksum` (SHA-1), `mode`, `owner`, `group`, `uid`, `gid`, `size`, `state`; `backup_file` when one was made.
    pub struct Assemble {
        /// The directory with the pieces.
        src: PathBuf,
        /// The file to make.
        dest: PathBuf,
        /// Text between the pieces.
        delimiter: Option<String>,
        /// Only pieces whose name this finds.
        regexp: Option<String>,
        /// Leave out pieces whose name starts with a dot.
        ignore_hidden: bool = false,
        /// Keep the old version beside the new one.
        backup: bool = false,
        /// A command that has to accept the new file first, with `%s` for its path. No shell runs it.
        validate: Option<String>,
        /// Whether the pieces are on the host, not on the controller.
        remote_src: bool = true,
        /// Whether pieces of the controller that a vault holds are opened.
        decrypt: bool = true,
        ..attributes: FileAttributes
    }
}

impl Module for Assemble {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        if !directories::is_directory(probe, &self.src)? {
            return Err(probe.lacks(Stop::failed(format!("Source ({}) is not a directory", self.src.display()))));
        }
        let parent = directories::parent(&self.dest);
        let mut plan = Plan::new();
        directories::expect(&mut plan, probe, parent, || {
            Stop::failed(format!("Destination directory {} does not exist", parent.display()))
        })?;
        let content = self.content(probe)?;
        plan.set("msg", "OK");
        plan.set("src", self.src.to_string_lossy());
        plan.set("dest", self.dest.to_string_lossy());
        plan.set("checksum", Algorithm::Sha1.bytes(&content));
        let before = probe.stat_followed(&self.dest)?;
        if let Some(stat) = &before
            && stat.kind == FileKind::File
            && probe.read(&self.dest)? == content
        {
            let path = probe.resolve(&self.dest)?.unwrap_or_else(|| self.dest.clone());
            attributes::adjust(&mut plan, probe, &path, stat, &self.attributes)?;
            attributes::describe(&mut plan, probe, &path)?;
            return Ok(plan);
        }
        let wanted = match &before {
            Some(stat) => self.attributes.differing(probe, stat)?,
            None => self.attributes.fresh(probe, attributes::new_file_bits(probe), false)?,
        };
        let care =
            Care { backup: self.backup, validate: self.validate.as_deref(), in_place: self.attributes.unsafe_writes };
        replacement::replace(
            &mut plan,
            probe,
            &self.dest,
            before.as_ref(),
            Content::from_bytes(content),
            wanted,
            care,
        )?;
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, _applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        let dest = plan.result.get("dest").and_then(Json::as_str).map_or_else(|| self.dest.clone(), PathBuf::from);
        attributes::describe(plan, probe, &dest)
    }
}

impl Assemble {
    fn content(&self, probe: &Probe<'_>) -> Found<Vec<u8>> {
        self.joined(probe.read_dir(&self.src)?, |name| {
            let path = self.src.join(name);
            let file = probe.stat_followed(&path)?.is_some_and(|stat| stat.kind == FileKind::File);
            if file { probe.read(&path).map(Some) } else { Ok(None) }
        })
    }

    /// The pieces of that name as one content; `read` gives none for what is no file.
    ///
    /// # Errors
    /// When the expression is none, or what `read` says.
    pub fn joined(&self, names: Vec<String>, mut read: impl FnMut(&str) -> Found<Option<Vec<u8>>>) -> Found<Vec<u8>> {
        let wanted = self.regexp.as_ref().map(|pattern| expression::compile(pattern, Lines::default())).transpose()?;
        let mut content: Vec<u8> = Vec::new();
        let mut first = true;
        for name in names {
            let hidden = self.ignore_hidden && name.starts_with('.');
            if hidden || wanted.as_ref().is_some_and(|wanted| !wanted.is_match(name.as_bytes())) {
                continue;
            }
            let Some(piece) = read(&name)? else { continue };
            if !first && !content.ends_with(b"\n") {
                content.push(b'\n');
            }
            if let Some(delimiter) = self.delimiter.as_ref().filter(|_| !first) {
                content.extend_from_slice(delimiter.replace("\\n", "\n").as_bytes());
                if !content.ends_with(b"\n") {
                    content.push(b'\n');
                }
            }
            content.extend(piece);
            first = false;
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rehearsal::Rehearsal;
    use crate::remote::machine::fake::Fake;

    #[test]
    fn pieces_become_one_file() {
        let mut host = Rehearsal::on(
            Fake::new()
                .file("/p/2.conf", "two\n")
                .file("/p/1.conf", "one")
                .file("/p/x.bak", "no")
                .file("/p/.h.conf", "hidden\n"),
        );
        let options = json!({"src": "/p", "dest": "/etc/all", "delimiter": "--", "regexp": r"\.conf$", "ignore_hidden": true, "mode": "0600"});
        let outcome = host.converges("assemble", &options);
        assert_eq!(host.host.text("/etc/all").unwrap(), "one\n--\ntwo\n");
        assert_eq!(outcome.result["mode"], "0600");
        assert!(host.fails("assemble", json!({"src": "/none", "dest": "/etc/all"})).contains("not a directory"));
    }
}
