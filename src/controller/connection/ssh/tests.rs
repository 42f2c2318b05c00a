//! The client against a real sshd: ways in, commands, sockets, jumps.

use std::{path::PathBuf, process::Command, sync::Mutex, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::{
    Ask, ConnectError, Connector, Endpoint, ExitStatus, Secret, Target,
    testing::{Sshd, keygen, output},
};

#[tokio::test]
async fn a_command_runs_and_tells_output_errors_and_code() {
    let sshd = Sshd::start("");
    let connection = sshd.connect().await;
    let process = connection.exec("cat; echo oops >&2; exit 7").await.unwrap();
    let ended = process.collect(b"hello").await.unwrap();
    assert_eq!(ended.status, ExitStatus::Code(7));
    assert_eq!((ended.stdout.as_slice(), ended.stderr.as_slice()), (&b"hello"[..], &b"oops\n"[..]));
    let ended = connection.exec("kill -TERM $$").await.unwrap().collect(b"").await.unwrap();
    assert_eq!(ended.status, ExitStatus::Signal("TERM".into()));
}

#[tokio::test]
async fn much_data_goes_both_ways_unchanged() {
    let sshd = Sshd::start("");
    let connection = sshd.connect().await;
    let bytes: Vec<u8> = (0..8_000_000_u32).map(|n| n.to_le_bytes()[usize::from(n % 3 == 0)]).collect();
    let ended = connection.exec("cat").await.unwrap().collect(&bytes).await.unwrap();
    assert!(ended.stdout == bytes, "{} of {} bytes came back", ended.stdout.len(), bytes.len());
}

#[tokio::test]
async fn output_that_nobody_reads_blocks_no_other_command() {
    let sshd = Sshd::start("");
    let connection = sshd.connect().await;
    let unread = connection.exec("head -c 20000000 /dev/zero; seq 1 2000").await.unwrap();
    let second = tokio::time::timeout(Duration::from_secs(20), output(&connection, "echo free")).await;
    assert_eq!(second.unwrap(), "free\n");
    assert_eq!(unread.collect(b"").await.unwrap().status, ExitStatus::Code(0));
}

#[tokio::test]
async fn more_commands_than_the_server_has_sessions_all_run() {
    let sshd = Sshd::start("");
    let connection = sshd.connect().await;
    let mut running = tokio::task::JoinSet::new();
    for number in 0..60 {
        let connection = connection.clone();
        running.spawn(async move { output(&connection, &format!("echo {number}")).await });
    }
    let mut answers: Vec<u32> = running.join_all().await.iter().map(|answer| answer.trim().parse().unwrap()).collect();
    answers.sort_unstable();
    assert_eq!(answers, (0..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_command_that_ends_before_its_input_does_not_hang() {
    let sshd = Sshd::start("");
    let connection = sshd.connect().await;
    let input = vec![0; 16 << 20];
    let process = connection.exec("exit 3").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), process.collect(&input)).await;
    assert_eq!(ended.unwrap().unwrap().status, ExitStatus::Code(3));
}

#[tokio::test]
async fn a_command_that_nobody_waits_for_is_ended() {
    let sshd = Sshd::start("");
    let connection = sshd.connect().await;
    let file = sshd.path("alive");
    let process = connection.exec(&format!("touch {0}; echo up; cat; rm -f {0}", file.display())).await.unwrap();
    let mut stdout = process.stdout;
    let mut word = [0; 3];
    stdout.read_exact(&mut word).await.unwrap();
    drop((process.stdin, process.exit));
    let gone = async {
        while file.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), gone).await.is_ok());
}

#[tokio::test]
async fn sockets_of_the_host_are_dialled_and_half_closed() {
    let sshd = Sshd::start("");
    let connection = sshd.connect().await;
    let path = sshd.path("socket");
    let unix = tokio::net::UnixListener::bind(&path).unwrap();
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut unix, _) = unix.accept().await.unwrap();
        let mut text = Vec::new();
        unix.read_to_end(&mut text).await.unwrap();
        unix.write_all(&text.to_ascii_uppercase()).await.unwrap();
        drop(unix);
        let (mut tcp, _) = tcp.accept().await.unwrap();
        tcp.read_to_end(&mut Vec::new()).await.unwrap();
        tcp.write_all(b"over tcp").await.unwrap();
    });
    for (endpoint, expected) in
        [(Endpoint::Unix(path), "OVER UNIX"), (Endpoint::Tcp { host: "127.0.0.1".into(), port }, "over tcp")]
    {
        let dial = tokio::time::timeout(Duration::from_secs(5), connection.dial(&endpoint));
        let mut stream = dial.await.unwrap_or_else(|_| panic!("no answer for {endpoint}: {}", sshd.log())).unwrap();
        stream.write_all(b"over unix").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut answer));
        read.await.unwrap_or_else(|_| panic!("no end from {endpoint}")).unwrap();
        assert_eq!(answer, expected);
    }
    let nobody = connection.dial(&Endpoint::Unix("/nowhere/socket".into())).await;
    assert!(matches!(nobody, Err(ConnectError::Dial { .. })));
}

