//! Why apt-get did not do it, said so that a person knows what to do.

use crate::{
    protocol::{Failure, Map},
    remote::{Applied, Stop},
};

/// What is printed, what it means, what to do.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "Could not get lock",
        "another process holds the package lock",
        "wait for it to end (unattended-upgrades?), or raise lock_timeout",
    ),
    (
        "Unable to acquire the dpkg frontend lock",
        "another process holds the package lock",
        "wait for it to end (unattended-upgrades?), or raise lock_timeout",
    ),
    ("are you root?", "only root may change packages", "add `become: true`"),
    ("Unable to locate package", "no such package", "have the package lists been updated? set `update_cache: true`"),
    (
        "has no installation candidate",
        "no source offers the package",
        "have the package lists been updated? set `update_cache: true`",
    ),
    ("Couldn't find any package", "no such package", "have the package lists been updated? set `update_cache: true`"),
    ("was not found", "no such version", "`apt-cache policy` on the host lists the versions there are"),
    ("No space left on device", "the disk is full", "free space under /var on the host"),
    ("You don't have enough free space", "the disk is full", "free space under /var/cache/apt on the host"),
    ("Held packages were changed", "the package is held", "set `allow_change_held_packages: true`"),
    ("packages were downgraded", "a package would be downgraded", "set `allow_downgrade: true`"),
    (
        "dpkg was interrupted",
        "an earlier installation was interrupted",
        "run `dpkg --configure -a` on the host, or use `state: fixed`",
    ),
    ("cannot be authenticated", "a package is not signed by a known key", "add the key of its repository"),
    ("NO_PUBKEY", "a package list is not signed by a known key", "add the key of the repository"),
    ("Could not resolve", "a package source cannot be reached", "check the host's network, DNS and proxy"),
    ("Temporary failure resolving", "a package source cannot be reached", "check the host's network, DNS and proxy"),
    ("Failed to fetch", "a package could not be fetched", "set `update_cache: true`, or check the host's network"),
    ("unmet dependencies", "dependencies cannot be met", "is a package held, or a repository missing?"),
    (
        "Packages need to be removed but remove is disabled",
        "packages would be removed, which fail_on_autoremove forbids",
        "leave out fail_on_autoremove",
    ),
];

/// The failure behind a command's output.
#[must_use]
pub fn explain(applied: &Applied) -> Stop {
    let printed = format!("{}\n{}", applied.stderr, applied.stdout);
    let errors: Vec<&str> = printed.lines().filter(|line| line.starts_with("E: ")).map(|line| &line[3..]).collect();
    let detail = if errors.is_empty() {
        applied.stderr.trim().lines().last().unwrap_or("no output").to_owned()
    } else {
        errors.join("; ")
    };
    let failure = match KNOWN.iter().find(|(sign, ..)| printed.contains(sign)) {
        Some((_, meaning, advice)) => Failure::new(format!("{meaning}: {detail}")).hint(*advice),
        None => Failure::new(format!("apt-get failed with exit code {}: {detail}", applied.code)),
    };
    let mut result = Map::new();
    result.insert("rc".to_owned(), applied.code.into());
    result.insert("stdout".to_owned(), applied.stdout.as_str().into());
    result.insert("stderr".to_owned(), applied.stderr.as_str().into());
    Stop::Failed(failure, result)
}

/// The failure when no list knows a package.
#[must_use]
pub fn no_package(name: &str, lists: bool) -> Stop {
    let stop = Stop::failed(format!("no package matching '{name}' is available"));
    if lists {
        stop.hint("have the package lists been updated? set `update_cache: true`")
    } else {
        stop.hint("the host has no package lists yet: set `update_cache: true`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_named_with_advice() {
        let stderr = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)\n";
        let Stop::Failed(failure, result) =
            explain(&Applied { code: 100, stderr: stderr.to_owned(), ..Applied::default() })
        else {
            panic!("not a failure")
        };
        assert!(failure.message.contains("held by process 7"), "{}", failure.message);
        assert!(failure.hint.unwrap().contains("lock_timeout"));
        assert_eq!(result["rc"], 100);
    }
}
