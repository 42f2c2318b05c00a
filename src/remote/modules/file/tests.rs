//! What `file` does to a host.

use serde_json::json;

use super::super::rehearsal::Rehearsal;
use crate::{
    protocol::Verdict,
    remote::machine::{fake::Fake, system::System},
};

#[test]
fn directories_are_made_with_their_parents_and_mode() {
    let mut host = Rehearsal::on(Fake::new());
    let outcome =
        host.converges("file", &json!({"path": "/srv/app/data/", "state": "directory", "mode": "u=rwx,g=rx,o="}));
    assert_eq!(outcome.result["path"], "/srv/app/data");
    assert_eq!(outcome.result["mode"], "0750");
    assert_eq!(outcome.result["state"], "directory");
    let parent = host.host.stat("/srv/app".as_ref()).unwrap().unwrap();
    assert_eq!(parent.mode, 0o750, "parents that are made get the mode too");
    host.converges("file", &json!({"path": "/srv/app/data", "mode": "0755"}));
    assert!(host.fails("file", json!({"path": "/etc/passwd/x", "state": "directory"})).contains("no directory"));
    assert!(
        host.fails("file", json!({"path": "/etc/passwd", "state": "directory"})).contains("already exists as a file")
    );
}

#[test]
fn absent_removes_everything_once() {
    let mut host = Rehearsal::on(Fake::new().file("/srv/a/b/c", "x"));
    host.converges("file", &json!({"path": "/srv/a", "state": "absent"}));
    assert_eq!(host.host.text("/srv/a/b/c"), None);
    assert_eq!(host.check("file", json!({"path": "/srv/none", "state": "absent"})).verdict, Verdict::Unchanged);
}

#[test]
fn a_file_that_is_not_there_is_a_failure() {
    let mut host = Rehearsal::on(Fake::new().file("/etc/a", ""));
    assert_eq!(
        host.fails("file", json!({"path": "/etc/none", "mode": "0600"})),
        "file (/etc/none) is absent, cannot continue"
    );
    host.converges("file", &json!({"path": "/etc/a", "mode": "g+w"}));
    assert_eq!(host.host.stat("/etc/a".as_ref()).unwrap().unwrap().mode, 0o664);
}

#[test]
fn links_are_made_changed_and_left_alone() {
    let mut host = Rehearsal::on(Fake::new().file("/srv/v1/x", "").file("/srv/v2/x", ""));
    host.converges("file", &json!({"src": "/srv/v1", "dest": "/srv/current", "state": "link"}));
    let outcome = host.converges("file", &json!({"src": "v2", "path": "/srv/current", "state": "link"}));
    assert_eq!(outcome.diffs[0].before, "state: link\nsrc: /srv/v1\n");
    assert_eq!(outcome.result["src"], "v2");
    assert_eq!(host.host.read_link("/srv/current".as_ref()).unwrap().to_string_lossy(), "v2");
    assert!(
        host.fails("file", json!({"src": "none", "path": "/srv/l", "state": "link"}))
            .contains("src file does not exist")
    );
    host.converges("file", &json!({"src": "none", "path": "/srv/l", "state": "link", "force": true, "follow": false}));
    assert!(
        host.fails("file", json!({"src": "/etc", "path": "/srv/v1", "state": "link"})).contains("refusing to convert")
    );
    assert!(
        host.fails("file", json!({"src": "/etc", "path": "/srv/v1", "state": "link", "force": true}))
            .contains("not empty")
    );
}

#[test]
fn hard_links_share_an_inode() {
    let mut host = Rehearsal::on(Fake::new().file("/srv/a", "x"));
    host.converges("file", &json!({"src": "/srv/a", "path": "/srv/b", "state": "hard"}));
    let inode = |path: &str| host.host.stat(path.as_ref()).unwrap().unwrap().inode;
    assert_eq!(inode("/srv/a"), inode("/srv/b"));
    assert!(
        host.fails("file", json!({"src": "/srv/a", "path": "/etc/passwd", "state": "hard"})).contains("Cannot link")
    );
}

#[test]
fn touch_changes_unless_times_are_kept() {
    let mut host = Rehearsal::on(Fake::new());
    let kept = json!({"path": "/tmp/t", "state": "touch", "modification_time": "preserve", "access_time": "preserve"});
    host.converges("file", &kept);
    assert_eq!(host.host.text("/tmp/t").unwrap(), "");
    assert_eq!(host.apply("file", json!({"path": "/tmp/t", "state": "touch"})).verdict, Verdict::Changed);
    host.converges("file", &json!({"path": "/tmp/t", "modification_time": "202001020304.05"}));
    let stat = host.host.stat("/tmp/t".as_ref()).unwrap().unwrap();
    assert_eq!(stat.mtime, 1_577_934_245_000_000_000);
}

#[test]
fn recursion_reaches_everything_below() {
    let mut host = Rehearsal::on(Fake::new().file("/srv/a/b/c", "x").file("/srv/a/d", ""));
    host.converges("file", &json!({"path": "/srv/a", "recurse": true, "mode": "u=rwX,go="}));
    let mode = |path: &str| host.host.stat(path.as_ref()).unwrap().unwrap().mode;
    assert_eq!([mode("/srv/a"), mode("/srv/a/b"), mode("/srv/a/b/c"), mode("/srv/a/d")], [0o700, 0o700, 0o600, 0o600]);
}

#[test]
fn what_a_package_brings_is_expected_or_unknown() {
    let mut host = Rehearsal::on(Fake::new().file("/srv/page", "x"));
    let there = json!({"path": "/etc/nginx/nginx.conf", "mode": "0600"});
    let link = json!({"path": "/srv/link", "src": "/etc/nginx/nginx.conf", "state": "link"});
    let touch = json!({"path": "/etc/nginx/marker", "state": "touch", "modification_time": "preserve", "access_time": "preserve"});
    for options in [&there, &link, &touch] {
        assert!(matches!(host.check("file", options.clone()).verdict, Verdict::Failed(_)), "{options}");
    }
    host.assume("package", "nginx", json!("1.22"));
    assert!(matches!(host.check("file", there).verdict, Verdict::Unknown(_)));
    assert_eq!(host.check("file", link).verdict, Verdict::Changed);
    assert_eq!(host.check("file", touch).verdict, Verdict::Changed);
    let default = json!({"path": "/etc/nginx/sites-enabled/default", "state": "absent"});
    assert!(matches!(host.check("file", default).verdict, Verdict::Unknown(_)));
    assert_eq!(host.check("file", json!({"path": "/srv/gone", "state": "absent"})).verdict, Verdict::Unchanged);
    let owned = json!({"path": "/srv/page", "owner": "www-data"});
    assert_eq!(host.check("file", owned.clone()).verdict, Verdict::Changed);
    assert_eq!(host.check("file", owned).verdict, Verdict::Unchanged, "on its own prediction");
}
