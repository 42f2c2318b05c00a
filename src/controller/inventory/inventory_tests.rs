//! Inventories as written, and what they mean.

use std::{fmt::Write as _, path::Path};

use super::*;
use crate::controller::{
    source::{Diagnostics, render},
    vault::{self, Keyring, Secret},
};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = folder.path(name);
            std::fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn load(&self, sources: &[&str]) -> (Inventory, Diagnostics) {
        let mut diagnostics = Diagnostics::default();
        let sources: Vec<String> = sources.iter().map(|name| self.path(name)).collect();
        (Inventory::load(&sources, &Keyring::default(), &mut diagnostics), diagnostics)
    }
}

fn load(name: &str, text: &str) -> Inventory {
    let (inventory, diagnostics) = Folder::new(&[(name, text)]).load(&[name]);
    assert!(diagnostics.found.is_empty(), "{}", render(&diagnostics, false));
    inventory
}

/// All findings of one file, rendered.
fn findings(name: &str, text: &str) -> String {
    let (_, diagnostics) = Folder::new(&[(name, text)]).load(&[name]);
    render(&diagnostics, false)
}

fn names(hosts: &[&Host]) -> String {
    hosts.iter().map(|host| &*host.name).collect::<Vec<_>>().join(" ")
}

fn groups(inventory: &Inventory, host: &str) -> String {
    inventory.groups_of(host).iter().map(|group| &*group.name).collect::<Vec<_>>().join(" ")
}

fn json(vars: &Vars) -> String {
    let pairs: Vec<String> = vars.iter().map(|(name, value)| format!("{name}={}", value.to_json())).collect();
    pairs.join(" ")
}

const YAML: &str = "\
all:
  vars: {a: 1}
  children:
    web:
      hosts:
        web[1:2]:2222: {role: front}
        web3:
      vars:
        ansible_group_priority: 5
        port: 0644
    db: {hosts: {db1: }}
    site:
      children: {web: , db: }
";

#[test]
fn yaml_inventories_have_groups_hosts_and_vars() {
    let inventory = load("hosts.yml", YAML);
    assert_eq!(names(&inventory.hosts_of("all")), "web1 web2 web3 db1");
    assert_eq!(names(&inventory.hosts_of("site")), "web1 web2 web3 db1");
    assert_eq!(json(&inventory.host("web2").unwrap().vars), "ansible_port=2222 role=\"front\"");
    assert_eq!(json(&inventory.group("web").unwrap().vars), "port=420");
    assert_eq!(groups(&inventory, "web1"), "all site web");
    let (web, db) = (inventory.group("web").unwrap(), inventory.group("db").unwrap());
    assert_eq!((web.priority, web.depth, db.priority, db.depth), (5, 2, 1, 2));
    let role = &inventory.host("web1").unwrap().vars["role"].span;
    assert!(role.to_string().ends_with("hosts.yml:6:31"), "{role}");
}

