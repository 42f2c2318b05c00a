//! Images without a registry: what travels of them between hosts, counted on the wire.

use std::process::Command;

use super::lab::Lab;
use crate::scene::{Ended, Scene};

/// Bytes of the layers: what stays, what changes. Random ones, which no compression makes smaller.
const BASE_BYTES: u64 = 60_000_000;
const TOP_BYTES: u64 = 2_000_000;

/// What may travel besides: frames and encryption, the other tasks, answers of engines.
const BESIDES_BYTES: u64 = 400_000;

const BUILD: &str = r#"
- hosts: lab
  become: true
  gather_facts: true
  roles: [docker]

- hosts: lab1
  become: true
  gather_facts: false
  tasks:
    - name: Folder
      file: {path: /var/tmp/e2e-image, state: directory}
    - name: Base
      shell: head -c {{ base_bytes }} /dev/urandom >base.bin
      args: {chdir: /var/tmp/e2e-image, creates: base.bin}
    - name: Top
      shell: head -c {{ top_bytes }} /dev/urandom >top-{{ version }}.bin
      args: {chdir: /var/tmp/e2e-image, creates: "top-{{ version }}.bin"}
    - name: Recipe
      copy:
        content: |
          FROM scratch
          COPY base.bin /
          COPY top-{{ version }}.bin /
          CMD ["/none"]
        dest: /var/tmp/e2e-image/Dockerfile
    - name: Build
      docker_image: {name: "e2e/copied:1", source: build, build: {path: /var/tmp/e2e-image}}
"#;

const COPY: &str = r#"
- hosts: lab
  become: true
  gather_facts: false
  tasks:
    - name: Copy
      docker_image_copy: {name: "e2e/copied:1", from: lab1}
"#;

/// From where one types: an engine, and an archive.
const FROM_HERE: &str = r#"
- hosts: lab
  become: true
  gather_facts: false
  tasks:
    - name: Copy
      docker_image_copy: {name: "e2e-here:1"}
    - name: Copy an archive
      docker_image_copy: {name: "e2e/archived:1", path: archived.tar.gz}
    - name: Remove
      docker_image: {name: "{{ item }}", state: absent}
      loop: ["e2e-here:1", "e2e/archived:1"]
      when: remove | default(false) | bool
"#;

const REMOVE: &str = r#"
- hosts: lab
  become: true
  gather_facts: false
  tasks:
    - docker_image: {name: "e2e/copied:1", state: absent}
    - docker_prune: {images: true}
    - file: {path: /var/tmp/e2e-image, state: absent}
"#;

/// Removes an image of this machine's engine again.
struct Here(&'static str);

impl Here {
    fn import(name: &'static str, archive: &std::path::Path) -> Self {
        docker(&["import", &archive.display().to_string(), name]);
        Self(name)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["image", "rm", self.0]).output();
    }
}

#[track_caller]
fn docker(words: &[&str]) {
    let output = Command::new("docker").args(words).output().unwrap();
    assert!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Bytes that a host has received and sent on its network.
fn counters(lab: &Lab, host: &str) -> [u64; 2] {
    let said = lab.on(host, "cat /sys/class/net/eth0/statistics/rx_bytes /sys/class/net/eth0/statistics/tx_bytes");
    let numbers: Vec<u64> = said.lines().map(|line| line.trim().parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// A scene from which playbooks see the project's roles.
fn with_roles() -> Scene {
    let scene = Scene::new();
    std::os::unix::fs::symlink(concat!(env!("CARGO_MANIFEST_DIR"), "/roles"), scene.path("roles")).unwrap();
    scene
}

#[test]
fn only_the_layer_that_changed_travels_between_hosts() {
    let lab = Lab::take();
    let scene = with_roles();
    let run = |playbook: &str, flags: &[&str]| -> Ended {
        let bytes = [format!("base_bytes={BASE_BYTES}"), format!("top_bytes={TOP_BYTES}")];
        let mut words = vec!["-e", &bytes[0], "-e", &bytes[1], "--output", "json"];
        words.extend(flags);
        lab.run(&scene, playbook, &words)
    };
    run(BUILD, &["-e", "version=1"]).well();
    let first = run(COPY, &[]).well();
    assert_eq!(first.tally("changed"), 1, "{:?}", first.changed());

    run(BUILD, &["-e", "version=2"]).well();
    let checked = run(COPY, &["--check", "--diff"]).well();
    let before = [counters(&lab, "lab1"), counters(&lab, "lab2")];
    let second = run(COPY, &[]).well();
    let after = [counters(&lab, "lab1"), counters(&lab, "lab2")];
    assert_eq!(checked.changed(), second.changed());
    let copied = |events: &crate::scene::Events| events.result_on("Copy", "lab2").clone();
    assert!(copied(&checked)["diff"].to_string().contains("1 layer travels of 2"), "{}", copied(&checked));
    let result = copied(&second);
    assert_eq!((result["layers_present"].as_u64(), result["layers_sent"].as_u64()), (Some(1), Some(1)));
    let sent = result["bytes_sent"].as_u64().unwrap();
    assert!((TOP_BYTES..TOP_BYTES + BESIDES_BYTES).contains(&sent), "{sent}");
    // Out of the host that has it, and into the one that lacks it.
    for (way, travelled) in [("out", after[0][1] - before[0][1]), ("in", after[1][0] - before[1][0])] {
        assert!((TOP_BYTES..TOP_BYTES + BESIDES_BYTES).contains(&travelled), "{way}: {travelled} bytes");
    }
    let ids = ["lab1", "lab2"].map(|host| lab.on(host, "docker image inspect -f '{{.Id}}' e2e/copied:1"));
    assert_eq!(ids[0], ids[1]);
    for flags in [&["--check"][..], &[]] {
        assert_eq!(run(COPY, flags).well().tally("changed"), 0);
    }
    run(REMOVE, &[]).well();
}

#[test]
fn images_come_from_the_engine_and_from_archives_where_one_types() {
    let lab = Lab::take();
    let scene = with_roles();
    run_well(&lab, &scene, &BUILD[..BUILD.find("- hosts: lab1").unwrap()], &[]);
    scene.file("files/text", &"a line that is there many times\n".repeat(50_000));
    let tar = scene.path("root.tar");
    let made =
        Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(scene.path("files")).arg("text").status().unwrap();
    assert!(made.success());
    let archived = Here::import("e2e/archived:1", &tar);
    let save = format!("docker save e2e/archived:1 | gzip >{}", scene.path("archived.tar.gz").display());
    assert!(Command::new("sh").args(["-c", &save]).status().unwrap().success());
    drop(archived);
    let _here = Here::import("e2e-here:1", &tar);
    let copied = run_well(&lab, &scene, FROM_HERE, &[]);
    assert_eq!(copied.tally("changed"), 4, "{:?}", copied.changed());
    let sent = copied.result_on("Copy", "lab1")["bytes_sent"].as_u64().unwrap();
    assert!(sent < 100_000, "a text of 1.6 MB is compressed: {sent}");
    // The second image has the same one layer under another configuration.
    assert_eq!(copied.result_on("Copy an archive", "lab2")["layers_sent"], 0);
    assert_eq!(run_well(&lab, &scene, FROM_HERE, &[]).tally("changed"), 0);
    run_well(&lab, &scene, FROM_HERE, &["-e", "remove=true"]);
}

#[track_caller]
fn run_well(lab: &Lab, scene: &Scene, playbook: &str, flags: &[&str]) -> crate::scene::Events {
    let mut words = vec!["--output", "json"];
    words.extend(flags);
    lab.run(scene, playbook, &words).well()
}
