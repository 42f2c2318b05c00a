//! Wrong playbooks are refused before any host is touched, with the place and what to do.

use crate::scene::{Ended, Scene};

/// Only checks a playbook.
fn check(playbook: &str) -> Ended {
    Scene::new().local(playbook, &["--syntax-check"])
}

/// Only checks a play with these tasks; the first line of them is line 4 of the file, from column 5 on.
fn check_tasks(tasks: &str) -> Ended {
    check(&Scene::play(tasks))
}

#[test]
fn a_right_playbook_is_not_refused() {
    check_tasks("- debug: {msg: hello}").shows(0, &["playbook: site.yaml"]);
}

#[test]
fn unknown_modules_are_corrected() {
    check_tasks("- name: One\n  coppy: {src: a, dest: b}").shows(4, &["site.yaml:5:7", "coppy", "copy"]);
}

#[test]
fn unknown_options_are_corrected() {
    check_tasks("- copy: {content: a, dst: /tmp/b}").shows(4, &["site.yaml:4:26", "dst", "dest"]);
}

#[test]
fn missing_options_are_named() {
    check_tasks("- name: One\n  copy: {content: a}").shows(4, &["site.yaml:5:", "dest"]);
}

#[test]
fn values_outside_the_choice_are_refused_with_the_choice() {
    check_tasks("- service: {name: cron, state: runing}")
        .shows(4, &["site.yaml:4:36", "runing", "started", "restarted"]);
}

#[test]
fn broken_yaml_is_shown_where_it_breaks() {
    check("- hosts: all\n  tasks:\n    - debug: {msg: hello\n").shows(4, &["site.yaml:"]);
    check("- hosts: all\n  tasks: [\n").shows(4, &["site.yaml:"]);
}

#[test]
fn tabs_are_named() {
    check("- hosts: all\n\ttasks: []\n").shows(4, &["site.yaml:2:", "tab"]);
}

#[test]
fn roles_that_are_nowhere_are_named() {
    check("- hosts: all\n  roles:\n    - nowhere\n").shows(1, &["site.yaml:3:7", "nowhere", "roles"]);
}

#[test]
fn a_task_has_one_module() {
    check_tasks("- name: Two\n  debug: {msg: a}\n  ping:\n").shows(4, &["site.yaml:6:7", "one module", "ping"]);
}

#[test]
fn mistyped_keywords_are_corrected() {
    check_tasks("- debug: {msg: a}\n  whenn: true\n").shows(4, &["site.yaml:5:7", "whenn", "when"]);
    check("- hosts: all\n  gather_fact: false\n").shows(4, &["site.yaml:2:3", "gather_facts"]);
}

#[test]
fn conditions_that_cannot_be_read_are_shown() {
    check_tasks("- debug: {msg: a}\n  when: a ==\n").shows(4, &["site.yaml:5:"]);
}

#[test]
fn templates_that_cannot_be_read_are_shown() {
    check_tasks("- debug: {msg: \"{{ a b }}\"}\n").shows(4, &["site.yaml:4:"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    check_tasks("- coppy: {src: a, dest: b}\n- debug: {masg: a}\n- debug: {msg: a}\n  whenn: x\n")
        .shows(4, &["coppy", "masg", "whenn"]);
}

#[test]
fn a_wrong_playbook_touches_no_host() {
    let scene = Scene::new();
    let made = scene.path("made");
    let tasks = format!("- copy: {{content: a, dest: {}}}\n- coppy: {{}}", made.display());
    scene.local(&Scene::play(&tasks), &[]).shows(4, &["coppy"]);
    assert!(!made.exists());
}
