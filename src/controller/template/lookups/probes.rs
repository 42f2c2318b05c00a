//! Lookups against a play made for the purpose.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use minijinja::{Error, Value};

use super::{Options, Surroundings, call};
use crate::controller::template::emit::{json, python};

struct Play {
    directory: tempfile::TempDir,
    action: Option<String>,
}

impl Play {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("files/sub")).unwrap();
        fs::create_dir_all(root.join("templates")).unwrap();
        fs::write(root.join("files/a.txt"), "one\ntwo\n\n").unwrap();
        fs::write(root.join("files/b.txt"), "b").unwrap();
        fs::write(root.join("files/sub/c.txt"), "c").unwrap();
        fs::write(root.join("templates/t.j2"), "source").unwrap();
        fs::write(
            root.join("files/x.ini"),
            "[DEFAULT]\nd=0\n[s]\nUser = me\nhome: /h/%(user)s\nlong = a\n  b\n[t]\nk=v\n",
        )
        .unwrap();
        fs::write(root.join("files/x.properties"), "a.b = 1\nuser.name=x\n").unwrap();
        fs::write(root.join("files/x.csv"), "k,\"v, 1\",w\nz,\"q\"\"r\",s\n").unwrap();
        Self { directory, action: None }
    }
}

impl Surroundings for Play {
    fn search_path(&self) -> Vec<PathBuf> {
        vec![self.directory.path().to_path_buf()]
    }
    fn base_directory(&self) -> PathBuf {
        self.directory.path().to_path_buf()
    }
    fn variable(&self, name: &str) -> Result<Option<Value>, Error> {
        Ok((name == "known").then(|| Value::from(7)))
    }
    fn variable_names(&self) -> Vec<String> {
        vec!["known".to_owned(), "other".to_owned()]
    }
    fn read(&self, path: &Path) -> Result<Vec<u8>, Error> {
        Ok(fs::read(path).unwrap())
    }
    fn render(&self, path: &Path, source: &str, _: &Options) -> Result<Value, Error> {
        Ok(Value::from(format!("{}:{source}", path.file_name().unwrap().display())))
    }
    fn hosts(&self, pattern: &str) -> Result<Vec<String>, Error> {
        Ok(vec![pattern.to_owned()])
    }
    fn setting(&self, name: &str, _: Option<(&str, &str)>) -> Option<Value> {
        (name == "DEFAULT_FORKS").then(|| Value::from(5))
    }
    fn fetch(&self, url: &str, _: &Options) -> Result<Vec<u8>, Error> {
        Ok(format!("{url}\nend").into_bytes())
    }
    fn looping_action(&self) -> Option<String> {
        self.action.clone()
    }
}

fn run(play: &Play, name: &str, terms: &str, options: &str) -> String {
    let terms: Vec<Value> = json::read(terms).unwrap().try_iter().unwrap().collect();
    let options = python::pairs(&json::read(options).unwrap()).into_iter().map(|(key, value)| (key.to_string(), value));
    match call(name, play, &terms, &Options::new(options)) {
        Ok(found) => python::repr(&Value::from(found)).replace(play.directory.path().to_str().unwrap(), "ROOT"),
        Err(error) => format!("ERROR {}", error.detail().unwrap_or_default()),
    }
}

