//! Runs on a host that takes no helper, and runs that must not show what vaults hold.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{os::unix::fs::PermissionsExt, path::Path};

use assert_cmd::Command;
use deployer::controller::vault::{Secret, encrypt};

/// Runs a playbook on this machine, with `folder/bin` in front of the search path.
fn run(folder: &Path, playbook: &str, words: &[&str]) -> (Option<i32>, String) {
    std::fs::write(folder.join("site.yaml"), playbook).unwrap();
    let path = std::env::var("PATH").unwrap();
    let output = Command::cargo_bin("deployer")
        .unwrap()
        .args(["run", "site.yaml", "-i", "here,", "-e", "ansible_connection=local"])
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("PATH", format!("{}:{path}", folder.join("bin").display()))
        .timeout(std::time::Duration::from_mins(1))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// A machine of a kind that no helper is built for.
fn strange_machine() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let uname = folder.path().join("bin/uname");
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    std::fs::write(&uname, "#!/bin/sh\ncase $1 in -m) echo vax ;; *) echo Linux ;; esac\n").unwrap();
    std::fs::set_permissions(&uname, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

const PORTABLE: &str = "
- hosts: all
  gather_facts: false
  tasks:
    - file: {path: '{{ playbook_dir }}/made', state: directory, mode: '0750'}
    - copy: {content: \"hello\\n\", dest: '{{ playbook_dir }}/made/note'}
    - stat: {path: '{{ playbook_dir }}/made/note'}
      register: note
    - assert: {that: note.stat.size == 6}
    - command: cat {{ playbook_dir }}/made/note
      changed_when: false
      register: said
      when: not ansible_check_mode
    - debug: {msg: 'the note says {{ said.stdout }}'}
      when: not ansible_check_mode
";

#[test]
fn portable_modules_work_where_no_helper_runs() {
    let host = strange_machine();
    let (code, said) = run(host.path(), PORTABLE, &["--check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!host.path().join("made").exists(), "check mode made something: {said}");
    let (code, said) = run(host.path(), PORTABLE, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("here: no helper runs there: there is no helper for vax").count(), 1, "{said}");
    assert!(said.contains("the note says hello"), "{said}");
    let mode = std::fs::metadata(host.path().join("made")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    let (code, said) = run(host.path(), PORTABLE, &[]);
    assert!(code == Some(0) && said.contains("changed=0") || said.contains("0 changed"), "{said}");
}

#[test]
fn other_modules_say_why_they_do_not_work_without_a_helper() {
    let host = strange_machine();
    let playbook = "[{hosts: all, gather_facts: false, tasks: [{apt: {name: hello}}]}]";
    let (code, said) = run(host.path(), playbook, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("apt needs the helper, and here takes none: there is no helper for vax"), "{said}");
    assert!(said.contains("command") && said.contains("still work through plain sh"), "{said}");
}

#[test]
fn what_a_vault_held_is_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let password = Secret::from("open sesame");
    std::fs::write(folder.path().join("password"), "open sesame").unwrap();
    let sealed = |text: &str| encrypt(text.as_bytes(), &password, None);
    std::fs::write(folder.path().join("more.yaml"), sealed("second: swordfish\n")).unwrap();
    let first = sealed("xyzzy-plugh").replace('\n', "\n        ");
    let playbook = format!(
        "
- hosts: all
  gather_facts: false
  vars:
    first: !vault |
        {first}
  tasks:
    - include_vars: more.yaml
    - name: say {{{{ first }}}}
      debug: {{msg: 'first={{{{ first }}}} second={{{{ second }}}}'}}
    - debug: {{msg: hi}}
      loop: ['{{{{ second }}}}']
    - fail: {{msg: 'no {{{{ first }}}}'}}
"
    );
    let (code, said) = run(folder.path(), &playbook, &["--vault-password-file", "password"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("first=******** second=********"), "{said}");
    assert!(said.contains("no ********"), "{said}");
    assert!(!said.contains("xyzzy") && !said.contains("swordfish"), "{said}");
}