/// Every kind of key, named as in an inventory.
#[tokio::test]
async fn every_kind_of_key_opens_the_door() {
    let sshd = Sshd::start("");
    for (kind, words) in [
        ("ed25519", vec!["-t", "ed25519"]),
        ("ecdsa", vec!["-t", "ecdsa", "-b", "256"]),
        ("ecdsa521", vec!["-t", "ecdsa", "-b", "521"]),
        ("rsa", vec!["-t", "rsa", "-b", "2048"]),
        ("pem", vec!["-t", "rsa", "-b", "2048", "-m", "PEM"]),
    ] {
        let key = sshd.path(kind);
        keygen(&key, &words);
        std::fs::copy(sshd.path(&format!("{kind}.pub")), sshd.path("authorized")).unwrap();
        let target = Target { private_key_file: Some(key), ..sshd.target() };
        let connection =
            sshd.open_unchecked(target).await.unwrap_or_else(|error| panic!("{kind}: {error}\n{}", sshd.log()));
        assert_eq!(output(&connection, "echo in").await, "in\n");
    }
}

/// Answers with one passphrase and counts how often it was asked.
struct Knows(&'static str, Mutex<Vec<PathBuf>>);

impl Ask for Knows {
    fn passphrase(&self, key: &std::path::Path) -> Option<Secret> {
        self.1.lock().unwrap().push(key.to_owned());
        Some(Secret::new(self.0))
    }

    fn answer(&self, _host: &str, _question: &str, _echo: bool) -> Option<Secret> {
        None
    }
}

#[tokio::test]
async fn a_passphrase_is_asked_for_once_and_only_when_the_key_is_welcome() {
    let sshd = Sshd::start("");
    sshd.know();
    keygen(&sshd.path("locked"), &["-t", "ed25519", "-N", "open sesame"]);
    let target = Target { private_key_file: Some(sshd.path("locked")), ..sshd.target() };
    let knows = std::sync::Arc::new(Knows("open sesame", Mutex::default()));
    let connector = Connector::new(knows.clone());
    assert!(matches!(connector.open(&target).await, Err(ConnectError::Auth { .. })));
    assert_eq!(knows.1.lock().unwrap().len(), 0, "asked though the server does not take the key");
    std::fs::copy(sshd.path("locked.pub"), sshd.path("authorized")).unwrap();
    for _ in 0..2 {
        let connection = connector.open(&target).await.unwrap_or_else(|error| panic!("{error}\n{}", sshd.log()));
        assert_eq!(output(&connection, "echo in").await, "in\n");
    }
    assert_eq!(*knows.1.lock().unwrap(), [sshd.path("locked")]);
}

/// An agent that ends with the test.
struct Agent(std::process::Child, PathBuf);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Agent {
    async fn start(socket: PathBuf) -> Self {
        let mut agent = Command::new("ssh-agent");
        let agent = agent.args(["-D", "-a"]).arg(&socket).stdout(std::process::Stdio::null()).spawn().unwrap();
        let started = Self(agent, socket);
        while !started.1.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        started
    }

    fn add(&self, key: &std::path::Path) {
        let added = Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.1).status();
        assert!(added.unwrap().success());
    }
}

#[tokio::test]
async fn an_agent_signs_with_keys_and_certificates() {
    let sshd = Sshd::start("TrustedUserCAKeys @DIR@/ca.pub");
    keygen(&sshd.path("ca"), &["-t", "ed25519"]);
    keygen(&sshd.path("held"), &["-t", "rsa", "-b", "2048"]);
    std::fs::remove_file(sshd.path("home/.ssh/id_ed25519")).unwrap();
    std::fs::remove_file(sshd.path("home/.ssh/id_ed25519.pub")).unwrap();
    let agent = Agent::start(sshd.path("agent")).await;
    let target = Target { ssh_args: format!("-o IdentityAgent={}", agent.1.display()), ..sshd.target() };
    assert!(matches!(sshd.open_unchecked(target.clone()).await, Err(ConnectError::Auth { .. })));
    // By key.
    agent.add(&sshd.path("held"));
    std::fs::copy(sshd.path("held.pub"), sshd.path("authorized")).unwrap();
    sshd.open_unchecked(target.clone()).await.unwrap_or_else(|error| panic!("key: {error}\n{}", sshd.log()));
    // By certificate alone: the key itself is not authorised any more.
    std::fs::write(sshd.path("authorized"), "").unwrap();
    assert!(sshd.open_unchecked(target.clone()).await.is_err());
    let user = target.user.clone().unwrap();
    keygen(
        &sshd.path("ca"),
        &["-s", sshd.path("ca").to_str().unwrap(), "-I", "me", "-n", &user, sshd.path("held.pub").to_str().unwrap()],
    );
    agent.add(&sshd.path("held"));
    sshd.open_unchecked(target).await.unwrap_or_else(|error| panic!("certificate: {error}\n{}", sshd.log()));
}

