//! What `unarchive` does with real archives, in directories of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::super::rehearsal::{Rehearsal, Scratch};
use crate::{
    protocol::Verdict,
    remote::machine::{fake::Fake, real::Real},
};

/// A directory with something to pack and somewhere to unpack it.
struct Bench(Scratch);

impl Bench {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        fs::create_dir_all(scratch.path("in/app/sub")).unwrap();
        fs::create_dir_all(scratch.path("out")).unwrap();
        fs::write(scratch.path("in/app/a b.txt"), "hello\n").unwrap();
        fs::write(scratch.path("in/app/sub/c"), "see\n").unwrap();
        Self(scratch)
    }

    fn archive(&self) -> PathBuf {
        let archive = self.0.path("app.tar.gz");
        let made = Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(self.0.path("in")).arg("app").status();
        assert!(made.unwrap().success());
        archive
    }

    fn out(&self) -> PathBuf {
        self.0.path("out")
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.out().join(path)).unwrap()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "tests read better without borrows")]
fn options(archive: &Path, scratch: &Bench, more: Value) -> Value {
    let mut options = json!({"src": archive, "dest": scratch.out()});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

#[test]
fn an_archive_on_the_host_is_unpacked_once() {
    let scratch = Bench::new("remote");
    let mut host = Rehearsal::on(Real::new());
    let options = options(&scratch.archive(), &scratch, json!({"remote_src": true, "list_files": true}));
    assert_eq!(host.check("unarchive", options.clone()).verdict, Verdict::Changed);
    assert_eq!(fs::read_dir(scratch.out()).unwrap().count(), 0, "a check unpacks nothing");
    let outcome = host.apply("unarchive", options.clone());
    assert_eq!(outcome.verdict, Verdict::Changed, "{outcome:?}");
    assert_eq!(scratch.read("app/a b.txt"), "hello\n");
    assert!(outcome.result["files"].as_array().unwrap().contains(&json!("app/a b.txt")));
    host.stays("unarchive", &options);
    fs::write(scratch.out().join("app/sub/c"), "other").unwrap();
    assert_eq!(host.apply("unarchive", options.clone()).verdict, Verdict::Changed);
    assert_eq!(scratch.read("app/sub/c"), "see\n");
    let mut restricted = options;
    restricted["mode"] = json!("u=rwX,go=");
    assert_eq!(host.apply("unarchive", restricted.clone()).verdict, Verdict::Changed);
    host.stays("unarchive", &restricted);
}

#[test]
fn an_archive_of_the_controller_is_unpacked_once_and_does_not_stay() {
    let scratch = Bench::new("sent");
    let mut host = Rehearsal::on(Real::new());
    let blob = host.bytes(&fs::read(scratch.archive()).unwrap());
    let more = json!({"_blob": blob, "extra_opts": ["--strip-components=1"], "exclude": ["app/sub"]});
    let options = options(Path::new("app.tar.gz"), &scratch, more);
    assert!(matches!(host.check("unarchive", options.clone()).verdict, Verdict::Unknown(_)));
    let outcome = host.apply("unarchive", options.clone());
    assert_eq!(outcome.verdict, Verdict::Changed, "{outcome:?}");
    assert_eq!(scratch.read("a b.txt"), "hello\n");
    assert!(!scratch.out().join("sub").exists());
    assert_eq!(host.apply("unarchive", options.clone()).verdict, Verdict::Unchanged);
    fs::remove_file(scratch.out().join("a b.txt")).unwrap();
    assert_eq!(host.apply("unarchive", options.clone()).verdict, Verdict::Changed);
    let mut restricted = options;
    restricted["mode"] = json!("0600");
    assert_eq!(host.apply("unarchive", restricted.clone()).verdict, Verdict::Changed);
    assert_eq!(host.apply("unarchive", restricted).verdict, Verdict::Unchanged);
}

#[test]
fn what_is_no_archive_fails() {
    let scratch = Bench::new("broken");
    let broken = scratch.0.path("broken.tar");
    fs::write(&broken, "no archive at all").unwrap();
    let mut host = Rehearsal::on(Real::new());
    assert!(
        host.fails("unarchive", options(&broken, &scratch, json!({"remote_src": true}))).contains("tar could not read")
    );
    let blob = host.bytes(b"no archive at all");
    assert!(host.fails("unarchive", options(&broken, &scratch, json!({"_blob": blob}))).contains("failed to unpack"));
    assert!(host.fails("unarchive", json!({"src": "/a.tar", "dest": "/etc/passwd"})).contains("not a directory"));
    let skipped =
        host.apply("unarchive", options(&broken, &scratch, json!({"remote_src": true, "creates": "/etc/pass*"})));
    assert!(matches!(skipped.verdict, Verdict::Skipped(_)));
}

#[test]
fn zip_archives_are_compared_by_their_checksums() {
    let table = "Archive:  /z.zip\n Length   Method    Size  Cmpr    Date    Time   CRC-32   Name\n\
        --------  ------  ------- ---- ---------- ----- --------  ----\n\
        \x20      0  Stored        0   0% 2026-01-02 03:04 00000000  d/\n\
        \x20      6  Stored        6   0% 2026-01-02 03:04 363a3020  d/f\n\
        --------          -------  ---                            -------\n";
    let fake = |content| {
        Fake::new()
            .file("/z.zip", "")
            .file("/out/d/f", content)
            .program("/usr/bin/unzip")
            .command(&["unzip", "-v"], 0, table)
            .command(&["unzip", "-qq"], 0, "")
    };
    let options = json!({"src": "/z.zip", "dest": "/out", "remote_src": true});
    Rehearsal::on(fake("hello\n")).stays("unarchive", &options);
    let mut host = Rehearsal::on(fake("Hello\n"));
    assert_eq!(host.apply("unarchive", options).verdict, Verdict::Changed);
    assert_eq!(host.host.ran().last().unwrap().argv, ["unzip", "-qq", "-o", "/z.zip", "-d", "/out"]);
}
