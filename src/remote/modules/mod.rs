//! The catalog of modules: one file and one line each.

use super::plan::Entry;

pub mod accounts;
pub mod attributes;
pub mod checksums;
mod clock;
pub mod directories;
mod edit;
mod execution;
mod expression;
mod globbing;
mod inspection;
#[cfg(test)]
mod rehearsal;
pub mod replacement;
mod times;
mod tree;
mod words;

/// Declares the modules of this folder and lists what they are called.
macro_rules! catalog {
    ($($file:ident: $($entry:expr),+;)*) => {
        $(pub mod $file;)*
        /// Every module that runs on a host.
        pub const CATALOG: &[Entry] = &[$($($entry),+),*];
    };
}

catalog! {
    assemble: Entry::of::<assemble::Assemble>("assemble");
    blockinfile: Entry::of::<blockinfile::BlockInFile>("blockinfile");
    command: Entry::of::<command::Command>("command").portable();
    copy: Entry::of::<copy::Copy>("copy").portable();
    file: Entry::of::<file::File>("file").portable();
    find: Entry::of::<find::Find>("find");
    lineinfile: Entry::of::<lineinfile::LineInFile>("lineinfile");
    ping: Entry::of::<ping::Ping>("ping").portable();
    raw: Entry::of::<raw::Raw>("raw").unchecked().portable();
    replace: Entry::of::<replace::Replace>("replace");
    script: Entry::of::<script::Script>("script").portable();
    shell: Entry::of::<shell::Shell>("shell").portable();
    slurp: Entry::of::<slurp::Slurp>("slurp");
    stat: Entry::of::<stat::StatFile>("stat").portable();
    tempfile: Entry::of::<tempfile::TempFile>("tempfile");
    unarchive: Entry::of::<unarchive::Unarchive>("unarchive");
}

/// The module of that name, with or without `ansible.builtin.` or another known collection in front.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    let short = short_name(name);
    CATALOG.iter().find(|entry| entry.name == short)
}

/// A module's name without the collections whose modules are built in.
#[must_use]
pub fn short_name(name: &str) -> &str {
    const COLLECTIONS: &[&str] = &[
        "ansible.builtin.",
        "ansible.legacy.",
        "ansible.posix.",
        "community.general.",
        "community.docker.",
        "community.postgresql.",
        "deployer.",
    ];
    COLLECTIONS.iter().find_map(|collection| name.strip_prefix(collection)).unwrap_or(name)
}
