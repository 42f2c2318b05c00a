//! What the modules of swarms ask of an engine, and what they make of its answers.

use serde_json::{Value, json};

use super::fake::{Asked, FakeEngine, call, changes};
use crate::{
    protocol::{Outcome, Verdict},
    remote::machine::{fake::Fake, overlay::Overlay},
};

const MANAGER: &str = r#"{"Swarm": {"LocalNodeState": "active", "ControlAvailable": true}}"#;
const WORKER: &str = r#"{"Swarm": {"LocalNodeState": "active", "ControlAvailable": false}}"#;
const ALONE: &str = r#"{"Swarm": {"LocalNodeState": "inactive"}}"#;
const SWARM: &str = r#"{"Version": {"Index": 7}, "Spec": {"Name": "default", "Labels": {}, "Orchestration": {"TaskHistoryRetentionLimit": 5}},
    "JoinTokens": {"Worker": "SWMTKN-1-w", "Manager": "SWMTKN-1-m"}}"#;

fn engine(info: &str) -> FakeEngine {
    FakeEngine::new().json("GET /info", 200, info).json("GET /swarm", 200, SWARM)
}

fn run(host: &Fake, module: &str, options: &Value) -> Outcome {
    call(host, &mut Overlay::default(), module, options, false)
}

fn failure(outcome: &Outcome) -> &str {
    match &outcome.verdict {
        Verdict::Failed(failure) => &failure.message,
        other => panic!("{other:?}"),
    }
}

/// The body of the request that begins so.
fn body(asked: &Asked, request: &str) -> Value {
    let asked = asked.lock().unwrap();
    let (_, body) = asked.iter().find(|(line, _)| line.starts_with(request)).unwrap();
    serde_json::from_str(body).unwrap()
}

#[test]
fn a_swarm_is_made_once() {
    let options = json!({"advertise_addr": "10.0.0.1"});
    let (host, asked) = engine(ALONE).host();
    let mut overlay = Overlay::default();
    let checked = call(&host, &mut overlay, "docker_swarm", &options, true);
    assert_eq!(checked.verdict, Verdict::Changed);
    assert!(checked.later.is_some() && !checked.result.contains_key("swarm_facts"));
    assert_eq!(call(&host, &mut overlay, "docker_swarm", &options, true).verdict, Verdict::Unchanged);
    assert!(changes(&asked).is_empty());
    let made = run(&host, "docker_swarm", &options);
    assert_eq!(made.verdict, Verdict::Changed);
    assert_eq!(changes(&asked), ["POST /swarm/init"]);
    assert_eq!(body(&asked, "POST /swarm/init")["AdvertiseAddr"], "10.0.0.1");
    assert_eq!(made.result["swarm_facts"]["JoinTokens"]["Worker"], "SWMTKN-1-w");
    let (host, asked) = engine(MANAGER).host();
    assert_eq!(run(&host, "docker_swarm", &options).verdict, Verdict::Unchanged);
    assert!(changes(&asked).is_empty());
}

#[test]
fn settings_of_a_swarm_are_changed_and_others_kept() {
    let (host, asked) = engine(MANAGER).host();
    let same = json!({"task_history_retention_limit": 5});
    assert_eq!(run(&host, "docker_swarm", &same).verdict, Verdict::Unchanged);
    let outcome = run(&host, "docker_swarm", &json!({"task_history_retention_limit": 2, "labels": {"a": 1}}));
    assert_eq!(outcome.verdict, Verdict::Changed);
    let sent = body(&asked, "POST /swarm/update?version=7");
    assert_eq!(sent["Name"], "default");
    assert_eq!(sent["Orchestration"]["TaskHistoryRetentionLimit"], 2);
    assert_eq!(sent["Labels"], json!({"a": "1"}));
}

