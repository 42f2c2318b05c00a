//! Rolling updates behind a real HAProxy, under a stream of requests that counts what is lost.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{lab::Lab, service::Service};
use crate::scene::Ended;

/// Engines, an image of a few kilobytes, and a proxy that repeats nothing: what is lost is seen.
const SET_UP: &str = r#"
- hosts: lab
  become: true
  gather_facts: true
  roles: [docker]
  tasks:
    - name: Packages
      apt: {name: [haproxy, busybox-static, socat], update_cache: true, cache_valid_time: 86400, install_recommends: false, policy_rc_d: 101}
    - name: Folders
      file: {path: "/var/tmp/e2e-rollout/{{ item }}", state: directory, mode: "0755"}
      loop: [bin, www/cgi-bin, tmp]
    - name: Program
      copy: {src: /bin/busybox, dest: /var/tmp/e2e-rollout/bin/busybox, remote_src: true, mode: "0755"}
    - name: Answers
      copy:
        dest: "/var/tmp/e2e-rollout/www/cgi-bin/{{ item.name }}"
        mode: "0755"
        content: |
          #!/bin/busybox sh
          busybox sleep ${QUERY_STRING:-{{ item.seconds }}}
          echo "Content-Type: application/json"
          echo
          echo "{\"state\": \"$STATE\", \"version\": \"$VERSION\"}"
      loop: [{name: health, seconds: "0"}, {name: price, seconds: "0.2"}]
    - name: Image
      shell: tar -C /var/tmp/e2e-rollout -c . | docker import -c 'ENV PATH=/bin' -c 'CMD ["busybox", "httpd", "-f", "-p", "80", "-h", "/www"]' - e2e/shop:1

- hosts: lab1
  become: true
  gather_facts: false
  tasks:
    - name: Settings of the proxy
      copy:
        dest: /etc/haproxy/haproxy.cfg
        mode: "0644"
        validate: haproxy -c -q -f %s
        content: |
          global
              user haproxy
              group haproxy
              stats socket /run/haproxy/admin.sock mode 600 level admin
              server-state-file /var/lib/haproxy/server-state
          defaults
              mode http
              timeout connect 3s
              timeout client 35s
              timeout server 30s
              timeout check 2s
              retries 0
              default-server inter 500ms fall 2 rise 1
          frontend in
              bind :3000
              default_backend shop
          backend shop
              balance roundrobin
              option httpchk GET /cgi-bin/health
              http-check expect status 200
              load-server-state-from-file global
          {% for host in ['lab1', 'lab2'] %}
          {% for at in range(1, replicas | default(1) | int + 1) %}
              server {{ host }}-blue-{{ at }} {{ hostvars[host].private_address }}:{{ 3000 + at }} check
              server {{ host }}-green-{{ at }} {{ hostvars[host].private_address }}:{{ 3100 + at }} check
          {% endfor %}
          {% endfor %}
    - name: Proxy
      systemd: {name: haproxy, state: restarted, enabled: true}
"#;

const UPDATE: &str = r#"
- hosts: lab
  become: true
  gather_facts: false
  tasks:
    - name: Update
      service_rollout:
        name: e2e-shop
        image: e2e/shop:1
        pull: never
        env: {VERSION: "{{ version }}", STATE: "{{ state | default('ok') }}"}
        release: "{{ version }}"
        replicas: "{{ replicas | default(1) }}"
        bind: "{{ private_address }}"
        slots: {blue: 3001, green: 3101}
        container_port: 80
        stop_timeout: 1
        health: {path: /cgi-bin/health, json: {/state: ok, /version: "{{ version }}"}, interval: 0.1, timeout: 8}
        verify: {seconds: 1}
        drain: {timeout: "{{ patience | default(30) | int + 1 }}", late: "{{ late | default('keep') }}"}
        on_failure: "{{ on_failure | default('rollback_all') }}"
        proxy: {backend: shop, hosts: [lab1], server_timeout: "{{ patience | default(30) }}"}
      when: inventory_hostname in only | default(['lab1', 'lab2'])
"#;

/// Takes all of it back.
const UNDO: &str = "docker ps -aq --filter label=deployer.rollout=e2e-shop 2>/dev/null | xargs -r docker rm -f >/dev/null; \
    systemctl disable -q --now haproxy 2>/dev/null; rm -rf /var/lib/deployer/rollouts/e2e-shop /var/lib/haproxy/server-state \
    /var/tmp/e2e-rollout; true";

