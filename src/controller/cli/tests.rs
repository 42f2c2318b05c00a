//! The command line from words to settings and exit codes, with a run that is only pretended.

use std::sync::{Arc, Mutex};

use super::*;
use crate::controller::{
    connection::Ask,
    event::{Event, Events},
    report::Screen,
    settings::{Gather, Settings},
};

/// Pretends to run, and keeps what it was asked for.
#[derive(Default)]
struct Fake {
    asked: Mutex<Option<Settings>>,
    summary: Summary,
    wrong: bool,
    interrupted: bool,
    plays: Vec<ListedPlay>,
}

impl Engine for Fake {
    async fn run(&self, settings: Settings, _ask: Arc<dyn Ask>, events: Events) -> Result<Summary, Diagnostics> {
        *self.asked.lock().unwrap() = Some(settings);
        events.emit(Event::Warning { text: "pretended".to_owned() });
        if self.interrupted {
            // The handler stands by the time the run waits for anything.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT).unwrap();
            std::future::pending::<()>().await;
        }
        if self.wrong { Err(Diagnostics { found: vec![Diagnostic::bare("wrong playbook")] }) } else { Ok(self.summary) }
    }

    fn list(&self, settings: Settings) -> Result<Vec<ListedPlay>, Diagnostics> {
        *self.asked.lock().unwrap() = Some(settings);
        Ok(self.plays.clone())
    }
}

/// A folder with a playbook, variables of the environment and answers to questions.
struct Desk {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
    answers: Arc<Mutex<Vec<(&'static str, &'static str)>>>,
    fake: Fake,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("site.yaml"), "[]\n").unwrap();
        Self { folder, environment: Vec::new(), answers: Arc::default(), fake: Fake::default() }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs `deployer run site.yaml` with more words; the code, what was shown, and what was asked for.
    fn run(&self, words: &str) -> (Exit, String, Option<Settings>) {
        let playbook = self.folder.path().join("site.yaml").display().to_string();
        self.deployer(&["run".to_owned(), playbook], words)
    }

    fn deployer(&self, first: &[String], words: &str) -> (Exit, String, Option<Settings>) {
        let words = first.iter().cloned().chain(shlex::split(words).unwrap());
        let line = Cli::try_parse_from(std::iter::once("deployer".to_owned()).chain(words)).unwrap();
        let (screen, shown) = crate::controller::report::Shown::screen();
        let context = self.context(screen);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let exit = runtime.block_on(line.execute(&context, &self.fake));
        (exit, shown.text(), self.fake.asked.lock().unwrap().take())
    }

    fn context(&self, screen: Screen) -> Context {
        let environment = self.environment.clone();
        let environment =
            move |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        let answers = Arc::clone(&self.answers);
        let prompt = move |question: &str| {
            let mut answers = answers.lock().unwrap();
            let (expected, answer) = if answers.is_empty() { ("none", "") } else { answers.remove(0) };
            assert_eq!(question, expected);
            Ok(answer.to_owned())
        };
        let configuration = Configuration::load(Box::new(environment), self.folder.path()).unwrap();
        Context { screen, colour: false, configuration, prompt: Box::new(prompt) }
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let mut desk = Desk::new();
    desk.file("ansible.cfg", "[defaults]\nforks=2\ntimeout=3\nremote_user=cfg\ngathering=smart\nhost_key_checking=no\ninventory=a.ini,b.ini\n[privilege_escalation]\nbecome=yes\nbecome_user=app\n");
    desk.environment = vec![("ANSIBLE_TIMEOUT", "4".to_owned()), ("ANSIBLE_REMOTE_USER", "env".to_owned())];
    let settings = desk.run("-u flag").2.unwrap();
    assert_eq!((settings.forks, settings.timeout, settings.user.as_deref()), (2, 4, Some("flag")));
    assert_eq!((settings.escalate, settings.become_user.as_deref()), (true, Some("app")));
    assert_eq!((settings.gather, settings.host_key_checking), (Gather::Smart, false));
    let beside = |name: &str| desk.folder.path().join(name).display().to_string();
    assert_eq!(settings.inventory, [beside("a.ini"), beside("b.ini")]);
    let flags = desk.run("-f 9 -i web1, -i hosts").2.unwrap();
    assert_eq!((flags.forks, flags.inventory), (9, vec!["web1,".to_owned(), "hosts".to_owned()]));
}

