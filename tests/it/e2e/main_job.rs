//! The main job on two hosts that have nothing: the database on one, the API on the other.

use std::{fs, path::Path, process::Command, time::Duration};

use super::lab::Lab;
use crate::scene::{Ended, Scene};

/// Packages, images and a compiler's worth of Python: minutes on a slow network.
const PATIENCE: Duration = Duration::from_mins(30);

/// What the service must answer for the last day of the month.
fn last_day() -> serde_json::Value {
    serde_json::json!({ "count": 3, "day": "2016-01-31", "price": 1_154.333_333_333_33 })
}

/// Roles find their files beside the playbooks: a copy of the project can be edited by the test.
fn project(scene: &Scene) {
    for part in ["db", "inventories", "playbooks", "rates", "roles", "templates"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
        let done = Command::new("cp").arg("-a").arg(from).arg(scene.path(part)).status().unwrap();
        assert!(done.success());
    }
}

/// The address of the API as the machine that runs the tests sees it.
fn address(lab: &Lab) -> (String, String) {
    // Where the usual port is taken on this machine the lab publishes another, 20000 above.
    let port = if lab.variable("lab2", "ansible_port") == "20022" { "23000" } else { "3000" };
    (lab.variable("lab2", "ansible_host"), port.to_owned())
}

/// One month of prices, newest first.
fn rates(lab: &Lab) -> Vec<serde_json::Value> {
    use std::io::{Read, Write};
    let (host, port) = address(lab);
    let mut stream = std::net::TcpStream::connect(format!("{host}:{port}")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let query = "/rates?date_from=2016-01-01&date_to=2016-01-31&orig_code=CNGGZ&dest_code=EETLL";
    write!(stream, "GET {query} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.") && head.contains(" 200 "), "{answer}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {body}"));
    body["rates"].as_array().unwrap_or_else(|| panic!("no rates in {body}")).clone()
}

/// Names and ages of the containers of a host.
fn containers(lab: &Lab, host: &str) -> String {
    lab.on(host, "docker ps --no-trunc --format '{{.Names}} {{.ID}}' | sort")
}

fn deploy(lab: &Lab, scene: &Scene, flags: &[&str]) -> Ended {
    let inventory = lab.file("inventory.yaml");
    let mut words = vec!["run", "playbooks/dev.yaml", "-i", &inventory, "-e", "@settings.yaml", "--output", "json"];
    words.extend(flags);
    // Closed networks are described by the environment, as the roles' table says.
    let passed: Vec<(String, String)> = std::env::vars()
        .filter(|(name, _)| {
            let name = name.to_ascii_lowercase();
            name.ends_with("_proxy") || name.starts_with("pip_") || name == "ssl_cert_file"
        })
        .collect();
    let passed: Vec<(&str, &str)> = passed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    scene.deployer_in(&scene.path(""), &words, &passed)
}

#[test]
fn from_nothing_to_an_answer_on_two_hosts() {
    let lab = Lab::take();
    lab.lab(&["reset", "lab1", "lab2"]);
    let scene = Scene::new().patient(PATIENCE);
    project(&scene);
    scene.file("settings.yaml", "postgres_password: e2e-only\npostgres_substitute_allowed: true\n");

    let predicted = deploy(&lab, &scene, &["--check", "--diff"]).well();
    assert_eq!(lab.on("lab1", "command -v docker; true"), "");
    let done = deploy(&lab, &scene, &[]).well();
    assert_eq!(predicted.changed(), done.changed());
    let month = rates(&lab);
    assert_eq!(month.len(), 31);
    assert_eq!(month[0], last_day());

    let second = deploy(&lab, &scene, &[]).well();
    assert_eq!(second.tally("changed"), 0, "{:?}", second.changed());

    let before = (containers(&lab, "lab1"), containers(&lab, "lab2"));
    let source = scene.read("rates/rates.py");
    let mut lines: Vec<&str> = source.lines().collect();
    lines.insert(1, "# A line that changes nothing but the file.");
    fs::write(scene.path("rates/rates.py"), lines.join("\n") + "\n").unwrap();
    let touched = deploy(&lab, &scene, &[]).well();
    assert!(touched.tally("changed") > 0);
    assert!(touched.changed().iter().all(|change| change.ends_with(" on lab2")), "{:?}", touched.changed());
    assert_eq!(containers(&lab, "lab1"), before.0);
    assert_ne!(containers(&lab, "lab2"), before.1);

    let dump = scene.read("db/rates.sql");
    fs::write(scene.path("db/rates.sql"), format!("-- Another dump.\n{dump}")).unwrap();
    let reported = deploy(&lab, &scene, &[]);
    assert!(reported.said().contains("rates.sql"), "the changed dump is not reported");
    assert_eq!(reported.well().tally("changed"), 0);
    assert_eq!(rates(&lab)[0], last_day());
}
