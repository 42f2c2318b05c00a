//! The API as a stack of a swarm: from nothing, unchanged, updated under requests, and an update that fails.
//! Ports are the node's own: the swarm's balancer needs IPVS, which the kernel of the machine that runs the lab may not have.

use std::{
    io::{Read, Write},
    net::TcpStream,
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
    service::{MONTH, Service, answers_the_month},
};

/// The service has a port of its own already.
const PORT: &str = "3300";

/// Clients at the same time.
const CLIENTS: usize = 4;

/// The most that one client asks: a test that hangs ends all the same.
const REQUESTS_MAX: usize = 3000;

/// Takes the stack and the swarm back.
const UNDO: &str = "docker swarm leave --force 2>/dev/null; for n in $(seq 40); do \
    [ -n \"$(docker ps -aq --filter label=com.docker.stack.namespace=rates)\" ] || break; sleep 0.5; done; true";

fn one(address: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET {MONTH} HTTP/1.0\r\nHost: rates\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.") && answer.contains(" 200 ") && answer.contains("1154.33333333333"))
}

/// Asks until `work` is done; how many were asked, and what was lost.
fn under_requests(address: &str, work: impl FnOnce()) -> (usize, Vec<String>) {
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (stop, address) = (stop.clone(), address.to_owned());
            thread::spawn(move || {
                let (mut asked, mut lost) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) && asked < REQUESTS_MAX {
                    asked += 1;
                    match one(&address) {
                        Ok(true) => {}
                        Ok(false) => lost.push("no good answer".to_owned()),
                        Err(error) => lost.push(error.to_string()),
                    }
                    thread::sleep(Duration::from_millis(20));
                }
                (asked, lost)
            })
        })
        .collect();
    work();
    stop.store(true, Ordering::Relaxed);
    let told = clients.into_iter().map(|client| client.join().unwrap());
    told.fold((0, Vec::new()), |(all, mut lost), (asked, more)| {
        lost.extend(more);
        (all + asked, lost)
    })
}

#[test]
fn a_stack_comes_up_stays_and_is_updated() {
    let lab = Lab::take();
    main_job::done(&lab);
    lab.on("lab2", UNDO);
    let begun = Instant::now();
    let settings = format!(
        "postgres_password: e2e-only\npostgres_substitute_allowed: true\nrates_port: {PORT}\nrates_stack_publish: host\nrates_total_replicas: 1\nrates_env: {{RATES_MAX_DAYS: '3000'}}\n"
    );
    let service = Service::new(&lab.file("inventory.yaml"), &settings);
    let play = |flags: &[&str]| {
        let mut words = vec!["--output", "json", "--limit", "api"];
        words.extend(flags);
        service.play("swarm", &words)
    };
    let host = lab.variable("lab2", "private_address");
    let address = format!("{host}:{PORT}");

    let predicted = play(&["--check", "--diff"]).well();
    assert!(lab.on("lab2", "docker info -f '{{.Swarm.LocalNodeState}}'").contains("inactive"));
    let made = play(&[]).well();
    assert_eq!(predicted.changed(), made.changed());
    answers_the_month(&host, PORT);
    assert_eq!(play(&[]).well().tally("changed"), 0);
    // What the engine's own tools make of it.
    assert!(lab.on("lab2", "docker stack ls").contains("rates"));
    let ps = "docker stack ps rates --filter desired-state=running --format '{{.Name}} {{.CurrentState}}'";
    let running = lab.on("lab2", ps);
    assert_eq!(
        running.lines().filter(|line| line.starts_with("rates_api.") && line.contains("Running")).count(),
        1,
        "{running}"
    );

    let (asked, lost) = under_requests(&address, || {
        let updated = play(&["-e", "{\"rates_env\": {\"RATES_MAX_DAYS\": \"3001\"}}"]).well();
        let told = updated.result("Bring the stack to this release")["stack_spec_diff"].to_string();
        assert!(told.contains("RATES_MAX_DAYS") && !told.contains("Image"), "{told}");
    });
    println!("an update: {} lost of {asked}", lost.len());
    // One port of one node is held by one container at a time: what is asked between two of them is lost, and nothing else.
    assert!(asked > 100 && lost.len() < asked, "{} lost of {asked}", lost.len());
    assert!(one(&address).unwrap());

    // A release that never answers is taken back by the swarm, and the run says so; the old one goes on answering.
    let bad = play(&["-e", "{\"rates_env\": {\"RATES_MAX_DAYS\": \"no number\"}}"]);
    bad.shows(2, &["service rates_api: its update was taken back"]);
    answers_the_month(&host, PORT);

    lab.on("lab2", UNDO);
    println!("{:.0} s", begun.elapsed().as_secs_f64());
}
