//! A real sshd on a loopback port with its own keys and folders, ended when the test ends.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{AskNobody, ConnectError, Connection, Connector, HostKeyChecking, Target};

/// One server and the home of the user who connects to it.
pub(super) struct Sshd {
    pub(super) folder: tempfile::TempDir,
    pub(super) port: u16,
    server: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Sshd {
    /// A server with an ed25519 host key that lets `~/.ssh/id_ed25519` in; `more` goes into its configuration.
    pub(super) fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("home/.ssh")).unwrap();
        keygen(&at("host"), &["-t", "ed25519"]);
        keygen(&at("home/.ssh/id_ed25519"), &["-t", "ed25519"]);
        std::fs::copy(at("home/.ssh/id_ed25519.pub"), at("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             AllowTcpForwarding yes\nAllowStreamLocalForwarding yes\nMaxStartups 100\n{more}\n",
            at("host").display(),
            at("authorized").display(),
        );
        std::fs::write(at("sshd_config"), config.replace("@DIR@", &folder.path().display().to_string())).unwrap();
        std::fs::create_dir_all("/run/sshd").unwrap();
        let log = std::fs::File::create(at("log")).unwrap();
        let server = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(at("sshd_config"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let started = Self { folder, port, server };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "sshd does not listen: {}", started.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        started
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server as an inventory would name it; unknown as yet.
    pub(super) fn target(&self) -> Target {
        Target {
            alias: "box".into(),
            address: Some("127.0.0.1".into()),
            port: Some(self.port),
            user: Some(whoami()),
            home: Some(self.path("home")),
            ..Target::default()
        }
    }

    /// Makes the host known, as a first `ssh` would.
    pub(super) fn know(&self) {
        let key = std::fs::read_to_string(self.path("host.pub")).unwrap();
        let line = format!("[127.0.0.1]:{} {key}", self.port);
        std::fs::write(self.path("home/.ssh/known_hosts"), line).unwrap();
    }

    /// Connects to the server, which is known.
    pub(super) async fn connect(&self) -> Connection {
        self.know();
        self.open(&self.target()).await.unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    pub(super) async fn open(&self, target: &Target) -> Result<Connection, ConnectError> {
        connector().open(target).await
    }

    /// Connects whatever the host key, to test what comes after it.
    pub(super) async fn open_unchecked(&self, target: Target) -> Result<Connection, ConnectError> {
        self.open(&Target { host_key_checking: Some(HostKeyChecking::Off), ..target }).await
    }
}

pub(super) fn connector() -> Connector {
    Connector::new(Arc::new(AskNobody))
}

pub(super) fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Makes a key pair without a passphrase, or whatever `words` say.
pub(super) fn keygen(path: &Path, words: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-f"]).arg(path).args(words);
    if !words.contains(&"-N") && !words.contains(&"-s") {
        command.args(["-N", ""]);
    }
    assert!(command.status().unwrap().success());
}

/// A command's standard output as text.
pub(super) async fn output(connection: &Connection, command: &str) -> String {
    let collected = connection.exec(command).await.unwrap().collect(b"").await.unwrap();
    String::from_utf8(collected.stdout).unwrap()
}
