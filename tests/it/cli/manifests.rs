//! Manifests for Kubernetes: what they say of the service, and where its secrets stand.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};

use crate::scene::Scene;

const INVENTORY: &str = "
all:
  children:
    database: {hosts: {db: {private_address: 10.0.0.5}}}
    api: {hosts: {web: {}}}
  vars: {postgres_password: 'pass: \"word', rates_env: {RATES_MAX_DAYS: 31}}
";

fn write(scene: &Scene, flags: &[&str]) -> crate::scene::Ended {
    let to = format!("rates_manifests_dir={}", scene.path("manifests").display());
    let inventory = scene.path("inventory.yaml").display().to_string();
    let mut words = vec!["run", "playbooks/kubernetes.yaml", "-i", &inventory, "-e", &to];
    words.extend(flags);
    scene.deployer_in(Path::new(env!("CARGO_MANIFEST_DIR")), &words, &[])
}

#[test]
fn manifests_carry_the_service_and_only_one_of_them_its_secrets() {
    let scene = Scene::new();
    scene.file("inventory.yaml", INVENTORY);
    write(&scene, &[]).shows(2, &["a cluster pulls its images from a registry"]);
    let image = ["-e", "rates_image=registry.example.com/rates:1"];
    write(&scene, &image).shows(0, &[]);
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(scene.path("manifests")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        let text = fs::read_to_string(entry.path()).unwrap();
        assert_eq!(text.contains("word"), name == "10-secret.yaml", "{name}: {text}");
        let value: Value = serde_yaml::from_str(&text).unwrap_or_else(|why| panic!("{name}: {why}: {text}"));
        assert_eq!(value["metadata"]["namespace"], "default", "{name}");
        found.insert(name, value);
    }
    let kinds: Vec<&Value> = found.values().map(|value| &value["kind"]).collect();
    assert_eq!(kinds, ["Secret", "Job", "Deployment", "Service", "PodDisruptionBudget", "Deployment"]);
    assert_eq!(found["10-secret.yaml"]["stringData"], json!({"PGPASSWORD": "pass: \"word"}));
    let api = &found["30-api.yaml"]["spec"];
    assert_eq!(api["strategy"]["rollingUpdate"], json!({"maxUnavailable": 0, "maxSurge": 1}));
    let container = &api["template"]["spec"]["containers"][0];
    let probe = container["readinessProbe"]["httpGet"]["path"].as_str().unwrap();
    assert!(probe.starts_with("/rates?date_from="), "{probe}");
    let env = container["env"].as_array().unwrap();
    for pair in [("PGHOST", "10.0.0.5"), ("PGPORT", "5432"), ("RATES_MAX_DAYS", "31")] {
        assert!(env.contains(&json!({"name": pair.0, "value": pair.1})), "{pair:?} in {env:?}");
    }
    let pods = &api["template"]["metadata"]["labels"];
    for selector in [&api["selector"]["matchLabels"], &found["40-service.yaml"]["spec"]["selector"]] {
        for (label, value) in selector.as_object().unwrap() {
            assert_eq!(&pods[label], value, "{label}");
        }
    }
    let worker = &found["60-worker.yaml"]["spec"]["template"]["spec"];
    assert_eq!(worker["terminationGracePeriodSeconds"], 900);
    write(&scene, &image).shows(0, &["changed=0"]);
}
