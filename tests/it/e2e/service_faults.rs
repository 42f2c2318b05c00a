//! What goes wrong while the service is deployed: named in a few lines, the old state stays, and the next run gets there.

use std::fs;

use super::{
    faults::SCREEN,
    lab::Lab,
    main_job,
    service::{MONTH, Service, address, answers_the_month, ask, containers},
};
use crate::scene::Ended;

/// Asserts that a run failed, and that these words are on the last screen of what it says.
#[track_caller]
fn says(ended: &Ended, words: &[&str]) {
    ended.shows(2, &[]);
    let said = ended.said();
    let mut screen: Vec<&str> = said.lines().rev().take(SCREEN).collect();
    screen.reverse();
    let screen = screen.join("\n");
    for word in words {
        assert!(screen.contains(word), "`{word}` is missing in:\n{screen}");
    }
}

/// Every container that has the API's name on its host, also one that does not run.
fn all(lab: &Lab) -> String {
    lab.on("lab2", "docker ps -a --format '{{.Names}}' --filter name=rates-api | sort")
}

/// Stops lab2's engine, and what would wake it, as soon as it tells of such an event.
fn stop_engine_at(lab: &Lab, filter: &str) {
    lab.on(
        "lab2",
        &format!(
            "systemctl reset-failed e2e-stop 2>/dev/null; systemd-run --quiet --collect --unit=e2e-stop sh -c \
             'timeout 300 docker events --filter type=container {filter} --format x | \
             {{ read -r event && systemctl stop docker.socket docker.service; }}'; sleep 1"
        ),
    );
}

#[test]
fn an_engine_that_stops_in_the_middle_is_named_and_started_by_the_next_run() {
    let lab = Lab::take();
    main_job::done(&lab);
    let service = Service::on(&lab);
    // A server that has only just been started does not hear the stop signal, and the engine waits for it so long.
    let only = ["-l", "lab2", "-e", "rates_check_timeout=5", "-e", "rates_stop_timeout=5"];
    let (host, port) = address(&lab);

    // While the image is built: the first step of the build is a container that starts.
    let before = containers(&lab, "lab2");
    let packages = service.scene.read("rates/requirements.txt");
    fs::write(
        service.scene.path("rates/requirements.txt"),
        format!("# Installed anew by {}.\n{packages}", std::process::id()),
    )
    .unwrap();
    stop_engine_at(&lab, "--filter event=start");
    let ended = service.play("dev", &only);
    assert_eq!(lab.on("lab2", "systemctl is-active docker; true"), "inactive\n");
    says(&ended, &["lab2", "Build the API image", "Docker engine"]);
    let mended = service.deploy(&only).well();
    assert!(mended.changed().iter().any(|change| change.starts_with("Start the engine")), "{:?}", mended.changed());
    answers_the_month(&host, &port);
    assert_eq!(all(&lab), "rates-api\n");
    assert_ne!(containers(&lab, "lab2"), before);

    // While the container is replaced: after the new one is made, before or while it starts.
    service.touch(&format!("# A line of {} that changes nothing but the file.", std::process::id()));
    stop_engine_at(&lab, "--filter event=create --filter container=rates-api");
    let ended = service.play("dev", &only);
    says(&ended, &["lab2", "the API", "Docker engine"]);
    service.deploy(&only).well();
    answers_the_month(&host, &port);
    assert_eq!(all(&lab), "rates-api\n");
    let second = service.deploy(&only).well();
    assert_eq!(second.tally("changed"), 0, "{:?}", second.changed());
}

#[test]
fn a_port_that_another_has_is_named_and_the_old_container_stays() {
    let lab = Lab::take();
    main_job::done(&lab);
    let service = Service::on(&lab);
    service.deploy(&["-l", "lab2"]).well();
    let before = containers(&lab, "lab2");
    let moved = ["-l", "lab2", "-e", "rates_port=3999"];
    lab.on(
        "lab2",
        "systemd-run --quiet --unit=e2e-squatter --socket-property=ListenStream=3999 --socket-property=Accept=yes cat",
    );
    let ended = service.play("dev", &moved);
    lab.on("lab2", "systemctl stop e2e-squatter.socket");
    says(&ended, &["lab2", "Start the API container", "3999", "in use"]);
    assert_eq!(containers(&lab, "lab2"), before);
    assert_eq!(all(&lab), "rates-api\n");
    let (host, port) = address(&lab);
    answers_the_month(&host, &port);
    service.deploy(&moved).well();
    ask(&lab.variable("lab2", "private_address"), "3999", MONTH);
    assert_eq!(all(&lab), "rates-api\n");
    service.deploy(&["-l", "lab2"]).well();
}

#[test]
fn an_error_on_the_last_line_of_a_dump_rolls_all_of_it_back() {
    let lab = Lab::take();
    main_job::done(&lab);
    let service = Service::on(&lab);
    let good = service.scene.read("db/rates.sql");
    let bad = format!("{}\nINSERT INTO public.nowhere VALUES (1);\n", good.trim_end());
    let line = bad.lines().count();
    // A run of these tests before has left its own.
    let named = format!("postgres_database=broken_{}", std::process::id());
    service.scene.file("db/broken.sql", &bad).file(
        "playbooks/tables.yaml",
        "- hosts: lab1\n  gather_facts: false\n  tasks:\n    - name: Tables\n      postgresql_query:\n        \
         login_host: '{{ private_address }}'\n        login_user: postgres\n        login_password: '{{ postgres_password }}'\n        \
         login_db: '{{ postgres_database }}'\n        query: SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace\n",
    );
    let tables = || {
        let events = service.play("tables", &["--output", "json", "-e", &named]).well();
        events.result("Tables")["query_result"].as_array().unwrap().len()
    };
    let dump = format!("postgres_dump={}", service.scene.path("db/broken.sql").display());
    let flags = ["-l", "lab1", "-e", &named, "-e", &dump];
    let ended = service.play("dev", &flags);
    says(&ended, &["lab1", "Load the dump", &format!("broken.sql:{line}"), "nowhere"]);
    assert_eq!(tables(), 0);
    service.scene.file("db/broken.sql", &good);
    service.deploy(&flags).well();
    assert!(tables() >= 3);
    assert_eq!(service.deploy(&flags).well().tally("changed"), 0);
}

#[test]
fn data_that_is_half_a_cluster_is_refused_and_not_touched() {
    let lab = Lab::take();
    main_job::done(&lab);
    let service = Service::on(&lab);
    let before = containers(&lab, "lab1");
    let folder = "/var/lib/docker/volumes/e2e-half/_data/pgdata";
    lab.on("lab1", &format!("docker volume create e2e-half && mkdir {folder} && echo 9.6 > {folder}/PG_VERSION"));
    let ended = service.play("dev", &["-l", "lab1", "-e", "postgres_volume=e2e-half"]);
    let after = lab.on("lab1", &format!("ls -A {folder}; docker volume rm -f e2e-half >/dev/null"));
    says(&ended, &["lab1", "e2e-half", "half-initialised", "postgres_volume=NAME"]);
    assert_eq!(after, "PG_VERSION\n");
    assert_eq!(containers(&lab, "lab1"), before);
}
