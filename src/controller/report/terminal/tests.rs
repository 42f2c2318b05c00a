//! Events in, the whole screen out.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{
    controller::{
        event::Tally,
        report::{samples::*, screen::Shown},
    },
    protocol::{Diff, Failure},
};

/// The screen after some events, `time` seconds after the start at each of them.
fn screen_at(verbosity: u8, events: &[(f64, Event)]) -> String {
    let (screen, shown) = Shown::screen();
    let now = Arc::new(std::sync::Mutex::new(0.0));
    let clock = Arc::clone(&now);
    let mut terminal = Terminal::with_clock(screen, verbosity, Box::new(move || *clock.lock().unwrap()));
    for (time, event) in events {
        *now.lock().unwrap() = *time;
        terminal.event(event);
    }
    terminal.finish();
    shown.text()
}

fn screen(verbosity: u8, events: &[Event]) -> String {
    let events: Vec<(f64, Event)> = events.iter().map(|event| (0.0, event.clone())).collect();
    screen_at(verbosity, &events)
}

#[test]
fn a_run_reads_as_in_ansible() {
    let (install, loop_task) = (task(1, "Install nginx", "apt", Some("web")), task(2, "Make folders", "file", None));
    let (tell, skip) = (task(3, "Tell", "debug", None), task(4, "Only elsewhere", "command", None));
    let handler = Arc::new(TaskInfo { handler: true, ..(*task(5, "Restart nginx", "service", Some("web"))).clone() });
    let tally = Tally { ok: 4, changed: 3, skipped: 1, ..Tally::default() };
    let mut loop_end = ended("web1", &loop_task, report(Status::Changed, json!({})));
    if let Event::Ended { looped, .. } = &mut loop_end {
        *looped = true;
    }
    let text = screen(
        0,
        &[
            play(&["web1"]),
            Event::TaskStarted { task: Arc::clone(&install) },
            ended("web1", &install, report(Status::Changed, json!({"stdout": "…"}))),
            item("web1", &loop_task, "/srv/a", report(Status::Ok, json!({}))),
            item("web1", &loop_task, "/srv/b", report(Status::Changed, json!({}))),
            loop_end,
            ended("web1", &tell, report(Status::Ok, json!({"msg": "It runs at http://web1:80"}))),
            ended("web1", &tell, report(Status::Ok, json!({"ports": [80, 443]}))),
            ended("web1", &skip, report(Status::Skipped, json!({}))),
            Event::TaskStarted { task: Arc::clone(&handler) },
            ended("web1", &handler, report(Status::Changed, json!({}))),
            recap(&[("web1", tally)], false, json!({"_run": {"url": "http://web1:80"}})),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn failures_are_read_not_parsed() {
    let load = task(1, "Load the dump", "command", Some("postgres"));
    let mut failed = report(
        Status::Failed,
        json!({"rc": 3, "cmd": ["psql", "-f", "a b.sql"], "stdout": "", "stderr": "ERROR:  syntax error\n\u{1b}[31mLINE 7\u{1b}[0m\n", "msg": "non-zero return code"}),
    );
    failed.failure = Some(Failure::new("psql ended with 3").hint("nothing was changed; correct line 7 of a b.sql"));
    let mut gone = report(Status::Unreachable, json!({"unreachable": true}));
    gone.failure = Some(Failure::new("connection refused: db2 port 22"));
    let bare = report(Status::Ignored, json!({"msg": "it may fail"}));
    let (ok, bad) = (Tally { ok: 1, ignored: 1, ..Tally::default() }, Tally { failed: 1, ..Tally::default() });
    let text = screen(
        0,
        &[
            play(&["db1", "db2", "db3"]),
            Event::TaskStarted { task: Arc::clone(&load) },
            ended("db1", &load, failed),
            ended("db2", &load, gone),
            ended("db3", &load, bare),
            recap(
                &[("db1", bad), ("db2", Tally { unreachable: 1, ..Tally::default() }), ("db3", ok)],
                false,
                json!({}),
            ),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn failed_items_name_the_item_and_say_it_once() {
    let files = task(1, "Copy files", "copy", None);
    let mut end = ended("web1", &files, report(Status::Failed, json!({"msg": "One or more items failed"})));
    if let Event::Ended { looped, .. } = &mut end {
        *looped = true;
    }
    let text =
        screen(0, &[item("web1", &files, "a.txt", report(Status::Failed, json!({"msg": "no space left"}))), end]);
    insta::assert_snapshot!(text);
}

#[test]
fn check_mode_says_what_would_happen() {
    let (write, start) = (task(1, "Write settings", "copy", None), task(2, "Start it", "service", None));
    let mut changed = report(Status::Changed, json!({}));
    changed.diffs = vec![Diff {
        name: "/etc/app.conf".to_owned(),
        before: "a=1\nb=2\n".to_owned(),
        after: "a=1\nb=3\n".to_owned(),
    }];
    let mut unknown = report(Status::Unknown, json!({}));
    unknown.reason = Some("the unit is installed by an earlier task".to_owned());
    let tally = Tally { ok: 2, changed: 1, unknown: 1, ..Tally::default() };
    let text = screen(
        0,
        &[
            play(&["web1"]),
            ended("web1", &write, changed),
            ended("web1", &start, unknown),
            recap(&[("web1", tally)], true, json!({})),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn equal_lines_of_many_hosts_become_one() {
    let names: Vec<String> = (1..=18).map(|number| format!("web{number}.example.org")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let ping = task(1, "Ping", "ping", None);
    let mut events = vec![play(&names), Event::TaskStarted { task: Arc::clone(&ping) }];
    events.extend(names.iter().enumerate().map(|(index, host)| {
        let status = if index == 3 { Status::Changed } else { Status::Ok };
        ended(host, &ping, report(status, json!({})))
    }));
    insta::assert_snapshot!(screen(0, &events));
}

#[test]
fn equal_failures_of_many_hosts_are_told_once() {
    let names: Vec<String> = (1..=12).map(|number| format!("web{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let list = task(1, "List", "command", None);
    let bad = Tally { failed: 1, ..Tally::default() };
    let mut events = vec![play(&names), Event::TaskStarted { task: Arc::clone(&list) }];
    events.extend(names.iter().rev().map(|host| {
        let stderr = if *host == "web7" { "ls: denied" } else { "ls: no such file" };
        let result = json!({"msg": "non-zero return code", "rc": 2, "stderr": stderr});
        ended(host, &list, report(Status::Failed, result))
    }));
    events.push(recap(&names.iter().map(|host| (*host, bad)).collect::<Vec<_>>(), false, json!({})));
    insta::assert_snapshot!(screen(0, &events));
}

#[test]
fn verbose_runs_show_places_reasons_and_results() {
    let uptime = task(1, "Uptime", "command", None);
    let mut skipped = report(Status::Skipped, json!({}));
    skipped.reason = Some("`when: later` is false".to_owned());
    let result =
        json!({"changed": true, "rc": 0, "stdout": "up\n2 days", "stdout_lines": ["up", "2 days"], "cmd": ["uptime"]});
    let text = screen(
        1,
        &[
            play(&["web1", "web2"]),
            ended("web1", &uptime, report(Status::Changed, result)),
            ended("web2", &uptime, skipped),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn headings_come_again_where_hosts_run_apart() {
    let (one, two) = (task(1, "One", "ping", None), task(2, "Two", "ping", None));
    let ok = || report(Status::Ok, json!({}));
    let text =
        screen(0, &[ended("a", &one, ok()), ended("a", &two, ok()), ended("b", &one, ok()), ended("b", &one, ok())]);
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("TASK")).map(|line| &line[..10]).collect();
    assert_eq!(headings, ["TASK [One]", "TASK [Two]", "TASK [One]"]);
}

#[test]
fn progress_is_throttled_and_warnings_come_once() {
    let pull = task(1, "Pull", "docker_image", None);
    let progress = |text: &str, amount| Event::Progress {
        host: "web1".to_owned(),
        task: Arc::clone(&pull),
        text: text.to_owned(),
        amount,
    };
    let warning = || Event::Warning { text: "old image".to_owned() };
    let text = screen_at(
        0,
        &[
            (0.0, Event::TaskStarted { task: Arc::clone(&pull) }),
            (0.1, progress("pulling", None)),
            (0.2, progress("pulling more", None)),
            (3.0, warning()),
            (3.0, warning()),
            (5.2, progress("layers", Some((1, 4)))),
        ],
    );
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(lines, ["web1: pulling", "[WARNING]: old image", "web1: layers (25 %)"]);
}

#[test]
fn retries_and_delegation_are_named() {
    let wait = task(1, "Wait", "uri", None);
    let retry = Event::Retry { host: "web1".to_owned(), task: Arc::clone(&wait), left: 2 };
    let mut end = ended("web1", &wait, report(Status::Ok, json!({})));
    if let Event::Ended { delegated_to, .. } = &mut end {
        *delegated_to = Some("localhost".to_owned());
    }
    let text = screen(0, &[retry, end]);
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(lines, ["FAILED - RETRYING: [web1]: Wait (2 retries left).", "ok: [web1 -> localhost]"]);
}

#[test]
fn the_last_words_fit_what_happened() {
    let ok = Tally { ok: 3, ..Tally::default() };
    let last = |events: &[Event]| screen(0, events).lines().next_back().unwrap().to_owned();
    assert_eq!(
        last(&[recap(&[("a", ok), ("b", ok)], false, json!({}))]),
        "Nothing to change: 2 hosts already as described (4.2 s)."
    );
    assert_eq!(last(&[recap(&[("a", ok)], true, json!({}))]), "Checked 1 host in 4.2 s: nothing would change.");
    assert_eq!(last(&[recap(&[], false, json!({}))]), "Nothing was done: no host took part (4.2 s).");
}

#[test]
fn a_play_without_hosts_says_so() {
    let text = screen(0, &[Event::NoHosts { name: "db".to_owned() }]);
    assert!(text.starts_with("PLAY [db] ***") && text.ends_with("\nskipping: no hosts matched\n"), "{text}");
}
