//! Whole files in, nodes or findings out.

use std::fmt::Write as _;

use super::*;
use crate::controller::{
    source::{Severity, render},
    vault::Secret,
};

fn read(text: &str) -> (Option<Vec<Node>>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let nodes = parse(&SourceFile::new("t.yml", text), &Keyring::default(), &mut diagnostics);
    (nodes, diagnostics)
}

fn json(text: &str) -> String {
    let (nodes, diagnostics) = read(text);
    assert!(diagnostics.found.is_empty(), "{}", render(&diagnostics, false));
    nodes.unwrap()[0].to_json().to_string()
}

/// The one error of a text: place, message, hints.
fn error(text: &str) -> String {
    let (nodes, diagnostics) = read(text);
    assert!(nodes.is_none(), "accepted: {text}");
    let [finding] = diagnostics.found.as_slice() else { panic!("{}", render(&diagnostics, false)) };
    assert_eq!(finding.severity, Severity::Error);
    let place = finding.span.as_ref().map_or_else(|| "nowhere".to_owned(), ToString::to_string);
    format!("{place}: {}\n  {}", finding.message, finding.hints.join("\n  "))
}

#[test]
fn reads_all_documents_and_calls_nothing_null() {
    assert_eq!(read("a: 1\n---\n- b\n---\n").0.unwrap().len(), 3);
    for text in ["", "# only a comment\n", "---\n", "\u{feff}"] {
        assert!(read(text).0.unwrap()[0].is_null(), "{text:?}");
    }
}

#[test]
fn places_count_characters_and_spans_count_bytes() {
    let text = "\u{feff}ünits:\n  - {ä: 'wört', b: [1, 2]}\n  - |\n    block\nlast: 1\n";
    let root = read(text).0.unwrap().remove(0);
    let list = root.as_map().unwrap().get("ünits").unwrap();
    let word = list.as_list().unwrap()[0].as_map().unwrap().get("ä").unwrap();
    assert_eq!(word.span.to_string(), "t.yml:2:9");
    assert_eq!(&text[word.span.start..word.span.end], "'wört'");
    let flow = list.as_list().unwrap()[0].as_map().unwrap().get("b").unwrap();
    assert_eq!(&text[flow.span.start..flow.span.end], "[1, 2]");
    assert_eq!(list.span.to_string(), "t.yml:2:3");
}

