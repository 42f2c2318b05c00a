//! The catalog of package managers besides apt: one entry each.

use crate::{
    protocol::Run,
    remote::{
        Probe,
        machine::{probe::Found, system::Output},
    },
};

/// How one package manager is asked and told.
pub(super) struct Manager {
    /// Ansible's name for it.
    pub(super) name: &'static str,
    /// The program that shows that it is there.
    pub(super) program: &'static str,
    /// Installs the packages behind it.
    pub(super) install: &'static [&'static str],
    /// Upgrades the packages behind it.
    pub(super) upgrade: &'static [&'static str],
    /// Removes the packages behind it.
    pub(super) remove: &'static [&'static str],
    /// Succeeds when the package behind it is installed.
    query: &'static [&'static str],
    /// Asks whether there is something newer than the installed package behind it.
    newer: &'static [&'static str],
    /// Reads the answer.
    is_newer: fn(&Output, &str) -> bool,
}

pub(super) const CATALOG: &[Manager] = &[
    Manager {
        name: "dnf",
        program: "dnf",
        install: &["dnf", "-y", "install"],
        upgrade: &["dnf", "-y", "upgrade"],
        remove: &["dnf", "-y", "remove"],
        query: &["rpm", "-q", "--whatprovides"],
        newer: &["dnf", "-q", "check-update"],
        is_newer: |output, _| output.code == 100,
    },
    Manager {
        name: "yum",
        program: "yum",
        install: &["yum", "-y", "install"],
        upgrade: &["yum", "-y", "update"],
        remove: &["yum", "-y", "remove"],
        query: &["rpm", "-q", "--whatprovides"],
        newer: &["yum", "-q", "check-update"],
        is_newer: |output, _| output.code == 100,
    },
    Manager {
        name: "zypper",
        program: "zypper",
        install: &["zypper", "--non-interactive", "install"],
        upgrade: &["zypper", "--non-interactive", "update"],
        remove: &["zypper", "--non-interactive", "remove"],
        query: &["rpm", "-q", "--whatprovides"],
        newer: &["zypper", "--non-interactive", "--terse", "list-updates"],
        is_newer: |output, name| {
            output.stdout.lines().any(|line| line.split('|').nth(2).is_some_and(|column| column.trim() == name))
        },
    },
    Manager {
        name: "apk",
        program: "apk",
        install: &["apk", "add"],
        upgrade: &["apk", "add", "--upgrade"],
        remove: &["apk", "del"],
        query: &["apk", "info", "-e"],
        newer: &["apk", "version", "-q", "-l", "<"],
        is_newer: |output, _| !output.stdout.trim().is_empty(),
    },
    Manager {
        name: "pacman",
        program: "pacman",
        install: &["pacman", "-S", "--noconfirm", "--needed"],
        upgrade: &["pacman", "-S", "--noconfirm", "--needed"],
        remove: &["pacman", "-R", "--noconfirm"],
        query: &["pacman", "-Q"],
        newer: &["pacman", "-Qu"],
        is_newer: |output, _| output.success(),
    },
];

impl Manager {
    pub(super) fn has(&self, probe: &Probe<'_>, name: &str) -> Found<bool> {
        Ok(ask(probe, self.query, name)?.success())
    }

    pub(super) fn outdated(&self, probe: &Probe<'_>, name: &str) -> Found<bool> {
        Ok((self.is_newer)(&ask(probe, self.newer, name)?, name))
    }
}

/// A verb with the packages it is for.
pub(super) fn act(verb: &[&str], names: &[&str]) -> Run {
    let mut run = Run::new(verb.iter().chain(names).copied());
    run.environment.insert("LC_ALL".to_owned(), "C".to_owned());
    run.progress = true;
    run.success = vec![Run::ANY_CODE];
    run
}

fn ask(probe: &Probe<'_>, question: &[&str], name: &str) -> Found<Output> {
    let mut run = Run::new(question.iter().chain([&name]).copied());
    run.environment.insert("LC_ALL".to_owned(), "C".to_owned());
    probe.query_run(&run)
}
