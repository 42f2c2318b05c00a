//! Variables: who wins, what is remembered, what is never shown.

use crate::scene::Scene;

#[test]
fn the_nearer_variable_wins() {
    let scene = Scene::new();
    scene
        .file("hosts.yaml", "all:\n  vars: {a: inventory, b: inventory, c: inventory, d: inventory, e: inventory, f: inventory}\n  children:\n    web:\n      hosts:\n        localhost: {ansible_connection: local}\n")
        .file("group_vars/all.yaml", "b: group_all\nc: group_all\nd: group_all\ne: group_all\nf: group_all\n")
        .file("group_vars/web.yaml", "c: group_web\nd: group_web\ne: group_web\nf: group_web\n")
        .file("host_vars/localhost.yaml", "d: host\ne: host\nf: host\n")
        .file("roles/r/defaults/main.yaml", "a: default\nz: default\n")
        .file("roles/r/vars/main.yaml", "v: role\n")
        .file("roles/r/tasks/main.yaml", "- name: In the role\n  debug: {msg: \"{{ a }} {{ z }} {{ v }}\"}\n")
        .file(
            "site.yaml",
            "- hosts: web\n  gather_facts: false\n  vars: {e: play, f: play, v: play}\n  roles: [r]\n  tasks:\n    - name: Show\n      debug: {msg: \"{{ a }} {{ b }} {{ c }} {{ d }} {{ e }} {{ f }}\"}\n      vars: {f: task}\n    - set_fact: {e: fact}\n    - name: Later\n      debug: {msg: \"{{ e }} {{ f }}\"}\n",
        );
    let run = |flags: &[&str]| {
        let mut words = vec!["run", "site.yaml", "-i", "hosts.yaml", "--output", "json"];
        words.extend(flags);
        scene.deployer(&words).well()
    };
    let events = run(&[]);
    assert_eq!(events.message("Show"), "inventory group_all group_web host play task");
    assert_eq!(events.message("In the role"), "inventory default role");
    assert_eq!(events.message("Later"), "fact play");
    assert_eq!(run(&["-e", "f=extra"]).message("Show"), "inventory group_all group_web host play extra");
}

#[test]
fn facts_that_were_set_last_through_the_plays_of_a_run() {
    let text = format!(
        "{}{}",
        Scene::play("- set_fact: {a: 1, b: \"{{ [1, 2] }}\"}"),
        Scene::play("- name: Show\n  debug: {msg: \"{{ a + b[1] }}\"}")
    );
    assert_eq!(Scene::new().events(&text, &[]).message("Show"), 3);
}

#[test]
fn other_hosts_are_looked_at_through_hostvars() {
    let scene = Scene::new();
    scene
        .file("hosts.ini", "[web]\nw[1:2] ansible_connection=local\n[web:vars]\nport=80\n")
        .file("site.yaml", &Scene::play("- set_fact: {mine: \"{{ inventory_hostname }}-{{ port + 1 }}\"}\n- name: Show\n  debug: {msg: \"{{ groups.web | map('extract', hostvars, 'mine') | join(',') }}\"}\n  run_once: true"));
    let events = scene.deployer(&["run", "site.yaml", "-i", "hosts.ini", "--output", "json"]).well();
    assert_eq!(events.message("Show"), "w1-81,w2-81");
}

#[test]
fn what_must_not_be_logged_is_not() {
    let tasks = "- name: Quiet\n  command: \"echo {{ item }}\"\n  loop: [s3cr3t-word]\n  no_log: true\n  register: kept\n- name: Fails quietly\n  command: \"sh -c 'echo s3cr3t-word; exit 3'\"\n  no_log: true\n  ignore_errors: true\n- name: Still there\n  assert: {that: \"kept.results[0].stdout == 's3cr3t' ~ '-word'\"}";
    for flags in [&["-vvv"][..], &["--output", "json"], &["--check", "--diff", "-v"]] {
        let ended = Scene::new().local(&Scene::play(tasks), flags);
        assert!(!ended.said().contains("s3cr3t-word"), "{flags:?}\n{}", ended.said());
        if !flags.contains(&"--check") {
            assert_eq!(ended.code, Some(0), "{}", ended.said());
        }
    }
}