/// Clients at the same time.
const CLIENTS: usize = 6;

/// The most that one client asks: a test that hangs ends all the same.
const REQUESTS_MAX: usize = 3000;

/// Clients that ask without end until they are told to stop.
struct Stream {
    stop: Arc<AtomicBool>,
    clients: Vec<thread::JoinHandle<Vec<Result<String, String>>>>,
}

impl Stream {
    fn start(address: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..CLIENTS).map(|_| {
            let (stop, address) = (stop.clone(), address.to_owned());
            thread::spawn(move || {
                let mut answers = Vec::new();
                while !stop.load(Ordering::Relaxed) && answers.len() < REQUESTS_MAX {
                    answers.push(version_at(&address, ""));
                }
                answers
            })
        });
        let clients = clients.collect();
        // Some answers of before belong to it.
        thread::sleep(Duration::from_secs(1));
        Self { stop, clients }
    }

    /// Ends it; how often each version answered. None may be lost.
    #[track_caller]
    fn end(self, what: &str, story: &mut Vec<String>) -> BTreeMap<String, usize> {
        self.stop.store(true, Ordering::Relaxed);
        let answers: Vec<_> = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        let lost: Vec<&String> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert!(lost.is_empty(), "{what}: {} of {} lost: {lost:?}", lost.len(), answers.len());
        let mut versions = BTreeMap::new();
        for version in answers.into_iter().flatten() {
            *versions.entry(version).or_insert(0) += 1;
        }
        story.push(format!("{what}: none lost of {versions:?}"));
        versions
    }
}

/// The version that answers one request; `?4` makes the answer take four seconds.
fn version_at(address: &str, query: &str) -> Result<String, String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(40)))?;
        // No method that anybody on the way would repeat.
        write!(
            stream,
            "POST /cgi-bin/price{query} HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| error.to_string())?;
    let version = answer.split("\"version\": \"").nth(1).and_then(|rest| rest.split('"').next());
    match version {
        Some(version) if answer.starts_with("HTTP/1.1 200 ") => Ok(version.to_owned()),
        _ => Err(answer),
    }
}

/// Which containers of the service run, by host.
fn running(lab: &Lab) -> [String; 2] {
    let list = "docker ps --filter label=deployer.rollout=e2e-shop --format '{{.Names}}' | sort";
    ["lab1", "lab2"].map(|host| lab.on(host, list).trim().to_owned())
}

/// Has the service run its playbooks, and where its proxy answers.
fn set_up(lab: &Lab, flags: &[&str]) -> (Service, String) {
    undo(lab);
    let service = Service::on(lab);
    service.scene.file("playbooks/shop.yaml", SET_UP).file("playbooks/update.yaml", UPDATE);
    service.play("shop", flags).shows(0, &[]);
    let port = if lab.variable("lab1", "ansible_port") == "20022" { "23000" } else { "3000" };
    (service, format!("{}:{port}", lab.variable("lab1", "ansible_host")))
}

fn undo(lab: &Lab) {
    for host in ["lab1", "lab2"] {
        lab.on(host, UNDO);
    }
}

/// Rolls out with these variables.
fn update_with(service: &Service, words: &[&str]) -> Ended {
    let mut flags = vec!["--output", "json"];
    flags.extend(words.iter().flat_map(|word| ["-e", word]));
    service.play("update", &flags)
}

/// Two answers that take 16 seconds, longer than a proxy of one second's patience would wait for; `?16` makes them so.
fn slow_answers(address: &str) -> Vec<thread::JoinHandle<Result<String, String>>> {
    let ask = |address: String| thread::spawn(move || version_at(&address, "?16"));
    let slow = (0..2).map(|_| ask(address.to_owned())).collect();
    thread::sleep(Duration::from_millis(500));
    slow
}

