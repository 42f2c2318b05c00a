//! Images that go to a registry with a login and come back, and the service deployed from there.

use super::{
    lab::Lab,
    main_job,
    service::{MONTH, Service, ask},
};

/// A registry on lab2 that asks for a login, and engines that accept its plain HTTP.
const SET_UP: &str = r#"
- hosts: lab2
  become: true
  gather_facts: false
  tasks:
    - name: Package
      apt: {name: docker-registry, update_cache: true, cache_valid_time: 86400}
    - name: Logins
      copy:
        # lab-registry
        content: "e2e:$2b$04$tH3D9UOkprfssXxAe5MtpOITq98XC4Nzg0TbV6g7mLeJEy3RpwsVq\n"
        dest: /etc/docker/registry/htpasswd
        group: docker-registry
        mode: "0640"
    - name: Settings
      copy:
        content: |
          version: 0.1
          storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}
          http: {addr: ":5000"}
          auth: {htpasswd: {realm: e2e, path: /etc/docker/registry/htpasswd}}
        dest: /etc/docker/registry/config.yml
        mode: "0644"
      register: settings
    - name: Restart
      systemd: {name: docker-registry, state: restarted}
      when: settings is changed
    - name: Wait
      wait_for: {port: 5000, timeout: 20}

- hosts: lab
  become: true
  gather_facts: true
  roles:
    - role: docker
      docker_daemon_options: {insecure-registries: ["{{ hub }}"]}
"#;

/// What is brought to the registry from lab1 and taken from it on lab2.
const IMAGES: &str = r#"
- hosts: lab
  become: true
  gather_facts: false
  tasks:
    - name: Login
      docker_login: {registry_url: "{{ hub }}", username: e2e, password: lab-registry}

- hosts: lab1
  become: true
  gather_facts: false
  tasks:
    - name: Folder
      copy: {src: "{{ playbook_dir }}/../note/", dest: /var/tmp/e2e-note/}
    - name: Build and push
      docker_image: {name: "{{ hub }}/e2e/note:1", source: build, build: {path: /var/tmp/e2e-note}, push: true}
    - name: Push under another name
      docker_image: {name: "deployer/base:bookworm", source: local, repository: "{{ hub }}/e2e/python:3.11-slim", push: true}
    - name: Push the database
      docker_image: {name: "{{ postgres_built }}", source: local, repository: "{{ hub }}/e2e/postgres:{{ postgres_tag }}", push: true}

- hosts: lab2
  become: true
  gather_facts: false
  tasks:
    - name: Pull
      docker_image: {name: "{{ hub }}/e2e/note:1", source: pull}
    - name: Pull what is newest
      docker_image_pull: {name: "{{ hub }}/e2e/note:1"}
"#;

const BAD_LOGIN: &str = r#"
- hosts: lab1
  become: true
  gather_facts: false
  tasks:
    - name: Login
      docker_login: {registry_url: "{{ hub }}", username: e2e, password: not-it-at-all, config_path: /root/e2e-login.json}
"#;

#[test]
fn images_go_to_a_registry_and_come_back() {
    let lab = Lab::take();
    main_job::done(&lab);
    let service = Service::on(&lab);
    // The removal of another copy has taken the base image that no container uses.
    service.deploy(&["-l", "lab1"]).well();
    let hub = format!("{}:5000", lab.variable("lab2", "private_address"));
    let built = lab.on("lab1", "docker inspect -f '{{.Config.Image}}' rates-db");
    let (built, version) = (built.trim(), built.trim().rsplit_once(':').unwrap().1.to_owned());
    let major = version.split('-').next().unwrap().to_owned();
    service
        .scene
        .file("playbooks/set-up.yaml", SET_UP)
        .file("playbooks/images.yaml", IMAGES)
        .file("playbooks/login.yaml", BAD_LOGIN)
        .file("note/Dockerfile", "FROM scratch\nCOPY note /\nCMD [\"/note\"]\n")
        .file("note/note", "first\n")
        .file("registry.yaml", &format!("hub: {hub}\npostgres_built: {built}\npostgres_tag: \"{major}\"\n"));
    let run = |playbook: &str, flags: &[&str]| {
        let mut words = vec!["-e", "@registry.yaml", "--output", "json"];
        words.extend(flags);
        service.play(playbook, &words)
    };
    run("set-up", &[]).well();
    assert_eq!(run("set-up", &[]).well().tally("changed"), 0);

    let refused = service.play("login", &["-e", "@registry.yaml"]);
    refused.shows(2, &["lab1", &hub, "401"]);
    assert!(!refused.said().contains("not-it-at-all"));
    assert_eq!(lab.on("lab1", "ls /root/e2e-login.json 2>/dev/null; true"), "");

    run("images", &[]).well();
    assert_eq!(lab.on("lab1", "stat -c %a /root/.docker/config.json"), "600\n");
    for flags in [&["--check"][..], &[]] {
        let again = run("images", flags).well();
        assert_eq!(again.tally("changed"), 0, "{:?}", again.changed());
    }

    // Another image of the same name: foretold, pushed, and taken by whoever asks for the newest.
    service.scene.file("note/note", "second\n");
    let predicted = run("images", &["--check", "-l", "lab1"]).well();
    let done = run("images", &[]).well();
    let on_lab1 = |changed: std::collections::BTreeSet<String>| {
        changed.into_iter().filter(|change| change.ends_with(" on lab1")).collect::<Vec<_>>()
    };
    assert_eq!(on_lab1(predicted.changed()), on_lab1(done.changed()));
    let ids =
        ["lab1", "lab2"].map(|host| lab.on(host, &format!("docker image inspect -f '{{{{.Id}}}}' {hub}/e2e/note:1")));
    assert_eq!(ids[0], ids[1]);
    assert_eq!(run("images", &[]).well().tally("changed"), 0);

    // The service, made of what the registry has.
    lab.on("lab1", &format!("docker image rm {hub}/e2e/postgres:{major} {hub}/e2e/python:3.11-slim"));
    service.scene.file(
        "from-registry.yaml",
        &format!(
            "service_name: hubbed\nimage_source: registry\npostgres_image: {hub}/e2e/postgres:{major}\n\
             rates_python_image: {hub}/e2e/python:3.11-slim\nrates_port: 3002\npostgres_port: 5434\n"
        ),
    );
    let from_registry = ["-e", "@from-registry.yaml"];
    service.deploy(&from_registry).well();
    ask(&lab.variable("lab2", "private_address"), "3002", MONTH);
    assert_eq!(
        lab.on("lab1", "docker inspect -f '{{.Config.Image}}' hubbed-db").trim(),
        format!("{hub}/e2e/postgres:{major}")
    );
    let second = service.deploy(&from_registry).well();
    assert_eq!(second.tally("changed"), 0, "{:?}", second.changed());
    service.play("teardown", &["-e", "@from-registry.yaml", "-e", "delete_data=true"]).shows(0, &[]);
}
