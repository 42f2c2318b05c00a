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
#[cfg(test)]
pub(crate) mod trial;
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
    apt: Entry::of::<apt::Apt>("apt");
    assemble: Entry::of::<assemble::Assemble>("assemble");
    authorized_key: Entry::of::<authorized_key::AuthorizedKey>("authorized_key");
    blockinfile: Entry::of::<blockinfile::BlockInFile>("blockinfile");
    command: Entry::of::<command::Command>("command").portable();
    copy: Entry::of::<copy::Copy>("copy").portable();
    cron: Entry::of::<cron::Cron>("cron");
    file: Entry::of::<file::File>("file").portable();
    find: Entry::of::<find::Find>("find");
    getent: Entry::of::<getent::Getent>("getent");
    git: Entry::of::<git::Git>("git");
    group: Entry::of::<group::Group>("group");
    hostname: Entry::of::<hostname::Hostname>("hostname");
    lineinfile: Entry::of::<lineinfile::LineInFile>("lineinfile");
    mount: Entry::of::<mount::Mount>("mount");
    package: Entry::of::<package::Package>("package");
    package_facts: Entry::of::<package_facts::PackageFacts>("package_facts");
    ping: Entry::of::<ping::Ping>("ping").portable();
    pip: Entry::of::<pip::Pip>("pip");
    raw: Entry::of::<raw::Raw>("raw").unchecked().portable();
    replace: Entry::of::<replace::Replace>("replace");
    script: Entry::of::<script::Script>("script").portable();
    service: Entry::of::<service::Service>("service").portable();
    service_facts: Entry::of::<service_facts::ServiceFacts>("service_facts");
    setup: Entry::of::<setup::Setup>("setup"), Entry::of::<setup::Setup>("gather_facts");
    shell: Entry::of::<shell::Shell>("shell").portable();
    slurp: Entry::of::<slurp::Slurp>("slurp");
    stat: Entry::of::<stat::StatFile>("stat").portable();
    sysctl: Entry::of::<sysctl::Sysctl>("sysctl");
    systemd: Entry::of::<systemd::Systemd>("systemd"), Entry::of::<systemd::Systemd>("systemd_service");
    tempfile: Entry::of::<tempfile::TempFile>("tempfile");
    timezone: Entry::of::<timezone::Timezone>("timezone");
    unarchive: Entry::of::<unarchive::Unarchive>("unarchive");
    user: Entry::of::<user::User>("user");
    wait_for: Entry::of::<wait_for::WaitFor>("wait_for").unchecked();
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