#[test]
fn joining_needs_a_token_and_happens_once_without_showing_it() {
    let options = json!({"state": "join", "join_token": "SWMTKN-1-w", "remote_addrs": ["10.0.0.1"]});
    let (host, asked) = engine(ALONE).host();
    let joined = run(&host, "docker_swarm", &options);
    assert_eq!(changes(&asked), ["POST /swarm/join"]);
    assert_eq!(body(&asked, "POST /swarm/join")["JoinToken"], "SWMTKN-1-w");
    assert!(!format!("{:?} {:?}", joined.result, joined.diffs).contains("SWMTKN"));
    assert!(failure(&run(&host, "docker_swarm", &json!({"state": "join"}))).contains("join_token"));
    let (host, _) = engine(WORKER).host();
    assert_eq!(run(&host, "docker_swarm", &options).verdict, Verdict::Unchanged);
    assert!(failure(&run(&host, "docker_swarm", &json!({}))).contains("worker"));
}

#[test]
fn a_manager_leaves_only_when_forced() {
    // Where there is a swarm, a check knows what the next hosts join with.
    let (host, _) = engine(MANAGER).host();
    let checked = call(&host, &mut Overlay::default(), "docker_swarm", &json!({}), true);
    assert_eq!((&checked.verdict, &checked.later), (&Verdict::Unchanged, &None));
    assert_eq!(checked.result["swarm_facts"]["JoinTokens"]["Worker"], "SWMTKN-1-w");
    let (host, asked) = engine(MANAGER).host();
    assert!(failure(&run(&host, "docker_swarm", &json!({"state": "absent"}))).contains("manager"));
    run(&host, "docker_swarm", &json!({"state": "absent", "force": true}));
    assert_eq!(changes(&asked), ["POST /swarm/leave"]);
    let (host, _) = engine(ALONE).host();
    assert_eq!(run(&host, "docker_swarm", &json!({"state": "absent"})).verdict, Verdict::Unchanged);
}

fn shop() -> Value {
    json!({"name": "shop", "resolve_image": "never", "compose": [
        {"version": "3.8", "services": {"web": {"image": "shop:1", "command": "serve 'a b'", "ports": ["80:8080"],
            "environment": {"TOKEN": "hush", "B": 2}, "volumes": ["data:/data"],
            "healthcheck": {"test": "true", "interval": "2s"},
            "deploy": {"replicas": 2, "update_config": {"order": "start-first"}}}}, "volumes": {"data": null}},
        {"services": {"web": {"deploy": {"replicas": 3, "resources": {"limits": {"memory": "64M", "cpus": "0.5"}}}}}},
    ]})
}

#[test]
fn a_stack_is_made_and_the_prediction_is_what_is_done() {
    let (host, asked) = engine(MANAGER).host();
    let mut overlay = Overlay::default();
    let checked = call(&host, &mut overlay, "docker_stack", &shop(), true);
    assert_eq!(checked.verdict, Verdict::Changed, "{checked:?}");
    assert_eq!(call(&host, &mut overlay, "docker_stack", &shop(), true).verdict, Verdict::Unchanged);
    assert!(changes(&asked).is_empty());
    let made = run(&host, "docker_stack", &shop());
    assert_eq!(changes(&asked), ["POST /networks/create", "POST /services/create"]);
    assert_eq!(made.result["stack_spec_diff"], checked.result["stack_spec_diff"]);
    assert!(!format!("{:?} {:?}", made.result, made.diffs).contains("hush"));
    let spec = body(&asked, "POST /services/create");
    assert_eq!(spec["Name"], "shop_web");
    assert_eq!(spec["Labels"]["com.docker.stack.namespace"], "shop");
    assert_eq!(spec["Mode"]["Replicated"]["Replicas"], 3);
    assert_eq!(spec["UpdateConfig"]["Order"], "start-first");
    let task = &spec["TaskTemplate"];
    assert_eq!(task["ContainerSpec"]["Args"], json!(["serve", "a b"]));
    assert_eq!(task["ContainerSpec"]["Env"], json!(["B=2", "TOKEN=hush"]));
    assert_eq!(task["ContainerSpec"]["Mounts"][0]["Source"], "shop_data");
    assert_eq!(task["ContainerSpec"]["Healthcheck"]["Test"], json!(["CMD-SHELL", "true"]));
    assert_eq!(task["Resources"]["Limits"], json!({"MemoryBytes": 64 << 20, "NanoCPUs": 500_000_000, "Pids": null}));
    assert_eq!(task["Networks"], json!([{"Target": "shop_default", "Aliases": ["web"]}]));
    let port = json!([{"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": 80, "PublishMode": "ingress"}]);
    assert_eq!(spec["EndpointSpec"]["Ports"], port);
}

