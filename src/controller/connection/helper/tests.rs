//! Bringing a helper to a host and speaking with it, with stand-ins on the other side.

use std::{io::Write, process::Command, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;

use super::{Blobs, Helper, Progress, Session, SessionError, relay};
use crate::{
    controller::connection::{
        ConnectError, Connection, Endpoint, ExitStatus, Process,
        escalation::Become,
        process::Exit,
        testing::{Sshd, output},
    },
    protocol::{Call, FromHost, Outcome, Ready, ToHost, Verdict, frame},
    remote::machine::digest,
};

/// A helper that greets and then waits for the end of its input, as a shell script.
fn greeter() -> Vec<Helper> {
    let mut greeting = Vec::new();
    let ready = Ready { protocol: crate::protocol::call::PROTOCOL, uid: 7, user: "somebody".into() };
    frame::encode(&FromHost::Ready(ready), b"", &mut greeting).unwrap();
    let octal: String = greeting.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let script = format!("#!/bin/sh\nprintf '{octal}'\ncat >/dev/null\n");
    ["x86_64", "aarch64"].into_iter().map(|arch| helper(arch, script.as_bytes())).collect()
}

fn helper(arch: &'static str, program: &[u8]) -> Helper {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(program).unwrap();
    Helper { arch, sha256: digest(program), size: program.len(), packed: packer.finish().unwrap().into() }
}

#[tokio::test]
async fn the_helper_is_sent_once_and_found_again() {
    let sshd = Sshd::start("SetEnv XDG_CACHE_HOME=@DIR@/cache");
    let connection = sshd.connect().await;
    let helpers = greeter();
    let session = Session::start_with(&connection, None, &helpers).await.unwrap();
    assert_eq!((session.ready().uid, session.ready().user.as_str()), (7, "somebody"));
    let file = sshd.path("cache/deployer").join(&helpers[0].sha256);
    let seen =
        output(&connection, &format!("stat -c '%a %i' {} {}", file.parent().unwrap().display(), file.display())).await;
    assert!(seen.starts_with("700 ") && seen.contains("\n700 "), "{seen}");
    Session::start_with(&connection, None, &helpers).await.unwrap();
    let again =
        output(&connection, &format!("stat -c '%a %i' {} {}", file.parent().unwrap().display(), file.display())).await;
    assert_eq!(seen, again, "the file was written again");
    // A damaged one is replaced before anything runs.
    std::fs::write(&file, "#!/bin/sh\ntouch /tmp/should-never-run\n").unwrap();
    Session::start_with(&connection, None, &helpers).await.unwrap();
    assert_eq!(digest(&std::fs::read(&file).unwrap()), helpers[0].sha256);
}

/// A folder with links to all programs of the search path but one.
fn path_without(folder: &std::path::Path, left_out: &str) {
    std::fs::create_dir(folder).unwrap();
    for place in ["/usr/bin", "/bin"] {
        for program in std::fs::read_dir(place).unwrap().map(Result::unwrap) {
            if program.file_name() != left_out {
                let _ = std::os::unix::fs::symlink(program.path(), folder.join(program.file_name()));
            }
        }
    }
}

#[tokio::test]
async fn a_host_without_gzip_gets_the_helper_as_it_is() {
    let sshd = Sshd::start("SetEnv XDG_CACHE_HOME=@DIR@/cache PATH=@DIR@/bin");
    path_without(&sshd.path("bin"), "gzip");
    let connection = sshd.connect().await;
    assert_eq!(output(&connection, "command -v gzip || echo none").await.trim(), "none");
    let helpers = greeter();
    Session::start_with(&connection, None, &helpers).await.unwrap();
    let file = sshd.path("cache/deployer").join(&helpers[0].sha256);
    assert_eq!(digest(&std::fs::read(file).unwrap()), helpers[0].sha256);
}

#[tokio::test]
async fn a_host_that_takes_no_helper_says_why() {
    let refused = Session::start_with(&Connection::Local, None, &[]).await.err().unwrap();
    assert!(matches!(refused, SessionError::HelperRefused { .. }));
    let other = [helper("vax", b"")];
    let refused = Session::start_with(&Connection::Local, None, &other).await.err().unwrap();
    assert!(refused.to_string().contains("there is no helper for"), "{refused}");
}

#[tokio::test]
async fn another_user_gets_a_helper_of_its_own() {
    assert!(Command::new("id").args(["-u", "nobody"]).status().unwrap().success(), "this test needs the user nobody");
    let how = Become { method: "su".into(), user: "nobody".into(), ..Become::default() };
    let helpers = greeter();
    let session = Session::start_with(&Connection::Local, Some(&how), &helpers).await.unwrap();
    assert_eq!(session.ready().user, "somebody");
    let uid = output(&Connection::Local, "id -u nobody").await;
    let file = std::path::PathBuf::from(format!("/var/tmp/.deployer-{}/{}", uid.trim(), helpers[0].sha256));
    assert!(file.exists());
    std::fs::remove_file(file).unwrap();
    let nobody = Become { method: "su".into(), user: "no-such-user".into(), ..Become::default() };
    let error = Session::start_with(&Connection::Local, Some(&nobody), &helpers).await.err().unwrap();
    assert!(error.to_string().contains("does not exist"), "{error}");
}

/// A `sudo` that asks with the prompt it is given and knows one password.
#[tokio::test]
async fn a_password_is_typed_only_when_asked_for_and_a_wrong_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let exe = folder.path().join("sudo");
    let script = "#!/bin/sh\nprompt=\nwhile [ $# -gt 0 ]; do case $1 in -p) prompt=$2; shift ;; -n) echo 'sudo: a password is required' >&2; exit 1 ;; --) shift; break ;; esac; shift; done\nfor try in 1 2 3; do printf '%s' \"$prompt\" >&2; read -r word || exit 1; [ \"$word\" = right ] && exec \"$@\"; echo 'Sorry, try again.' >&2; done\n";
    std::fs::write(&exe, script).unwrap();
    assert!(Command::new("chmod").arg("755").arg(&exe).status().unwrap().success());
    let how = |password: Option<&str>| Become {
        method: "sudo".into(),
        user: "root".into(),
        password: password.map(crate::controller::connection::Secret::new),
        exe: Some(exe.display().to_string()),
        ..Become::default()
    };
    let script = "cat; id -u >&2";
    let started = super::super::escalation::start(&Connection::Local, Some(&how(Some("right"))), script, false).await;
    let ended = started.unwrap().collect(b"input").await.unwrap();
    assert_eq!((ended.status, ended.stdout), (ExitStatus::Code(0), b"input".to_vec()));
    for (password, expected) in [(Some("wrong"), "Incorrect"), (None, "Missing")] {
        let error = Session::start_with(&Connection::Local, Some(&how(password)), &greeter()).await.err().unwrap();
        assert!(matches!(&error, SessionError::Become(failure) if failure.message.contains(expected)), "{error}");
    }
}