#[test]
fn ini_inventories_mean_the_same() {
    let text = "\
lone ansible_host=10.0.0.9 # alone
[web]
web[1:2]:2222 role=front tags=\"['a', 'b']\"
web3
[db:vars]
port=5432
name = my db
[site:children]
web
db
[db]
db1
[web:vars]
ansible_group_priority=5
";
    let inventory = load("hosts", text);
    assert_eq!(names(&inventory.hosts_of("all")), "lone web1 web2 web3 db1");
    assert_eq!(names(&inventory.hosts_of("ungrouped")), "lone");
    assert_eq!(json(&inventory.host("web2").unwrap().vars), r#"ansible_port=2222 role="front" tags=["a","b"]"#);
    assert_eq!(json(&inventory.group("db").unwrap().vars), r#"port=5432 name="my db""#);
    assert_eq!(groups(&inventory, "web1"), "all site web");
    let name = &inventory.group("db").unwrap().vars["name"].span;
    assert!(name.to_string().ends_with("hosts:7:8"), "{name}");
    assert_eq!(&name.file.text[name.start..name.end], "my db");
}

#[test]
fn groups_come_in_order_of_precedence() {
    let text = "[b]\nh\n[a]\nh\n[c]\nh\n[z:children]\nc\n[b:vars]\nansible_group_priority=10\n";
    assert_eq!(groups(&load("i.ini", text), "h"), "all a z b c");
}

#[test]
fn a_group_is_as_deep_as_its_longest_way() {
    let text = "[x]\nh\n[p:children]\nx\n[q:children]\np\n[r:children]\nx\nq\n";
    let inventory = load("i.ini", text);
    let depth = |name: &str| inventory.group(name).unwrap().depth;
    assert_eq!((depth("all"), depth("r"), depth("q"), depth("p"), depth("x")), (0, 1, 2, 3, 4));
}

#[test]
fn hosts_on_the_command_line_need_a_comma() {
    let mut diagnostics = Diagnostics::default();
    let inventory = Inventory::load(&["b, a:2222,c[1:2]".to_owned()], &Keyring::default(), &mut diagnostics);
    assert_eq!(names(&inventory.hosts_of("all")), "b a c1 c2");
    assert_eq!(json(&inventory.host("a").unwrap().vars), "ansible_port=2222");
    assert!(diagnostics.found.is_empty());
    Inventory::load(&["/nonexistent/host".to_owned()], &Keyring::default(), &mut diagnostics);
    assert!(render(&diagnostics, false).contains("`-i host,`"));
}

#[test]
fn localhost_is_there_without_being_named() {
    let inventory = Inventory::default();
    let host = inventory.host("localhost").unwrap();
    assert!(host.implicit);
    assert_eq!(host.vars["ansible_connection"].as_str(), Some("local"));
    assert!(host.vars["ansible_python_interpreter"].as_str().is_some_and(|path| path.ends_with("python3")));
    assert_eq!(groups(&inventory, "localhost"), "all");
    assert!(inventory.hosts.is_empty());
    let named = load("i.ini", "localhost a=1\n");
    assert!(!named.host("localhost").unwrap().implicit);
}

#[test]
fn variable_files_stay_apart_from_what_the_inventory_says() {
    let folder = Folder::new(&[
        ("inv/hosts.ini", "[web]\nweb1 a=1\n"),
        ("inv/group_vars/all.yml", "x: all\n"),
        ("inv/group_vars/web/10-a.yml", "x: first\ny: 1\n"),
        ("inv/group_vars/web/20-b.json", "{\"x\": \"second\"}"),
        ("inv/group_vars/web/.hidden.yml", "x: hidden\n"),
        ("inv/group_vars/web/old.yml~", "x: old\n"),
        ("inv/group_vars/web/notes.txt", "no vars"),
        ("inv/group_vars/web/sub/30.yaml", "z: deep\n"),
        ("inv/group_vars/nobody.yml", "{ broken"),
        ("inv/host_vars/web1", "a: 2\n"),
        ("inv/host_vars/web1.yml", "a: 3\n"),
        ("inv/host_vars/localhost.yml", "l: 1\n"),
    ]);
    let (inventory, diagnostics) = folder.load(&["inv/hosts.ini"]);
    assert!(diagnostics.found.is_empty(), "{}", render(&diagnostics, false));
    assert_eq!(json(&inventory.group("all").unwrap().file_vars), "x=\"all\"");
    assert_eq!(json(&inventory.group("web").unwrap().file_vars), r#"x="second" y=1 z="deep""#);
    let host = inventory.host("web1").unwrap();
    assert_eq!((json(&host.vars), json(&host.file_vars)), ("a=1".to_owned(), "a=2".to_owned()));
    assert_eq!(json(&inventory.host("localhost").unwrap().file_vars), "l=1");
    let files = vars_files(Path::new(&folder.path("inv")), VarsKind::Group, "web");
    assert_eq!(files.len(), 3);
    assert!(vars_files(Path::new(&folder.path("inv")), VarsKind::Group, "missing").is_empty());
}

#[test]
fn sealed_variable_files_open_with_the_keyring() {
    let folder = Folder::new(&[
        ("i.ini", "h\n"),
        ("host_vars/h/vault.yml", &vault::encrypt(b"token: t0ps3cret\n", &Secret::from("pw"), None)),
    ]);
    let mut secrets = Keyring::default();
    secrets.add("default", Secret::from("pw"));
    let mut diagnostics = Diagnostics::default();
    let inventory = Inventory::load(&[folder.path("i.ini")], &secrets, &mut diagnostics);
    let token = &inventory.host("h").unwrap().file_vars["token"];
    assert!(token.is_secret() && token.as_str() == Some("t0ps3cret") && diagnostics.found.is_empty());
    let (_, diagnostics) = folder.load(&["i.ini"]);
    assert!(render(&diagnostics, false).contains("vault with id `default`"));
}

#[test]
fn several_sources_merge_in_order_and_folders_by_name() {
    let folder = Folder::new(&[
        ("one/02.ini", "[web]\nb x=2\n[web:vars]\ng=2\n"),
        ("one/01.yml", "web: {hosts: {a: {x: 1}, b: {x: 1}}, vars: {g: 1}}\n"),
        ("one/README.md", "# not an inventory: [\n"),
        ("one/group_vars/web.yml", "f: one\n"),
        ("one/.git", "[\n"),
        ("two.ini", "[web]\na x=3\nc\n"),
        ("group_vars/web.yml", "f: two\n"),
    ]);
    let (inventory, diagnostics) = folder.load(&["one", "two.ini"]);
    assert!(diagnostics.found.is_empty(), "{}", render(&diagnostics, false));
    assert_eq!(names(&inventory.hosts_of("web")), "a b c");
    let web = inventory.group("web").unwrap();
    assert_eq!((json(&web.vars), json(&web.file_vars)), ("g=2".to_owned(), "f=\"two\"".to_owned()));
    assert_eq!(json(&inventory.host("a").unwrap().vars), "x=3");
    assert_eq!(json(&inventory.host("b").unwrap().vars), "x=2");
    assert!(inventory.host("a").unwrap().source.as_ref().unwrap().ends_with("one/01.yml"));
}

fn executable(folder: &Folder, name: &str, body: &str) {
    // Written by a child process, so that no thread of this one holds it open for writing when it is run.
    let status = std::process::Command::new("sh")
        .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 700 \"$1\"", "sh", &folder.path(name), body])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn programs_print_inventories() {
    let folder = Folder::new(&[]);
    let listing = r#"{"web": {"hosts": ["a", "b[1:2]"], "vars": {"v": 1e1}, "children": ["sub"]}, "sub": ["c"],
        "_meta": {"hostvars": {"a": {"x": "{{ y }}"}}}}"#;
    executable(&folder, "with_meta", &format!("[ \"$1\" = --list ] && cat <<'E'\n{listing}\nE"));
    executable(
        &folder,
        "old",
        r#"if [ "$1" = --list ]; then echo '{"g": ["p", "q"]}'; else echo "{\"me\": \"$2\"}"; fi"#,
    );
    executable(&folder, "broken", "echo oops >&2; exit 3");
    executable(&folder, "talks", "echo hello");

    let (inventory, diagnostics) = folder.load(&["with_meta", "old"]);
    assert!(diagnostics.found.is_empty(), "{}", render(&diagnostics, false));
    assert_eq!(names(&inventory.hosts_of("web")), "a b[1:2] c");
    assert_eq!(json(&inventory.host("a").unwrap().vars), "x=\"{{ y }}\"");
    assert_eq!(json(&inventory.group("web").unwrap().vars), "v=10.0");
    assert_eq!(json(&inventory.host("q").unwrap().vars), "me=\"q\"");

    let (_, diagnostics) = folder.load(&["broken", "talks"]);
    let shown = render(&diagnostics, false);
    assert!(shown.contains("failed (exit status: 3)") && shown.contains("it says: oops"), "{shown}");
    assert!(shown.contains("printed no JSON"), "{shown}");
}

#[test]
fn circles_of_groups_are_errors() {
    let shown = findings("i.ini", "[a:children]\nb\n[b:children]\nc\n[c:children]\na\n");
    assert!(shown.contains("group `a` cannot be a child of `c`, which is in `a` itself"), "{shown}");
    assert!(shown.contains("i.ini:6:1"), "{shown}");
    assert!(findings("i.yml", "a: {children: {a: }}\n").contains("cannot be its own child"));
}

#[test]
fn mistakes_in_yaml_inventories_get_advice() {
    let table = [
        ("all:\n  host:\n    a:\n", "unknown key `host`", "did you mean `hosts`?"),
        ("all:\n  web:\n    hosts:\n", "unknown key `web`", "under `children:`"),
        ("all:\n  ansible_user: x\n", "unknown key `ansible_user`", "under `vars:`"),
        ("all:\n  hosts:\n    - a\n", "`hosts` must be a mapping, this is a list", "without a dash"),
        ("all:\n  hosts:\n    12:\n", "name of a host must be a string", "quotes"),
        ("all:\n  hosts:\n    a: 3\n", "variables must be a mapping, this is a whole number", "`name: value`"),
        ("all: 5\n", "group `all` must be a mapping", "`hosts:`"),
        ("- a\n", "a mapping of groups, this is a list", "all:"),
        ("plugin: aws_ec2\n", "inventory plugin", "executable"),
        ("all:\n  hosts:\n    'a[3:1]':\n", "the end comes before the begin", ""),
        ("a: {hosts: {a: }}\n", "`a` is the name of a host and of a group", "chooses the host"),
    ];
    for (text, message, hint) in table {
        let shown = findings("i.yml", text);
        assert!(shown.contains(message) && shown.contains(hint), "{text}\n{shown}");
    }
}

#[test]
fn mistakes_in_ini_inventories_get_advice() {
    let table = [
        ("[web:vers]\n", "unknown kind of section `vers`", "did you mean `vars`?"),
        ("[web servers]\na\n", "this heading is not readable", "without spaces"),
        ("[web]\na\n[site:children]\nwbe\n", "there is no group `wbe`", "did you mean `web`?"),
        ("[web]\na\n[wbe:vars]\nx=1\n", "variables for a group `wbe` that is not there", "did you mean `web`?"),
        ("[web]\na b=1 c\n", "not `c`", "one host per line"),
        ("[web]\na b='1\n", "this quote is never closed", "i.ini:2:5"),
        ("[web]\na\n[web:vars]\nhost1\n", "expected `name=value`", "without `:vars`"),
        ("[web]\na:\n", "`a:` is no host", ".yml"),
        ("a\n---\n", "`---` begins a YAML file", ".yml"),
    ];
    for (text, message, hint) in table {
        let shown = findings("i.ini", text);
        assert!(shown.contains(message) && shown.contains(hint), "{text}\n{shown}");
    }
}

#[test]
fn files_without_an_ending_are_known_by_their_content() {
    assert_eq!(names(&load("hosts", "# yaml\nall:\n  hosts:\n    a:\n").hosts_of("all")), "a");
    assert_eq!(names(&load("hosts", "; ini\na\n").hosts_of("all")), "a");
    assert_eq!(names(&load("hosts.toml", "[a.hosts.b]\n").hosts_of("a")), "b");
}

#[test]
fn hosts_and_groups_can_be_added_during_a_run() {
    let mut inventory = load("i.ini", "a\n[g]\nb\n");
    let span = Span::synthetic("add_host", "");
    let (host, group) = (inventory.add_host("a", &span), inventory.add_group("new", &span));
    assert!(inventory.add_host_to_group(host, group));
    assert!(!inventory.add_host_to_group(host, group));
    inventory.reconcile();
    assert_eq!(groups(&inventory, "a"), "all new");
    assert_eq!(names(&inventory.hosts_of("ungrouped")), "");
}

#[test]
fn thousands_of_hosts_are_no_quadratic_work() {
    // Any look through all hosts per host would take minutes here, also unoptimised.
    let mut text = "[web]\n".to_owned();
    for number in 0..20_000 {
        let _ = writeln!(text, "h{number} x={number}");
    }
    text += "[more]\nm[00000:19999]\n";
    let begin = std::time::Instant::now();
    let inventory = load("i.ini", &text);
    assert_eq!(inventory.resolve("all:!h5:!m*[0]", None).unwrap().len(), 39_998);
    assert!(begin.elapsed() < std::time::Duration::from_secs(30), "{:?}", begin.elapsed());
}
