//! Modules of the user's: how they are found, what they are given, and what their answer does.

use crate::scene::Scene;

const WORDS: &str = "#!/bin/sh\n. \"$1\"\nprintf '{\"changed\": true, \"msg\": \"%s %s\", \"ansible_facts\": {\"told\": \"%s\"}}' \"$greeting\" \"$name\" \"$0\"\n";
const JSON: &str = "#!/bin/sh\n# WANT_JSON\nprintf '{\"given\": %s}' \"$(cat \"$1\")\"\n";

#[test]
fn a_script_from_a_library_gets_its_options_and_its_answer_is_the_tasks() {
    let scene = Scene::new();
    scene
        .file("library/greet.sh", WORDS)
        .file("library/ping", JSON)
        .file("roles/r/library/fails", "#!/bin/sh\necho '{\"failed\": true, \"msg\": \"no luck\"}'\n")
        .file("roles/r/tasks/main.yaml", "- name: Fails\n  fails:\n  ignore_errors: true\n");
    let tasks = "- name: Words\n  greet: name=\"o'neil moon\" greeting=hello\n- name: Json\n  ping: {data: [1, two]}\n- name: Built in\n  ansible.builtin.ping:\n- name: Fact\n  debug: {msg: \"{{ told }}\"}\n- include_role: {name: r}\n";
    let events = scene.events(&Scene::play(tasks), &[]);
    assert_eq!(events.message("Words"), "hello o'neil moon");
    assert_eq!(events.result("Words")["changed"], true);
    let given = &events.result("Json")["given"];
    assert_eq!(given["data"], serde_json::json!([1, "two"]));
    assert_eq!(given["_ansible_check_mode"], false);
    assert_eq!(events.result("Built in")["ping"], "pong");
    let place = events.message("Fact").as_str().unwrap();
    assert!(place.ends_with("/greet"), "{place}");
    assert!(!std::path::Path::new(place).exists(), "nothing stays on the host");
    assert_eq!(events.message("Fails"), "no luck");
}