/// The other end of a session, played by the test.
struct Played {
    from: tokio::io::DuplexStream,
    to: tokio::io::DuplexStream,
    end: oneshot::Sender<std::io::Result<ExitStatus>>,
}

impl Played {
    async fn start() -> (Session, Self) {
        let (stdin, from) = tokio::io::duplex(1 << 20);
        let (mut to, stdout) = tokio::io::duplex(1 << 20);
        let (end, ended) = oneshot::channel();
        let ready = Ready { protocol: crate::protocol::call::PROTOCOL, uid: 0, user: "root".into() };
        say(&mut to, &FromHost::Ready(ready)).await;
        let process = Process {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(&b"out of memory\n"[..]),
            exit: Exit::new(ended, CancellationToken::new()),
        };
        (Session::over(process).await.unwrap(), Self { from, to, end })
    }

    async fn hear(&mut self) -> (ToHost, Vec<u8>) {
        let length = self.from.read_u32().await.unwrap();
        let mut payload = vec![0; length as usize];
        self.from.read_exact(&mut payload).await.unwrap();
        frame::decode(&payload).unwrap()
    }
}

async fn say(to: &mut tokio::io::DuplexStream, header: &FromHost) {
    let mut bytes = Vec::new();
    frame::encode(header, b"", &mut bytes).unwrap();
    to.write_all(&bytes).await.unwrap();
}

