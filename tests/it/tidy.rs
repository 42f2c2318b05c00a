//! The shape of the source: sizes of files, first lines, who may know whom.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A longer file tells more than one story.
const MOST_LINES: usize = 600;

/// Stages in the order data flows: each uses only those before it.
const STAGES: &[&str] = &[
    "vault",
    "source",
    "inventory",
    "variables",
    "template",
    "playbook",
    "connection",
    "event",
    "settings",
    "state",
    "compiler",
    "scheduler",
    "executor",
    "actions",
    "driver",
    "report",
    "cli",
];

/// Arrows that go up or aside, and why they may.
const ALLOWED: &[(&str, &str, &str)] = &[(
    "src/controller/executor/step.rs",
    "actions",
    "a step is handed to the action of its name; the catalog must be asked somewhere",
)];

/// Files below `src/remote/modules` that only tests see: they set real folders up.
const TESTS: &[&str] = &["/tests.rs", "/modules/rehearsal.rs"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below some folders, as `(path from the root, text)`.
fn files(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in folders {
        for entry in walkdir::WalkDir::new(root().join(folder)).sort_by_file_name() {
            let entry = entry.unwrap();
            if entry.path().extension().is_some_and(|ending| ending == "rs") {
                let name = entry.path().strip_prefix(root()).unwrap().display().to_string();
                found.push((name, fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{folders:?}");
    found
}

#[track_caller]
fn nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for (name, text) in files(&["src", "tests"]) {
        let lines = text.lines().count();
        if lines > MOST_LINES {
            wrong.push(format!("{name}: {lines} lines, more than {MOST_LINES}"));
        }
        if !text.starts_with("//! ") {
            wrong.push(format!("{name}: does not open with a `//!` sentence"));
        }
    }
    nothing(&wrong);
}

#[test]
fn every_setting_has_its_line_in_the_documentation() {
    let page = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (name, text) in files(&["src/controller/cli"]) {
        for word in text.split('"').filter(|word| word.starts_with("ANSIBLE_")) {
            seen += 1;
            if !page.contains(&format!("`{word}`")) {
                wrong.push(format!("{name}: docs/settings.md does not name {word}"));
            }
        }
    }
    assert!(seen > 30, "settings are read somewhere else now: {seen}");
    nothing(&wrong);
}

#[test]
fn modules_leave_the_system_to_the_machine() {
    let mut wrong = Vec::new();
    for (name, text) in files(&["src/remote/modules"]) {
        // Their tests set a real folder up.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let outside = ["std::fs", "std::process", "rustix::"].iter().find(|word| code.contains(*word));
            if let Some(word) = outside.filter(|_| !TESTS.iter().any(|end| name.ends_with(end))) {
                wrong.push(format!("{name}:{}: uses {word}", number + 1));
            }
        }
    }
    nothing(&wrong);
}

#[test]
fn the_scheduler_knows_no_runtime() {
    let wrong: Vec<String> = files(&["src/controller/scheduler"])
        .into_iter()
        .filter(|(_, text)| ["tokio", "std::fs", "std::process", "std::net"].iter().any(|word| text.contains(word)))
        .map(|(name, _)| format!("{name}: does more than decide"))
        .collect();
    nothing(&wrong);
}

#[test]
fn what_crosses_the_wire_opens_nothing() {
    let wrong: Vec<String> = files(&["src/protocol"])
        .into_iter()
        .filter(|(_, text)| {
            ["std::fs", "std::process", "std::net", "crate::controller", "crate::remote"]
                .iter()
                .any(|word| text.contains(word))
        })
        .map(|(name, _)| format!("{name}: does more than describe"))
        .collect();
    nothing(&wrong);
}

#[test]
fn stages_use_only_those_before_them() {
    let mut wrong = BTreeSet::new();
    let mut used = BTreeSet::new();
    for (name, text) in files(&["src/controller"]) {
        let Some(stage) = stage_of(&name) else { continue };
        let place = STAGES.iter().position(|known| *known == stage);
        let Some(place) = place else {
            wrong.insert(format!("{name}: the stage {stage} has no place in the order"));
            continue;
        };
        for other in stages_in(&name, &text) {
            let later = STAGES.iter().position(|known| *known == other).is_some_and(|other| other > place);
            // What is shown is told by events alone.
            let looks_behind =
                stage == "report" && ["executor", "driver", "scheduler", "connection"].contains(&other.as_str());
            if !later && !looks_behind {
                continue;
            }
            match ALLOWED.iter().find(|(file, stage, _)| name.starts_with(file) && *stage == other) {
                Some(entry) => drop(used.insert(entry)),
                None => drop(wrong.insert(format!("{name}: {stage} uses {other}"))),
            }
        }
    }
    for entry in ALLOWED.iter().filter(|entry| !used.contains(entry)) {
        wrong.insert(format!("{}: needs no exception for {} any more", entry.0, entry.1));
    }
    nothing(&wrong.into_iter().collect::<Vec<_>>());
}

#[test]
fn arrows_are_seen_however_they_are_written() {
    let see = |file: &str, text: &str| stages_in(file, text).into_iter().collect::<Vec<_>>();
    assert_eq!(see("src/controller/vault/mod.rs", "use crate::controller::cli::Exit;"), ["cli"]);
    assert_eq!(see("src/controller/vault/a.rs", "use super::super::{cli, event::{self, Event}};"), ["cli", "event"]);
    assert_eq!(see("src/controller/state.rs", "use super::driver::X;\n"), ["driver"]);
    assert_eq!(see("src/controller/state.rs", "fn a() { crate::controller::report::b() }"), ["report"]);
    assert_eq!(
        see("src/controller/state.rs", "use crate::{\n    controller::{report::A, cli::B},\n    protocol::C,\n};"),
        ["cli", "report"]
    );
    assert_eq!(see("src/controller/state.rs", "mod tests {\n    use super::super::driver::X;\n}\n"), ["driver"]);
    assert_eq!(see("src/controller/vault/a/b.rs", "use super::super::cli;\n// crate::controller::cli\n"), [""; 0]);
}

/// The stage that a file belongs to.
fn stage_of(name: &str) -> Option<String> {
    let inside = name.strip_prefix("src/controller/")?;
    let first = inside.split('/').next()?.trim_end_matches(".rs");
    (first != "mod").then(|| first.to_owned())
}

/// Stages that a file names.
fn stages_in(name: &str, text: &str) -> BTreeSet<String> {
    let path = name.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let here: Vec<&str> = Path::new(path).iter().filter_map(|part| part.to_str()).collect();
    let mut found = BTreeSet::new();
    let mut inside = 0;
    let mut code = String::new();
    // Statements are read whole; an inline module is one level deeper for `super`.
    let mut flush = |code: &mut String, inside: usize| {
        for path in paths(code) {
            let mut at: Vec<&str> = here.clone();
            at.extend(std::iter::repeat_n("inline", inside));
            let mut parts = path.iter().map(String::as_str).peekable();
            match parts.peek() {
                Some(&"crate") => {
                    at.clear();
                    parts.next();
                }
                Some(&"super") => {}
                _ => continue,
            }
            for part in parts {
                if part == "super" { _ = at.pop() } else { at.push(part) }
            }
            if let ["controller", stage, ..] = at[..]
                && STAGES.contains(&stage)
                && Some(stage) != here.get(1).copied()
            {
                found.insert(stage.to_owned());
            }
        }
        code.clear();
    };
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        if line.starts_with("mod ") && line.ends_with('{') {
            flush(&mut code, inside);
            inside = 1;
        } else if line == "}" {
            flush(&mut code, inside);
            inside = 0;
        }
        code.push_str(line);
        code.push('\n');
    }
    flush(&mut code, inside);
    found
}

/// Paths that begin with `crate` or `super`, braces multiplied out.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            // `super::super::` is read from its first word.
            let before = code[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':') {
                continue;
            }
            tree(&code[at..], &[], &mut found);
        }
    }
    found
}

/// Reads one use tree; answers how much of the text it took.
fn tree(text: &str, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let word: String =
            rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_' || *letter == '*').collect();
        if rest.starts_with('{') {
            at += 1;
            loop {
                at += text[at..].len() - text[at..].trim_start_matches([' ', '\n', ',']).len();
                if at >= text.len() || text[at..].starts_with('}') {
                    return (at + 1).min(text.len());
                }
                let took = tree(&text[at..], &path, found);
                // Not a use tree after all.
                if took == 0 {
                    return text.len();
                }
                at += took;
            }
        }
        at += word.len();
        if !word.is_empty() {
            path.push(word);
        }
        if text[at..].starts_with("::") {
            at += 2;
            continue;
        }
        if text[at..].starts_with(" as ") {
            at += 4;
            at += text[at..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').count();
        }
        found.push(path);
        return at;
    }
}