#[test]
fn a_secret_from_the_vault_is_used_and_masked() {
    let scene = Scene::new();
    scene.file("password", "open sesame\n").file("secret.yaml", "word: tr0ub4dor\n");
    scene.deployer(&["vault", "encrypt", "secret.yaml", "--vault-password-file", "password"]).shows(0, &[]);
    assert!(scene.read("secret.yaml").starts_with("$ANSIBLE_VAULT;"));
    let made = scene.path("made");
    let play = format!(
        "- hosts: all\n  gather_facts: false\n  vars_files: [secret.yaml]\n  tasks:\n    - name: Write\n      copy: {{content: \"pass={{{{ word }}}}\\n\", dest: {}}}\n    - debug: {{msg: \"{{{{ word }}}}\"}}\n",
        made.display()
    );
    scene.local(&play, &[]).shows(4, &["vault"]);
    let ended = scene.local(&play, &["--vault-password-file", "password", "--diff", "-vvv"]);
    ended.shows(0, &[]);
    assert!(!ended.said().contains("tr0ub4dor"), "{}", ended.said());
    assert_eq!(scene.read("made"), "pass=tr0ub4dor\n");
    let json = scene.local(&play, &["--vault-password-file", "password", "--diff", "--output", "json"]);
    assert!(!json.said().contains("tr0ub4dor"), "{}", json.said());
}

#[test]
fn everything_a_host_knows_can_be_shown() {
    let events = Scene::new().events(&Scene::play("- name: Show\n  debug: {var: \"hostvars['localhost']\"}"), &[]);
    let shown = &events.result("Show")["hostvars['localhost']"];
    assert_eq!(shown["inventory_hostname"], "localhost");
    assert_eq!(shown.get("hostvars"), None);
}

#[test]
fn parameters_of_an_include_win_over_facts_that_were_set() {
    let scene = Scene::new();
    scene.file("more.yaml", "- name: Included\n  debug: {msg: \"{{ word }}\"}\n  vars: {word: task}\n");
    let tasks = "- set_fact: {word: fact}\n- include_tasks: more.yaml\n  vars: {word: parameter}\n- name: After\n  debug: {msg: \"{{ word }}\"}";
    let events = scene.events(&Scene::play(tasks), &[]);
    assert_eq!((events.message("Included"), events.message("After")), (&"parameter".into(), &"fact".into()));
}

#[test]
fn what_a_host_has_said_is_no_expression() {
    let tasks = "- name: Say\n  command: echo lookup('pipe', 'echo run here')\n  register: said\n- name: Show\n  debug: {var: \"{{ said.stdout }}\"}\n  ignore_errors: true\n- name: Written\n  debug: {var: \"{{ item }}\"}\n  loop: [one]\n  vars: {one: 1}\n  register: written\n- name: Check\n  assert:\n    that: written.results[0].one == 1";
    let events = Scene::new().events(&Scene::play(tasks), &[]);
    assert_eq!(events.story()[1], "Show: ignored");
    assert!(events.message("Show").to_string().contains("untrusted"), "{}", events.message("Show"));
}

#[test]
fn dates_have_their_methods() {
    let tasks = "- name: Show\n  debug: {msg: \"{{ day.year + 1 }} {{ day }} {{ time > begin }}\"}\n  vars:\n    day: 2020-01-02\n    time: 2020-01-05 12:00:00\n    begin: 2020-01-01 00:00:00";
    assert_eq!(Scene::new().events(&Scene::play(tasks), &[]).message("Show"), "2021 2020-01-02 True");
}

#[test]
fn a_result_says_what_was_worked_out_when_it_went_wrong() {
    let tasks = "- name: Show\n  debug: {msg: \"{{ nope }}\"}\n  ignore_errors: true\n  register: shown\n- name: Check\n  debug: {msg: \"{{ shown.msg }}\"}";
    let events = Scene::new().events(&Scene::play(tasks), &[]);
    let said = "Task failed: Finalization of task args for 'ansible.builtin.debug' failed: Error while resolving value for 'msg': 'nope' is undefined";
    assert_eq!(events.message("Check"), said);
}