fn called(header: ToHost) -> Call {
    match header {
        ToHost::Call(call) => call,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn calls_overlap_and_each_gets_its_own_answer() {
    let (session, mut host) = Played::start().await;
    let blobs = Blobs::default();
    let call = |module: &str| Call { module: module.into(), ..Call::default() };
    let play = async {
        let first = called(host.hear().await.0);
        let second = called(host.hear().await.0);
        assert_eq!((first.module.as_str(), second.module.as_str()), ("apt", "copy"));
        say(&mut host.to, &FromHost::Progress { id: second.id, text: "half".into(), amount: Some((1, 2)) }).await;
        say(&mut host.to, &FromHost::Done { id: second.id, outcome: Outcome::new(Verdict::Changed) }).await;
        say(&mut host.to, &FromHost::Done { id: first.id, outcome: Outcome::new(Verdict::Unchanged) }).await;
    };
    let mut seen = Vec::new();
    let first = session.call(call("apt"), &blobs, |_| (), || ());
    let second = session.call(call("copy"), &blobs, |progress| seen.push(progress), || ());
    let (first, second, ()) = tokio::join!(first, second, play);
    assert_eq!((first.unwrap().verdict, second.unwrap().verdict), (Verdict::Unchanged, Verdict::Changed));
    assert_eq!(seen, [Progress { text: "half".into(), amount: Some((1, 2)) }]);
}

#[tokio::test]
async fn content_is_streamed_when_it_is_needed() {
    let (session, mut host) = Played::start().await;
    let blobs = Blobs::default();
    let content: Vec<u8> = (0..frame::CHUNK_BYTES * 2 + 5).map(|n| n.to_le_bytes()[0]).collect();
    let blob = blobs.add_bytes(content.clone());
    let play = async {
        let call = called(host.hear().await.0);
        say(&mut host.to, &FromHost::Need { id: call.id, blobs: vec![blob.clone()] }).await;
        let mut got = Vec::new();
        loop {
            let (header, body) = host.hear().await;
            let ToHost::Blob { last, error: None, .. } = header else { panic!("{header:?}") };
            got.extend(body);
            if last {
                break;
            }
        }
        assert!(got == content);
        say(&mut host.to, &FromHost::Done { id: call.id, outcome: Outcome::new(Verdict::Changed) }).await;
    };
    let (outcome, ()) = tokio::join!(session.call(Call::default(), &blobs, |_| (), || ()), play);
    assert_eq!(outcome.unwrap().verdict, Verdict::Changed);
}

#[tokio::test]
async fn small_contents_travel_together_and_one_that_is_missing_is_told() {
    let (session, mut host) = Played::start().await;
    let blobs = Blobs::default();
    let large = vec![7; frame::CHUNK_BYTES + 1];
    let [a, b, c] = [&b"first"[..], b"second", b"third"].map(|content| blobs.add_bytes(content));
    let missing = crate::protocol::Blob { sha256: "0".repeat(64), size: 3 };
    let wanted = vec![a.clone(), b.clone(), missing, c.clone(), blobs.add_bytes(large.clone())];
    let play = async {
        let call = called(host.hear().await.0);
        say(&mut host.to, &FromHost::Need { id: call.id, blobs: wanted }).await;
        let (header, body) = host.hear().await;
        assert!(matches!(header, ToHost::Blobs { blobs, packed: false } if blobs == [a, b]));
        assert_eq!(body, b"firstsecond");
        assert!(matches!(host.hear().await.0, ToHost::Blob { last: true, error: Some(_), .. }));
        let (header, body) = host.hear().await;
        assert!(matches!(header, ToHost::Blob { sha256, last: true, error: None, .. } if sha256 == c.sha256));
        assert_eq!(body, b"third");
        let first = host.hear().await;
        assert!(matches!(first.0, ToHost::Blob { last: false, error: None, .. }));
        assert!([first.1, host.hear().await.1].concat() == large);
        say(&mut host.to, &FromHost::Done { id: call.id, outcome: Outcome::new(Verdict::Changed) }).await;
    };
    let (outcome, ()) = tokio::join!(session.call(Call::default(), &blobs, |_| (), || ()), play);
    assert_eq!(outcome.unwrap().verdict, Verdict::Changed);
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_no_helper_waiting_for_content() {
    let (session, mut host) = Played::start().await;
    let blobs = Blobs::default();
    let given_up =
        tokio::time::timeout(Duration::from_millis(50), session.call(Call::default(), &blobs, |_| (), || ()));
    assert!(given_up.await.is_err());
    let call = called(host.hear().await.0);
    let blob = blobs.add_bytes(&b"late"[..]);
    say(&mut host.to, &FromHost::Need { id: call.id, blobs: vec![blob] }).await;
    assert!(matches!(host.hear().await.0, ToHost::Blob { last: true, error: Some(_), .. }));
}

#[tokio::test]
async fn a_helper_that_ends_is_told_with_its_last_words() {
    let (session, host) = Played::start().await;
    let blobs = Blobs::default();
    let Played { from, to, end } = host;
    end.send(Ok(ExitStatus::Signal("KILL".into()))).unwrap();
    drop((from, to));
    let error = session.call(Call::default(), &blobs, |_| (), || ()).await.unwrap_err();
    assert_eq!(error.to_string(), "the helper on the host ended: exit code 137: out of memory");
    assert!(!session.is_open());
}

/// A service that answers in capitals once it has heard everything, on a socket only root reaches.
async fn shouting(path: &std::path::Path) -> tokio::task::JoinHandle<()> {
    let listener = tokio::net::UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            stream.write_all(text.to_uppercase().as_bytes()).await.unwrap();
        }
    })
}

