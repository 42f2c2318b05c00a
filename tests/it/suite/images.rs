//! Images that are copied to an engine which is played: what is asked of it, and what becomes of a refusal.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::scene::{Ended, Scene};

/// An engine that has an image with the lowest layer of the one that is copied.
struct Engine {
    socket: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The layer that its image has.
    base: String,
    /// What the image is called that is to be loaded.
    id: String,
    /// How many archives are refused before one is taken, and with which words.
    refusals: usize,
    refusal: &'static str,
    /// Names in each archive that came.
    archives: Vec<Vec<String>>,
}

impl Engine {
    fn start(folder: &Path, state: State) -> Self {
        let socket = folder.join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let engine = Self { socket, state: Arc::new(Mutex::new(state)) };
        let state = engine.state.clone();
        // It ends with the process: nobody dials it any more.
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &mut state.lock().unwrap());
            }
        });
        engine
    }

    fn archives(&self) -> Vec<Vec<String>> {
        self.state.lock().unwrap().archives.clone()
    }
}

/// Answers one request.
fn answer(mut stream: UnixStream, state: &mut State) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).unwrap();
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let target = head.split(' ').nth(1).unwrap().split('?').next().unwrap().replace("/v1.41", "");
    let loaded = state.archives.len() > state.refusals;
    let old = json!({"Id": "sha256:old", "RootFS": {"Layers": [state.base]}});
    let (status, said): (u16, Value) = match target.as_str() {
        "/version" => (200, json!({"ApiVersion": "1.41", "MinAPIVersion": "1.12"})),
        "/info" => (200, json!({"DriverStatus": [["Backing Filesystem", "extfs"]]})),
        "/images/json" => (200, json!([{"Id": "sha256:old"}])),
        "/images/sha256:old/json" => (200, old),
        "/images/shop/app:1/json" if loaded => (200, json!({"Id": state.id})),
        "/images/load" => {
            let path = std::env::temp_dir().join(format!("played-{}", std::process::id()));
            fs::write(&path, body).unwrap();
            let listed = Command::new("tar").arg("-tf").arg(&path).output().unwrap();
            fs::remove_file(&path).unwrap();
            let names = String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect();
            state.archives.push(names);
            let taken = state.archives.len() > state.refusals;
            (200, if taken { json!({"stream": "Loaded"}) } else { json!({"error": state.refusal}) })
        }
        _ => (404, json!({"message": "no such thing"})),
    };
    let said = said.to_string();
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{said}", said.len()).unwrap();
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An image of two layers in a folder as `docker save` writes it, and the engine that is to have it.
fn played(refusals: usize, refusal: &'static str) -> (Scene, Engine, [String; 2]) {
    let scene = Scene::new();
    let layers = ["base", "top"].map(|content| digest(content.as_bytes()));
    let [base, _] = layers.clone();
    let diff_ids = layers.clone().map(|hex| format!("sha256:{hex}"));
    let configuration = json!({"created": "2026", "rootfs": {"diff_ids": diff_ids}}).to_string();
    let manifest = json!([{"Config": "config.json", "RepoTags": ["shop/app:1"], "Layers": ["base.tar", "top.tar"]}]);
    scene
        .file("image/base.tar", "base")
        .file("image/top.tar", "top")
        .file("image/config.json", &configuration)
        .file("image/manifest.json", &manifest.to_string());
    let state = State {
        base: format!("sha256:{base}"),
        id: format!("sha256:{}", digest(configuration.as_bytes())),
        refusals,
        refusal,
        ..State::default()
    };
    let engine = Engine::start(&scene.path(""), state);
    (scene, engine, layers.map(|hex| format!("{hex}.tar")))
}

fn copy(scene: &Scene, engine: &Engine, flags: &[&str]) -> Ended {
    let socket = engine.socket.display();
    let task = format!(
        "- name: Copy\n  docker_image_copy: {{name: 'shop/app:1', path: image, docker_host: 'unix://{socket}'}}"
    );
    let mut words = vec!["--output", "json"];
    words.extend(flags);
    scene.local(&Scene::play(&task), &words)
}

#[test]
fn only_the_layer_that_the_engine_lacks_is_sent_and_once() {
    let (scene, engine, [_, top]) = played(0, "");
    let checked = copy(&scene, &engine, &["--check", "--diff"]).well();
    assert_eq!(checked.tally("changed"), 1);
    assert!(checked.result("Copy")["diff"].to_string().contains("1 layer travels of 2, about 3 bytes"));
    assert!(engine.archives().is_empty());
    let copied = copy(&scene, &engine, &[]).well();
    let result = copied.result("Copy");
    assert_eq!((&result["layers_present"], &result["layers_sent"]), (&json!(1), &json!(1)));
    assert_eq!(result["image"]["Id"], result["image_id"]);
    let [names] = engine.archives().try_into().unwrap();
    assert!(names.contains(&top) && names.len() == 3, "{names:?}");
    for flags in [&["--check"][..], &[]] {
        let again = copy(&scene, &engine, flags).well();
        assert_eq!(again.tally("changed"), 0);
        assert_eq!(again.result("Copy")["bytes_sent"], 0);
    }
    assert_eq!(engine.archives().len(), 1);
}

#[test]
fn an_engine_that_wants_all_layers_gets_them_and_that_is_said() {
    let (scene, engine, [base, top]) = played(1, "open base.tar: no such file or directory");
    let copied = copy(&scene, &engine, &[]).well();
    let result = copied.result("Copy");
    assert_eq!(result["layers_sent"], 2);
    let warned = result["warnings"][0].as_str().unwrap();
    assert!(warned.contains("without the layers that it has") && warned.contains("no such file"), "{warned}");
    let [partly, whole] = engine.archives().try_into().unwrap();
    assert!(!partly.contains(&base) && whole.contains(&base) && whole.contains(&top), "{partly:?} {whole:?}");
}

#[test]
fn a_full_disk_is_not_tried_again_with_more() {
    let (scene, engine, _) = played(9, "write layer: no space left on device");
    copy(&scene, &engine, &[]).shows(2, &["no space left on device"]);
    assert_eq!(engine.archives().len(), 1);
}

#[test]
fn what_cannot_be_copied_is_refused_in_words() {
    let scene = Scene::new();
    let refused = |options: &str, words: &[&str]| {
        let play = Scene::play(&format!("- docker_image_copy: {{{options}}}"));
        scene.local(&play, &[]).shows(2, words);
    };
    refused("name: 'a:1', from: nowhere", &["no host nowhere in the inventory"]);
    refused("name: 'a:1', path: nowhere.tar", &["there is no file nowhere.tar on the controller"]);
    refused("name: 'a:1', path: x, from: y", &["from and path are mutually exclusive"]);
    let id = format!("sha256:{}", "0".repeat(64));
    refused(&format!("name: '{id}'"), &["is no name with a tag"]);
}
