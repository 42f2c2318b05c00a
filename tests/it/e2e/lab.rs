//! The lab that tests share, one at a time.

use std::{
    env,
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::scene::{Ended, Scene};

/// Hosts are shared: two tests on them would see each other's work.
static TURN: Mutex<()> = Mutex::new(());

/// Two hosts, and the right to change them.
pub struct Lab {
    state: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    /// Waits for the test before.
    pub fn take() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self { state: Self::expected(), _turn: turn }
    }

    /// The state folder of the lab, beside which this machine's own engine runs.
    pub fn expected() -> PathBuf {
        let state = env::var_os("DEPLOYER_LAB").filter(|path| !path.is_empty());
        state.map_or_else(|| {
            panic!(
                "these tests need real hosts: run `lab/test` as root, or `cargo test -- --skip e2e::` for all others"
            )
        }, PathBuf::from)
    }

    /// A file of the state folder.
    pub fn file(&self, name: &str) -> String {
        self.state.join(name).display().to_string()
    }

    /// `lab/lab` with these words.
    #[track_caller]
    pub fn lab(&self, words: &[&str]) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/lab");
        let output = Command::new(script).args(words).env("LAB_STATE", &self.state).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "lab/lab {words:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// What a shell of root says on a host.
    #[track_caller]
    pub fn on(&self, host: &str, command: &str) -> String {
        self.lab(&["ssh", host, command])
    }

    /// `ansible_host` or another variable of a host, as the lab's inventory has it.
    pub fn variable(&self, host: &str, name: &str) -> String {
        let text = std::fs::read_to_string(self.file("inventory.yaml")).unwrap();
        let mut lines = text.lines().map(str::trim).skip_while(|line| *line != format!("{host}:"));
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or_else(|| panic!("{host} has no {name} in {text}")).to_owned()
    }

    /// Runs a playbook on the lab's inventory.
    pub fn run(&self, scene: &Scene, playbook: &str, flags: &[&str]) -> Ended {
        scene.file("site.yaml", playbook);
        let inventory = self.file("inventory.yaml");
        let mut words = vec!["run", "site.yaml", "-i", &inventory];
        words.extend(flags);
        scene.deployer(&words)
    }
}
