//! Patterns against one small inventory, and laws that hold for any.

use proptest::prelude::*;

use super::*;
use crate::controller::source::Span;

/// all: web (web1 web2 web3), db (db1 db2), eu (web1 db1), parent of staging (web3); lone is ungrouped.
fn inventory() -> Inventory {
    let mut inventory = Inventory::default();
    let span = Span::synthetic("test", "");
    let groups: [(&str, &[&str]); 4] =
        [("web", &["web1", "web2", "web3"]), ("db", &["db1", "db2"]), ("eu", &["web1", "db1"]), ("staging", &["web3"])];
    for (group, hosts) in groups {
        let group = inventory.add_group(group, &span);
        for host in hosts {
            let host = inventory.add_host(host, &span);
            inventory.add_host_to_group(host, group);
        }
    }
    inventory.add_host("lone.example", &span);
    let (eu, staging) = (inventory.add_group("eu", &span), inventory.add_group("staging", &span));
    inventory.add_child(eu, staging, &span).unwrap();
    inventory.reconcile();
    inventory
}

fn chosen(pattern: &str, limit: Option<&str>) -> String {
    inventory().resolve(pattern, limit).unwrap().join(" ")
}

#[test]
fn patterns_choose_as_in_ansible() {
    let table = [
        ("all", "lone.example web1 web2 web3 db1 db2"),
        ("*", "lone.example web1 web2 web3 db1 db2"),
        ("web", "web1 web2 web3"),
        ("eu", "web1 db1 web3"),
        ("ungrouped", "lone.example"),
        ("db:web", "db1 db2 web1 web2 web3"),
        ("db,web1,db", "db1 db2 web1"),
        (" db , web1 ", "db1 db2 web1"),
        ("web:!web2", "web1 web3"),
        ("!web2:web", "web1 web3"),
        ("!web", "lone.example db1 db2"),
        ("web:&eu", "web1 web3"),
        ("&eu:web:db:!staging", "web1 db1"),
        ("web:&eu:!web1", "web3"),
        ("web*", "web1 web2 web3"),
        ("*.example", "lone.example"),
        ("?b1", "db1"),
        ("w[a-f]b[!2]", "web1 web3"),
        ("~(web|db)1$", "web1 db1"),
        ("~.*[2-3]", "web2 web3 db2"),
        ("web[0]", "web1"),
        ("web[-1]", "web3"),
        ("web[0:1]", "web1 web2"),
        ("web[1:]", "web2 web3"),
        ("web[0:99]", "web1 web2 web3"),
        ("web*[1]:db[0]", "web2 db1"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("", ""),
    ];
    for (pattern, expected) in table {
        assert_eq!(chosen(pattern, None), expected, "{pattern}");
    }
}

#[test]
fn lists_of_patterns_are_one_pattern() {
    let selection = inventory().select(&["web", "!web1", "db[0]"], None, None).unwrap();
    assert_eq!(selection.hosts.join(" "), "web2 web3 db1");
}

#[test]
fn limits_only_take_away() {
    assert_eq!(chosen("web", Some("eu")), "web1 web3");
    assert_eq!(chosen("web", Some("db")), "");
    assert_eq!(chosen("web", Some("!web1")), "web2 web3");
    assert_eq!(chosen("all", Some("db2,web1")), "web1 db2");
    assert_eq!(chosen("localhost", Some("web")), "");
    assert_eq!(chosen("web", Some("")), "web1 web2 web3");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("failed.retry");
    std::fs::write(&path, "web2\n\n db1 \n").unwrap();
    assert_eq!(chosen("all", Some(&format!("@{}", path.display()))), "web2 db1");
    let missing = inventory().resolve("all", Some("@/nonexistent/file")).unwrap_err();
    assert!(missing.message.contains("cannot read the limit file /nonexistent/file"));
}

#[test]
fn parts_that_match_nothing_are_warned_of() {
    let place = Span::synthetic("play", "wbe:db");
    let selection = inventory().select(&["wbe:db"], None, Some(&place)).unwrap();
    assert_eq!(selection.hosts.join(" "), "db1 db2");
    let [warning] = selection.warnings.as_slice() else { panic!("{:?}", selection.warnings) };
    assert_eq!(warning.message, "no host or group matches `wbe`");
    assert_eq!(warning.hints, ["did you mean `web`?"]);
    assert_eq!(warning.severity, Severity::Warning);
    assert!(warning.span.is_some());
    assert!(inventory().select(&["ungrouped:all"], None, None).unwrap().warnings.is_empty());
}

#[test]
fn expressions_that_cannot_be_read_are_errors() {
    assert!(inventory().resolve("~web(", None).unwrap_err().message.contains("not a regular expression"));
    assert!(inventory().resolve("db[5]", None).unwrap_err().message.contains("behind the last of 2 hosts"));
}

#[test]
fn addresses_and_ports_are_not_split_at_colons() {
    assert_eq!(split("fe80::1"), ["fe80::1"]);
    assert_eq!(split("web:22"), ["web:22"]);
    assert_eq!(split("web[0:2]:db"), ["web[0:2]", "db"]);
    assert_eq!(split("a:!b:&c"), ["a", "!b", "&c"]);
    assert_eq!(split("a b"), ["a", "b"]);
}

#[test]
fn a_named_localhost_takes_the_place_of_the_implicit_one() {
    let mut inventory = inventory();
    inventory.add_host("localhost", &Span::synthetic("test", ""));
    inventory.reconcile();
    assert_eq!(inventory.resolve("127.0.0.1", None).unwrap().join(" "), "localhost");
    assert!(!inventory.host("127.0.0.1").unwrap().implicit);
}

#[test]
fn a_host_wins_over_a_group_of_its_name_where_it_adds() {
    let mut inventory = inventory();
    inventory.add_host("eu", &Span::synthetic("test", ""));
    inventory.reconcile();
    assert_eq!(inventory.resolve("eu", None).unwrap().join(" "), "eu");
    assert_eq!(inventory.resolve("web:&eu", None).unwrap().join(" "), "web1 web3");
}

const PARTS: [&str; 8] = ["web", "db", "eu", "web1", "web*", "web[0]", "~.*1", "lone.example"];

proptest! {
    #[test]
    fn union_intersection_and_exclusion_are_set_operations(a in 0_usize..8, b in 0_usize..8) {
        let (a, b) = (PARTS[a], PARTS[b]);
        let inventory = inventory();
        let set = |pattern: &str| inventory.resolve(pattern, None).unwrap().into_iter().collect::<IndexSet<_>>();
        let (left, right) = (set(a), set(b));
        let union: IndexSet<_> = left.union(&right).cloned().collect();
        prop_assert_eq!(set(&format!("{a},{b}")), union);
        let common: IndexSet<_> = left.intersection(&right).cloned().collect();
        prop_assert_eq!(set(&format!("{a},&{b}")), common.clone());
        prop_assert_eq!(set(&format!("&{b},{a}")), common.clone());
        let rest: IndexSet<_> = left.difference(&right).cloned().collect();
        prop_assert_eq!(set(&format!("{a},!{b}")), rest);
        let limited: IndexSet<_> = inventory.resolve(a, Some(b)).unwrap().into_iter().collect();
        prop_assert_eq!(limited, common);
    }

    #[test]
    fn no_pattern_makes_it_panic(pattern in "[~!&:,\\[\\]*?a-bw1\\-^\\\\é ]{0,14}") {
        let _ = inventory().resolve(&pattern, Some(&pattern));
    }
}
