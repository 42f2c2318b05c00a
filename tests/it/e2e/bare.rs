//! What a check foretells of a bare host, where tasks build on packages and users that earlier tasks bring.

use super::lab::Lab;
use crate::scene::Scene;

/// Tasks that need what the package or the user before them brings.
const SETUP: &str = "\
- hosts: lab1
  become: true
  tasks:
    - name: Package
      apt: {name: redis-server, update_cache: true, cache_valid_time: 86400}
    - name: Settings
      copy: {content: 'maxmemory 32mb', dest: /etc/redis/own.conf, owner: redis, group: redis, mode: '0640'}
      notify: Restart
    - name: Line
      lineinfile: {path: /etc/redis/redis.conf, regexp: '^maxmemory ', line: maxmemory 32mb}
    - name: Folder
      file: {path: /srv/e2e-redis, state: directory, owner: redis, mode: '0750'}
    - name: As a user that the package brings
      command: {cmd: touch /var/lib/redis/mark, creates: /var/lib/redis/mark}
      become_user: redis
    - name: User
      user: {name: e2e-bare, groups: redis, append: true, generate_ssh_key: true, ssh_key_type: ed25519}
      register: account
    - name: Key
      authorized_key: {user: e2e-bare, key: '{{ account.ssh_public_key }}'}
    - name: Own file
      copy: {content: x, dest: ~/own.txt, mode: '0600'}
      become_user: e2e-bare
    - name: Own command
      command: id -un
      become_user: e2e-bare
      check_mode: false
      changed_when: false
      register: who
    - name: Service
      service: {name: redis-server, state: started, enabled: true}
  handlers:
    - name: Restart
      service: {name: redis-server, state: restarted}
";

/// Takes all of it back.
const UNDO: &str = "apt-get -qq -y purge redis-server redis-tools >/dev/null 2>&1; apt-get -qq -y autoremove --purge >/dev/null 2>&1; \
    userdel -r e2e-bare 2>/dev/null; userdel redis 2>/dev/null; groupdel redis 2>/dev/null; rm -rf /etc/redis /srv/e2e-redis /var/lib/redis; true";

#[test]
fn what_packages_and_users_bring_is_foretold_or_said_to_be_unknown() {
    let lab = Lab::take();
    lab.on("lab1", UNDO);
    let scene = Scene::new();
    let run = |flags: &[&str]| lab.run(&scene, SETUP, &[&["--output", "json"], flags].concat()).well();
    let predicted = run(&["--check"]);
    let unknown: Vec<&str> =
        predicted.ended().into_iter().filter(|(_, _, status)| *status == "unknown").map(|(name, ..)| name).collect();
    assert_eq!(unknown, ["Line", "Key", "Own command"], "{:?}", predicted.story());
    assert_eq!(lab.on("lab1", "getent passwd redis e2e-bare; ls /etc/redis 2>/dev/null; true").trim(), "");
    let done = run(&[]);
    assert_eq!(done.result("Own command")["stdout"], "e2e-bare");
    let surprises: Vec<String> = done.changed().symmetric_difference(&predicted.changed()).cloned().collect();
    let open = |task: &String| unknown.iter().any(|name| task.starts_with(&format!("{name} (")));
    assert!(surprises.iter().all(open), "{surprises:?} of {:?}", done.story());
    assert_eq!(run(&["--check"]).tally("changed"), 0);
    assert_eq!(lab.on("lab1", "stat -c %U /home/e2e-bare/own.txt /etc/redis/own.conf").trim(), "e2e-bare\nredis");
    lab.on("lab1", UNDO);
}

#[test]
fn a_load_as_another_role_is_known_to_the_next_run() {
    const UNDO: &str = "apt-get -qq -y purge 'postgresql*' >/dev/null 2>&1; apt-get -qq -y autoremove --purge >/dev/null 2>&1; rm -rf /var/lib/postgresql; true";
    let lab = Lab::take();
    let scene = Scene::new();
    scene.file("dump.sql", "CREATE TABLE public.t (a int);\nINSERT INTO public.t VALUES (1);\n");
    let setup = "\
- hosts: lab1
  become: true
  gather_facts: false
  tasks:
    - name: Server
      apt: {name: postgresql, update_cache: true, cache_valid_time: 86400}
    - name: Databases
      shell: createuser e2e-loader && createdb -O e2e-loader e2e-loaded
      args: {chdir: /tmp}
      become_user: postgres
      when: not again | default(false)
    - name: Load
      postgresql_load: {db: e2e-loaded, src: dump.sql, login_unix_socket: /run/postgresql, session_role: e2e-loader}
      become_user: postgres
";
    let run = |flags: &[&str]| lab.run(&scene, setup, &[&["--output", "json"], flags].concat()).well();
    let first = run(&[]);
    assert_eq!(first.result("Load")["rows"], 1);
    let second = run(&["-e", "again=true"]);
    assert_eq!(second.tally("changed"), 0, "{:?}", second.story());
    lab.on("lab1", UNDO);
}
