//! What runs, in which order, how often, and what happens when it fails.

use crate::scene::Scene;

fn story(tasks: &str, flags: &[&str]) -> Vec<String> {
    Scene::new().events(&Scene::play(tasks), flags).story()
}

#[test]
fn a_failure_is_rescued_and_always_is_always() {
    let tasks = "- block:\n    - name: Breaks\n      fail: {msg: broken}\n    - name: Not reached\n      debug: {msg: never}\n  rescue:\n    - name: Mend\n      debug: {msg: \"{{ ansible_failed_task.name }}: {{ ansible_failed_result.msg }}\"}\n  always:\n    - name: Sweep\n      debug: {msg: swept}\n- name: Goes on\n  debug: {msg: on}";
    let events = Scene::new().events(&Scene::play(tasks), &[]);
    assert_eq!(events.story(), ["Breaks: failed", "Mend: ok", "Sweep: ok", "Goes on: ok"]);
    assert_eq!(events.message("Mend"), "Breaks: broken");
    assert_eq!((events.tally("rescued"), events.tally("failed")), (1, 0));
}

#[test]
fn a_failure_that_nobody_rescues_ends_the_host_with_2() {
    let tasks = "- block:\n    - name: Breaks\n      fail: {msg: broken}\n  always:\n    - name: Sweep\n      debug: {msg: swept}\n- name: Not reached\n  debug: {msg: never}";
    let ended = Scene::new().local(&Scene::play(tasks), &["--output", "json"]);
    assert_eq!(
        (ended.code, ended.events().story()),
        (Some(2), vec!["Breaks: failed".to_owned(), "Sweep: ok".to_owned()])
    );
}

#[test]
fn handlers_run_once_at_the_end_or_when_flushed() {
    let play = "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: First\n      command: 'true'\n      notify: [Restart]\n    - name: Second\n      command: 'true'\n      notify: [Restart, topic]\n    - name: Quiet\n      command: 'true'\n      changed_when: false\n      notify: Never\n    - name: Flush\n      meta: flush_handlers\n    - name: Third\n      command: 'true'\n      notify: Restart\n    - name: Last\n      debug: {msg: last}\n  handlers:\n    - name: Listens\n      debug: {msg: heard}\n      listen: topic\n    - name: Restart\n      debug: {msg: restarted}\n    - name: Never\n      debug: {msg: never}\n";
    let story: Vec<String> =
        Scene::new().events(play, &[]).story().into_iter().filter(|line| !line.starts_with("Flush")).collect();
    assert_eq!(
        story,
        [
            "First: changed",
            "Second: changed",
            "Quiet: ok",
            "Listens: ok",
            "Restart: ok",
            "Third: changed",
            "Last: ok",
            "Restart: ok"
        ]
    );
}

#[test]
fn loops_keep_every_result() {
    let tasks = "- name: Each\n  command: \"echo {{ item.name }}{{ number }}\"\n  loop: [{name: a}, {name: b}, {name: c}]\n  loop_control: {index_var: number, label: \"{{ item.name }}\"}\n  when: item.name != 'b'\n  register: each\n- name: Show\n  debug: {msg: \"{{ each.results | map(attribute='stdout', default='-') | join(' ') }}\"}\n- name: Old form\n  debug: {msg: \"{{ item }}\"}\n  with_items: [1, [2, 3]]\n  register: old\n- name: Count\n  debug: {msg: \"{{ old.results | length }}\"}";
    let events = Scene::new().events(&Scene::play(tasks), &[]);
    assert_eq!(events.message("Show"), "a0 - c2");
    assert_eq!(events.message("Count"), 3);
}

#[test]
fn a_task_is_tried_until_it_holds() {
    let scene = Scene::new();
    let count = scene.path("count");
    let tasks = format!(
        "- name: Try\n  shell: echo x >> {0}; wc -l < {0}\n  register: lines\n  until: lines.stdout | int >= 3\n  retries: 5\n  delay: 0\n- name: Show\n  debug: {{msg: \"{{{{ lines.attempts }}}}\"}}",
        count.display()
    );
    let events = scene.events(&Scene::play(&tasks), &[]);
    assert_eq!(events.message("Show"), 3);
    assert_eq!(scene.read("count").lines().count(), 3);
}

#[test]
fn until_gives_up_after_its_retries() {
    let tasks = "- name: Try\n  command: 'false'\n  register: tried\n  until: tried.rc == 0\n  retries: 2\n  delay: 0\n  ignore_errors: true\n- name: Show\n  debug: {msg: \"{{ tried.attempts }} {{ tried is failed }}\"}";
    let events = Scene::new().events(&Scene::play(tasks), &[]);
    assert_eq!(events.story()[0], "Try: ignored");
    assert_eq!(events.message("Show"), "2 True");
}

#[test]
fn tags_choose_tasks() {
    let tasks = "- name: One\n  debug: {msg: 1}\n  tags: [a]\n- name: Two\n  debug: {msg: 2}\n  tags: [b]\n- name: Ever\n  debug: {msg: 3}\n  tags: [always]\n- name: Asked\n  debug: {msg: 4}\n  tags: [never, d]\n- name: Plain\n  debug: {msg: 5}";
    assert_eq!(story(tasks, &[]), ["One: ok", "Two: ok", "Ever: ok", "Plain: ok"]);
    assert_eq!(story(tasks, &["-t", "a"]), ["One: ok", "Ever: ok"]);
    assert_eq!(story(tasks, &["-t", "d"]), ["Ever: ok", "Asked: ok"]);
    assert_eq!(story(tasks, &["--skip-tags", "a,always"]), ["Two: ok", "Plain: ok"]);
    assert_eq!(story(tasks, &["-t", "untagged"]), ["Ever: ok", "Plain: ok"]);
    assert_eq!(story(tasks, &["--start-at-task", "Plain"]), ["Plain: ok"]);
}