#[test]
fn without_a_word_the_defaults_hold() {
    let settings = Desk::new().run("").2.unwrap();
    assert_eq!((settings.forks, settings.timeout, settings.verbosity), (50, 10, 0));
    assert!(settings.host_key_checking && !settings.check && !settings.escalate && settings.password.is_none());
}

#[test]
fn short_flags_are_ansibles() {
    let desk = Desk::new();
    let words = "-l 'web*' -t a,b -t c --skip-tags d -e a=1 -e '{b: 2}' -b -CD -vv -c local -T 5 --start-at-task 'Two words' --ssh-common-args '-o ProxyJump=gate' --key-file k";
    let settings = desk.run(words).2.unwrap();
    assert_eq!((settings.limit.as_deref(), settings.tags.join(" ")), (Some("web*"), "a b c".to_owned()));
    assert_eq!((settings.skip_tags.join(" "), settings.extra_vars.len()), ("d".to_owned(), 2));
    assert!(settings.escalate && settings.check && settings.diff);
    assert_eq!((settings.verbosity, settings.timeout, settings.connection.as_deref()), (2, 5, Some("local")));
    assert_eq!(settings.start_at_task.as_deref(), Some("Two words"));
    assert_eq!(settings.ssh_common_args.as_deref(), Some("-o ProxyJump=gate"));
    assert_eq!(settings.private_key.unwrap().to_str(), Some("k"));
}

#[test]
fn passwords_are_asked_for_once_before_the_run() {
    let desk = Desk::new();
    *desk.answers.lock().unwrap() =
        vec![("Vault password: ", "v"), ("SSH password: ", "s"), ("BECOME password [default: the SSH password]: ", "")];
    let settings = desk.run("-J -k -K").2.unwrap();
    assert_eq!(settings.password.unwrap().expose(), "s");
    assert_eq!(settings.become_password.unwrap().expose(), "s");
    assert_eq!(settings.keyring.password(None).unwrap().expose(), b"v");
    assert!(desk.answers.lock().unwrap().is_empty());
}

#[test]
fn passwords_come_from_files_and_lists_need_none() {
    let desk = Desk::new();
    let (file, bare) = (desk.file("pw", "hidden\n"), desk.file("empty", "\n"));
    let settings = desk.run(&format!("--become-password-file {file}")).2.unwrap();
    assert_eq!(settings.become_password.unwrap().expose(), "hidden");
    assert_eq!(desk.run(&format!("--connection-password-file {bare}")).0, Exit::Error);
    // Nobody is asked: the desk has no answers.
    assert_eq!(desk.run("-kK --list-tasks").0, Exit::Ok);
}

#[test]
fn exit_codes_say_how_it_ended() {
    let mut desk = Desk::new();
    let (exit, shown, _) = desk.run("");
    assert_eq!((exit, shown.as_str()), (Exit::Ok, "[WARNING]: pretended\n"));
    assert_eq!(desk.run("--output json").1, "{\"event\":\"warning\",\"text\":\"pretended\"}\n");
    desk.fake.summary.failed = true;
    assert_eq!(desk.run("").0, Exit::Failed);
    desk.fake.summary.unreachable = true;
    assert_eq!(desk.run("").0, Exit::Unreachable);
    desk.fake.wrong = true;
    assert_eq!(desk.run("").0, Exit::Unreachable);
    desk.fake.interrupted = true;
    assert_eq!(desk.run("").0, Exit::Interrupted);
}

