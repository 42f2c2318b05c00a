//! `docker_image_copy` against an engine that is played.

use serde_json::{Value, json};

use super::fake::{Asked, FakeEngine, call, changes};
use crate::{
    protocol::{Change, Effect, Outcome, Verdict},
    remote::machine::{fake::Fake, overlay::Overlay},
};

/// An engine with one image that shares its two lowest layers with the one that is copied.
fn engine() -> FakeEngine {
    let older = json!({"Id": "sha256:old", "RootFS": {"Layers": ["sha256:a", "sha256:b", "sha256:x"]}}).to_string();
    FakeEngine::new()
        .json("GET /images/json", 200, r#"[{"Id": "sha256:gone"}, {"Id": "sha256:old"}]"#)
        .json("GET /images/sha256:old/json", 200, &older)
        .json("GET /images/app:1/json", 200, &older)
        .json("GET /info", 200, r#"{"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]]}"#)
}

fn options(more: &Value) -> Value {
    let mut options = json!({
        "name": "app:1", "from": "build1", "_image": format!("sha256:{}", "0".repeat(64)), "_created": "2026",
        "_layers": ["sha256:a", "sha256:b", "sha256:c", "sha256:d"], "_sizes": [1, 2, 40, 2],
    });
    for (name, value) in more.as_object().unwrap() {
        options[name] = value.clone();
    }
    options
}

fn copy((host, asked): &(Fake, Asked), more: &Value, check: bool) -> (Outcome, Vec<String>) {
    let outcome = call(host, &mut Overlay::default(), "docker_image_copy", &options(more), check);
    (outcome, changes(asked))
}

fn numbers(outcome: &Outcome) -> [&Value; 2] {
    ["layers_present", "layers_sent"].map(|name| &outcome.result[name])
}

#[test]
fn only_layers_on_top_of_what_an_image_begins_with_are_lacking() {
    let (outcome, asked) = copy(&engine().host(), &json!({"_look": true}), false);
    assert_eq!((&outcome.verdict, outcome.result["lacking"].as_u64()), (&Verdict::Unchanged, Some(2)));
    assert_eq!(numbers(&outcome), [2, 2]);
    assert!(asked.is_empty());
}

#[test]
fn a_check_says_what_would_travel_and_is_quiet_about_its_own_prediction() {
    let (host, asked) = engine().host();
    let mut overlay = Overlay::default();
    let outcome = call(&host, &mut overlay, "docker_image_copy", &options(&json!({})), true);
    assert_eq!((&outcome.verdict, numbers(&outcome)), (&Verdict::Changed, [&json!(2), &json!(2)]));
    let shown = &outcome.diffs[0];
    assert_eq!(shown.before, "sha256:old\n");
    assert!(shown.after.contains("2 layers travel of 4, about 42 bytes before compression"), "{}", shown.after);
    // What only compressing tells is not known, and not said to be 0.
    assert!(outcome.later.is_some() && !outcome.result.contains_key("bytes_sent"));
    assert!(changes(&asked).is_empty());
    let again = call(&host, &mut overlay, "docker_image_copy", &options(&json!({})), true);
    assert_eq!(again.verdict, Verdict::Unchanged);
}

#[test]
fn an_image_that_is_only_foreseen_where_it_comes_from_is_foreseen_here() {
    let (host, _) = engine().host();
    let mut overlay = Overlay::default();
    let ahead = json!({"name": "app:1"});
    let outcome = call(&host, &mut overlay, "docker_image_copy", &ahead, true);
    assert_eq!(outcome.verdict, Verdict::Changed);
    assert!(outcome.later.is_some() && !outcome.result.contains_key("layers_sent"));
    assert_eq!(call(&host, &mut overlay, "docker_image_copy", &ahead, true).verdict, Verdict::Unchanged);
}

#[test]
fn an_image_of_that_id_needs_nothing_but_its_name() {
    let id = format!("sha256:{}", "0".repeat(64));
    let image = json!({"Id": id}).to_string();
    let there = engine().json(&format!("GET /images/{id}/json"), 200, &image);
    let (outcome, asked) = copy(&there.host(), &json!({"_look": true}), false);
    assert_eq!(asked, [format!("POST /images/{id}/tag")]);
    // The engine that is played keeps the old one under that name, which must not pass for success.
    assert!(matches!(&outcome.verdict, Verdict::Failed(failure) if failure.message.contains("something else")));
    let there = engine().json("GET /images/app:1/json", 200, &image);
    let (outcome, asked) = copy(&there.host(), &json!({"_look": true}), false);
    assert_eq!((&outcome.verdict, numbers(&outcome)), (&Verdict::Unchanged, [&json!(4), &json!(0)]));
    assert!(asked.is_empty() && !outcome.result.contains_key("lacking"));
}

#[test]
fn an_engine_that_keeps_images_in_containerd_gets_all_of_it_once() {
    let info = r#"{"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}"#;
    let (outcome, _) = copy(&engine().json("GET /info", 200, info).host(), &json!({"_look": true}), false);
    assert_eq!(numbers(&outcome), [0, 4]);
    let same = |created: &str| {
        let layers = ["sha256:a", "sha256:b", "sha256:c", "sha256:d"];
        let image = json!({"Id": "sha256:other", "Created": created, "RootFS": {"Layers": layers}}).to_string();
        let host = engine().json("GET /info", 200, info).json("GET /images/app:1/json", 200, &image).host();
        copy(&host, &json!({}), true).0.verdict
    };
    assert_eq!([same("2026"), same("2025")], [Verdict::Unchanged, Verdict::Changed]);
}

#[test]
fn a_host_whose_engine_is_yet_to_come_lacks_everything() {
    let host = Fake::new();
    let mut overlay = Overlay::default();
    overlay.predict(&Change::Assume(Effect::new("package", "docker.io", json!("20.10.24"))), &host);
    let outcome = call(&host, &mut overlay, "docker_image_copy", &options(&json!({})), true);
    assert_eq!((&outcome.verdict, numbers(&outcome)), (&Verdict::Changed, [&json!(0), &json!(4)]));
}
