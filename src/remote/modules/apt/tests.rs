//! What apt does on made-up hosts.

use serde_json::json;

use crate::{
    protocol::Verdict,
    remote::{
        machine::{fake::Fake, system::Output},
        modules::trial::{Trial, failure},
    },
};

const POLICY: &str = "curl:\n  Installed: (none)\n  Candidate: 7.88.1-10\n  Version table:\n     7.88.1-10 500\n        500 http://deb.debian.org/debian bookworm/main amd64 Packages\n";

fn debian() -> Fake {
    Fake::new()
        .program("/usr/bin/apt-get")
        .file("/var/lib/apt/lists/deb_Packages", "")
        .command(
            &["dpkg-query"],
            0,
            "bash\tamd64\t5.2.15-2\tinstalled\t\npostfix\tamd64\t3.7\tinstalled\tdefault-mta, mail-transport-agent\nold\tall\t1\tconfig-files\t\n",
        )
        .command(&["apt-cache"], 0, "")
        .command(&["apt-cache", "policy", "curl"], 0, POLICY)
        .command(&["apt-get", "-s"], 0, "Inst libcurl4 (7.88.1-10 Debian)\nInst curl (7.88.1-10 Debian)\n")
}

#[test]
fn what_is_installed_is_left_alone_even_after_an_update() {
    let mut trial = Trial::new(debian().command(&["sh", "-s"], 0, ""));
    let outcome = trial.apply("apt", json!({"name": ["bash", "mail-transport-agent"], "update_cache": true}));
    assert_eq!(outcome.verdict, Verdict::Unchanged);
    assert_eq!(outcome.result["cache_updated"], true);
}

#[test]
fn an_update_alone_is_a_change_unless_the_lists_are_young() {
    let mut trial = Trial::new(debian().command(&["sh", "-s"], 0, ""));
    assert_eq!(trial.apply("apt", json!({"update_cache": true})).verdict, Verdict::Changed);
    let outcome = trial.apply("apt", json!({"update_cache": true, "cache_valid_time": 600}));
    assert_eq!(outcome.verdict, Verdict::Unchanged);
}

#[test]
fn an_unknown_package_fails_with_advice_when_nothing_updates_the_lists() {
    let mut trial = Trial::new(debian());
    for check in [false, true] {
        let options = json!({"name": "nosuch"});
        let outcome = if check { trial.check("apt", options) } else { trial.apply("apt", options) };
        assert_eq!(failure(&outcome), "no package matching 'nosuch' is available");
    }
}

#[test]
fn an_unknown_package_counts_as_to_come_after_an_earlier_predicted_update() {
    let mut trial = Trial::new(debian());
    assert_eq!(trial.check("apt", json!({"update_cache": true})).verdict, Verdict::Changed);
    let outcome = trial.check("apt", json!({"name": "nosuch"}));
    assert_eq!(outcome.verdict, Verdict::Changed);
    assert!(outcome.warnings[0].contains("nosuch"), "{:?}", outcome.warnings);
    assert_eq!(trial.check("apt", json!({"name": "nosuch"})).verdict, Verdict::Unchanged);
}

#[test]
fn dependencies_are_predicted_too_and_shown() {
    let mut trial = Trial::new(debian());
    let outcome = trial.check("apt", json!({"name": "curl"}));
    assert_eq!(outcome.diffs[0].after, "libcurl4 7.88.1-10\ncurl 7.88.1-10\n");
    assert_eq!(trial.check("apt", json!({"name": "libcurl4=7.88*"})).verdict, Verdict::Unchanged);
}

#[test]
fn a_pinned_version_installs_only_what_matches() {
    let mut trial = Trial::new(debian());
    assert_eq!(trial.apply("apt", json!({"name": "bash=5.2*"})).verdict, Verdict::Unchanged);
    assert_eq!(trial.check("apt", json!({"name": "curl=7.*"})).verdict, Verdict::Changed);
    let mut trial = Trial::new(debian());
    assert!(failure(&trial.apply("apt", json!({"name": "curl=8.*"}))).contains("curl=8.*"));
}

