//! Scaled-down copies of the service side by side on one host: each for itself, listed, and removed without the others noticing.

use serde_json::Value;

use super::{
    lab::Lab,
    main_job,
    service::{MONTH, Service, address, answers_the_month, ask, containers, ship_image},
};

/// The copies: all of the dump, its last days, and prices that are not the real ones.
const COPIES: [(&str, &str); 3] = [
    ("whole", "{}"),
    ("recent", r#"{"env_subset": {"days": 10}}"#),
    ("masked", r#"{"env_anonymise": true, "env_anonymise_steps": ["UPDATE public.prices SET price = 7000"]}"#),
];

/// Whatever an attempt before has left.
const UNDO: &str = "docker ps -aq --filter label=deployer.env | xargs -r docker rm -f; \
    docker volume ls -q --filter label=deployer.env | xargs -r docker volume rm; \
    docker network ls -q --filter label=deployer.env | xargs -r docker network rm; \
    rm -rf /var/lib/deployer/environments /var/lib/deployer/rates-*";

/// What a host has of copies of this name.
const TRACES: &str = "{ docker ps -a --format '{{.Names}}'; docker volume ls -q; docker network ls --format '{{.Name}}'; \
    ls /var/lib/deployer /var/lib/deployer/environments; } | grep -e '^rates-NAME' | sort -u";

/// The service with database and API on lab1 alone.
fn on_one_host(lab: &Lab) -> Service {
    let inventory = std::fs::read_to_string(lab.file("inventory.yaml")).unwrap();
    let (hosts, _) = inventory.split_once("    api:\n").unwrap();
    let service = Service::new("one.yaml", "postgres_password: e2e-only\npostgres_substitute_allowed: true\n");
    service.scene.file("one.yaml", &format!("{hosts}    api:\n      hosts:\n        lab1:\n"));
    ship_image(lab);
    service
}

/// The port at which a copy answers.
fn port(lab: &Lab, name: &str) -> String {
    let record = lab.on("lab1", &format!("cat /var/lib/deployer/environments/rates-{name}.json"));
    let record: Value = serde_json::from_str(&record).unwrap();
    record["ports"]["api"][0].to_string()
}

#[test]
fn copies_live_side_by_side_and_end_alone() {
    let lab = Lab::take();
    main_job::done(&lab);
    lab.on("lab1", UNDO);
    let service = on_one_host(&lab);
    let host = lab.variable("lab1", "private_address");
    let traces = |name: &str| lab.on("lab1", &TRACES.replace("NAME", name));
    let deploy = |name: &str, flags: &[&str]| {
        let env = format!("env={name}");
        service.deploy(&[&["-e", &env], flags].concat())
    };
    let environments = |flags: &[&str]| service.play("environments", flags);
    let remove = |what: &str, flags: &[&str]| {
        let what = format!("remove={what}");
        environments(&[&["-e", &what, "--output", "json"], flags].concat()).well()
    };

    // A bad name is refused before any host is asked.
    service.play("dev", &["-e", "env=No_Name"]).shows(2, &["'No_Name' is no name for an environment"]);
    assert_eq!(traces(""), "rates-db\n");

    let before = containers(&lab, "lab1");
    let mut ports = Vec::new();
    for (name, data) in COPIES {
        let predicted = deploy(name, &["-e", data, "--check"]).well();
        let done = deploy(name, &["-e", data]).well();
        assert_eq!(predicted.changed(), done.changed(), "{name}");
        // Later runs need the name alone.
        let second = deploy(name, &[]).well();
        assert_eq!(second.tally("changed"), 0, "{name}: {:?}", second.changed());
        assert_eq!(second.warnings(), [""; 0], "{name}");
        ports.push(port(&lab, name));
    }
    let answers = |at: usize| match COPIES[at].0 {
        "whole" => answers_the_month(&host, &ports[at]),
        "recent" => assert!(!ask(&host, &ports[at], MONTH).contains("\"count\": 3"), "old days are still there"),
        _ => {
            let month: Value = serde_json::from_str(&ask(&host, &ports[at], MONTH)).unwrap();
            let days = month["rates"].as_array().unwrap();
            let mut prices = days.iter().map(|day| &day["price"]).filter(|price| !price.is_null()).peekable();
            assert!(prices.peek().is_some() && prices.all(|price| *price == serde_json::json!(7000.0)), "{month}");
        }
    };
    (0..COPIES.len()).for_each(answers);
    let all = containers(&lab, "lab1");
    assert!(before.lines().all(|line| all.contains(line)), "{before}\nis not part of\n{all}");
    environments(&[]).shows(0, &["whole   ", "recent   ", "masked   ", "running", &ports[0], &ports[1], &ports[2]]);
    // Nobody gets the ports of another.
    let taken = format!("env_port={}", ports[0]);
    service.play("dev", &["-e", "env=late", "-e", &taken]).shows(2, &["is taken"]);
    assert_eq!(traces("late"), "");

    // One goes, and the others do not notice.
    let predicted = remove("recent", &["--check"]);
    assert_eq!(containers(&lab, "lab1"), all);
    assert_eq!(predicted.changed(), remove("recent", &[]).changed());
    assert_eq!(traces("recent"), "");
    let left: Vec<&str> = all.lines().filter(|line| !line.starts_with("rates-recent-")).collect();
    assert_eq!(containers(&lab, "lab1").lines().collect::<Vec<_>>(), left);
    [0, 2].into_iter().for_each(answers);
    assert_eq!(remove("recent", &[]).tally("changed"), 0);

    // What is left of one whose containers are gone is called an orphan; one whose time is up goes too.
    lab.on("lab1", "docker rm -f rates-whole-api rates-whole-db");
    environments(&[]).shows(0, &["orphan", "running"]);
    remove("orphans", &[]);
    assert_eq!(traces("whole"), "");
    answers(2);
    assert_eq!(remove("expired", &[]).tally("changed"), 0);
    assert_eq!(deploy("masked", &["-e", "env_ttl=0h"]).well().tally("changed"), 1);
    environments(&["-e", "remove=expired"]).shows(0, &["Removed rates-masked", "No environments."]);
    assert_eq!(traces(""), "rates-db\n");
    assert_eq!(containers(&lab, "lab1"), before);
    let (service, port) = address(&lab);
    answers_the_month(&service, &port);
}