#[test]
fn lookups_find_what_they_should() {
    let play = Play::new();
    let table = [
        ("items", "[[1, [2]], 3]", "{}", "[1, [2], 3]"),
        ("list", "[[1, [2]]]", "{}", "[[1, [2]]]"),
        ("flattened", "[[1, [2, null]], 3]", "{}", "[1, 2, 3]"),
        ("indexed_items", "[[\"a\", \"b\"]]", "{}", "[(0, 'a'), (1, 'b')]"),
        ("dict", "[{\"a\": 1}]", "{}", "[{'key': 'a', 'value': 1}]"),
        ("dict", "[5]", "{}", "ERROR the 'dict' lookup plugin expects a dictionary, got '5' of type int)"),
        ("nested", "[[\"a\", \"b\"], [1, 2]]", "{}", "[['a', 1], ['a', 2], ['b', 1], ['b', 2]]"),
        ("together", "[[\"a\", \"b\"], [1]]", "{}", "[['a', 1], ['b', None]]"),
        ("subelements", "[[{\"n\": \"x\", \"g\": [1, 2]}], \"g\"]", "{}", "[({'n': 'x'}, 1), ({'n': 'x'}, 2)]"),
        ("subelements", "[[{\"n\": 1}], \"g\", {\"skip_missing\": true}]", "{}", "[]"),
        ("subelements", "[[{\"n\": 1}], \"g\"]", "{}", "ERROR could not find 'g' key in iterated item '{'n': 1}'"),
        ("sequence", "[\"start=0 end=4 stride=2\"]", "{}", "['0', '2', '4']"),
        ("sequence", "[\"4:host%02d\"]", "{}", "['host01', 'host02', 'host03', 'host04']"),
        ("sequence", "[\"5-8\"]", "{}", "['5', '6', '7', '8']"),
        ("sequence", "[\"2-10/2\"]", "{}", "['2', '4', '6', '8', '10']"),
        ("sequence", "[\"start=0x0f00 count=4 format=%04x\"]", "{}", "['0f00', '0f01', '0f02', '0f03']"),
        ("sequence", "[]", "{\"start\": 3, \"end\": 1, \"stride\": -1}", "['3', '2', '1']"),
        ("sequence", "[\"count=0\"]", "{}", "[]"),
        ("sequence", "[\"foo=1\"]", "{}", "ERROR unrecognized arguments to with_sequence: ['foo']"),
        ("file", "[\"a.txt\"]", "{}", "['one\\ntwo']"),
        ("file", "[\"a.txt\"]", "{\"rstrip\": false}", "['one\\ntwo\\n\\n']"),
        ("file", "[\"nope\"]", "{}", "ERROR Unable to access the file 'nope'. File not found."),
        ("unvault", "[\"b.txt\"]", "{}", "['b']"),
        ("fileglob", "[\"*.txt\"]", "{}", "['ROOT/files/a.txt', 'ROOT/files/b.txt']"),
        ("fileglob", "[\"sub/*\"]", "{}", "['ROOT/files/sub/c.txt']"),
        ("first_found", "[[\"nope\", \"files/b.txt\"]]", "{}", "['ROOT/files/b.txt']"),
        (
            "first_found",
            "[{\"files\": [\"no\", \"c.txt\"], \"paths\": [\"x\", \"files/sub\"]}]",
            "{}",
            "['ROOT/files/sub/c.txt']",
        ),
        ("first_found", "[\"nope\"]", "{\"skip\": true}", "[]"),
        ("first_found", "[\"nope\"]", "{}", "ERROR No file was found when using first_found."),
        ("template", "[\"t.j2\"]", "{}", "['t.j2:source']"),
        ("vars", "[\"known\"]", "{}", "[7]"),
        ("vars", "[\"nope\"]", "{\"default\": 1}", "[1]"),
        ("vars", "[\"nope\"]", "{}", "ERROR No variable named 'nope' was found."),
        ("varnames", "[\"^k\"]", "{}", "['known']"),
        ("config", "[\"DEFAULT_FORKS\"]", "{}", "[5]"),
        ("config", "[\"NOPE\"]", "{\"on_missing\": \"skip\"}", "[]"),
        ("inventory_hostnames", "[\"all:!x\"]", "{}", "['all:!x']"),
        ("env", "[\"DEPLOYER_NO_SUCH_VARIABLE\"]", "{}", "['']"),
        ("env", "[\"DEPLOYER_NO_SUCH_VARIABLE\"]", "{\"default\": \"d\"}", "['d']"),
        ("pipe", "[\"printf 'a\\\\n\\\\n'\"]", "{}", "['a']"),
        ("pipe", "[\"exit 3\"]", "{}", "ERROR lookup_plugin.pipe(exit 3) returned 3"),
        ("lines", "[\"printf 'a\\\\nb\\\\n'\"]", "{}", "['a', 'b']"),
        ("url", "[\"http://x\"]", "{}", "['http://x', 'end']"),
        ("ini", "[\"user\"]", "{\"section\": \"s\", \"file\": \"x.ini\"}", "['me']"),
        ("ini", "[\"home\"]", "{\"section\": \"s\", \"file\": \"x.ini\"}", "['/h/me']"),
        ("ini", "[\"long\"]", "{\"section\": \"s\", \"file\": \"x.ini\"}", "['a\\nb']"),
        ("ini", "[\"k section=t file=x.ini\"]", "{}", "['v']"),
        ("ini", "[\"d section=t file=x.ini\"]", "{}", "['0']"),
        ("ini", "[\"nope\"]", "{\"section\": \"t\", \"file\": \"x.ini\"}", "['']"),
        ("ini", "[\"k\"]", "{\"section\": \"u\", \"file\": \"x.ini\"}", "ERROR No section 'u' in 'x.ini'."),
        ("ini", "[\"user.name\"]", "{\"type\": \"properties\", \"file\": \"x.properties\"}", "['x']"),
        ("csvfile", "[\"k\"]", "{\"file\": \"x.csv\", \"delimiter\": \",\"}", "['v, 1']"),
        ("csvfile", "[\"z col=2\"]", "{\"file\": \"x.csv\", \"delimiter\": \",\"}", "['s']"),
        ("csvfile", "[\"q\"]", "{\"file\": \"x.csv\", \"delimiter\": \",\", \"default\": \"d\"}", "['d']"),
        ("nope", "[]", "{}", "ERROR The lookup plugin 'nope' was not found."),
        ("file", "[\"a.txt\"]", "{\"nope\": 1}", "['one\\ntwo']"),
    ];
    for (name, terms, options, expected) in table {
        assert_eq!(run(&play, name, terms, options), expected, "{name} {terms} {options}");
        assert_eq!(
            run(&play, &format!("ansible.builtin.{name}"), terms, options).replace("ansible.builtin.", ""),
            expected
        );
    }
}