#[tokio::test]
async fn a_socket_is_reached_where_sshd_forbids_forwarding() {
    let sshd = Sshd::start("SetEnv XDG_CACHE_HOME=@DIR@/cache\nDisableForwarding yes");
    let connection = sshd.connect().await;
    let endpoint = Endpoint::Unix(sshd.path("socket"));
    let service = shouting(&sshd.path("socket")).await;
    assert!(connection.dial(&endpoint).await.is_err());
    let port = Endpoint::Tcp { host: "127.0.0.1".into(), port: 9 };
    assert!(matches!(connection.dial(&port).await, Err(ConnectError::Forbidden { .. })));
    let mut stream = relay::dial(&connection, None, &endpoint).await.unwrap();
    let sent = "ping ".repeat(100_000);
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer == sent.to_uppercase(), "{} bytes came back", answer.len());
    service.abort();
    let nobody = relay::dial(&connection, None, &Endpoint::Unix(sshd.path("none"))).await.err().unwrap();
    assert!(matches!(&nobody, SessionError::Failed(failure) if failure.message.contains("No such file")), "{nobody}");
}

#[tokio::test]
async fn a_socket_is_dialled_as_the_other_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let service = shouting(&path).await;
    // Only root may enter the folder, so whoever else dials is told so.
    let how = Become { method: "su".into(), user: "nobody".into(), ..Become::default() };
    let error = relay::dial(&Connection::Local, Some(&how), &Endpoint::Unix(path.clone())).await.err().unwrap();
    assert!(error.to_string().contains("as nobody: Permission denied"), "{error}");
    let how = Become { user: "root".into(), ..how };
    let mut stream = relay::dial(&Connection::Local, Some(&how), &Endpoint::Unix(path)).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "PING");
    service.abort();
}
