//! Ordinary server set-up: foretold, done, and not done twice.

use super::lab::Lab;
use crate::scene::Scene;

/// What people do with a new server.
const SETUP: &str = "\
- hosts: lab
  become: true
  gather_facts: true
  vars: {port: 8080}
  tasks:
    - name: Packages
      apt: {name: [tree, cron], update_cache: true, cache_valid_time: 86400}
    - name: Group
      group: {name: e2e-app, system: true}
    - name: User
      user: {name: e2e-app, group: e2e-app, system: true, home: /srv/e2e-app, shell: /usr/sbin/nologin}
    - name: Folder
      file: {path: /srv/e2e-app/etc, state: directory, owner: e2e-app, group: e2e-app, mode: '0750'}
    - name: Copy
      copy: {src: app.txt, dest: /srv/e2e-app/etc/app.txt, owner: root, group: e2e-app, mode: '0640'}
    - name: Template
      template: {src: app.conf.j2, dest: /srv/e2e-app/etc/app.conf, mode: '0644'}
      notify: Restart
    - name: Line
      lineinfile: {path: /srv/e2e-app/etc/app.txt, line: one more}
      when: false
    - name: Login line
      lineinfile: {path: /etc/e2e-login.defs, regexp: '^UMASK', line: UMASK 027, create: true, mode: '0644'}
    - name: Unit
      copy:
        dest: /etc/systemd/system/e2e-app.service
        mode: '0644'
        content: |
          [Service]
          ExecStart=/bin/sleep infinity
          [Install]
          WantedBy=multi-user.target
      notify: Restart
    - name: Service
      systemd: {name: e2e-app, state: started, enabled: true, daemon_reload: true}
    - name: Job
      cron: {name: e2e job, user: root, minute: '7', job: /bin/true}
    - name: Key
      authorized_key: {user: root, key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2ybm3T5u1DyKQkY7f9i7zM1qJkU4xv0b0a5cQd0QkG e2e}
    - name: Look
      command: systemctl is-enabled e2e-app
      changed_when: false
      check_mode: false
      failed_when: false
  handlers:
    - name: Restart
      systemd: {name: e2e-app, state: restarted}
";

/// Takes all of it back.
const UNDO: &str = "systemctl disable --now e2e-app 2>/dev/null; rm -f /etc/systemd/system/e2e-app.service; systemctl daemon-reload; \
    crontab -r 2>/dev/null; rm -rf /srv/e2e-app /etc/e2e-login.defs; userdel e2e-app 2>/dev/null; groupdel e2e-app 2>/dev/null; \
    apt-get -qq -y remove tree cron >/dev/null 2>&1; sed -i '/ e2e$/d' /root/.ssh/authorized_keys /etc/ssh/authorized_keys/root 2>/dev/null; true";

#[test]
fn a_server_is_set_up_as_foretold_and_only_once() {
    let lab = Lab::take();
    let undo = || ["lab1", "lab2"].iter().for_each(|host| drop(lab.on(host, UNDO)));
    undo();
    let scene = Scene::new();
    scene
        .file("app.txt", "text\n")
        .file("app.conf.j2", "# {{ ansible_managed }}\nlisten {{ ansible_facts.hostname }}:{{ port }}\n");
    let run = |flags: &[&str]| {
        let mut words = vec!["--output", "json"];
        words.extend(flags);
        lab.run(&scene, SETUP, &words).well()
    };
    let predicted = run(&["--check", "--diff"]);
    assert_eq!(lab.on("lab1", "getent passwd e2e-app; ls -d /srv/e2e-app 2>/dev/null; true").trim(), "");
    let done = run(&[]);
    assert_eq!(predicted.changed(), done.changed());
    assert!(done.changed().len() >= 22, "{:?}", done.changed());
    let second = run(&[]);
    assert_eq!(second.tally("changed"), 0, "{:?}", second.changed());
    assert_eq!(run(&["--check"]).tally("changed"), 0);
    for host in ["lab1", "lab2"] {
        let seen = lab.on(host, "cat /srv/e2e-app/etc/app.conf; stat -c '%a %U %G' /srv/e2e-app/etc/app.txt; systemctl is-active e2e-app; crontab -l; command -v tree");
        for word in
            [&format!("listen {host}:8080"), "640 root e2e-app", "\nactive\n", "7 * * * * /bin/true", "/usr/bin/tree"]
        {
            assert!(seen.contains(word), "{host}: `{word}` is missing in\n{seen}");
        }
    }
    undo();
}

#[test]
fn every_kind_of_key_opens_the_door() {
    let lab = Lab::take();
    let scene = Scene::new();
    let play = Scene::play("- name: Who\n  command: id -un");
    for key in ["id_ed25519", "id_ecdsa", "id_rsa"] {
        let key = format!("ansible_ssh_private_key_file={}", lab.file(key));
        let events = lab.run(&scene, &play, &["-l", "lab1", "-e", &key, "--output", "json"]).well();
        assert_eq!(events.result("Who")["stdout"], "ops");
    }
}

#[test]
fn people_become_root_and_others_with_and_without_a_password() {
    let lab = Lab::take();
    let scene = Scene::new();
    scene.file("password", "lab-admin\n");
    let play = "- hosts: lab1\n  gather_facts: false\n  become: true\n  tasks:\n    - {name: Root, command: id -un}\n    - {name: Other, command: id -un, become_user: nosudo}\n    - {name: Self, command: id -un, become: false}\n";
    for (user, flags) in [("ops", &[][..]), ("admin", &["--become-password-file", "password"])] {
        let user_flag = format!("ansible_user={user}");
        let mut words = vec!["-e", user_flag.as_str(), "--output", "json"];
        words.extend(flags);
        let events = lab.run(&scene, play, &words).well();
        let names =
            ["Root", "Other", "Self"].map(|name| events.result(name)["stdout"].as_str().unwrap_or_default().to_owned());
        assert_eq!(names, ["root", "nosudo", user]);
    }
}