/// A swarm that holds the stack as it was sent.
fn holding(change: impl Fn(&mut Value)) -> (Fake, Asked) {
    let (host, asked) = engine(MANAGER).host();
    run(&host, "docker_stack", &shop());
    let mut spec = body(&asked, "POST /services/create");
    spec["TaskTemplate"]["Networks"][0]["Target"] = json!("n1");
    spec["TaskTemplate"]["ForceUpdate"] = json!(4);
    change(&mut spec);
    let network = r#"{"Name": "shop_default", "Id": "n1"}"#;
    let service = json!({"ID": "s1", "Version": {"Index": 12}, "Spec": spec});
    engine(MANAGER)
        .json("GET /networks/shop_default", 200, network)
        .json("GET /networks", 200, &format!("[{network}]"))
        .json("GET /services/shop_web", 200, &service.to_string())
        .json("GET /services", 200, &json!([service, {"ID": "s2", "Spec": {"Name": "shop_old"}}]).to_string())
        .json(
            "GET /tasks",
            200,
            r#"[{"DesiredState": "running", "Status": {"State": "rejected", "Err": "No such image: shop:1"}}]"#,
        )
        .host()
}

#[test]
fn a_stack_that_is_as_described_is_left_alone_and_pruned_when_asked() {
    let (host, asked) = holding(|_| {});
    assert_eq!(run(&host, "docker_stack", &shop()).verdict, Verdict::Unchanged);
    assert!(changes(&asked).is_empty());
    let mut options = shop();
    options["prune"] = json!(true);
    run(&host, "docker_stack", &options);
    assert_eq!(changes(&asked), ["DELETE /services/shop_old"]);
}

#[test]
fn a_service_that_differs_is_updated_from_the_version_that_was_seen() {
    let (host, asked) = holding(|spec| {
        spec["TaskTemplate"]["ContainerSpec"]["Image"] = json!("shop:0");
        spec["Labels"]["com.docker.stack.image"] = json!("shop:0");
    });
    let outcome = run(&host, "docker_stack", &shop());
    let told = &outcome.result["stack_spec_diff"]["shop_web"]["TaskTemplate.ContainerSpec.Image"];
    assert_eq!(told, &json!({"before": "shop:0", "after": "shop:1"}));
    assert_eq!(body(&asked, "POST /services/s1/update?version=12")["TaskTemplate"]["ForceUpdate"], 4);
}

#[test]
fn services_that_do_not_get_there_are_told_with_what_their_tasks_came_to() {
    let (host, _) = holding(|_| {});
    let mut options = shop();
    options["detach"] = json!(false);
    options["wait_timeout"] = json!(0);
    let outcome = run(&host, "docker_stack", &options);
    let said = failure(&outcome);
    let why = "No such image: shop:1";
    let all = format!("service shop_web: it did not get there in 0 s: 0 of 3 run ({why})\nits last task: {why}");
    assert_eq!(said, all);
}

#[test]
fn a_stack_is_removed_with_its_networks_and_once() {
    let (host, asked) = holding(|_| {});
    let options = json!({"name": "shop", "state": "absent", "compose": []});
    run(&host, "docker_stack", &options);
    let removed = ["DELETE /services/s1", "DELETE /services/s2", "DELETE /networks/n1"];
    assert_eq!(changes(&asked), removed);
    let (host, _) = engine(ALONE).host();
    assert_eq!(run(&host, "docker_stack", &options).verdict, Verdict::Unchanged);
}