#[test]
fn merge_keys_follow_pyyaml() {
    assert_eq!(json("a: &a {x: 1, y: 2}\nb:\n  y: 3\n  <<: *a\n"), r#"{"a":{"x":1,"y":2},"b":{"x":1,"y":3}}"#);
    let list = "a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc: {<<: [*a, *b], w: 0}\n";
    assert_eq!(json(list), r#"{"a":{"x":1},"b":{"x":2,"z":3},"c":{"x":1,"z":3,"w":0}}"#);
    assert_eq!(json("'<<': 1"), r#"{"<<":1}"#);
    assert!(error("<<: 3").contains("`<<` merges mappings, this is a whole number"));
}

#[test]
fn quotes_and_tags_decide_the_type() {
    assert_eq!(json("['yes', \"0644\", !!str 12, !!int '7', !!float 1, ! 5]"), r#"["yes","0644","12",7,1.0,"5"]"#);
    assert_eq!(json("!!binary aGVsbG8="), r#""hello""#);
    assert_eq!(json("!!set {a, b}"), r#"["a","b"]"#);
    assert_eq!(json("day: 2024-01-02"), r#"{"day":"2024-01-02"}"#);
}

#[test]
fn unsafe_takes_trust_from_everything_inside() {
    let root = read("a: !unsafe '{{ x }}'\nb: !unsafe [y, {z: w}]\nc: t\nd: !unsafe 12\n").0.unwrap().remove(0);
    let map = root.as_map().unwrap();
    let trusted = |node: &Node| matches!(&node.shape, Shape::Str(text) if text.trusted);
    assert!(!trusted(map.get("a").unwrap()) && trusted(map.get("c").unwrap()));
    let list = map.get("b").unwrap().as_list().unwrap();
    assert!(!trusted(&list[0]) && !trusted(list[1].as_map().unwrap().get("z").unwrap()));
    assert!(matches!(map.get("d").unwrap().shape, Shape::Int(12)));
}

#[test]
fn json_files_keep_json_numbers_and_escapes() {
    assert_eq!(json(r#"{"a": 1e3, "b": "\/x", "c": "1e3"}"#), r#"{"a":1000.0,"b":"/x","c":"1e3"}"#);
    assert_eq!(json(r#"{"face": "\ud83d\ude00"}"#), r#"{"face":"😀"}"#);
    assert_eq!(json("{\n\t\"a\": [\n\t\t1\n\t]\n}"), r#"{"a":[1]}"#);
    assert_eq!(json("a: 1e3"), r#"{"a":"1e3"}"#);
}

#[test]
fn a_key_written_twice_warns_and_the_last_counts() {
    let (nodes, diagnostics) = read("a: 1\nb: 2\na: 3\n");
    assert_eq!(nodes.unwrap()[0].to_json().to_string(), r#"{"a":3,"b":2}"#);
    assert!(!diagnostics.has_errors());
    let finding = &diagnostics.found[0];
    assert_eq!(finding.message, "Found duplicate mapping key 'a', which is already set on line 1");
    assert_eq!(finding.span.as_ref().unwrap().to_string(), "t.yml:3:1");
}

#[test]
fn anchors_must_stand_above_and_outside() {
    assert!(error("a: &base 1\nb: *bse\n").contains("did you mean `*base`?"));
    assert!(error("a: &a [*a]").contains("stands inside the value it names"));
    assert!(error("a: &a 1\n---\nb: *a\n").contains("no anchor"));
}

#[test]
fn aliases_cannot_stand_for_millions_of_values() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{items}]");
    }
    assert!(error(&text).contains("stand for more than 1000000 values"));
}

#[test]
fn nesting_has_a_bound() {
    assert!(error(&"[".repeat(100_000)).contains("nested more than 128 deep"));
    assert!(error(&"- ".repeat(5_000)).contains("nested more than 128 deep"));
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    assert!(read(&deep).0.is_some());
}

#[test]
fn classic_mistakes_get_advice() {
    let table = [
        ("name: {{ x }}\n", "t.yml:1:8", "needs quotes", "write `name: \"{{ x }}\"`"),
        ("- path: {{ x }}/conf\n", "t.yml:1:", "needs quotes", "write `- path: \"{{ x }}/conf\"`"),
        ("- a\n- {{ x }}\n", "t.yml:2:4", "needs quotes", "write `- \"{{ x }}\"`"),
        ("a: {{ x[\"k\"] }} b\n", "t.yml:1:", "needs quotes", "write `a: '{{ x[\"k\"] }} b'`"),
        ("msg: note: this\n", "t.yml:1:10", "a second `: `", "in quotes"),
        ("a:\n\tb: 1\n", "t.yml:2:1", "a tab is used", "spaces"),
        ("a:\n  - b\n\t- c\n", "t.yml:3:1", "a tab is used", "spaces"),
        ("- hosts: x\n   tasks: []\n", "t.yml:2:9", "not at the indentation", "by 3, not by 0"),
        ("a:\n    b: 1\n  c: 2\n", "t.yml:3:3", "does not fit", "less than the line above: by 2, not by 4"),
        ("a: \"b\" c\nd: 1\n", "t.yml:1:8", "text follows a closing quote", "including `c`"),
        ("a: @b\n", "t.yml:1:4", "text cannot begin with `@`", "quotes"),
        ("a: \"\\d\"\n", "t.yml:1:5", "unknown escape", "single quotes"),
        ("a: 'b\nc: 1\n", "t.yml:3:1", "quotes opened on line 1 are never closed", ""),
        ("a: 1\nb\nc: 2\n", "t.yml:3:", "key without a colon", "key: value"),
        ("a: [1, 2\nb: 3\n", "t.yml:2:2", "expected `,` or `]`", "line 1, column 4"),
        ("[a]: 1\n", "t.yml:1:1", "a list cannot be a key", ""),
        ("a: !valt x\n", "t.yml:1:4", "unknown tag `!valt`", "did you mean `!vault`?"),
        ("a: b\u{1}c\n", "t.yml:1:5", "control character U+0001", "remove"),
    ];
    for (text, place, message, hint) in table {
        let found = error(text);
        assert!(found.starts_with(place) && found.contains(message) && found.contains(hint), "{text:?}\n{found}");
    }
}

#[test]
fn other_encodings_are_named_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("latin.yml");
    std::fs::write(&path, b"a: 1\nb: caf\xe9\n").unwrap();
    let mut diagnostics = Diagnostics::default();
    assert!(load(&path, &Keyring::default(), &mut diagnostics).is_none());
    assert!(diagnostics.found[0].message.ends_with("latin.yml is not UTF-8 text: line 2 holds other bytes"));
    assert!(load(&directory.path().join("none.yml"), &Keyring::default(), &mut diagnostics).is_none());
    assert!(diagnostics.found[1].message.contains("cannot read"));
}

#[test]
fn vault_values_need_their_password_and_are_secret() {
    let sealed = vault::encrypt(b"{{ me }}", &Secret::from("pw"), Some("prod"));
    let text =
        format!("a: !vault |\n{}b: 1\n", sealed.lines().fold(String::new(), |all, line| all + "  " + line + "\n"));
    let file = SourceFile::new("t.yml", text);

    let mut diagnostics = Diagnostics::default();
    parse(&file, &Keyring::default(), &mut diagnostics);
    assert_eq!(diagnostics.found[0].message, "no vault password was given to open the vault with id `prod`");
    assert!(diagnostics.has_errors());

    let mut secrets = Keyring::default();
    secrets.add("dev", Secret::from("wrong"));
    let mut diagnostics = Diagnostics::default();
    parse(&file, &secrets, &mut diagnostics);
    assert_eq!(diagnostics.found[0].message, "no given password opens the vault with id `prod` (tried: dev)");

    secrets.add("other", Secret::from("pw"));
    let mut diagnostics = Diagnostics::default();
    let root = parse(&file, &secrets, &mut diagnostics).unwrap().remove(0);
    let Shape::Str(value) = &root.as_map().unwrap().get("a").unwrap().shape else { panic!("not a string") };
    assert_eq!(*value, super::super::Text { value: "{{ me }}".into(), trusted: true, secret: true });
    assert!(diagnostics.found.is_empty());
}

#[test]
fn vault_files_are_opened_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault.yml");
    let mut secrets = Keyring::default();
    secrets.add("default", Secret::from("pw"));
    std::fs::write(&path, vault::encrypt(b"user: admin\npassword: hunter2\n", &Secret::from("pw"), None)).unwrap();
    let root = load_one(&path, &secrets, &mut Diagnostics::default()).unwrap();
    let (key, value) = root.as_map().unwrap().entry("password").unwrap();
    assert!(value.is_secret() && !key.is_secret());
    assert_eq!(value.as_str(), Some("hunter2"));
    let shown = render(&Diagnostics { found: vec![Diagnostic::error(&value.span, "odd")] }, false);
    assert!(shown.contains("vault.yml:2:11") && shown.contains("*******") && !shown.contains("hunter2"), "{shown}");

    let mut diagnostics = Diagnostics::default();
    std::fs::write(&path, vault::encrypt(b"a: hunter2: x\n", &Secret::from("pw"), None)).unwrap();
    assert!(load_one(&path, &secrets, &mut diagnostics).is_none());
    let shown = render(&diagnostics, false);
    assert!(shown.contains("vault.yml:1:11") && !shown.contains("hunter2"), "{shown}");
    assert!(load_one(&path, &Keyring::default(), &mut diagnostics).is_none());
}
