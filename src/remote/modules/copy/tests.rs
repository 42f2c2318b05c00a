//! What `copy` does to a host.

use serde_json::json;

use super::super::rehearsal::{Rehearsal, Scratch};
use crate::{
    protocol::{Json, Verdict},
    remote::machine::{fake::Fake, real::Real, system::System},
};

fn mode(host: &Rehearsal, path: &str) -> u32 {
    host.host.stat(path.as_ref()).unwrap().unwrap().mode
}

#[test]
fn content_is_written_once_with_its_mode() {
    let mut host = Rehearsal::on(Fake::new());
    let options = json!({"content": "hello\n", "dest": "/etc/motd", "mode": "0600", "owner": "root"});
    let outcome = host.converges("copy", &options);
    assert_eq!(host.host.text("/etc/motd").unwrap(), "hello\n");
    assert_eq!(outcome.result["checksum"], "f572d396fae9206628714fb2ce00f72e94f2258f");
    assert_eq!(outcome.result["mode"], "0600");
    assert_eq!(outcome.result["owner"], "root");
    assert_eq!(outcome.result["size"], 6);
    assert_eq!(outcome.diffs[0].after, "hello\n");
}

#[test]
fn a_file_of_the_controller_goes_into_a_directory_under_its_name() {
    let mut host = Rehearsal::on(Fake::new());
    let blob = host.blob("payload");
    let outcome = host
        .converges("copy", &json!({"src": "files/a.bin", "_blob": blob, "_name": "a.bin", "dest": "/opt/new/deep/"}));
    assert_eq!(host.host.text("/opt/new/deep/a.bin").unwrap(), "payload");
    assert_eq!(outcome.result["dest"], "/opt/new/deep/a.bin");
    assert_eq!(outcome.result["checksum"], "f07e5a815613c5abeddc4b682247a4c42d8a95df");
}

#[test]
fn a_missing_parent_fails_even_in_check_mode() {
    let mut host = Rehearsal::on(Fake::new());
    let options = json!({"content": "x", "dest": "/nowhere/file"});
    assert_eq!(host.fails("copy", options.clone()), "Destination directory /nowhere does not exist");
    assert!(matches!(host.check("copy", options.clone()).verdict, Verdict::Failed(_)));
    host.check("file", json!({"path": "/nowhere", "state": "directory"}));
    assert_eq!(host.check("copy", options).verdict, Verdict::Changed, "an earlier task would have made the directory");
}

#[test]
fn only_what_differs_is_changed() {
    let mut host = Rehearsal::on(Fake::new().file("/etc/a", "same"));
    let before = host.host.stat("/etc/a".as_ref()).unwrap().unwrap();
    host.converges("copy", &json!({"content": "same", "dest": "/etc/a", "mode": "0640"}));
    let after = host.host.stat("/etc/a".as_ref()).unwrap().unwrap();
    assert_eq!((before.inode, after.mode), (after.inode, 0o640), "the file was not written again");
    host.converges("copy", &json!({"content": "other", "dest": "/etc/a"}));
    assert_eq!(mode(&host, "/etc/a"), 0o640, "a replaced file keeps its mode");
}

#[test]
fn what_is_there_stays_without_force_and_is_kept_with_backup() {
    let mut host = Rehearsal::on(Fake::new().file("/etc/a", "old"));
    host.stays("copy", &json!({"content": "new", "dest": "/etc/a", "force": false}));
    assert_eq!(host.host.text("/etc/a").unwrap(), "old");
    let outcome = host.apply("copy", json!({"content": "new", "dest": "/etc/a", "backup": true}));
    let backup = outcome.result["backup_file"].as_str().unwrap();
    assert_eq!(host.host.text(backup).unwrap(), "old");
    assert_eq!(host.host.text("/etc/a").unwrap(), "new");
}

#[test]
fn a_refused_file_never_gets_in_place() {
    let answering = |code| Fake::new().file("/etc/sudoers", "good").command(&["/bin/sh"], code, "");
    let options = json!({"content": "bad", "dest": "/etc/sudoers", "validate": "visudo -cf %s"});
    let mut host = Rehearsal::on(answering(1));
    host.fails("copy", options.clone());
    assert_eq!(host.host.text("/etc/sudoers").unwrap(), "good");
    let mut host = Rehearsal::on(answering(0));
    host.converges("copy", &options);
    assert_eq!(host.host.text("/etc/sudoers").unwrap(), "bad");
    assert_eq!(host.host.read_dir("/etc".as_ref()).unwrap(), ["group", "passwd", "sudoers"], "no candidate stays");
    let ran = &host.host.ran()[0].argv;
    assert_eq!(ran[4..6], ["visudo", "-cf"]);
    assert_eq!(ran[6], ran[3]);
    assert!(
        host.fails("copy", json!({"content": "x", "dest": "/etc/b", "validate": "true"})).contains("must contain %s")
    );
}

#[test]
fn trees_of_the_controller_arrive_whole() {
    let mut host = Rehearsal::on(Fake::new());
    let blob = host.blob("body");
    let tree = json!([
        {"kind": "directory", "path": "site"},
        {"kind": "file", "path": "site/index.html", "blob": blob, "mode": 0o600},
        {"kind": "symlink", "path": "site/home", "target": "index.html"},
    ]);
    let options = json!({"src": "site", "_tree": tree, "dest": "/srv", "directory_mode": "0750"});
    host.converges("copy", &options);
    assert_eq!(host.host.text("/srv/site/index.html").unwrap(), "body");
    assert_eq!(host.host.read_link("/srv/site/home".as_ref()).unwrap().to_string_lossy(), "index.html");
    assert_eq!((mode(&host, "/srv/site"), mode(&host, "/srv/site/index.html")), (0o750, 0o644));
}