#[test]
fn what_stacks_do_not_support_is_named() {
    let (host, asked) = engine(MANAGER).host();
    for (compose, said) in [
        (json!({"services": {"a": {"image": "x", "build": "."}}}), "services.a.build is not supported in stacks"),
        (
            json!({"services": {"a": {"image": "x", "deploy": {"replica": 1}}}}),
            "services.a.deploy.replica is not supported",
        ),
        (json!({"services": {"a": {"image": "x"}}, "secrets": {}}), "compose.secrets is not supported"),
        (json!({"services": {"a": {"image": "x", "volumes": ["v:/v"]}}}), "there is no volume v"),
        (json!({"services": {"a": {"image": "x", "networks": ["n"]}}}), "there is no network n"),
        (json!({"services": {"a": {"image": "x", "ports": ["127.0.0.1:1:1"]}}}), "publishes on all addresses"),
        (json!({"services": {"a": {}}}), "services.a.image: is missing"),
        (json!({"services": {"a": {"image": "${IMAGE:?which}"}}}), "variable IMAGE is not set: which"),
        (
            json!({"services": {"a": {"image": "x", "networks": ["n"]}}, "networks": {"n": {"external": true}}}),
            "there is no network n, which the stack takes as external",
        ),
    ] {
        let outcome = run(&host, "docker_stack", &json!({"name": "shop", "compose": [compose]}));
        assert!(failure(&outcome).contains(said), "{} instead of {said}", failure(&outcome));
    }
    assert!(changes(&asked).is_empty());
    let (host, _) = engine(WORKER).host();
    assert!(failure(&run(&host, "docker_stack", &shop())).contains("worker"));
}

#[test]
fn what_a_swarm_holds_is_told_as_ansible_does() {
    let nodes = r#"[{"ID": "n1", "Description": {"Hostname": "one", "Engine": {"EngineVersion": "20.10"}}, "Status": {"State": "ready"},
        "Spec": {"Availability": "active"}, "ManagerStatus": {"Leader": true, "Reachability": "reachable"}}]"#;
    let services = r#"[{"ID": "s1", "Spec": {"Name": "a", "Mode": {"Replicated": {"Replicas": 2}}, "TaskTemplate": {"ContainerSpec": {"Image": "i"}}}}]"#;
    let tasks = r#"[{"ID": "t1", "NodeID": "n1", "DesiredState": "shutdown", "Spec": {"ContainerSpec": {"Image": "i"}},
        "Status": {"State": "failed", "Err": "exit 1", "ContainerStatus": {"ContainerID": "c1"}}}]"#;
    let (host, _) = engine(MANAGER)
        .json("GET /nodes", 200, nodes)
        .json("GET /services", 200, services)
        .json("GET /tasks", 200, tasks)
        .host();
    let told = run(&host, "docker_swarm_info", &json!({"nodes": true, "services": true, "tasks": true})).result;
    assert_eq!(told["docker_swarm_manager"], true);
    assert_eq!(told["nodes"][0]["ManagerStatus"], "Leader");
    let service = json!({"ID": "s1", "Name": "a", "Mode": "Replicated", "Replicas": 2, "Image": "i", "Ports": []});
    assert_eq!(told["services"], json!([service]));
    let task = json!({"ID": "t1", "ContainerID": "c1", "Image": "i", "Node": "one", "DesiredState": "shutdown",
        "CurrentState": "failed", "Error": "exit 1"});
    assert_eq!(told["tasks"], json!([task]));
    let (host, _) = engine(WORKER).host();
    let worker = run(&host, "docker_swarm_info", &json!({}));
    assert!(failure(&worker).contains("worker"));
    assert_eq!(
        (&worker.result["docker_swarm_active"], &worker.result["docker_swarm_manager"]),
        (&json!(true), &json!(false))
    );
}