#[test]
fn replicas_go_together_hosts_are_held_and_responses_are_cut_where_that_is_asked_for() {
    let lab = Lab::take();
    let (service, address) = set_up(&lab, &["-e", "replicas=2"]);
    let update = |words: &[&str]| update_with(&service, &[&["replicas=2"], words].concat());
    let pair = |name: &str| format!("e2e-shop-{name}-1\ne2e-shop-{name}-2");
    let mut story = Vec::new();

    // All replicas of a host are replaced together.
    update(&["version=v1"]).well();
    assert_eq!(running(&lab), [pair("blue-v1"), pair("blue-v1")]);
    let stream = Stream::start(&address);
    update(&["version=v2"]).well();
    let versions = stream.end("an update of two replicas", &mut story);
    assert_eq!(versions.keys().collect::<Vec<_>>(), ["v1", "v2"]);
    assert_eq!(running(&lab), [pair("green-v2"), pair("green-v2")]);
    // One that has gone is brought back, with the others, in the other slot.
    lab.on("lab2", "docker rm -f e2e-shop-green-v2-2");
    // Until the proxy has noticed, it sends requests there.
    lab.on(
        "lab1",
        "for n in $(seq 50); do echo 'show stat' | socat - UNIX-CONNECT:/run/haproxy/admin.sock | grep -q 'lab2-green-2,.*,DOWN' && exit; \
         sleep 0.2; done; exit 1",
    );
    let stream = Stream::start(&address);
    assert_eq!(update(&["version=v2"]).well().result("Update")["batches"], serde_json::json!([["lab2"]]));
    stream.end("a replica that had gone", &mut story);
    assert_eq!(running(&lab), [pair("green-v2"), pair("blue-v2")]);

    // A host that fails goes back; the one before it stays, where that is wanted.
    let stream = Stream::start(&address);
    let broken = "{\"state\": \"{{ 'ok' if inventory_hostname == 'lab1' else 'broken' }}\"}";
    let held = update(&["version=v3", broken, "on_failure=hold"]);
    let versions = stream.end("a host that is held", &mut story);
    held.shows(2, &["lab1 switched", "lab2 back"]);
    assert_eq!(versions.keys().collect::<Vec<_>>(), ["v2", "v3"]);
    assert_eq!(running(&lab), [pair("blue-v3"), pair("blue-v2")]);
    update(&["version=v3"]).well();
    assert_eq!(running(&lab), [pair("blue-v3"), pair("green-v3")]);

    // Whoever wants it so has late responses cut, and is told how many.
    let slow = slow_answers(&address);
    let cut = update(&["version=v4", "patience=1", "late=cut"]).well();
    assert!(
        cut.warnings().iter().any(|said| said.contains("responses of release v3 were cut")),
        "{:?}",
        cut.warnings()
    );
    assert_eq!(running(&lab), [pair("green-v4"), pair("blue-v4")]);
    for answer in slow {
        let answer = answer.join().unwrap();
        assert!(answer.is_err(), "{answer:?}");
    }
    assert_eq!(update(&["version=v4"]).well().tally("changed"), 0);
    println!("{}", story.join("\n"));
    undo(&lab);
}

