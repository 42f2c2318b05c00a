//! Lets the user change a secret text with `$EDITOR`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Problem, configuration::Configuration};
use crate::controller::vault::Secret;

/// Used where neither `VISUAL` nor `EDITOR` is set.
const EDITOR: &str = "vi";

/// The text after the user has changed it. It lies in a file that only the user can read, in memory where the system
/// offers that, and is overwritten afterwards.
///
/// # Errors
/// When the editor cannot be started or fails.
pub(super) fn edit(
    text: &Secret<Vec<u8>>,
    file: &Path,
    configuration: &Configuration,
) -> Result<Secret<Vec<u8>>, Problem> {
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| configuration.variable(name));
    let editor = editor.unwrap_or_else(|| EDITOR.to_owned());
    let failed = |error: &dyn std::fmt::Display| Problem::World(format!("cannot edit with `{editor}`: {error}"));
    let words = shlex::split(&editor).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| failed(&"it is not a command line"))?;
    let folder = configuration.variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
    // The same ending, for the editor's colours.
    let suffix = file.extension().map(|end| format!(".{}", end.to_string_lossy())).unwrap_or_default();
    let mut copy = tempfile::Builder::new()
        .prefix("vault-")
        .suffix(&suffix)
        .tempfile_in(folder.unwrap_or_else(std::env::temp_dir))
        .map_err(|error| failed(&error))?;
    copy.write_all(text.expose()).and_then(|()| copy.flush()).map_err(|error| failed(&error))?;
    let status = Command::new(&words[0]).args(&words[1..]).arg(copy.path()).status();
    let changed = std::fs::read(copy.path()).map(Secret::new);
    wipe(copy.path());
    let status = status.map_err(|error| failed(&error))?;
    if !status.success() {
        return Err(failed(&format!("it ended with {status}; nothing was saved")));
    }
    changed.map_err(|error| failed(&error))
}

fn wipe(path: &Path) {
    let Ok(length) = std::fs::metadata(path).map(|meta| meta.len()) else { return };
    if let (Ok(length), Ok(mut file)) = (usize::try_from(length), std::fs::OpenOptions::new().write(true).open(path)) {
        // The file is removed in any case.
        let _ = file.write_all(&vec![0; length]).and_then(|()| file.sync_all());
    }
}
