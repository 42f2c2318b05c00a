//! What of Ansible's language is carried out in full, in part or not at all, and what to use instead.

use super::{
    keywords::{ADDED, INHERITED},
    words,
};

/// How far something of Ansible's is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As Ansible documents it.
    Full,
    /// With a difference, said in a sentence.
    Partial(&'static str),
    /// Not at all; the sentence names the reason or the alternative.
    Refused(&'static str),
}

/// Keywords that are not, or not quite, what they are in Ansible.
const KEYWORDS: &[(&str, Support)] = &[
    (
        "collections",
        Support::Partial("modules are found by their last name in any collection; nothing is loaded from a collection"),
    ),
    ("debugger", Support::Refused("there is no debugger; look with --check --diff and -v, go on with --start-at-task")),
    ("first_available_file", Support::Refused("Ansible has dropped it; use the lookup first_found")),
    ("gather_timeout", Support::Partial("taken and not needed: facts are read from files in milliseconds")),
];

/// Modules of `ansible.builtin` that are refused.
const MODULES: &[(&str, &str)] = &[
    ("async_wrapper", "it is internal to Ansible; use `async` and `poll`"),
    ("dnf", "use package, which drives dnf where it is the host's package manager"),
    ("dnf5", "use package, which drives dnf where it is the host's package manager"),
    ("import_playbook", "it stands in the list of plays, not in a list of tasks"),
    ("rpm_key", "use command with `rpm --import`"),
    ("yum", "use package, which drives the host's package manager"),
    ("yum_repository", "use template or copy into /etc/yum.repos.d"),
];

/// What is said of a keyword; [`Support::Full`] where nothing has to be.
#[must_use]
pub fn keyword(name: &str) -> Support {
    KEYWORDS.iter().find(|(known, _)| *known == name).map_or(Support::Full, |(_, support)| *support)
}

/// Why a module of Ansible's is not there and what to use instead.
#[must_use]
pub fn refused_module(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(known, _)| *known == name).map(|(_, reason)| *reason)
}

/// The refused modules with their reasons.
pub fn refused_modules() -> impl Iterator<Item = (&'static str, &'static str)> {
    MODULES.iter().copied()
}

/// Every keyword with the levels where it may stand, by name.
#[must_use]
pub fn keywords() -> Vec<(&'static str, Vec<&'static str>)> {
    let levels = [("play", words::PLAY), ("block", words::BLOCK), ("task", words::TASK)];
    let own = levels.iter().flat_map(|(level, words)| words.iter().map(|word| (*word, vec![*level])));
    let shared = INHERITED.iter().chain(ADDED).map(|word| (*word, vec!["play", "block", "task"]));
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for (word, levels) in own.chain(shared) {
        match all.iter_mut().find(|(known, _)| *known == word) {
            Some((_, known)) => known.extend(levels),
            None => all.push((word, levels)),
        }
    }
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_about_keywords_that_exist() {
        for (name, _) in KEYWORDS {
            assert!(keywords().iter().any(|(known, _)| known == name), "{name}");
        }
    }
}