#[test]
fn a_release_replaces_another_without_losing_a_response_and_a_bad_one_goes_back() {
    let lab = Lab::take();
    let (service, address) = set_up(&lab, &[]);
    let begun = Instant::now();
    let update = |words: &[&str]| update_with(&service, words);
    let cli = |words: &[&str]| {
        let inventory = lab.file("inventory.yaml");
        let words: Vec<&str> = words.iter().copied().chain(["-i", &inventory]).collect();
        service.scene.deployer(&words)
    };
    let mut story = Vec::new();

    // From nothing, and not twice.
    let first = update(&["version=v1"]).well();
    assert_eq!(first.tally("changed"), 1);
    assert_eq!(update(&["version=v1"]).well().tally("changed"), 0);
    let v1 = ["e2e-shop-blue-v1-1", "e2e-shop-blue-v1-1"];
    assert_eq!(running(&lab), v1);
    assert_eq!(version_at(&address, "").as_deref(), Ok("v1"));

    // A check says what would happen and does nothing.
    let check = service.play("update", &["--check", "--diff", "-e", "version=v2"]);
    check.shows(0, &["+release v2 of e2e/shop:1 in green, 1 running", "1. lab1", "2. lab2"]);
    assert_eq!(running(&lab), v1);

    // Forward.
    let stream = Stream::start(&address);
    let second = update(&["version=v2"]).well();
    let versions = stream.end("an update", &mut story);
    assert_eq!(versions.keys().collect::<Vec<_>>(), ["v1", "v2"], "{versions:?}");
    assert_eq!(second.result("Update")["batches"], serde_json::json!([["lab1"], ["lab2"]]));
    let v2 = ["e2e-shop-green-v2-1", "e2e-shop-green-v2-1"];
    assert_eq!(running(&lab), v2);
    assert_eq!(update(&["version=v2"]).well().tally("changed"), 0);

    // Each host is asked whether it is meant, not the first for all.
    let one = update(&["version=v2", "{\"only\": [\"lab2\"]}"]).well();
    let hosts = one.result("Update")["hosts"].as_object().unwrap();
    assert_eq!(hosts.keys().collect::<Vec<_>>(), ["lab2"]);

    // What is drained stays so over a reload of the proxy.
    let stream = Stream::start(&address);
    lab.on("lab1", "systemctl reload haproxy");
    assert_eq!(stream.end("a reload", &mut story).keys().collect::<Vec<_>>(), ["v2"]);
    assert_eq!(update(&["version=v2"]).well().tally("changed"), 0);

    // One that does not answer well changes nothing on any host.
    let stream = Stream::start(&address);
    let bad = update(&["version=v3", "state=broken"]);
    assert_eq!(stream.end("a bad release", &mut story).keys().collect::<Vec<_>>(), ["v2"]);
    bad.shows(2, &["/state is \\\"broken\\\" instead of \\\"ok\\\"", "lab1 back", "lab2 untouched"]);
    assert_eq!(running(&lab), v2);

    // One that is bad on the second host only: the first goes back too.
    let stream = Stream::start(&address);
    let bad = update(&["version=v4", "{\"state\": \"{{ 'ok' if inventory_hostname == 'lab1' else 'broken' }}\"}"]);
    let versions = stream.end("a way back", &mut story);
    bad.shows(2, &["lab1 back", "lab2 back"]);
    assert!(versions.keys().all(|version| ["v2", "v4"].contains(&version.as_str())), "{versions:?}");
    assert_eq!(running(&lab), v2);
    assert_eq!(update(&["version=v2"]).well().tally("changed"), 0);

    // Back by command, which asks nobody for the playbook.
    cli(&["releases"]).shows(
        0,
        &["e2e-shop  lab1  v1       kept    blue", "e2e-shop  lab2  v2       active  green", "v4       failed"],
    );
    let stream = Stream::start(&address);
    cli(&["rollback", "--service", "e2e-shop"]).shows(0, &[]);
    let versions = stream.end("a rollback", &mut story);
    assert_eq!(versions.keys().collect::<Vec<_>>(), ["v1", "v2"], "{versions:?}");
    assert_eq!(running(&lab), v1);
    cli(&["rollback", "v9", "--service", "e2e-shop"]).shows(2, &["there is no release v9 any more"]);

    // What a run that was cut off has left is put right.
    let order = |order: &str| lab.on("lab1", &format!("echo '{order}' | socat - UNIX-CONNECT:/run/haproxy/admin.sock"));
    lab.on("lab1", "docker start e2e-shop-green-v2-1");
    order("set server shop/lab1-blue-1 state drain");
    let stream = Stream::start(&address);
    let mended = update(&["version=v1"]).well();
    assert_eq!(stream.end("mending", &mut story).keys().collect::<Vec<_>>(), ["v1"]);
    assert_eq!(mended.result("Update")["hosts"]["lab1"]["done"], "mended");
    assert_eq!(running(&lab), v1);
    assert!(order("show servers state shop").contains("lab1-blue-1 "));
    assert_eq!(update(&["version=v1"]).well().tally("changed"), 0);

    // Answers that take longer than anybody waits for are not cut; their containers are left to them.
    let slow = slow_answers(&address);
    let patient = update(&["version=v2", "patience=1"]).well();
    assert!(patient.warnings().iter().any(|said| said.contains("are still under way")), "{:?}", patient.warnings());
    assert!(running(&lab)[0].contains("blue-v1") && running(&lab)[0].contains("green-v2"), "{:?}", running(&lab));
    for answer in slow {
        assert_eq!(answer.join().unwrap().as_deref(), Ok("v1"));
    }
    assert_eq!(update(&["version=v2"]).well().tally("changed"), 1);
    assert_eq!(running(&lab), v2);

    // Somebody else is at work.
    lab.on(
        "lab2",
        "systemd-run --quiet --collect --unit=e2e-lock flock /var/lib/deployer/rollouts/e2e-shop/lock sleep 60; sleep 1",
    );
    update(&["version=v1"]).shows(2, &["lab2: the lock"]);
    lab.on("lab2", "systemctl stop e2e-lock");
    assert_eq!(running(&lab), v2);

    println!("{}\n{:.0} s after the set-up", story.join("\n"), begun.elapsed().as_secs_f64());
    undo(&lab);
}
