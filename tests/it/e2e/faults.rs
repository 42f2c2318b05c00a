//! What goes wrong between here and there: said on one screen with what, where and what to do, and nothing is left half-done.

use std::net::TcpListener;

use super::lab::Lab;
use crate::scene::{Ended, Scene};

/// A message that does not fit is not read.
pub const SCREEN: usize = 30;

/// Exit code of a run that could not reach a host.
const UNREACHABLE: i32 = 4;

const PING: &str = "- hosts: lab1\n  gather_facts: false\n  tasks:\n    - name: Ping\n      ping:\n";
const PING_AS_ROOT: &str =
    "- hosts: lab1\n  gather_facts: false\n  become: true\n  tasks:\n    - name: Ping\n      ping:\n";

/// Asserts what a failed run says, and that it is brief.
#[track_caller]
fn says(ended: &Ended, code: i32, words: &[&str]) {
    ended.shows(code, words);
    assert!(ended.said().lines().count() <= SCREEN, "more than a screen:\n{}", ended.said());
}

/// An inventory of lab1 alone, whose known hosts are another file.
fn with_known_hosts(lab: &Lab, scene: &Scene, known: &str) -> Ended {
    let known_hosts = scene.path("known_hosts");
    scene.file("known_hosts", known).file("site.yaml", PING).file(
        "hosts.yaml",
        &format!(
            "all:\n  hosts:\n    lab1:\n      ansible_host: {}\n      ansible_port: {}\n      ansible_user: ops\n      ansible_ssh_private_key_file: {}\n      ansible_ssh_common_args: -o UserKnownHostsFile={}\n",
            lab.variable("lab1", "ansible_host"),
            lab.variable("lab1", "ansible_port"),
            lab.file("id_ed25519"),
            known_hosts.display()
        ),
    );
    scene.deployer(&["run", "site.yaml", "-i", "hosts.yaml"])
}

#[test]
fn a_wrong_password_is_refused_and_a_right_one_is_not() {
    let lab = Lab::take();
    let scene = Scene::new();
    scene.file("right", "lab-admin\n").file("wrong", "not-it-at-all\n");
    let run = |file: &str| {
        let options = r#"{"ansible_user": "admin", "ansible_ssh_private_key_file": "", "ansible_ssh_common_args": "-o PubkeyAuthentication=no -o UserKnownHostsFile=KNOWN"}"#;
        let options = options.replace("KNOWN", &lab.file("known_hosts"));
        lab.run(&scene, PING, &["-e", &options, "--connection-password-file", file])
    };
    let ended = run("wrong");
    says(&ended, UNREACHABLE, &["lab1", "admin@", "password", "check the password"]);
    assert!(!ended.said().contains("not-it-at-all"));
    run("right").shows(0, &["ok=1"]);
}

