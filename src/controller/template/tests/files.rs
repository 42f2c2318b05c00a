//! Tests of files on this machine.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use minijinja::Error;

use super::super::emit::python;
use super::super::filters::arguments::{Arguments, invalid};
use super::Test;

pub(super) const ALL: &[Test] = &[
    Test::new(&["directory", "is_dir"], "path", |_, args| Ok(path(args, "path")?.is_dir())),
    Test::new(&["file", "is_file"], "path", |_, args| Ok(path(args, "path")?.is_file())),
    Test::new(&["link", "is_link"], "path", |_, args| Ok(path(args, "path")?.is_symlink())),
    Test::new(&["exists"], "path", |_, args| Ok(path(args, "path")?.exists())),
    Test::new(&["link_exists"], "path", |_, args| Ok(path(args, "path")?.symlink_metadata().is_ok())),
    Test::new(&["abs", "is_abs"], "path", |_, args| Ok(path(args, "path")?.is_absolute())),
    Test::new(&["same_file", "is_same_file"], "path other", |_, args| same_file(args)),
    Test::new(&["mount", "is_mount"], "path", |_, args| mount(args)),
    Test::new(&["vaulted_file"], "path", |_, args| vaulted_file(args)),
];

fn path(args: &Arguments, name: &str) -> Result<PathBuf, Error> {
    let value = args.need(name)?;
    let Some(text) = value.as_str() else {
        let kind = python::type_name(value);
        return Err(invalid(format!("expected str, bytes or os.PathLike object, not {kind}")));
    };
    Ok(PathBuf::from(text))
}

fn same_file(args: &Arguments) -> Result<bool, Error> {
    let identity = |name: &str| {
        let path = path(args, name)?;
        let meta = fs::metadata(&path).map_err(|error| invalid(format!("{error}: '{}'", path.display())))?;
        Ok::<_, Error>((meta.dev(), meta.ino()))
    };
    Ok(identity("path")? == identity("other")?)
}

/// A directory on another device than its parent, or its own parent.
fn mount(args: &Arguments) -> Result<bool, Error> {
    let path = path(args, "path")?;
    let Ok(own) = fs::symlink_metadata(&path) else { return Ok(false) };
    if own.is_symlink() {
        return Ok(false);
    }
    let Ok(above) = fs::symlink_metadata(path.join("..")) else { return Ok(false) };
    Ok(own.dev() != above.dev() || own.ino() == above.ino())
}

fn vaulted_file(args: &Arguments) -> Result<bool, Error> {
    use std::io::Read as _;
    let path = path(args, "path")?;
    let unreadable =
        |_| invalid(format!("Cannot test if the file {} is a vault.", python::quoted(&path.to_string_lossy())));
    let mut file = fs::File::open(&path).map_err(unreadable)?;
    let mut head = Vec::new();
    file.by_ref().take(15).read_to_end(&mut head).map_err(unreadable)?;
    Ok(head == b"$ANSIBLE_VAULT;")
}
