//! Ctrl-C, and a task whose time is up: what runs on another host, as another user, ends too.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::lab::Lab;
use crate::scene::Scene;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Seconds that no other command of the lab sleeps for.
const SLEEP: &str = "sleep 32123";

/// A play of one command as root that notes nothing and does not end by itself.
fn play(keywords: &str) -> String {
    format!(
        "- hosts: lab1\n  gather_facts: false\n  become: true\n  tasks:\n    - shell: {SLEEP} & wait; {SLEEP}{keywords}\n"
    )
}

fn sleeps(lab: &Lab) -> bool {
    !lab.on("lab1", &format!("pgrep -fx '{SLEEP}' || true")).trim().is_empty()
}

/// Waits until the command runs, or does not.
fn soon(lab: &Lab, wanted: bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if sleeps(lab) == wanted {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}

fn started(lab: &Lab, scene: &Scene) -> Child {
    scene.file("site.yaml", &play(""));
    Command::new(assert_cmd::cargo::cargo_bin("deployer"))
        .args(["run", "site.yaml", "-i", &lab.file("inventory.yaml")])
        .current_dir(scene.path(""))
        .env("HOME", scene.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn an_interrupted_run_ends_what_root_runs_on_the_host() {
    let lab = Lab::take();
    let scene = Scene::new();
    let mut run = started(&lab, &scene);
    assert!(soon(&lab, true), "the command has not started");
    let asked = Instant::now();
    kill_process(Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap(), Signal::INT).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(soon(&lab, false), "the command runs on");
    assert!(asked.elapsed() < PATIENCE / 2, "it took {:?}", asked.elapsed());
}

#[test]
fn a_task_whose_time_is_up_ends_what_root_runs_on_the_host() {
    let lab = Lab::take();
    let scene = Scene::new();
    let keywords = "\n      timeout: 3\n      ignore_errors: true\n    - command: echo usable";
    lab.run(&scene, &play(keywords), &[]).shows(0, &["Timed out after 3 second(s)", "ignored=1"]);
    assert!(soon(&lab, false), "the command runs on");
}
