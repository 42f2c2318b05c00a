//! The API as a stack of a swarm of two hosts: from nothing, unchanged, updated under requests, an update that fails, and gone again.
//! Each node publishes its own container's port: the swarm's balancer needs IPVS, which the kernel of the machine that runs the lab may not have.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    lab::Lab,
    main_job,
    service::{MONTH, Service, answers_the_month, containers, get, ship_image},
};

/// The service has a port of its own already.
const PORT: &str = "3300";

/// Clients at the same time.
const CLIENTS: usize = 3;

/// The most that one client asks: a test that hangs ends all the same.
const REQUESTS_MAX: usize = 3000;

/// The most that a port takes to be there.
const PORT_LIMIT: Duration = Duration::from_secs(20);

/// Whatever an attempt before has left.
const UNDO: &str = "docker swarm leave --force 2>/dev/null; for n in $(seq 40); do \
    [ -n \"$(docker ps -aq --filter label=com.docker.stack.namespace=rates)\" ] || break; sleep 0.5; done; true";

/// The stack and the swarm as a user takes them back.
const REMOVE: &str = r#"
- hosts: lab2
  become: true
  gather_facts: false
  tasks:
    - {name: Look, docker_swarm_info: {nodes: true, services: true}, register: swarm}
    - {name: Say, debug: {msg: "{{ swarm.nodes | length }} nodes, {{ swarm.services | map(attribute='Name') | sort | join(' ') }}"}}
    - {name: Stack, docker_stack: {name: rates, state: absent}}

- hosts: lab1:lab2
  become: true
  gather_facts: false
  serial: 1
  tasks:
    - {name: Leave, docker_swarm: {state: absent, force: true}}
"#;

/// The database on lab1, the API on both: lab2 manages.
fn on_two_hosts(lab: &Lab) -> Service {
    let inventory = std::fs::read_to_string(lab.file("inventory.yaml")).unwrap();
    let (hosts, _) = inventory.split_once("    api:\n").unwrap();
    let settings = "postgres_password: e2e-only\npostgres_substitute_allowed: true\nrates_stack_publish: host\n\
        rates_env: {RATES_MAX_DAYS: '3000'}\n";
    let service = Service::new("two.yaml", &format!("{settings}rates_port: {PORT}\n"));
    service.scene.file("two.yaml", &format!("{hosts}    api:\n      hosts:\n        lab2:\n        lab1:\n"));
    ship_image(lab);
    service
}