#[test]
fn files_and_trees_of_the_host_are_copied() {
    let mut host = Rehearsal::on(Fake::new().file("/data/in/a", "A").file("/data/in/sub/b", "B"));
    host.converges("copy", &json!({"src": "/data/in/a", "dest": "/tmp/a", "remote_src": true, "mode": "preserve"}));
    assert_eq!(host.host.text("/tmp/a").unwrap(), "A");
    host.converges("copy", &json!({"src": "/data/in", "dest": "/tmp", "remote_src": true}));
    assert_eq!(host.host.text("/tmp/in/sub/b").unwrap(), "B");
    host.converges("copy", &json!({"src": "/data/in/", "dest": "/tmp/out", "remote_src": true}));
    assert_eq!(host.host.text("/tmp/out/sub/b").unwrap(), "B");
    assert!(host.fails("copy", json!({"src": "/none", "dest": "/tmp", "remote_src": true})).contains("not found"));
}

#[test]
fn a_link_is_replaced_unless_it_is_followed() {
    let linked = || {
        let mut host = Rehearsal::on(Fake::new().file("/etc/real", "old"));
        host.apply("file", json!({"path": "/etc/link", "src": "real", "state": "link"}));
        host
    };
    let mut host = linked();
    host.converges("copy", &json!({"content": "new", "dest": "/etc/link", "follow": true}));
    assert_eq!(host.host.text("/etc/real").unwrap(), "new");
    let mut host = linked();
    host.converges("copy", &json!({"content": "new", "dest": "/etc/link"}));
    assert_eq!(host.host.text("/etc/link").unwrap(), "new");
    assert_eq!(host.host.text("/etc/real").unwrap(), "old");
}

#[test]
fn an_owner_that_an_earlier_task_makes_is_good_enough_for_a_prediction() {
    let mut host = Rehearsal::on(Fake::new());
    let options = json!({"content": "x", "dest": "/etc/a", "owner": "app"});
    assert!(host.fails("copy", options.clone()).contains("failed to look up user app"));
    host.assume("user", "app", json!({}));
    assert_eq!(host.check("copy", options).verdict, Verdict::Changed);
}

#[test]
fn a_real_validator_decides() {
    let scratch = Scratch::new("copy-validate");
    let mut host = Rehearsal::on(Real::new());
    let dest = scratch.path("conf");
    let options =
        |content: &str| json!({"content": content, "dest": dest, "validate": "grep -q 'all good' %s", "mode": "0640"});
    assert_eq!(host.apply("copy", options("all good\n")).verdict, Verdict::Changed);
    host.stays("copy", &options("all good\n"));
    assert!(host.fails("copy", options("broken\n")).contains("failed to validate"));
    assert_eq!(std::fs::read_to_string(&dest).unwrap(), "all good\n");
    assert_eq!(host.host.stat(&dest).unwrap().unwrap().mode, 0o640);
    assert_eq!(host.host.read_dir(&scratch.path("")).unwrap(), ["conf"], "no candidate stays");
}

#[test]
fn unsafe_writes_keep_the_inode() {
    let scratch = Scratch::new("copy-in-place");
    let mut host = Rehearsal::on(Real::new());
    let dest = scratch.path("mounted");
    host.apply("copy", json!({"content": "one", "dest": dest}));
    let inode = host.host.stat(&dest).unwrap().unwrap().inode;
    host.apply("copy", json!({"content": "two", "dest": dest, "unsafe_writes": true}));
    assert_eq!(std::fs::read_to_string(&dest).unwrap(), "two");
    assert_eq!(host.host.stat(&dest).unwrap().unwrap().inode, inode);
}

#[test]
fn what_a_package_brings_is_expected_by_a_prediction() {
    let options =
        json!({"content": "x", "dest": "/etc/pgbouncer/userlist.txt", "owner": "postgres", "group": "postgres"});
    let mut host = Rehearsal::on(Fake::new());
    assert_eq!(host.fails("copy", options.clone()), "Destination directory /etc/pgbouncer does not exist");
    assert!(matches!(host.check("copy", options.clone()).verdict, Verdict::Failed(_)), "nothing brings the folder");
    host.assume("package", "pgbouncer", json!("1.18"));
    assert_eq!(host.check("copy", options.clone()).verdict, Verdict::Changed);
    assert_eq!(host.check("copy", options.clone()).verdict, Verdict::Unchanged, "on its own prediction");
    assert_eq!(host.check("file", json!({"path": "/etc/pgbouncer", "state": "directory"})).verdict, Verdict::Unchanged);
    let gentle = json!({"content": "x", "dest": "/etc/other/own.conf", "force": false});
    assert!(matches!(host.check("copy", gentle).verdict, Verdict::Unknown(_)), "the package may bring the file itself");
    assert!(matches!(host.apply("copy", options).verdict, Verdict::Failed(_)), "only a prediction expects it");
}

#[test]
fn a_package_that_goes_brings_nothing() {
    let mut host = Rehearsal::on(Fake::new());
    host.assume("package", "pgbouncer", Json::Null);
    let outcome = host.check("copy", json!({"content": "x", "dest": "/etc/pgbouncer/userlist.txt"}));
    assert!(matches!(outcome.verdict, Verdict::Failed(_)), "{outcome:?}");
}

#[test]
fn a_prediction_warns_of_an_owner_whom_nobody_brings() {
    let mut host = Rehearsal::on(Fake::new());
    let options = json!({"content": "x", "dest": "/etc/x", "owner": "postgres"});
    assert!(host.fails("copy", options.clone()).contains("failed to look up user postgres"));
    let outcome = host.check("copy", options);
    assert_eq!(outcome.verdict, Verdict::Changed);
    assert!(outcome.warnings[0].contains("failed to look up user postgres"), "{outcome:?}");
}