#[test]
fn installing_asks_nothing_and_reports_what_apt_counted() {
    let done = "0 upgraded, 2 newly installed, 0 to remove and 3 not upgraded.\n";
    let mut trial = Trial::new(debian().command(&["apt-get", "-y"], 0, done));
    let outcome = trial.apply("apt", json!({"name": "curl", "install_recommends": false}));
    assert_eq!(outcome.verdict, Verdict::Changed);
    assert_eq!(outcome.result["stdout"], done);
    let ran = trial.host.ran();
    let last = ran.last().unwrap();
    assert_eq!(last.environment["DEBIAN_FRONTEND"], "noninteractive");
    let line = last.argv.join(" ");
    assert!(line.contains("APT::Install-Recommends=no") && line.contains("DPkg::Lock::Timeout=60"), "{line}");
    assert!(line.ends_with("install curl"), "{line}");
}

#[test]
fn a_held_package_is_explained() {
    let host = debian().respond(|run| {
        let stderr = "E: Held packages were changed and -y was used without --allow-change-held-packages.\n";
        (run.argv.get(1)? == "-y").then(|| Output { code: 100, stderr: stderr.to_owned(), ..Output::default() })
    });
    let outcome = Trial::new(host).apply("apt", json!({"name": "curl"}));
    assert!(failure(&outcome).starts_with("the package is held"));
}

#[test]
fn leftovers_are_only_removed_by_purging() {
    let mut trial = Trial::new(debian());
    assert_eq!(trial.check("apt", json!({"name": "old", "state": "absent"})).verdict, Verdict::Unchanged);
    let outcome = trial.check("apt", json!({"name": "old", "state": "absent", "purge": true}));
    assert_eq!(outcome.verdict, Verdict::Changed);
    let mut trial = Trial::new(debian().command(&["apt-get", "-s"], 0, "Remv bash [5.2.15-2]\n"));
    assert_eq!(trial.check("apt", json!({"name": "bash", "state": "absent"})).verdict, Verdict::Changed);
    assert_eq!(trial.check("apt", json!({"name": "bash", "state": "absent"})).verdict, Verdict::Unchanged);
}

#[test]
fn a_policy_stays_only_while_packages_are_installed() {
    let host = debian().command(&["apt-get", "-y"], 0, "").file("/usr/sbin/policy-rc.d", "before");
    let mut trial = Trial::new(host);
    trial.apply("apt", json!({"name": "curl", "policy_rc_d": 101}));
    assert_eq!(trial.host.text("/usr/sbin/policy-rc.d").unwrap(), "before");
    assert_eq!(trial.host.text("/usr/sbin/policy-rc.d.kept"), None);
}

#[test]
fn latest_upgrades_only_what_has_a_better_candidate() {
    let policy = "bash:\n  Installed: 5.2.15-2\n  Candidate: 5.2.15-3\n  Version table:\n     5.2.15-3 500\n";
    let host = || {
        debian().command(&["apt-cache", "policy", "bash"], 0, policy).command(
            &["apt-get", "-s"],
            0,
            "Inst bash [5.2.15-2] (5.2.15-3 Debian)\n",
        )
    };
    let newer = host().command(&["dpkg", "--compare-versions"], 0, "");
    let outcome = Trial::new(newer).check("apt", json!({"name": "bash", "state": "latest"}));
    assert_eq!(outcome.verdict, Verdict::Changed);
    assert_eq!((&*outcome.diffs[0].before, &*outcome.diffs[0].after), ("bash 5.2.15-2\n", "bash 5.2.15-3\n"));
    let older = host().command(&["dpkg", "--compare-versions"], 1, "");
    let outcome = Trial::new(older).check("apt", json!({"name": "bash", "state": "latest"}));
    assert_eq!(outcome.verdict, Verdict::Unchanged);
}

#[test]
fn latest_after_an_update_is_judged_by_what_apt_did() {
    let nothing = "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n";
    let host = debian().command(&["sh", "-s"], 0, "").command(&["apt-get", "-y"], 0, nothing);
    let options = json!({"name": "bash", "state": "latest", "update_cache": true});
    assert_eq!(Trial::new(host).apply("apt", options).verdict, Verdict::Unchanged);
}

#[test]
fn only_upgrade_installs_nothing_new() {
    let options = json!({"name": "curl", "only_upgrade": true});
    assert_eq!(Trial::new(debian()).apply("apt", options).verdict, Verdict::Unchanged);
}
