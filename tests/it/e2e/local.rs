//! The same playbook on the machine where one types, beside whatever else its engine runs.

use std::{net::TcpListener, path::Path, process::Command};

use super::{
    lab::Lab,
    service::{Service, answers_the_month},
};

/// A copy of the service on this machine; nothing of it outlives the test.
struct Local {
    service: Service,
    name: String,
    port: String,
}

impl Local {
    fn new() -> Self {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, database] = listeners.map(|listener| listener.local_addr().unwrap().port().to_string());
        // Another checkout's tests may run on this machine too.
        let name = format!("e2e-local-{port}");
        let settings = format!(
            "service_name: {name}\nrates_port: {port}\npostgres_port: {database}\n\
             base_image_name: {name}/base\npostgres_image_name: {name}/postgres\n"
        );
        Self { service: Service::new("inventories/local.yaml", &settings), name, port }
    }

    /// What the engine has of this copy, and the working folder.
    fn traces(&self) -> Vec<String> {
        let name = &self.name;
        let label = format!("label=deployer.service={name}");
        let image = |kind: &str| format!("label=deployer.image={name}/{kind}");
        let mut traces: Vec<String> = [
            vec!["ps", "-aq", "--filter", &label],
            vec!["images", "-aq", "--filter", &label],
            vec!["images", "-aq", "--filter", &image("base")],
            vec!["images", "-aq", "--filter", &image("postgres")],
            vec!["volume", "ls", "-q", "--filter", &format!("name={name}")],
            vec!["network", "ls", "-q", "--filter", &format!("name={name}")],
        ]
        .iter()
        .flat_map(|words| docker(words).lines().map(|line| format!("{}: {line}", words[0])).collect::<Vec<_>>())
        .collect();
        let folder = format!("/var/lib/deployer/{name}");
        traces.extend(Path::new(&folder).exists().then_some(folder));
        traces
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.service.play("teardown", &["-e", "delete_data=true"]);
    }
}

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().unwrap();
    assert!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn from_nothing_to_an_answer_on_this_machine_and_back() {
    Lab::expected();
    let engine = docker(&["info", "--format", "{{.ID}}"]);
    let local = Local::new();
    local.service.deploy(&[]).well();
    answers_the_month("127.0.0.1", &local.port);
    let second = local.service.deploy(&[]).well();
    assert_eq!(second.tally("changed"), 0, "{:?}", second.changed());
    for kind in ["ps", "images", "volume", "network", "/var/lib"] {
        assert!(local.traces().iter().any(|trace| trace.starts_with(kind)), "{kind}: {:?}", local.traces());
    }

    // Without the word the data stays.
    local.service.play("teardown", &[]).shows(0, &[]);
    let left = local.traces();
    assert!(left.len() == 1 && left[0].starts_with("volume: "), "{left:?}");
    local.service.play("teardown", &["-e", "delete_data=true"]).shows(0, &[]);
    assert_eq!(local.traces(), [""; 0]);
    assert_eq!(docker(&["info", "--format", "{{.ID}}"]), engine);
}
