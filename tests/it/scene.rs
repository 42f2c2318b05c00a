//! A folder of the test's own in which the program is run, and what came of it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// Longer than any run here takes; a run that hangs must not hang the tests.
const PATIENCE: Duration = Duration::from_mins(5);

/// How much of a line is shown when a test fails; failures stand at its end.
const LINE: usize = 600;

/// A folder that is also the user's home.
pub struct Scene {
    folder: TempDir,
    patience: Duration,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub error: String,
}

impl Scene {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), patience: PATIENCE }
    }

    /// Runs may take so long.
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and the folders it needs.
    pub fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program in this folder, with nothing of the developer's own settings.
    pub fn deployer(&self, words: &[&str]) -> Ended {
        self.deployer_in(self.folder.path(), words, &[])
    }

    /// The program in another folder, with variables of the environment.
    pub fn deployer_in(&self, folder: &Path, words: &[&str], environment: &[(&str, &str)]) -> Ended {
        let output = Command::cargo_bin("deployer")
            .unwrap()
            .args(words)
            .current_dir(folder)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment.iter().copied())
            .timeout(self.patience)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
    }

    /// A playbook that runs on this machine under the name `localhost`.
    pub fn local(&self, playbook: &str, flags: &[&str]) -> Ended {
        self.file("site.yaml", playbook);
        let mut words = vec!["run", "site.yaml", "-i", "localhost,", "-c", "local"];
        words.extend(flags);
        self.deployer(&words)
    }

    /// The same, which must end well; answers the events.
    pub fn events(&self, playbook: &str, flags: &[&str]) -> Events {
        let mut words = vec!["--output", "json"];
        words.extend(flags);
        self.local(playbook, &words).well()
    }

    /// A play on all hosts with these tasks, written as they stand in a playbook without indentation.
    pub fn play(tasks: &str) -> String {
        let tasks: String = tasks.lines().map(|line| format!("    {line}\n")).collect();
        format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
    }
}

impl Ended {
    /// The events of a run that ended with exit code 0.
    pub fn well(&self) -> Events {
        assert_eq!((self.code, self.error.as_str()), (Some(0), ""), "{}", self.gist());
        self.events()
    }

    /// Lines of a reasonable length: facts fill screens.
    fn gist(&self) -> String {
        let line = |line: &str| line.chars().rev().take(LINE).collect::<Vec<_>>().into_iter().rev().collect::<String>();
        self.out.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The events of a run with `--output json`: every line must be one.
    pub fn events(&self) -> Events {
        let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        Events(self.out.lines().map(line).collect())
    }

    /// What the program said, both streams.
    pub fn said(&self) -> String {
        format!("{}{}", self.out, self.error)
    }

    /// Asserts an exit code and words that were shown.
    #[track_caller]
    pub fn shows(&self, code: i32, words: &[&str]) -> &Self {
        let said = self.said();
        assert_eq!(self.code, Some(code), "{said}");
        for word in words {
            assert!(said.contains(word), "`{word}` is missing in:\n{said}");
        }
        self
    }
}

/// The events of a run.
pub struct Events(Vec<Value>);

impl Events {
    /// `(name, host, status)` of the tasks that ended, in order.
    pub fn ended(&self) -> Vec<(&str, &str, &str)> {
        self.all("ended")
            .map(|event| {
                let word = |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                (word("/task/name"), word("/host"), word("/report/status"))
            })
            .collect()
    }

    /// `name: status` of the tasks that ended.
    pub fn story(&self) -> Vec<String> {
        self.ended().iter().map(|(name, _, status)| format!("{name}: {status}")).collect()
    }

    /// `place host` of what has, or would have, changed something; the same task twice counts once.
    pub fn changed(&self) -> BTreeSet<String> {
        self.all("ended")
            .filter(|event| event["report"]["status"] == "changed")
            .map(|event| {
                let word = |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                format!("{} ({}) on {}", word("/task/name"), word("/task/place"), word("/host"))
            })
            .collect()
    }

    /// Return values of the first task of this name.
    #[track_caller]
    pub fn result(&self, name: &str) -> &Value {
        let found = self.all("ended").find(|event| event["task"]["name"] == name);
        found.map_or_else(|| panic!("no task `{name}` in {:?}", self.story()), |event| &event["report"]["result"])
    }

    /// The same on one of several hosts.
    #[track_caller]
    pub fn result_on(&self, name: &str, host: &str) -> &Value {
        let found = self.all("ended").find(|event| event["task"]["name"] == name && event["host"] == host);
        found.map_or_else(
            || panic!("no task `{name}` on {host} in {:?}", self.story()),
            |event| &event["report"]["result"],
        )
    }

    /// What a `debug: {msg: …}` of this name has said.
    #[track_caller]
    pub fn message(&self, name: &str) -> &Value {
        &self.result(name)["msg"]
    }

    /// What the run warned of.
    pub fn warnings(&self) -> Vec<&str> {
        self.all("warning").filter_map(|event| event["text"].as_str()).collect()
    }

    /// A number of the recap, over all hosts.
    pub fn tally(&self, what: &str) -> u64 {
        let recap = self.all("recap").next().unwrap();
        recap["hosts"].as_object().unwrap().values().map(|host| host[what].as_u64().unwrap()).sum()
    }

    fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |event| event["event"] == kind)
    }
}
