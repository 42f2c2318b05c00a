//! The main job on two hosts that have nothing: the database on one, the API on the other.

use std::{fs, sync::Once};

use super::{
    lab::Lab,
    service::{Service, address, answers_the_month, containers},
};

/// Whatever builds upon a deployed service would take minutes to make one of its own.
static DONE: Once = Once::new();

/// Hosts on which the service runs, as the main job leaves it.
pub fn done(lab: &Lab) {
    DONE.call_once(|| main_job(lab));
}

#[test]
fn from_nothing_to_an_answer_on_two_hosts() {
    done(&Lab::take());
}

fn main_job(lab: &Lab) {
    lab.lab(&["reset", "lab1", "lab2"]);
    let service = Service::on(lab);
    let answers = || {
        let (host, port) = address(lab);
        answers_the_month(&host, &port);
    };

    let predicted = service.deploy(&["--check", "--diff"]).well();
    assert_eq!(lab.on("lab1", "command -v docker; true"), "");
    let done = service.deploy(&[]).well();
    assert_eq!(predicted.changed(), done.changed());
    answers();

    let second = service.deploy(&[]).well();
    assert_eq!(second.tally("changed"), 0, "{:?}", second.changed());

    let before = (containers(lab, "lab1"), containers(lab, "lab2"));
    service.touch("# A line that changes nothing but the file.");
    let touched = service.deploy(&[]).well();
    assert!(touched.tally("changed") > 0);
    assert!(touched.changed().iter().all(|change| change.ends_with(" on lab2")), "{:?}", touched.changed());
    assert_eq!(containers(lab, "lab1"), before.0);
    assert_ne!(containers(lab, "lab2"), before.1);

    let dump = service.scene.read("db/rates.sql");
    fs::write(service.scene.path("db/rates.sql"), format!("-- Another dump.\n{dump}")).unwrap();
    let reported = service.deploy(&[]);
    assert!(reported.said().contains("rates.sql"), "the changed dump is not reported");
    assert_eq!(reported.well().tally("changed"), 0);
    answers();
}
