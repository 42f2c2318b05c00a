//! What is known of a path as return values: kinds, permissions, owners and times.

use super::accounts;
use crate::{
    protocol::{Json, Map},
    remote::{
        Probe,
        machine::system::{FileKind, Stat},
    },
};

/// Ansible's values for something that was looked at.
pub fn values(probe: &Probe<'_>, stat: &Stat) -> Map {
    let mut values = Map::new();
    let mut set = |name: &str, value: Json| values.insert(name.to_owned(), value);
    set("mode", format!("{:04o}", stat.mode).into());
    for (name, kind) in [
        ("isdir", FileKind::Directory),
        ("ischr", FileKind::Character),
        ("isblk", FileKind::Block),
        ("isreg", FileKind::File),
        ("isfifo", FileKind::Fifo),
        ("islnk", FileKind::Symlink),
        ("issock", FileKind::Socket),
    ] {
        set(name, (stat.kind == kind).into());
    }
    set("uid", stat.uid.into());
    set("gid", stat.gid.into());
    set("size", stat.size.into());
    set("inode", stat.inode.into());
    set("dev", stat.device.into());
    set("nlink", stat.links.into());
    set("atime", seconds(stat.atime).into());
    set("mtime", seconds(stat.mtime).into());
    set("ctime", seconds(stat.ctime).into());
    for (name, bit) in [
        ("wusr", 0o200),
        ("rusr", 0o400),
        ("xusr", 0o100),
        ("wgrp", 0o020),
        ("rgrp", 0o040),
        ("xgrp", 0o010),
        ("woth", 0o002),
        ("roth", 0o004),
        ("xoth", 0o001),
        ("isuid", 0o4000),
        ("isgid", 0o2000),
    ] {
        set(name, (stat.mode & bit != 0).into());
    }
    if let Some(name) = accounts::user_name(probe, stat.uid) {
        set("pw_name", name.into());
    }
    if let Some(name) = accounts::group_name(probe, stat.gid) {
        set("gr_name", name.into());
    }
    values
}

/// Whether the user that runs this may read, write and execute.
pub fn access(probe: &Probe<'_>, stat: &Stat) -> (bool, bool, bool) {
    let uid = probe.uid();
    if uid == 0 {
        return (true, true, stat.mode & 0o111 != 0 || stat.kind == FileKind::Directory);
    }
    let shift = if stat.uid == uid {
        6
    } else if accounts::is_member(probe, uid, stat.gid) {
        3
    } else {
        0
    };
    let bits = stat.mode >> shift;
    (bits & 4 != 0, bits & 2 != 0, bits & 1 != 0)
}

/// Nanoseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "Ansible's times are floating point too")]
fn seconds(nanoseconds: i128) -> f64 {
    nanoseconds as f64 / 1e9
}
