//! Makes changes: the one place where a host is altered.

use std::io::{self, Read};

use indexmap::IndexMap;

use super::system::System;
use crate::{
    protocol::{Attributes, Blob, Change, Content, Failure, Run},
    remote::Applied,
};

/// Where content that the controller has comes from.
pub trait Blobs {
    /// A reader of the content, which verifies its hash at the end.
    ///
    /// # Errors
    /// When the controller cannot deliver it.
    fn open<'s>(&'s mut self, blob: &Blob) -> io::Result<Box<dyn Read + 's>>;

    /// These will be opened, one after the other: so they may be on their way before the first is.
    ///
    /// # Errors
    /// When the controller cannot be told.
    fn announce(&mut self, _blobs: &[&Blob]) -> io::Result<()> {
        Ok(())
    }
}

/// Shows a line while something runs, with done and total where known.
pub type Progress<'a> = &'a mut dyn FnMut(&str, Option<(u64, u64)>);

/// Makes one change and says what it gave.
///
/// # Errors
/// What could not be done, and why. A command's exit code is not judged here.
pub fn apply(
    system: &dyn System,
    change: &Change,
    environment: &IndexMap<String, String>,
    blobs: &mut dyn Blobs,
    progress: Progress<'_>,
) -> Result<Applied, Failure> {
    let start = system.now();
    let mut applied = match change {
        Change::Run(run) => return command(system, run, environment, progress),
        Change::Http(request) => {
            let done = match &request.upload {
                Some(blob) => {
                    let mut content =
                        blobs.open(blob).map_err(|error| because("get content from the controller", &error))?;
                    crate::remote::docker::perform(system, request, Some(&mut content), progress)
                }
                None => crate::remote::docker::perform(system, request, None, progress),
            };
            done.map_err(|error| {
                let failure = because(&request.summary, &error);
                match crate::remote::docker::hint(&error) {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            })?
        }
        _ => {
            files(system, change, blobs)?;
            Applied::default()
        }
    };
    applied.times = (start, system.now());
    Ok(applied)
}

fn command(
    system: &dyn System,
    run: &Run,
    environment: &IndexMap<String, String>,
    progress: Progress<'_>,
) -> Result<Applied, Failure> {
    let mut run = run.clone();
    for (name, value) in environment {
        run.environment.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let start = system.now();
    let output = system.run(&run, &mut |line| progress(line, None)).map_err(|error| match run.dialogue {
        // What went wrong in a conversation is a whole sentence already.
        Some(_) => Failure::new(error.to_string()),
        None => because(&format!("run {}", run.argv.first().map_or("", String::as_str)), &error),
    })?;
    if output.timed_out {
        let limit = run.timeout.unwrap_or_default();
        return Err(Failure::new(format!("`{}` was stopped: it took more than {limit} seconds", run.argv.join(" "))));
    }
    let times = (start, system.now());
    Ok(Applied { code: output.code, stdout: output.stdout, stderr: output.stderr, times })
}

fn files(system: &dyn System, change: &Change, blobs: &mut dyn Blobs) -> Result<(), Failure> {
    let (what, done) = match change {
        Change::Write { path, content, attributes, in_place } => {
            let attributes = &numeric(system, attributes)?;
            let mut reader: Box<dyn Read + '_> = match content {
                Content::Text(text) => Box::new(text.as_bytes()),
                Content::Bytes(bytes) => Box::new(bytes.as_slice()),
                Content::Blob(blob) => {
                    blobs.open(blob).map_err(|error| because("get content from the controller", &error))?
                }
                Content::CopyOf(original) => {
                    let opened = system.open(original);
                    opened.map_err(|error| because(&format!("read {}", original.display()), &error))?.0
                }
            };
            let done = if *in_place {
                system.overwrite(path, &mut reader).and_then(|()| system.set_attributes(path, attributes))
            } else {
                system.write(path, &mut reader, attributes)
            };
            (format!("write {}", path.display()), done)
        }
        Change::Backup { path, to } => (
            format!("back up {} to {}", path.display(), to.display()),
            system.stat(path).and_then(|stat| {
                let (mut content, _) = system.open(path)?;
                let attributes = stat.map_or_else(Attributes::default, |stat| Attributes {
                    mode: Some(stat.mode),
                    uid: Some(stat.uid),
                    gid: Some(stat.gid),
                    mtime: Some(stat.mtime),
                    ..Attributes::default()
                });
                system.write(to, &mut content, &attributes)
            }),
        ),
        Change::Directory { path, attributes } => {
            (format!("make directory {}", path.display()), system.make_dir(path, &numeric(system, attributes)?))
        }
        Change::Symlink { path, target } => (format!("make link {}", path.display()), system.symlink(target, path)),
        Change::HardLink { path, target } => (format!("make link {}", path.display()), system.hard_link(target, path)),
        Change::Attributes { path, attributes } => (
            format!("set attributes of {}", path.display()),
            system.set_attributes(path, &numeric(system, attributes)?),
        ),
        Change::Remove { path } => (format!("remove {}", path.display()), system.remove(path)),
        Change::Rename { path, to } => {
            (format!("rename {} to {}", path.display(), to.display()), system.rename(path, to))
        }
        Change::Run(_) | Change::Http(_) | Change::Assume(_) => return Ok(()),
    };
    done.map_err(|error| because(&what, &error))
}

/// Names that were only predicted when the plan was made are numbers by now.
fn numeric(system: &dyn System, attributes: &Attributes) -> Result<Attributes, Failure> {
    let mut resolved = attributes.clone();
    let look_up = |file: &str, name: &Option<String>, id: &mut Option<u32>| {
        let Some(name) = name else { return Ok(()) };
        let text = system.read(std::path::Path::new(file)).unwrap_or_default();
        let found = String::from_utf8_lossy(&text).lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
        });
        *id = Some(found.ok_or_else(|| Failure::new(format!("no such user or group: {name}")))?);
        Ok::<(), Failure>(())
    };
    look_up("/etc/passwd", &attributes.owner, &mut resolved.uid)?;
    look_up("/etc/group", &attributes.group, &mut resolved.gid)?;
    Ok(resolved)
}

fn because(what: &str, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("cannot {what}: {error}"));
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            failure.hint("the disk is full: free some space there (`df -h` shows where) and run again")
        }
        io::ErrorKind::PermissionDenied => failure.hint("run the task with `become: true`, or as another user"),
        io::ErrorKind::ReadOnlyFilesystem => failure.hint("the file system is mounted read-only"),
        _ => failure,
    }
}