/// Asks as a balancer does, the other node where one does not answer, until `work` is done; how many were asked, and how many had no answer.
fn under_requests<T>(nodes: &[String; 2], work: impl FnOnce() -> T) -> (T, usize, Vec<String>) {
    let stop = Arc::new(AtomicBool::new(false));
    let client = |number: usize| {
        let (stop, nodes) = (stop.clone(), nodes.clone());
        thread::spawn(move || {
            let (mut asked, mut lost) = (0, Vec::new());
            while !stop.load(Ordering::Relaxed) && asked < REQUESTS_MAX {
                let order = [&nodes[(number + asked) % 2], &nodes[(number + asked + 1) % 2]];
                asked += 1;
                let failed: Vec<String> = order.into_iter().map_while(|node| get(node, PORT, MONTH).err()).collect();
                if failed.len() == order.len() {
                    lost.push(failed.join("; "));
                }
                thread::sleep(Duration::from_millis(20));
            }
            (asked, lost)
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    let done = work();
    stop.store(true, Ordering::Relaxed);
    let told = clients.into_iter().map(|client| client.join().unwrap());
    let (asked, lost) = told.fold((0, Vec::new()), |(all, lost), (asked, more)| (all + asked, [lost, more].concat()));
    (done, asked, lost)
}

#[test]
fn a_stack_comes_up_stays_is_updated_and_goes() {
    let lab = Lab::take();
    main_job::done(&lab);
    let begun = Instant::now();
    let hosts = ["lab1", "lab2"];
    for host in hosts {
        lab.on(host, UNDO);
    }
    let before = hosts.map(|host| containers(&lab, host));
    let service = on_two_hosts(&lab);
    let play = |flags: &[&str]| service.play("swarm", &[&["--output", "json"], flags].concat());
    let nodes = hosts.map(|host| lab.variable(host, "private_address"));

    let predicted = play(&["--check", "--diff"]).well().changed();
    assert!(lab.on("lab2", "docker info -f '{{.Swarm.LocalNodeState}}'").contains("inactive"));
    let made = play(&[]).well().changed();
    // With what a host joins is known when there is a swarm.
    let unforeseen: Vec<&String> = made.symmetric_difference(&predicted).collect();
    assert!(matches!(unforeseen[..], [join] if join.starts_with("Join the swarm")), "{unforeseen:?}");
    nodes.iter().for_each(|node| answers_the_month(node, PORT));
    let second = play(&[]).well();
    assert_eq!(second.tally("changed"), 0, "{:?}", second.changed());
    assert_eq!(second.warnings(), [""; 0]);
    // What the engine's own tools make of it.
    let running =
        "docker stack ps rates --filter desired-state=running --format '{{.Name}} {{.Node}} {{.CurrentState}}'";
    let running = lab.on("lab2", running);
    let api = running.lines().filter(|line| line.starts_with("rates_api.") && line.contains("Running"));
    assert_eq!(api.filter(|line| hosts.iter().any(|host| line.contains(host))).count(), 2, "{running}");

    let newer = ["-e", r#"{"rates_env": {"RATES_MAX_DAYS": "3001"}}"#];
    let predicted = play(&[&newer[..], &["--check"]].concat()).well();
    let (updated, asked, lost) = under_requests(&nodes, || play(&newer).well());
    assert_eq!(predicted.changed(), updated.changed());
    let told = |events: &crate::scene::Events| {
        events.result_on("Bring the stack to this release", "lab2")["stack_spec_diff"].clone()
    };
    assert_eq!(told(&predicted), told(&updated));
    let after = &told(&updated)["rates_api"]["TaskTemplate.ContainerSpec.Env.RATES_MAX_DAYS"]["after"];
    assert_eq!(after, "3001");
    println!("an update: {} lost of {asked}", lost.len());
    assert!(asked > 100 && lost.is_empty(), "{} lost of {asked}: {:?}", lost.len(), lost.first());

    // A release that does not start is taken back by the swarm before the other node gets it, and the run says why.
    let bad = r#"{"rates_env": {"RATES_MAX_DAYS": "3002", "GUNICORN_CMD_ARGS": "--no-such-option"}}"#;
    let (failed, asked, lost) = under_requests(&nodes, || play(&["-e", bad]));
    failed.shows(2, &["service rates_api: its update was taken back", "unrecognized arguments: --no-such-option"]);
    println!("an update that fails: {} lost of {asked}", lost.len());
    assert!(asked > 100 && lost.is_empty(), "{} lost of {asked}: {:?}", lost.len(), lost.first());
    // An engine calls a task running a moment before its port is there.
    let end = Instant::now() + PORT_LIMIT;
    while nodes.iter().any(|node| get(node, PORT, MONTH).is_err()) && Instant::now() < end {
        thread::sleep(Duration::from_millis(200));
    }
    nodes.iter().for_each(|node| answers_the_month(node, PORT));
    // The swarm has gone back by itself: asking for what it went back to changes nothing of the API.
    assert!(told(&play(&newer).well())["rates_api"].is_null());

    let remove = |flags: &[&str]| lab.run(&service.scene, REMOVE, &[&["--output", "json"], flags].concat()).well();
    let predicted = remove(&["--check"]);
    assert_eq!(predicted.message("Say"), "2 nodes, rates_api rates_worker");
    let removed = remove(&[]);
    assert_eq!(predicted.changed(), removed.changed());
    assert_eq!(removed.tally("changed"), 3, "{:?}", removed.changed());
    for host in hosts {
        lab.on(host, UNDO);
    }
    assert_eq!(hosts.map(|host| containers(&lab, host)), before);
    assert_eq!(
        lab.on("lab2", "docker network ls -q --filter name=rates_default; docker info -f '{{.Swarm.LocalNodeState}}'"),
        "inactive\n"
    );
    println!("{:.0} s", begun.elapsed().as_secs_f64());
}
