//! What is worked out for a host, and in which order hosts come.

use super::*;
use crate::controller::actions::service_rollout::ledger::Release;

fn slots() -> Vec<String> {
    vec!["blue".to_owned(), "green".to_owned()]
}

fn want(release: &str) -> Want {
    Want {
        release: release.to_owned(),
        digest: format!("of {release}"),
        image_id: Some(format!("id {release}")),
        replicas: 1,
    }
}

fn ledger(release: &str, slot: &str) -> Ledger {
    let entry = Release {
        release: release.to_owned(),
        digest: format!("of {release}"),
        image_id: format!("id {release}"),
        slot: slot.to_owned(),
        ..Release::default()
    };
    Ledger::default().switched(entry, false)
}

fn instance(release: &str, slot: &str, running: bool) -> Instance {
    let name = container_name("s", slot, release, 1);
    Instance { name, release: release.to_owned(), slot: slot.to_owned(), running }
}

fn set(release: &str, slot: &str) -> Set {
    sets(&[instance(release, slot, true)]).remove(0)
}

#[test]
fn the_same_release_stays_and_another_goes_into_the_other_slot() {
    let there = [instance("a", "green", true), instance("z", "blue", false)];
    assert_eq!(step(&want("a"), &ledger("a", "green"), &there, &slots(), true), Step::Stay(set("a", "green")));
    let switch = Step::Switch { from: Some(set("a", "green")), slot: "blue".into(), left: vec![] };
    assert_eq!(step(&want("b"), &ledger("a", "green"), &there, &slots(), true), switch);
}

#[test]
fn a_host_with_nothing_begins_in_the_first_slot() {
    let switch = Step::Switch { from: None, slot: "blue".into(), left: vec![] };
    assert_eq!(step(&want("a"), &Ledger::default(), &[], &slots(), false), switch);
    // What the ledger says of containers that are gone helps nobody.
    assert_eq!(step(&want("a"), &ledger("a", "green"), &[], &slots(), true), switch);
}

#[test]
fn another_image_of_the_same_name_is_another_release() {
    let newer = Want { image_id: Some("newer".into()), ..want("a") };
    let there = [instance("a", "blue", true)];
    let switch = Step::Switch { from: Some(set("a", "blue")), slot: "green".into(), left: vec![] };
    assert_eq!(step(&newer, &ledger("a", "blue"), &there, &slots(), true), switch);
    // So may be one that is only to be pulled or built.
    let unknown = Want { image_id: None, ..want("a") };
    assert_eq!(step(&unknown, &ledger("a", "blue"), &there, &slots(), true), switch);
}

#[test]
fn missing_replicas_are_brought_back_in_the_other_slot() {
    let two = Want { replicas: 2, ..want("a") };
    let there = [instance("a", "blue", true)];
    assert!(
        matches!(step(&two, &ledger("a", "blue"), &there, &slots(), true), Step::Switch { slot, .. } if slot == "green")
    );
}

#[test]
fn what_a_run_that_was_cut_off_has_left_is_put_right() {
    let both = [instance("a", "blue", true), instance("b", "green", true)];
    // The ledger says who serves; the other one leaves its slot, whether it is wanted or not.
    let mend = Step::Mend { serves: set("a", "blue"), left: vec![set("b", "green")] };
    assert_eq!(step(&want("a"), &ledger("a", "blue"), &both, &slots(), true), mend);
    let again = Step::Switch { from: Some(set("a", "blue")), slot: "green".into(), left: vec![set("b", "green")] };
    assert_eq!(step(&want("b"), &ledger("a", "blue"), &both, &slots(), true), again);
    // The old one was stopped already: who runs is who serves.
    let switch = Step::Switch { from: Some(set("b", "green")), slot: "blue".into(), left: vec![] };
    assert_eq!(step(&want("b"), &ledger("a", "blue"), &both[1..], &slots(), true), switch);
    let mend = Step::Mend { serves: set("a", "blue"), left: vec![] };
    assert_eq!(step(&want("a"), &ledger("a", "blue"), &both[..1], &slots(), false), mend);
}

#[test]
fn hosts_come_in_batches_one_first() {
    let hosts: Vec<String> = (1..=7).map(|at| format!("h{at}")).collect();
    let sizes =
        |size: &str, canary| -> Vec<usize> { batches(&hosts, size, canary).unwrap().iter().map(Vec::len).collect() };
    for (size, canary, expected) in [
        ("1", true, vec![1; 7]),
        ("3", true, vec![1, 3, 3]),
        ("3", false, vec![3, 3, 1]),
        ("50%", true, vec![1, 3, 3]),
        ("1%", false, vec![1; 7]),
        ("100%", false, vec![7]),
        ("100", true, vec![1, 6]),
    ] {
        assert_eq!(sizes(size, canary), expected, "{size} {canary}");
    }
    assert_eq!(batches(&hosts, "3", true).unwrap().concat(), hosts);
    assert_eq!(batches(&[], "3", true).unwrap(), Vec::<Vec<String>>::new());
    for wrong in ["0", "x", "%", "-1", ""] {
        assert!(batches(&hosts, wrong, true).is_err(), "{wrong}");
    }
}

#[test]
fn a_fingerprint_is_of_what_is_said_and_not_of_how() {
    let map = |value: Json| value.as_object().unwrap().clone();
    let one = fingerprint(&map(json!({"env": {"A": 1, "B": 2}, "image": "x"})), &json!(1));
    assert_eq!(one, fingerprint(&map(json!({"image": "x", "env": {"B": 2, "A": 1}})), &json!(1)));
    assert_ne!(one, fingerprint(&map(json!({"image": "x", "env": {"B": 2, "A": 2}})), &json!(1)));
    assert_ne!(one, fingerprint(&map(json!({"image": "x", "env": {"B": 2, "A": 1}})), &json!(2)));
}

#[test]
fn each_replica_has_a_port_of_its_slot() {
    let slots = json!({"blue": 3001, "green": "65535"}).as_object().unwrap().clone();
    assert_eq!(ports(&slots, "blue", 3).unwrap(), [3001, 3002, 3003]);
    assert_eq!(ports(&slots, "green", 1).unwrap(), [65535]);
    assert!(ports(&slots, "green", 2).is_err());
    assert!(ports(&slots, "red", 1).is_err());
}