#[test]
fn wrong_words_stop_before_the_run() {
    let desk = Desk::new();
    for words in ["--step", "-e novalue", "-f 0", "nowhere.yaml"] {
        let (exit, _, asked) = desk.run(words);
        assert!(exit == Exit::Usage && asked.is_none(), "{words}: {exit:?}");
    }
    assert_eq!(desk.run("--vault-password-file /nowhere/pw").0, Exit::Error);
}

#[test]
fn plays_are_listed_as_in_ansible() {
    let mut desk = Desk::new();
    desk.fake.plays = vec![ListedPlay {
        name: "Web".to_owned(),
        hosts: vec!["web1".to_owned(), "web2".to_owned()],
        tasks: vec![("web : Install".to_owned(), vec!["pkg".to_owned()]), ("Tell".to_owned(), Vec::new())],
        tags: vec!["web".to_owned()],
    }];
    let (_, shown, _) = desk.run("--list-hosts --list-tasks --list-tags");
    let (_, rest) = shown.split_once('\n').unwrap();
    assert_eq!(
        rest,
        "\n  play #1 (Web): TAGS: [web]\n    hosts (2):\n      web1\n      web2\n    tasks:\n      web : Install  TAGS: [pkg]\n      \
         Tell  TAGS: []\n      TASK TAGS: [pkg, web]\n"
    );
    assert_eq!(desk.run("--syntax-check").1.lines().count(), 1);
}

#[test]
fn the_inventory_is_shown_as_ansible_shows_it() {
    let desk = Desk::new();
    let hosts = desk.file("hosts.ini", "[web]\nweb1 port=80\nweb2\n[db]\ndb1\n[all:vars]\ncolour=blue\n");
    let graph = desk.deployer(&["inventory".to_owned(), "graph".to_owned()], &format!("-i {hosts}")).1;
    let tree = "@all:\n  |--@ungrouped:\n  |--@web:\n  |  |--web1\n  |  |--web2\n  |--@db:\n  |  |--db1\n";
    assert_eq!(graph, tree);
    let host =
        desk.deployer(&["inventory".to_owned(), "host".to_owned(), "web1".to_owned()], &format!("-i {hosts} -e a=b")).1;
    assert_eq!(host, "{\n    \"a\": \"b\",\n    \"colour\": \"blue\",\n    \"port\": 80\n}\n");
    let list = desk.deployer(&["inventory".to_owned(), "list".to_owned()], &format!("-i {hosts} -l web")).1;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["web"], serde_json::json!({"hosts": ["web1", "web2"]}));
    assert_eq!(list["all"], serde_json::json!({"children": ["ungrouped", "web", "db"]}));
    assert_eq!(list["_meta"]["hostvars"]["web2"], serde_json::json!({"colour": "blue"}));
    assert!(list["_meta"]["hostvars"].get("db1").is_none());
    // The same with the flags of ansible-inventory.
    let flags = |words: &str| desk.deployer(&["inventory".to_owned()], &format!("-i {hosts} {words}"));
    assert_eq!(flags("--graph").1, tree);
    assert_eq!(flags("--graph web").1, "@web:\n  |--web1\n  |--web2\n");
    assert_eq!(flags("--host web1 -e a=b").1, host);
    let nested = "all:\n  children:\n    db:\n      hosts:\n        db1: {}\n    web:\n      hosts:\n        web1:\n          \
                  port: 80\n        web2: {}\n  vars:\n    colour: blue\n";
    assert_eq!(flags("--list --yaml --export").1, nested);
    assert_eq!(flags("--host nosuch").0, Exit::Usage);
}