#[test]
fn a_password_stays() {
    let play = Play::new();
    let first = run(&play, "password", "[\"creds/p length=12 chars=digits\"]", "{}");
    let path = play.directory.path().join("creds/p");
    assert_eq!(first, format!("['{}']", fs::read_to_string(&path).unwrap().trim_end()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(first[2..14].bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(run(&play, "password", "[\"creds/p\"]", "{}"), first);

    let hashed = run(&play, "password", "[\"creds/p\"]", "{\"encrypt\": \"md5_crypt\"}");
    assert!(hashed.starts_with("['$1$"), "{hashed}");
    assert_eq!(run(&play, "password", "[\"creds/p\"]", "{\"encrypt\": \"md5_crypt\"}"), hashed);
    assert!(fs::read_to_string(&path).unwrap().contains(" salt="));

    let loose = run(&play, "password", "[\"/dev/null\"]", "{}");
    assert_ne!(loose, run(&play, "password", "[\"/dev/null\"]", "{}"));
    let seeded = run(&play, "password", "[\"/dev/null\"]", "{\"seed\": \"web\"}");
    assert_eq!(seeded, run(&play, "password", "[\"/dev/null\"]", "{\"seed\": \"web\"}"));
}

#[test]
fn loops_say_where_first_found_looks() {
    let mut play = Play::new();
    assert!(run(&play, "first_found", "[\"t.j2\"]", "{}").starts_with("ERROR"));
    play.action = Some("ansible.builtin.template".to_owned());
    assert_eq!(run(&play, "first_found", "[\"t.j2\"]", "{}"), "['ROOT/templates/t.j2']");
}
