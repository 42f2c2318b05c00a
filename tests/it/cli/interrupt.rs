//! Ctrl-C, and a task whose time is up: what runs on the host ends too.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::Scene;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A command that notes its process id, then sleeps; `exec` keeps the id.
fn sleeper(note: &Path) -> String {
    format!("- shell: echo $$ > {}; exec sleep 300", note.display())
}

/// Waits for something; whether it came true in time.
fn soon(mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn noted(note: &Path) -> Option<String> {
    let text = fs::read_to_string(note).ok()?;
    text.strip_suffix('\n').map(str::to_owned)
}

fn sleeps(pid: &str) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| words.starts_with(b"sleep\0"))
}

#[test]
fn an_interrupted_run_leaves_no_command_behind() {
    let scene = Scene::new();
    let note = scene.path("pid");
    let tasks = sleeper(&note);
    scene.file("site.yaml", &format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n    {tasks}\n"));
    let mut run = Command::new(assert_cmd::cargo::cargo_bin("deployer"))
        .args(["run", "site.yaml", "-i", "localhost,", "-c", "local"])
        .current_dir(scene.path(""))
        .env("HOME", scene.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(soon(|| noted(&note).is_some_and(|pid| sleeps(&pid))), "the command has not started");
    let pid = noted(&note).unwrap();
    kill_process(Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap(), Signal::INT).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(soon(|| !sleeps(&pid)), "the command runs on");
}

#[test]
fn a_task_whose_time_is_up_leaves_no_command_behind_and_the_host_usable() {
    let scene = Scene::new();
    let note = scene.path("pid");
    let tasks = format!(
        "{}\n      timeout: 2\n      ignore_errors: true\n    - name: after\n      command: echo usable\n",
        sleeper(&note)
    );
    scene.file("site.yaml", &format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n    {tasks}"));
    let ended = scene.deployer(&["run", "site.yaml", "-i", "localhost,", "-c", "local"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.error);
    assert!(ended.out.contains("Timed out after 2 second(s)"), "{}", ended.out);
    let pid = noted(&note).unwrap();
    assert!(soon(|| !sleeps(&pid)), "the command runs on");
}
