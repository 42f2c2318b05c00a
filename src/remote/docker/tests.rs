//! What modules ask of an engine, and what they make of its answers.

use serde_json::{Value, json};

use super::{
    fake::{FakeEngine, SOCKET, call, changes},
    hint, perform,
};
use crate::{
    protocol::{Change, Effect, HttpRequest, Verdict},
    remote::machine::{fake::Fake, overlay::Overlay},
};

const CONTAINER: &str = include_str!("fixtures/container.json");
const IMAGE: &str = include_str!("fixtures/image.json");
const NETWORK: &str = r#"{"Name": "shop-net", "Id": "ab12"}"#;

fn options() -> Value {
    serde_json::from_str(include_str!("fixtures/options.json")).unwrap()
}

/// An engine as it was when the fixtures were recorded.
fn recorded() -> FakeEngine {
    FakeEngine::new()
        .json("GET /containers/web/json", 200, CONTAINER)
        .json("GET /images/shop-app:latest/json", 200, IMAGE)
        .json("GET /networks/shop-net", 200, NETWORK)
}

fn request(method: &str, path: &str) -> HttpRequest {
    HttpRequest {
        socket: SOCKET.into(),
        method: method.to_owned(),
        path: path.to_owned(),
        summary: "do it".to_owned(),
        ..HttpRequest::default()
    }
}

