//! The program as a user meets it: help, version, exit codes, a closed pipe.

use crate::scene::Scene;

mod interrupt;
mod manifests;

fn deployer(words: &[&str]) -> (Option<i32>, String, String) {
    let ended = Scene::new().deployer(words);
    (ended.code, ended.out, ended.error)
}

#[test]
fn help_teaches() {
    let (code, text, _) = deployer(&["--help"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("help", text);
    insta::assert_snapshot!("help_run", deployer(&["run", "--help"]).1);
    insta::assert_snapshot!("help_inventory", deployer(&["inventory", "list", "--help"]).1);
    insta::assert_snapshot!("help_rollback", deployer(&["rollback", "--help"]).1);
    insta::assert_snapshot!("help_vault", deployer(&["vault", "--help"]).1);
}

#[test]
fn the_version_is_the_package_s() {
    let (code, text, _) = deployer(&["--version"]);
    assert_eq!((code, text), (Some(0), format!("deployer {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_flags_end_with_5_and_say_so() {
    let (code, out, error) = deployer(&["run", "site.yaml", "--chek"]);
    assert_eq!((code, out.as_str()), (Some(5), ""));
    assert!(error.contains("--check"), "{error}");
    assert_eq!(deployer(&[]).0, Some(5));
}

#[test]
fn a_rollback_wants_to_know_of_what() {
    let (code, _, error) = deployer(&["rollback", "-i", "web1,"]);
    assert!(code == Some(5) && error.contains("--service"), "{error}");
}

#[test]
fn a_playbook_that_is_not_there_is_named() {
    let (code, out, error) = deployer(&["run", "nowhere.yaml"]);
    assert_eq!((code, out.as_str()), (Some(5), ""));
    assert!(error.contains("the playbook nowhere.yaml does not exist"), "{error}");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, text, _) = deployer(&["completions", shell]);
        assert!(code == Some(0) && text.contains("inventory") && text.contains("start-at-task"), "{shell}");
    }
}

#[test]
fn modules_are_listed_and_unknown_ones_are_corrected() {
    let (code, text, _) = deployer(&["doc"]);
    assert!(code == Some(0) && text.contains("ping"), "{text}");
    let (code, _, error) = deployer(&["doc", "pin"]);
    assert_eq!(code, Some(5));
    assert!(error.contains("did you mean `ping`?"), "{error}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_deployer"))
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_run_is_shown_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let playbook = |name: &str, task: &str| {
        let path = folder.path().join(name);
        let text =
            format!("- name: Greet\n  hosts: all\n  gather_facts: false\n  tasks:\n    - name: One\n      {task}\n");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (good, bad) = (playbook("good.yaml", "debug: {msg: hello}"), playbook("bad.yaml", "fail: {msg: no luck}"));
    let (code, out, error) = deployer(&["run", &good, "-i", "web1,", "-c", "local"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(out.contains("PLAY [Greet] ***") && out.contains("\nok: [web1] => hello\n"), "{out}");
    assert!(!out.contains('\u{1b}'), "{out:?}");
    let (code, out, _) = deployer(&["run", &bad, "-i", "web1,", "-c", "local"]);
    assert_eq!(code, Some(2));
    let place = format!("where    {bad}:5:7\n");
    assert!(out.contains("fatal: [web1]: FAILED!\n  no luck\n") && out.contains(&place), "{out}");
    let (code, out, _) = deployer(&["run", &good, "-i", "web1,", "-c", "local", "--output", "json"]);
    let events: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!((code, names), (Some(0), vec!["play_started", "task_started", "ended", "recap"]));
}