#[test]
fn roles_bring_tasks_handlers_defaults_and_files() {
    let scene = Scene::new();
    let made = scene.path("made");
    scene
        .file("roles/base/tasks/main.yaml", "- name: Base\n  debug: {msg: \"{{ word }}\"}\n")
        .file("roles/web/meta/main.yaml", "dependencies:\n  - {role: base, vars: {word: from_web}}\n")
        .file("roles/web/defaults/main.yaml", "greeting: hello\n")
        .file("roles/web/templates/page.j2", "{{ greeting }} {{ role_name }}\n")
        .file("roles/web/handlers/main.yaml", "- name: Reload\n  debug: {msg: reloaded}\n")
        .file("roles/web/tasks/main.yaml", "- name: Page\n  template: {src: page.j2, dest: \"{{ made }}\"}\n  notify: Reload\n- import_tasks: more.yaml\n- include_tasks: \"{{ 'other' }}.yaml\"\n  vars: {which: included}\n")
        .file("roles/web/tasks/more.yaml", "- name: More\n  debug: {msg: more}\n")
        .file("roles/web/tasks/other.yaml", "- name: Other\n  debug: {msg: \"{{ which }}\"}\n")
        .file("roles/more/tasks/extra.yaml", "- name: Extra\n  debug: {msg: extra}\n");
    let play = "- hosts: all\n  gather_facts: false\n  roles:\n    - {role: web, greeting: good day}\n  tasks:\n    - include_role: {name: more, tasks_from: extra}\n";
    let events = scene.events(play, &["-e", &format!("made={}", made.display())]);
    let story: Vec<String> = events.story().into_iter().filter(|line| !line.contains("include_")).collect();
    assert_eq!(story, ["Base: ok", "Page: changed", "More: ok", "Other: ok", "Extra: ok", "Reload: ok"]);
    assert_eq!((events.message("Base"), events.message("Other")), (&"from_web".into(), &"included".into()));
    assert_eq!(scene.read("made"), "good day web\n");
}

#[test]
fn verdicts_can_be_overruled() {
    let tasks = "- name: Grep\n  command: grep nothing /etc/hostname\n  register: found\n  changed_when: false\n  failed_when: found.rc > 1\n- name: Refused\n  command: echo bad\n  register: said\n  failed_when: \"'bad' in said.stdout\"\n  ignore_errors: true\n- name: Skipped\n  command: 'true'\n  when: [found.rc == 0, true]";
    assert_eq!(story(tasks, &[]), ["Grep: ok", "Refused: ignored", "Skipped: skipped"]);
}

#[test]
fn hosts_come_in_batches_and_one_may_work_for_another() {
    let scene = Scene::new();
    scene.file("site.yaml", "- hosts: all\n  gather_facts: false\n  serial: 2\n  tasks:\n    - name: Each\n      debug: {msg: \"{{ ansible_play_batch | join(' ') }}\"}\n    - name: Once\n      debug: {msg: once}\n      run_once: true\n    - name: There\n      command: echo there\n      delegate_to: c\n");
    let events = scene.deployer(&["run", "site.yaml", "-i", "a,b,c", "-c", "local", "--output", "json"]).well();
    let ended = events.ended();
    assert_eq!(ended.iter().filter(|(name, ..)| *name == "Once").count(), 2);
    assert_eq!(
        ended.iter().position(|(name, host, _)| (*name, *host) == ("Each", "c")),
        Some(ended.len() - 3),
        "{ended:?}"
    );
    assert_eq!(events.message("Each"), "a b");
}

#[test]
fn a_connection_that_is_none_fails_only_what_needs_the_host() {
    let tasks = "- name: Says\n  debug: {msg: here}\n- name: Asks\n  command: 'true'\n  ignore_errors: true\n- name: Goes on\n  debug: {msg: there}";
    let ended = Scene::new().local(&Scene::play(tasks), &["--output", "json", "-e", "ansible_connection=pigeon"]);
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert_eq!(ended.events().story(), ["Says: ok", "Asks: ignored", "Goes on: ok"]);
    assert!(ended.out.contains("there is no connection `pigeon`"), "{}", ended.out);
}

#[test]
fn a_loop_that_failed_has_changed_what_its_items_changed() {
    let tasks = "- name: Try\n  command: sh -c 'exit 3'\n  loop: [1, 2]\n  ignore_errors: true\n  register: tried\n- name: Show\n  debug: {msg: \"{{ tried.changed }}\"}";
    let events = Scene::new().events(&Scene::play(tasks), &[]);
    assert_eq!(events.message("Show"), true);
    assert_eq!((events.tally("ignored"), events.tally("changed")), (1, 1));
}

#[test]
fn an_import_in_a_role_may_name_its_file_by_the_role() {
    let scene = Scene::new();
    scene
        .file("roles/web/defaults/main.yaml", "kind: more\n")
        .file("roles/web/tasks/main.yaml", "- import_tasks: \"{{ role_path }}/tasks/{{ kind }}.yaml\"\n")
        .file("roles/web/tasks/more.yaml", "- name: More\n  debug: {msg: more}\n");
    let events = scene.events("- hosts: all\n  gather_facts: false\n  roles: [web]\n", &[]);
    assert_eq!(events.story(), ["More: ok"]);
}