fn message(outcome: &crate::protocol::Outcome) -> (String, String) {
    match &outcome.verdict {
        Verdict::Failed(failure) => (failure.message.clone(), failure.hint.clone().unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_container_that_is_as_described_is_left_alone() {
    let (host, asked) = recorded().host();
    let outcome = call(&host, &mut Overlay::default(), "docker_container", &options(), false);
    assert_eq!(outcome.verdict, Verdict::Unchanged, "{:?}", outcome.diffs);
    assert!(changes(&asked).is_empty());
    assert_eq!(outcome.result["container"]["Name"], "/web");
}

#[test]
fn every_stated_property_that_differs_is_named() {
    let changed = [
        ("command", json!("sleep 501")),
        ("env", json!({"GREETING": "bye"})),
        ("published_ports", json!(["127.0.0.1:18080:8080", "127.0.0.1:18082:8081"])),
        ("volumes", json!(["shop-vol:/data:ro"])),
        ("labels", json!({"role": "web"})),
        ("memory", json!("65M")),
        ("cpus", json!(1.5)),
        ("healthcheck", json!({"interval": "31s"})),
        ("restart_policy", json!("always")),
        ("ulimits", json!(["nofile:1:2"])),
        ("capabilities", json!(["net_admin"])),
        ("etc_hosts", json!({"registry": "10.1.2.4"})),
        ("tmpfs", json!(["/run:size=2m"])),
        ("shm_size", json!("33M")),
        ("user", json!("1")),
        ("init", json!(false)),
        ("log_options", json!({"max-size": "2m"})),
        ("mounts", json!([{"type": "tmpfs", "target": "/cache", "tmpfs_size": "2M"}])),
    ];
    for (option, value) in changed {
        let mut options = options();
        options[option] = value;
        let (host, asked) = recorded().host();
        let outcome = call(&host, &mut Overlay::default(), "docker_container", &options, true);
        assert_eq!(outcome.verdict, Verdict::Changed, "{option}");
        let named: Vec<&str> =
            outcome.result["differences"].as_array().unwrap().iter().filter_map(|d| d["option"].as_str()).collect();
        assert_eq!(named, [option]);
        assert!(changes(&asked).is_empty(), "check mode asked for {:?}", changes(&asked));
    }
}

#[test]
fn secrets_stay_out_of_the_diff() {
    let mut options = options();
    options["env"]["DB_PASSWORD"] = json!("brand-new");
    let (host, _) = recorded().host();
    let outcome = call(&host, &mut Overlay::default(), "docker_container", &options, true);
    let shown = format!("{:?} {}", outcome.diffs, outcome.result["differences"]);
    assert!(shown.contains("DB_PASSWORD=********"));
    assert!(!shown.contains("brand-new") && !shown.contains("=old"), "{shown}");
}

#[test]
fn a_limit_is_changed_in_place() {
    let mut options = options();
    options["cpus"] = json!(1.5);
    let (host, asked) = recorded().host();
    let outcome = call(&host, &mut Overlay::default(), "docker_container", &options, false);
    assert_eq!(outcome.verdict, Verdict::Changed);
    assert_eq!(changes(&asked), ["POST /containers/web/update"]);
}

#[test]
fn a_container_is_replaced_and_the_old_one_goes_last() {
    let mut options = options();
    options["command"] = json!("sleep 501");
    let (host, asked) = recorded().host();
    let outcome = call(&host, &mut Overlay::default(), "docker_container", &options, false);
    assert_eq!(outcome.verdict, Verdict::Changed);
    assert_eq!(
        changes(&asked),
        [
            "POST /containers/web/stop",
            "POST /containers/web/rename",
            "POST /containers/create",
            "POST /containers/web/start",
            "DELETE /containers/web-replaced",
        ]
    );
    let asked = asked.lock().unwrap();
    let (_, body) = asked.iter().find(|(request, _)| request.starts_with("POST /containers/create")).unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["Cmd"], json!(["sleep", "501"]));
    assert_eq!(body["HostConfig"]["NetworkMode"], "shop-net");
    assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["shop-net"]["Aliases"], json!(["api"]));
    assert_eq!(body["HostConfig"]["PortBindings"]["8080/tcp"], json!([{"HostIp": "127.0.0.1", "HostPort": "18080"}]));
}

#[test]
fn the_old_container_comes_back_when_the_new_one_does_not_start() {
    let mut options = options();
    options["command"] = json!("sleep 501");
    let taken = r#"{"message": "driver failed: Bind for 127.0.0.1:18080 failed: port is already allocated"}"#;
    let (host, asked) = recorded().json("POST /containers/web/start", 500, taken).host();
    let outcome = call(&host, &mut Overlay::default(), "docker_container", &options, false);
    let (message, hint) = message(&outcome);
    assert_eq!(message, "cannot start container web: port 127.0.0.1:18080 is already in use on the host");
    assert!(hint.contains("publish another port"), "{hint}");
    assert_eq!(
        changes(&asked)[3..],
        [
            "POST /containers/web/start",
            "DELETE /containers/web",
            "POST /containers/web-replaced/rename",
            "POST /containers/web/start",
        ]
    );
}

#[test]
fn a_new_container_that_does_not_start_is_removed() {
    let (host, asked) = FakeEngine::new()
        .json("GET /images/x:latest/json", 200, r#"{"Id": "sha256:1"}"#)
        .json("POST /containers/new/start", 404, r#"{"message": "exec: nonsense: not found"}"#)
        .host();
    let options = json!({"name": "new", "image": "x"});
    let outcome = call(&host, &mut Overlay::default(), "docker_container", &options, false);
    assert_eq!(message(&outcome).0, "cannot start container new: exec: nonsense: not found");
    assert_eq!(changes(&asked), ["POST /containers/create", "POST /containers/new/start", "DELETE /containers/new"]);
}

#[test]
fn what_a_cut_off_run_put_aside_goes_once_the_new_container_runs() {
    let aside = r#"{"Id": "1", "Name": "/new-replaced", "State": {}}"#;
    let (host, asked) = FakeEngine::new()
        .json("GET /images/x:latest/json", 200, r#"{"Id": "sha256:1"}"#)
        .json("GET /containers/new-replaced/json", 200, aside)
        .host();
    let options = json!({"name": "new", "image": "x", "env": {"TOKEN": "t0p"}});
    let outcome = call(&host, &mut Overlay::default(), "docker_container", &options, false);
    assert_eq!(
        changes(&asked),
        ["POST /containers/create", "POST /containers/new/start", "DELETE /containers/new-replaced"]
    );
    assert!(outcome.diffs[0].after.ends_with("env: TOKEN=********\n"), "{}", outcome.diffs[0].after);
}

#[test]
fn another_image_under_the_same_name_replaces_the_container() {
    let (host, _) = recorded().json("GET /images/shop-app:latest/json", 200, r#"{"Id": "sha256:new"}"#).host();
    let outcome = call(&host, &mut Overlay::default(), "docker_container", &options(), true);
    assert_eq!(outcome.result["differences"][0]["option"], "image");
    let mut ignoring = options();
    ignoring["comparisons"] = json!({"image": "ignore"});
    let outcome = call(&host, &mut Overlay::default(), "docker_container", &ignoring, true);
    assert_eq!(outcome.verdict, Verdict::Unchanged);
}

#[test]
fn an_engine_that_is_yet_to_be_installed_is_empty_in_check_mode() {
    let host = Fake::new();
    let network = json!({"name": "shop-net"});
    let mut overlay = Overlay::default();
    let outcome = call(&host, &mut overlay, "docker_network", &network, true);
    assert_eq!(message(&outcome).1, "is Docker installed and running on this host?");
    overlay.predict(&Change::Assume(Effect::new("package", "docker.io", json!("20.10.24"))), &host);
    let steps = [
        ("docker_network", network),
        ("docker_volume", json!({"name": "shop-vol"})),
        ("docker_image", json!({"name": "shop-app", "source": "pull"})),
        ("docker_container", options()),
    ];
    for (module, options) in &steps {
        let outcome = call(&host, &mut overlay, module, options, true);
        assert_eq!(outcome.verdict, Verdict::Changed, "{module}");
    }
    for (module, options) in &steps {
        let outcome = call(&host, &mut overlay, module, options, true);
        assert_eq!(outcome.verdict, Verdict::Unchanged, "{module}: {:?}", outcome.diffs);
    }
    let outcome = call(&host, &mut overlay, "docker_network", &json!({"name": "shop-net"}), false);
    assert!(matches!(outcome.verdict, Verdict::Failed(_)), "only check mode predicts");
}

#[test]
fn a_container_made_of_an_image_that_will_change_is_predicted_to_be_replaced() {
    let (host, _) = recorded().host();
    let mut overlay = Overlay::default();
    overlay.predict(&Change::Assume(Effect::new("docker/image", "shop-app:latest", json!({"Id": null}))), &host);
    let outcome = call(&host, &mut overlay, "docker_container", &options(), true);
    assert_eq!(outcome.result["differences"][0]["option"], "image");
}

#[test]
fn a_chunked_answer_is_read_whole_and_a_cut_one_is_an_error() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let whole = [&head[..], b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"].concat();
    let (host, _) = FakeEngine::new().raw("POST /x", &whole).host();
    let applied = perform(&host, &request("POST", "/x"), None, &mut |_, _| {}).unwrap();
    assert_eq!((applied.code, applied.stdout.as_str()), (200, "hello world"));
    let (host, _) = FakeEngine::new().raw("POST /x", &[&head[..], b"5\r\nhel"].concat()).host();
    let error = perform(&host, &request("POST", "/x"), None, &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("stopped answering"), "{error}");
}

#[test]
fn an_upload_goes_out_whole_with_progress() {
    let (host, asked) = FakeEngine::new().json("POST /build", 200, "{\"stream\":\"done\\n\"}\n").host();
    let content = vec![b'x'; 200_000];
    let mut build = request("POST", "/build");
    build.stream = true;
    build.upload = Some(crate::protocol::Blob { sha256: String::new(), size: content.len() as u64 });
    let mut amounts = Vec::new();
    let applied =
        perform(&host, &build, Some(&mut content.as_slice()), &mut |_, amount| amounts.extend(amount)).unwrap();
    assert_eq!(applied.stdout, "done\n");
    assert_eq!(amounts.last(), Some(&(200_000, 200_000)));
    assert_eq!(asked.lock().unwrap()[0].1.len(), content.len());
    let error = perform(&host, &build, Some(&mut &content[..5]), &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("ended after 5 of 200000 bytes"), "{error}");
}

#[test]
fn a_folder_of_the_host_is_built_once_and_its_archive_does_not_stay() {
    let engine = |labels: &Value| {
        FakeEngine::new().json("POST /build", 200, "{\"stream\":\"done\"}\n").json(
            "GET /images/app:latest/json",
            if labels.is_null() { 404 } else { 200 },
            &json!({"Id": "sha256:1", "Config": {"Labels": labels}}).to_string(),
        )
    };
    let filled = |host: Fake| {
        host.file("/src/Dockerfile", "FROM scratch\n").file("/src/app.py", "1").file("/src/.dockerignore", "*.log\n")
    };
    let options = json!({"name": "app", "source": "build", "build": {"path": "/src"}});
    let (host, asked) = engine(&Value::Null).host();
    let host = filled(host);
    let outcome = call(&host, &mut Overlay::default(), "docker_image", &options, true);
    assert_eq!(outcome.verdict, Verdict::Changed);
    assert!(changes(&asked).is_empty());
    let built = outcome.predicted.iter().find_map(|change| match change {
        Change::Http(request) => Some(request.effects[0].value["Config"]["Labels"].clone()),
        _ => None,
    });
    let (host, _) = engine(&built.unwrap()).host();
    let host = filled(host).file("/src/noise.log", "x");
    assert_eq!(call(&host, &mut Overlay::default(), "docker_image", &options, true).verdict, Verdict::Unchanged);
    let host = host.file("/src/app.py", "2");
    let outcome = call(&host, &mut Overlay::default(), "docker_image", &options, true);
    assert!(outcome.diffs[0].after.contains("app.py changed"), "{:?}", outcome.diffs);
    let mut build = request("POST", "/build");
    build.upload_path = Some("/src/app.py".into());
    build.discard_upload = true;
    perform(&host, &build, None, &mut |_, _| {}).unwrap();
    assert_eq!(host.text("/src/app.py"), None);
}

#[test]
fn an_error_in_a_stream_is_a_failure_with_advice() {
    let (host, _) = FakeEngine::new()
        .json("POST /images/create", 200, "{\"status\":\"Pulling\"}\n{\"error\":\"manifest unknown\"}\n")
        .host();
    let mut pull = request("POST", "/images/create");
    pull.stream = true;
    let error = perform(&host, &pull, None, &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().starts_with("manifest unknown"), "{error}");
    assert!(hint(&error).unwrap().contains("name and tag"));
}

#[test]
fn a_command_in_a_container_gives_its_output_and_code() {
    let mut output = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    output.extend([1, 0, 0, 0, 0, 0, 0, 3]);
    output.extend(b"out");
    output.extend([2, 0, 0, 0, 0, 0, 0, 3]);
    output.extend(b"err");
    let (host, _) = FakeEngine::new()
        .json("GET /containers/web/json", 200, CONTAINER)
        .json("POST /containers/web/exec", 201, r#"{"Id": "e1"}"#)
        .raw("POST /exec/e1/start", &output)
        .json("GET /exec/e1/json", 200, r#"{"Running": false, "ExitCode": 3}"#)
        .host();
    let options = json!({"container": "web", "command": "x"});
    let outcome = call(&host, &mut Overlay::default(), "docker_container_exec", &options, false);
    assert_eq!(message(&outcome).0, "the command in container web ended with 3: err");
    assert_eq!((&outcome.result["stdout"], &outcome.result["rc"]), (&json!("out"), &json!(3)));
}

#[test]
fn a_login_is_tried_and_kept_in_a_file_for_its_owner_only() {
    let (host, asked) = FakeEngine::new().json("POST /auth", 200, "{}").host();
    let options = json!({"registry_url": "r.example", "username": "me", "password": "hunter2"});
    let outcome = call(&host, &mut Overlay::default(), "docker_login", &options, false);
    assert_eq!(outcome.verdict, Verdict::Changed);
    assert_eq!(changes(&asked), ["POST /auth"]);
    assert!(!format!("{:?} {:?}", outcome.result, outcome.diffs).contains("hunter2"));
    let path = "/root/.docker/config.json";
    assert!(host.text(path).unwrap().contains("bWU6aHVudGVyMg=="));
    let stat = crate::remote::machine::system::System::stat(&host, path.as_ref()).unwrap().unwrap();
    assert_eq!(stat.mode, 0o600);
    let outcome = call(&host, &mut Overlay::default(), "docker_login", &options, false);
    assert_eq!(outcome.verdict, Verdict::Unchanged);
}

#[test]
fn a_volume_that_differs_is_kept_with_a_warning() {
    let (host, asked) = FakeEngine::new()
        .json("GET /volumes/data", 200, r#"{"Name": "data", "Driver": "local", "Labels": {"a": "1"}}"#)
        .host();
    let mut options = json!({"name": "data", "labels": {"a": "2"}});
    let outcome = call(&host, &mut Overlay::default(), "docker_volume", &options, false);
    assert_eq!((outcome.verdict, outcome.warnings.len()), (Verdict::Unchanged, 1));
    options["recreate"] = json!("options-changed");
    call(&host, &mut Overlay::default(), "docker_volume", &options, false);
    assert_eq!(changes(&asked), ["DELETE /volumes/data", "POST /volumes/create"]);
}

#[test]
fn a_network_that_differs_is_made_anew_around_its_containers() {
    let found =
        r#"{"Name": "n", "Id": "1", "Driver": "bridge", "Internal": false, "Containers": {"c1": {"Name": "web"}}}"#;
    let (host, asked) = FakeEngine::new().json("GET /networks/n", 200, found).host();
    let outcome = call(&host, &mut Overlay::default(), "docker_network", &json!({"name": "n"}), false);
    assert_eq!(outcome.verdict, Verdict::Unchanged);
    let outcome =
        call(&host, &mut Overlay::default(), "docker_network", &json!({"name": "n", "internal": true}), false);
    assert_eq!(outcome.verdict, Verdict::Changed);
    assert_eq!(
        changes(&asked),
        ["POST /networks/n/disconnect", "DELETE /networks/n", "POST /networks/create", "POST /networks/n/connect"]
    );
}
