//! `assemble`: puts a file together on the controller where the pieces are there, then has the host put it in place.

use std::{os::unix::ffi::OsStrExt, path::Path};

use serde_json::json;

use super::copy;
use crate::{
    controller::executor::{Done, Turn},
    protocol::{Failure, Outcome, Verdict},
    remote::{
        OptionSpec, Options, Stop,
        modules::{self, assemble::Assemble},
    },
};

/// The manual page is the module's.
pub const DOC: &str = "Puts a file together from the files of a directory.\n";

/// Options that `copy` does not have.
const OWN: &[&str] = &["src", "remote_src", "regexp", "delimiter", "ignore_hidden", "decrypt"];

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("assemble")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let mut options = match turn.json_options() {
        Ok(options) => options,
        Err(error) => return Done::failed(error.message),
    };
    if turn.flag("remote_src", true) {
        return turn.module("assemble", options, &[]).await.into();
    }
    let content = match Assemble::parse(&options) {
        Ok(assemble) => assembled(turn, &assemble),
        Err(problems) => return Done::failed(problems.join("; ")),
    };
    let content = match content {
        Ok(content) => content,
        Err(Stop::Failed(failure, result)) => {
            return Outcome { result, ..Outcome::new(Verdict::Failed(failure)) }.into();
        }
        Err(Stop::Unknown(reason)) => return Outcome::new(Verdict::Unknown(reason)).into(),
    };
    options.retain(|name, _| !OWN.contains(&name.as_str()));
    let mut outcome = match String::from_utf8(content) {
        Ok(text) => {
            options.insert("content".to_owned(), json!(text));
            turn.module("copy", options, &[]).await
        }
        Err(error) => {
            let blob = turn.run.blobs.add_bytes(error.into_bytes());
            options.insert("_blob".to_owned(), Turn::blob(&blob));
            turn.module("copy", options, &[blob]).await
        }
    };
    // There is one file, and so one difference: no list.
    if let [diff] = outcome.diffs.as_slice() {
        let diff =
            json!({"before_header": diff.name, "after_header": diff.name, "before": diff.before, "after": diff.after});
        outcome.result.insert("diff".to_owned(), diff);
    }
    outcome.into()
}

fn assembled(turn: &Turn, assemble: &Assemble) -> Result<Vec<u8>, Stop> {
    let src = turn.text("src").unwrap_or_default();
    let folder = turn.find_file("files", &src)?;
    let unreadable = |error: std::io::Error| Stop::failed(format!("cannot read {}: {error}", folder.display()));
    if !folder.is_dir() {
        return Err(Stop::failed(format!("Source ({}) is not a directory", folder.display())));
    }
    let entries = std::fs::read_dir(&folder).map_err(unreadable)?;
    let mut names =
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    let names = names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
    assemble.joined(names, |name| {
        let path = folder.join(name);
        if path.is_file() { piece(turn, &path).map(Some).map_err(Stop::from) } else { Ok(None) }
    })
}

/// A piece; a vaulted one is decrypted.
fn piece(turn: &Turn, path: &Path) -> Result<Vec<u8>, Failure> {
    copy::read(turn, path).map_err(Failure::new)
}