#[test]
fn a_server_that_asks_for_the_password_in_a_dialogue_gets_it() {
    let lab = Lab::take();
    let scene = Scene::new();
    scene.file("right", "lab-admin\n").file("wrong", "not-it-at-all\n");
    let options = r#"{"ansible_user": "admin", "ansible_ssh_private_key_file": "", "ansible_ssh_common_args": "-o PubkeyAuthentication=no -o UserKnownHostsFile=KNOWN"}"#;
    let options = options.replace("KNOWN", &lab.file("known_hosts"));
    let by_variable = options.replacen('{', r#"{"ansible_password": "lab-admin", "#, 1);
    let run = |flags: &[&str]| lab.run(&scene, PING, flags);
    // Sshd hears of it some time after it was told to: so it is asked until it offers what it should.
    let set = |what: &str, offer: &str| {
        let ask = "ssh -o BatchMode=yes -o PubkeyAuthentication=no -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null admin@localhost true";
        let wait = format!("for try in $(seq 100); do {ask} 2>&1 | grep -q {offer} && break; sleep 0.1; done");
        lab.on("lab1", &format!("{what} && systemctl reload ssh; {wait}"));
    };
    // Read before the lab's own file: of several settings sshd takes the first.
    set(
        "printf 'Match User admin\\n PasswordAuthentication no\\n KbdInteractiveAuthentication yes\\n' \
            > /etc/ssh/sshd_config.d/00-dialogue.conf",
        "keyboard-interactive",
    );
    let offered =
        lab.on("lab1", "sshd -T -C user=admin,host=a,addr=10.0.0.1 | grep -iE '^(password|kbdinteractive)auth' | sort");
    let ended = ["wrong", "right"].map(|file| run(&["-e", &options, "--connection-password-file", file]));
    let variable = run(&["-e", &by_variable]);
    set("rm /etc/ssh/sshd_config.d/00-dialogue.conf", "password");
    assert_eq!(offered, "kbdinteractiveauthentication yes\npasswordauthentication no\n");
    let [wrong, right] = ended;
    says(&wrong, UNREACHABLE, &["lab1", "admin@", "keyboard-interactive", "check the password"]);
    assert!(!wrong.said().contains("not-it-at-all"));
    right.shows(0, &["ok=1"]);
    variable.shows(0, &["ok=1"]);
}

#[test]
fn an_unknown_host_key_is_refused_with_its_fingerprint() {
    let lab = Lab::take();
    let scene = Scene::new();
    let ended = with_known_hosts(&lab, &scene, "");
    says(&ended, UNREACHABLE, &["lab1", "host key", "not known", "SHA256:", "ssh-keygen -lf"]);
    // Nobody was asked, so nothing may be remembered.
    assert_eq!(scene.read("known_hosts"), "");
}

#[test]
fn a_changed_host_key_is_refused_with_the_line_that_differs() {
    let lab = Lab::take();
    let scene = Scene::new();
    let key = std::fs::read_to_string(lab.file("id_ed25519.pub")).unwrap();
    let key: Vec<&str> = key.split_whitespace().take(2).collect();
    let known = format!("{} {}\n", lab.variable("lab1", "ansible_host"), key.join(" "));
    let ended = with_known_hosts(&lab, &scene, &known);
    says(&ended, UNREACHABLE, &["lab1", "HAS CHANGED", "known_hosts:1", "ssh-keygen -R"]);
    assert_eq!(scene.read("known_hosts"), known);
}

#[test]
fn a_port_where_nobody_listens_is_named() {
    let lab = Lab::take();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let options = format!("ansible_port={port}");
    let ended = lab.run(&Scene::new(), PING, &["-e", &options]);
    says(&ended, UNREACHABLE, &["lab1", &port.to_string(), "ansible_port"]);
}

#[test]
fn a_lost_host_does_not_stop_the_others() {
    let lab = Lab::take();
    let scene = Scene::new();
    let play = "- hosts: lab\n  gather_facts: false\n  tasks:\n    - name: Ping\n      ping:\n";
    scene.file("host_vars/lab1.yaml", "ansible_port: 1\n");
    let ended = lab.run(&scene, play, &["--output", "json"]);
    assert_eq!(ended.code, Some(UNREACHABLE), "{}", ended.said());
    assert_eq!(ended.events().ended().iter().filter(|(_, host, status)| (*host, *status) == ("lab2", "ok")).count(), 1);
    assert_eq!(ended.events().tally("unreachable"), 1);
}

#[test]
fn a_user_who_may_not_become_root_is_told() {
    let lab = Lab::take();
    let scene = Scene::new();
    scene.file("wrong", "not-it-at-all\n");
    let ended = lab.run(&scene, PING_AS_ROOT, &["-e", "ansible_user=nosudo"]);
    assert_ne!(ended.code, Some(0));
    says(&ended, ended.code.unwrap(), &["lab1", "sudo", "-K"]);
    let ended = lab.run(&scene, PING_AS_ROOT, &["-e", "ansible_user=admin", "--become-password-file", "wrong"]);
    assert_ne!(ended.code, Some(0));
    says(&ended, ended.code.unwrap(), &["lab1", "sudo", "password"]);
    assert!(!ended.said().contains("not-it-at-all"));
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let lab = Lab::take();
    let scene = Scene::new();
    scene.file("big", &"sixteen letters\n".repeat(1 << 14));
    let play = "- hosts: lab1\n  gather_facts: false\n  become: true\n  tasks:\n    - name: Big\n      copy: {src: big, dest: /srv/small/big}\n";
    lab.on("lab1", "rm -f /srv/small/big; echo before > /srv/small/big");
    lab.lab(&["fill", "lab1"]);
    let before = lab.on("lab1", "ls -A /srv/small");
    let ended = lab.run(&scene, play, &[]);
    let after = lab.on("lab1", "ls -A /srv/small; cat /srv/small/big");
    lab.lab(&["unfill", "lab1"]);
    says(&ended, 2, &["lab1", "/srv/small", "No space left", "site.yaml:5:7"]);
    assert_eq!(after, format!("{before}before\n"));
    lab.run(&scene, play, &[]).shows(0, &["changed=1"]);
    assert_eq!(lab.on("lab1", "ls -A /srv/small; wc -c < /srv/small/big").trim(), format!("big\n{}", 1 << 18));
    lab.on("lab1", "rm /srv/small/big");
}