#[tokio::test]
async fn a_certificate_beside_a_key_is_used() {
    let sshd = Sshd::start("TrustedUserCAKeys @DIR@/ca.pub");
    keygen(&sshd.path("ca"), &["-t", "ed25519"]);
    keygen(&sshd.path("mine"), &["-t", "ecdsa"]);
    let target = Target { private_key_file: Some(sshd.path("mine")), ..sshd.target() };
    assert!(sshd.open_unchecked(target.clone()).await.is_err());
    let user = target.user.clone().unwrap();
    keygen(
        &sshd.path("ca"),
        &["-s", sshd.path("ca").to_str().unwrap(), "-I", "me", "-n", &user, sshd.path("mine.pub").to_str().unwrap()],
    );
    sshd.open_unchecked(target).await.unwrap_or_else(|error| panic!("{error}\n{}", sshd.log()));
}

#[tokio::test]
async fn refused_logins_say_what_was_tried_and_what_to_do() {
    let sshd = Sshd::start("");
    std::fs::write(sshd.path("authorized"), "").unwrap();
    let error = sshd.open_unchecked(sshd.target()).await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("id_ed25519") && text.contains("the server takes: publickey"), "{text}");
    assert!(error.hint().unwrap().contains("--private-key"));
}

#[tokio::test]
async fn unreachable_ports_and_names_are_told_apart() {
    let sshd = Sshd::start("");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = sshd.open(&Target { port: Some(free), ..sshd.target() }).await.err().unwrap();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    assert!(error.hint().unwrap().contains("nothing listens"));
    let error =
        sshd.open(&Target { address: Some("no.such.host.invalid".into()), ..sshd.target() }).await.err().unwrap();
    assert!(matches!(error, ConnectError::Resolve { .. }), "{error}");
    // A port that accepts and stays silent.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        port: Some(silent.local_addr().unwrap().port()),
        connect_timeout: Some(Duration::from_secs(1)),
        ..sshd.target()
    };
    let error = sshd.open(&target).await.err().unwrap();
    assert!(matches!(error, ConnectError::Timeout { doing: "shaking hands", .. }), "{error}");
}

#[tokio::test]
async fn a_chain_of_jump_hosts_is_checked_at_every_hop() {
    let (first, second, last) = (Sshd::start(""), Sshd::start(""), Sshd::start(""));
    let home = last.path("home");
    let key = std::fs::read_to_string(home.join(".ssh/id_ed25519.pub")).unwrap();
    let mut known = String::new();
    for sshd in [&first, &second, &last] {
        std::fs::write(sshd.path("authorized"), &key).unwrap();
        let host = std::fs::read_to_string(sshd.path("host.pub")).unwrap();
        known += &format!("[127.0.0.1]:{} {host}", sshd.port);
    }
    let user = last.target().user.unwrap();
    std::fs::write(
        home.join(".ssh/config"),
        format!(
            "Host gate\n HostName 127.0.0.1\n Port {}\n User {user}\nHost inner\n HostName 127.0.0.1\n Port {}\n User {user}\n",
            first.port, second.port
        ),
    )
    .unwrap();
    let target = Target { ssh_args: "-J gate,inner".into(), ..last.target() };
    let error = last.open(&target).await.err().unwrap();
    assert!(matches!(&error, ConnectError::Jump { .. }), "{error}");
    assert!(error.to_string().contains(&format!("[127.0.0.1]:{}", first.port)), "{error}");
    std::fs::write(home.join(".ssh/known_hosts"), known).unwrap();
    let connection = last.open(&target).await.unwrap_or_else(|error| panic!("{error}"));
    let seen = output(&connection, "echo $SSH_CONNECTION").await;
    assert!(seen.contains(&last.port.to_string()), "{seen}");
    // The same by a proxy command.
    let proxy = "-o 'ProxyCommand=bash -c \"exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3; kill $!\"'".to_owned();
    let connection = last.open(&Target { ssh_args: proxy, ..last.target() }).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(output(&connection, "echo proxied").await, "proxied\n");
}

#[tokio::test]
async fn a_server_that_goes_away_is_an_error_not_a_hang() {
    let sshd = Sshd::start("");
    let connection = sshd.connect().await;
    let process = connection.exec("kill -9 $PPID; sleep 30").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), process.collect(b"")).await.unwrap();
    assert!(ended.is_err(), "{ended:?}");
    let gone = async {
        while connection.is_open() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), gone).await.is_ok());
    assert!(matches!(connection.exec("true").await, Err(ConnectError::Lost { .. })));
}
