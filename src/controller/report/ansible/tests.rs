//! Events in, what Ansible would write out.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{
    controller::report::{samples::*, screen::Shown},
    protocol::{Diff, Failure},
};

fn screen(verbosity: u8, events: &[Event]) -> String {
    let (screen, shown) = Shown::screen();
    let mut renderer = Ansible::new(screen, verbosity);
    events.iter().for_each(|event| renderer.event(event));
    renderer.finish();
    shown.text()
}

#[test]
fn a_run_reads_as_the_default_callback_writes_it() {
    let (install, folders) = (task(1, "Install nginx", "apt", Some("web")), task(2, "Make folders", "file", None));
    let (tell, fail) = (task(3, "Tell", "debug", None), task(4, "Fail", "command", None));
    let include = task(5, "Include", "include_tasks", None);
    let mut loop_end = ended("web1", &folders, report(Status::Changed, json!({})));
    if let Event::Ended { looped, .. } = &mut loop_end {
        *looped = true;
    }
    let mut failed = report(Status::Ignored, json!({"rc": 1, "msg": "no", "failed": true, "cmd": ["b", "a"]}));
    failed.failure = Some(Failure::new("no"));
    let tally = Tally { ok: 13, changed: 2, ignored: 1, ..Tally::default() };
    let text = screen(
        0,
        &[
            play(&["web1"]),
            Event::TaskStarted { task: Arc::clone(&install) },
            ended("web1", &install, report(Status::Changed, json!({"changed": true}))),
            item("web1", &folders, "/srv/a", report(Status::Skipped, json!({}))),
            item("web1", &folders, "/srv/b", report(Status::Changed, json!({}))),
            loop_end,
            ended("web1", &tell, report(Status::Ok, json!({"msg": "hé", "changed": false}))),
            ended("web1", &fail, failed),
            ended("web1", &include, report(Status::Ok, json!({"include": "/p/more.yml"}))),
            recap(&[("web1", tally)], false, json!({})),
        ],
    );
    let stars = |title: &str| format!("\n{title} {}\n", "*".repeat(79 - title.len()));
    let expected = [
        stars("PLAY [Web servers]"),
        stars("TASK [web : Install nginx]"),
        "changed: [web1]\n".to_owned(),
        stars("TASK [Make folders]"),
        "skipping: [web1] => (item=/srv/a) \nchanged: [web1] => (item=/srv/b)\n".to_owned(),
        stars("TASK [Tell]"),
        "ok: [web1] => {\n    \"msg\": \"hé\"\n}\n".to_owned(),
        stars("TASK [Fail]"),
        "[ERROR]: Task failed: no\nOrigin: site.yml:40:7\n\n".to_owned(),
        "fatal: [web1]: FAILED! => {\"changed\": false, \"cmd\": [\"b\", \"a\"], \"msg\": \"no\", \"rc\": 1}\n...ignoring\n"
            .to_owned(),
        stars("TASK [Include]"),
        "included: /p/more.yml for web1\n".to_owned(),
        stars("PLAY RECAP"),
        "web1                       : ok=13   changed=2    unreachable=0    failed=0    skipped=0    rescued=0    ignored=1   \n\n"
            .to_owned(),
    ];
    assert_eq!(text, expected.concat());
}

#[test]
fn verbose_results_are_on_one_line_and_then_indented() {
    let ping = task(1, "Ping", "ping", None);
    let result = json!({"ping": "pong", "changed": false, "invocation": {"module_args": {}}, "_ansible_x": 1});
    let events = [ended("a", &ping, report(Status::Ok, result))];
    assert!(screen(1, &events).contains("ok: [a] => {\"changed\": false, \"ping\": \"pong\"}\n"));
    let all = screen(3, &events);
    assert!(all.contains("    \"invocation\": {\n        \"module_args\": {}\n    },\n"), "{all}");
}

#[test]
fn delegation_retries_and_differences_are_shown() {
    let copy = task(1, "Copy", "copy", None);
    let mut changed = report(Status::Changed, json!({}));
    changed.diffs.push(Diff { name: "/etc/motd".to_owned(), before: "a\n".to_owned(), after: "b\n".to_owned() });
    let (host, delegated_to) = ("web1".to_owned(), Some("db1".to_owned()));
    let text = screen(
        0,
        &[
            Event::Retry { host: host.clone(), task: Arc::clone(&copy), left: 2 },
            Event::Ended { host, task: Arc::clone(&copy), delegated_to, looped: false, report: Arc::new(changed) },
        ],
    );
    let expected = "FAILED - RETRYING: [web1]: Copy (2 retries left).\n--- before: /etc/motd\n+++ after: /etc/motd\n\
                    @@ -1 +1 @@\n-a\n+b\n\nchanged: [web1 -> db1]\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn lost_hosts_are_unreachable() {
    let ping = task(1, "Ping", "ping", None);
    let lost = report(Status::Unreachable, json!({"msg": "no route", "unreachable": true}));
    let text = screen(0, &[ended("a", &ping, lost)]);
    let line = "fatal: [a]: UNREACHABLE! => {\"changed\": false, \"msg\": \"no route\", \"unreachable\": true}\n";
    assert!(text.ends_with(line), "{text}");
}
