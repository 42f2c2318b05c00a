//! The service as the tests deploy it: a copy of the project, runs of its playbooks, and what it answers.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::Value;

use super::lab::Lab;
use crate::scene::{Ended, Scene};

/// Packages, images and a compiler's worth of Python: minutes on a slow network.
const PATIENCE: Duration = Duration::from_mins(30);

/// A month of prices.
pub const MONTH: &str = "/rates?date_from=2016-01-01&date_to=2016-01-31&orig_code=CNGGZ&dest_code=EETLL";

/// A copy of the project that a test can edit.
pub struct Service {
    pub scene: Scene,
    inventory: String,
}

impl Service {
    /// The project with this inventory and these settings above all others.
    pub fn new(inventory: &str, settings: &str) -> Self {
        let scene = Scene::new().patient(PATIENCE);
        // Roles find their files beside the playbooks.
        for part in ["db", "inventories", "playbooks", "rates", "roles", "templates"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
            let done = Command::new("cp").arg("-a").arg(from).arg(scene.path(part)).status().unwrap();
            assert!(done.success());
        }
        scene.file("settings.yaml", settings);
        Self { scene, inventory: inventory.to_owned() }
    }

    /// The same on the hosts of the lab.
    pub fn on(lab: &Lab) -> Self {
        Self::new(&lab.file("inventory.yaml"), "postgres_password: e2e-only\npostgres_substitute_allowed: true\n")
    }

    /// Runs a playbook.
    pub fn play(&self, playbook: &str, flags: &[&str]) -> Ended {
        let playbook = format!("playbooks/{playbook}.yaml");
        let mut words = vec!["run", &playbook, "-i", &self.inventory, "-e", "@settings.yaml"];
        words.extend(flags);
        // Closed networks are described by the environment, as the roles' table says.
        let passed: Vec<(String, String)> = std::env::vars()
            .filter(|(name, _)| {
                let name = name.to_ascii_lowercase();
                name.ends_with("_proxy") || name.starts_with("pip_") || name == "ssl_cert_file"
            })
            .collect();
        let passed: Vec<(&str, &str)> = passed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.scene.deployer_in(&self.scene.path(""), &words, &passed)
    }

    /// Brings the service to the project's state; the run's events are its output.
    pub fn deploy(&self, flags: &[&str]) -> Ended {
        let mut words = vec!["--output", "json"];
        words.extend(flags);
        self.play("dev", &words)
    }

    /// Adds a line that changes nothing but the file.
    pub fn touch(&self, line: &str) {
        let source = self.scene.read("rates/rates.py");
        let mut lines: Vec<&str> = source.lines().collect();
        lines.insert(1, line);
        fs::write(self.scene.path("rates/rates.py"), lines.join("\n") + "\n").unwrap();
    }
}

/// Brings the API's image from lab2, which has it, to lab1: building it once more would take a minute.
#[track_caller]
pub fn ship_image(lab: &Lab) {
    let ship = "ssh -F \"$0\" lab2 docker save deployer/rates | ssh -F \"$0\" lab1 docker load";
    let shipped = Command::new("sh").args(["-c", ship, &lab.file("ssh_config")]).output().unwrap();
    assert!(shipped.status.success(), "{}", String::from_utf8_lossy(&shipped.stderr));
}

/// What an address answers to a query, which must be 200.
#[track_caller]
pub fn ask(host: &str, port: &str, query: &str) -> String {
    get(host, port, query).unwrap_or_else(|why| panic!("{why}"))
}

/// The same, or why there is no such answer.
pub fn get(host: &str, port: &str, query: &str) -> Result<String, String> {
    let failed = |why: std::io::Error| format!("{host}:{port}: {why}");
    let mut stream = TcpStream::connect(format!("{host}:{port}")).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).map_err(failed)?;
    write!(stream, "GET {query} HTTP/1.0\r\nHost: {host}\r\n\r\n").map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("{host}:{port}: no answer: {answer}"))?;
    if head.starts_with("HTTP/1.") && head.contains(" 200 ") { Ok(body.to_owned()) } else { Err(answer) }
}

/// Asserts that an address answers with the sample data's month, newest first.
#[track_caller]
pub fn answers_the_month(host: &str, port: &str) {
    let body = ask(host, port, MONTH);
    let body: Value = serde_json::from_str(&body).unwrap_or_else(|why| panic!("{why}: {body}"));
    let month = body["rates"].as_array().unwrap_or_else(|| panic!("no rates in {body}"));
    assert_eq!(month.len(), 31);
    assert_eq!(month[0], serde_json::json!({ "count": 3, "day": "2016-01-31", "price": 1_154.333_333_333_33 }));
    assert_eq!(month[30]["day"], "2016-01-01");
}

/// The address of the API as the machine that runs the tests sees it.
pub fn address(lab: &Lab) -> (String, String) {
    // Where the usual port is taken on this machine the lab publishes another, 20000 above.
    let port = if lab.variable("lab2", "ansible_port") == "20022" { "23000" } else { "3000" };
    (lab.variable("lab2", "ansible_host"), port.to_owned())
}

/// Names and ids of the containers of a host that run.
pub fn containers(lab: &Lab, host: &str) -> String {
    lab.on(host, "docker ps --no-trunc --format '{{.Names}} {{.ID}}' | sort")
}
