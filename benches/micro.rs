//! What the controller and the helper spend where nothing waits for a network: `cargo bench`, or `just bench render` for some.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should stop")]

use std::{fmt::Write as _, hint::black_box, io, sync::Arc};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use deployer::{
    controller::{
        inventory::Inventory,
        scheduler::{Position, strategies},
        source::{Diagnostics, Node, SourceFile, Span, yaml},
        template,
        variables::{Layer, Scope, Var},
        vault::Keyring,
    },
    protocol::{Blob, Call, Outcome, ToHost, frame},
    remote::{
        execute::execute,
        machine::{apply::Blobs, overlay::Overlay, real::Real},
    },
};

/// Hosts of the large inventory.
const HOSTS: usize = 50_000;
/// Hosts that go through a play in step.
const FLEET: usize = 10_000;
/// Tasks they go through.
const TASKS: usize = 20;

fn parse(criterion: &mut Criterion) {
    let text = include_str!("compare/workloads/w1.yml");
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Bytes(text.len() as u64));
    let file = SourceFile::new("w1.yml", text);
    group.bench_function("playbook of 100 tasks", |bench| {
        bench.iter(|| yaml::parse(black_box(&file), &Keyring::default(), &mut Diagnostics::default()).unwrap());
    });
    group.finish();
}

fn inventory(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for group in 0..HOSTS / 500 {
        let _ = writeln!(text, "[g{group}]");
        for host in 0..500 {
            let _ = writeln!(
                text,
                "h{group}x{host}.example.com ansible_host=10.{group}.{}.{} role=r{}",
                host / 250,
                host % 250,
                host % 7
            );
        }
        let _ = writeln!(text, "[g{group}:vars]\ndc=dc{}", group % 5);
    }
    let path = folder.path().join("hosts.ini");
    std::fs::write(&path, text).unwrap();
    let sources = [path.display().to_string()];
    let mut group = criterion.benchmark_group("inventory");
    group.sample_size(10);
    group.bench_function("50,000 hosts, read and resolved", |bench| {
        bench.iter(|| {
            let inventory = Inventory::load(&sources, &Keyring::default(), &mut Diagnostics::default());
            assert_eq!(inventory.resolve("all:!g1", None).unwrap().len(), HOSTS - 500);
        });
    });
    group.finish();
}

fn render(criterion: &mut Criterion) {
    let written = |text: &str| Var::Node(Node::text(Span::synthetic("bench", text), text));
    let layer = Layer::from_iter([
        (Arc::from("name"), written("service-{{ number }}")),
        (Arc::from("number"), Var::data(7)),
        (
            Arc::from("result"),
            Var::data(template::from_json(&serde_json::json!({"stat": {"exists": true, "size": 412}}))),
        ),
    ]);
    let context = template::context(&Scope::new(vec![Arc::new(layer)]));
    let condition = Node::text(Span::synthetic("bench", ""), "result.stat.exists and result.stat.size | int > 100");
    let mut group = criterion.benchmark_group("render");
    group.bench_function("text through a variable", |bench| {
        bench.iter(|| template::render_text(black_box("/srv/{{ name }}/app.conf"), &context).unwrap());
    });
    group.bench_function("condition", |bench| {
        bench.iter(|| assert!(template::condition(&condition, &context).unwrap()));
    });
    group.finish();
}

fn schedule(criterion: &mut Criterion) {
    let linear = strategies::find("linear").unwrap();
    let mut group = criterion.benchmark_group("schedule");
    group.sample_size(10);
    group.throughput(Throughput::Elements((FLEET * TASKS) as u64));
    group.bench_function("10,000 hosts, 20 tasks, linear", |bench| {
        bench.iter(|| {
            let mut places = vec![0; FLEET];
            let mut steps = 0;
            while steps < FLEET * TASKS {
                let ready: Vec<(usize, Position)> = places
                    .iter()
                    .enumerate()
                    .filter(|(_, at)| **at < TASKS)
                    .map(|(host, at)| (host, vec![(*at, 0)]))
                    .collect();
                for host in linear.next(&ready, &[]) {
                    places[host] += 1;
                    steps += 1;
                }
            }
        });
    });
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let call = ToHost::Call(Call {
        module: "copy".to_owned(),
        options: serde_json::from_str(r#"{"dest": "/srv/app/app.conf", "mode": "0644", "owner": "root"}"#).unwrap(),
        inline: vec![Blob { sha256: "0".repeat(64), size: 4096 }],
        ..Call::default()
    });
    let body = vec![7; 4096];
    criterion.bench_function("frame of a call with 4 KB, there and back", |bench| {
        bench.iter(|| {
            let mut bytes = Vec::new();
            frame::encode(black_box(&call), &body, &mut bytes).unwrap();
            frame::decode::<ToHost>(&bytes[4..]).unwrap()
        });
    });
}

struct NoBlobs;

impl Blobs for NoBlobs {
    fn open<'s>(&'s mut self, _: &Blob) -> io::Result<Box<dyn io::Read + 's>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn modules(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.ini");
    let run = |module: &str, options: serde_json::Value| -> Outcome {
        let call =
            Call { module: module.to_owned(), options: options.as_object().cloned().unwrap(), ..Call::default() };
        execute(&Real::new(), &mut Overlay::default(), &call, &mut NoBlobs, &mut |_, _| {})
    };
    std::fs::write(&path, "max_conn=100\nworkers=4\n").unwrap();
    let mut group = criterion.benchmark_group("module with nothing to change");
    for (module, options) in [
        ("stat", serde_json::json!({"path": path})),
        ("file", serde_json::json!({"path": folder.path(), "state": "directory"})),
        ("lineinfile", serde_json::json!({"path": path, "regexp": "^max_conn=", "line": "max_conn=100"})),
        ("command", serde_json::json!({"_raw_params": "true"})),
    ] {
        group.bench_function(module, |bench| {
            bench.iter_batched(|| options.clone(), |options| run(module, options), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, parse, inventory, render, schedule, frames, modules);
criterion_main!(benches);