#[test]
fn vaults_go_there_and_back() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    let (file, password) = (desk.file("secrets.yaml", "token: x\n"), desk.file("pw", "p\n"));
    let vault = |action: &str, words: &str| desk.deployer(&["vault".to_owned(), action.to_owned()], words);
    let with = format!("{file} --vault-password-file {password}");
    assert_eq!(vault("encrypt", &with).0, Exit::Ok);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("$ANSIBLE_VAULT;1.1;AES256\n"));
    assert_eq!(vault("encrypt", &with).0, Exit::Error);
    assert_eq!(vault("view", &with).1, "token: x\n");
    assert_eq!(vault("decrypt", &with).0, Exit::Ok);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "token: x\n");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(vault("view", &with).0, Exit::Error);
    *desk.answers.lock().unwrap() = vec![("New vault password: ", "a"), ("The same again: ", "b")];
    assert_eq!(vault("encrypt", &file).0, Exit::Error);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "token: x\n");
}

#[test]
fn vaults_get_another_password_all_or_none() {
    let desk = Desk::new();
    let (file, other) = (desk.file("a.yaml", "token: x\n"), desk.file("b.yaml", "plain\n"));
    let (old, new) = (desk.file("old", "p\n"), desk.file("new", "q\n"));
    let vault = |action: &str, words: &str| desk.deployer(&["vault".to_owned(), action.to_owned()], words);
    assert_eq!(vault("encrypt", &format!("{file} --vault-password-file {old}")).0, Exit::Ok);
    let sealed = std::fs::read_to_string(&file).unwrap();
    let with = format!("--vault-password-file {old} --new-vault-id prod@{new}");
    assert_eq!(vault("rekey", &format!("{file} {other} {with}")).0, Exit::Error);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), sealed);
    assert_eq!(vault("rekey", &format!("{file} {with}")).0, Exit::Ok);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    assert_eq!(vault("view", &format!("{file} --vault-password-file {old}")).0, Exit::Error);
    assert_eq!(vault("view", &format!("{file} --vault-password-file {new}")).1, "token: x\n");
}

#[test]
fn vaults_are_edited_and_nothing_plain_stays_behind() {
    let mut desk = Desk::new();
    let (editor, password) =
        (desk.file("editor", "echo more >> \"$2\"\necho \"$2\" > \"$1\"\n"), desk.file("pw", "p\n"));
    let (seen, file) = (desk.file("seen", ""), desk.folder.path().join("new.yaml").display().to_string());
    let runtime = desk.folder.path().display().to_string();
    desk.environment = vec![("EDITOR", format!("sh {editor} {seen}")), ("XDG_RUNTIME_DIR", runtime)];
    let with = format!("{file} --vault-id prod@{password}");
    let vault = |action: &str| desk.deployer(&["vault".to_owned(), action.to_owned()], &with);
    assert_eq!(vault("create").0, Exit::Ok);
    assert_eq!(vault("create").0, Exit::Error);
    assert_eq!(vault("edit").0, Exit::Ok);
    assert_eq!(vault("view").1, "more\nmore\n");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    let copy = std::fs::read_to_string(&seen).unwrap();
    let copy = std::path::Path::new(copy.trim());
    assert!(copy.extension().is_some_and(|end| end == "yaml") && !copy.exists(), "{}", copy.display());
    desk.environment[0].1 = "false".to_owned();
    assert_eq!(desk.deployer(&["vault".to_owned(), "edit".to_owned()], &with).0, Exit::Error);
}

#[test]
fn values_are_encrypted_for_pasting() {
    let desk = Desk::new();
    let password = desk.file("pw", "p\n");
    let words = format!("secret -n token --vault-id prod@{password}");
    let (exit, shown, _) = desk.deployer(&["vault".to_owned(), "encrypt-string".to_owned()], &words);
    assert_eq!(exit, Exit::Ok);
    assert!(shown.starts_with("token: !vault |\n          $ANSIBLE_VAULT;1.2;AES256;prod\n"), "{shown}");
    let file = desk.file("vars.yaml", &shown);
    let settings = desk.run(&format!("--vault-id prod@{password} -e @{file}")).2.unwrap();
    let value = settings.extra_vars[0].as_map().unwrap().get("token").unwrap().clone();
    assert!(value.as_str() == Some("secret") && value.is_secret());
}

#[test]
fn every_flag_is_well_formed() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}
