//! `connection: local`: commands and sockets of the machine the controller runs on, behind the same interface.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    net::{TcpStream, UnixStream},
    process::{Child, Command},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;

use super::{
    ConnectError, Endpoint, Process, Stream,
    process::{ClosingWriter, Ending, Exit, ExitStatus, GRACE, watch},
};

/// Starts a command line with `/bin/sh -c`; `ending` is how it is ended when its [`Exit`] is dropped.
///
/// # Errors
/// When no process can be started.
pub(super) fn exec(command: &str, ending: Ending) -> Result<Process, ConnectError> {
    let failed = |source| ConnectError::Start { host: "localhost".into(), source };
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C at the terminal is for us: what we started is ended by the end of its input, and can clean up.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
    };
    let (ended, end) = oneshot::channel();
    let kill = CancellationToken::new();
    let killed = kill.clone();
    watch(async move {
        let status = tokio::select! {
            status = child.wait() => status,
            () = killed.cancelled() => {
                if ending == Ending::Asked {
                    signal_group(&child, Signal::TERM);
                }
                match tokio::time::timeout(GRACE, child.wait()).await {
                    Ok(status) => status,
                    Err(_) => {
                        // What it has started goes with it.
                        signal_group(&child, Signal::KILL);
                        child.wait().await
                    }
                }
            }
        };
        // Nobody may be waiting any more.
        let _ = ended.send(status.map(to_status));
    });
    Ok(Process {
        stdin: Box::new(ClosingWriter::new(stdin)),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
        exit: Exit::new(end, kill),
    })
}

/// Sends a signal to a child that is not reaped yet, and to all of its group.
fn signal_group(child: &Child, signal: Signal) {
    if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        // Already gone is as good as ended.
        let _ = kill_process_group(group, signal);
    }
}

/// Opens a socket.
///
/// # Errors
/// When nobody listens there.
pub(super) async fn dial(endpoint: &Endpoint) -> Result<Stream, ConnectError> {
    let stream: std::io::Result<Stream> = match endpoint {
        Endpoint::Unix(path) => UnixStream::connect(path).await.map(|stream| Box::new(stream) as Stream),
        Endpoint::Tcp { host, port } => match TcpStream::connect((host.as_str(), *port)).await {
            Ok(stream) => stream.set_nodelay(true).map(|()| Box::new(stream) as Stream),
            Err(error) => Err(error),
        },
    };
    stream.map_err(|error| ConnectError::Dial {
        host: "localhost".into(),
        endpoint: endpoint.to_string(),
        reason: error.to_string(),
    })
}

fn to_status(status: std::process::ExitStatus) -> ExitStatus {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitStatus::Code(code),
        (None, Some(signal)) => ExitStatus::Signal(signal_name(signal)),
        (None, None) => ExitStatus::Code(-1),
    }
}

fn signal_name(signal: i32) -> String {
    match signal {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        other => return other.to_string(),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_reads_its_input_and_tells_its_end() {
        let ended = exec("cat; echo oops >&2; exit 3", Ending::Asked).unwrap().collect(b"hello").await.unwrap();
        assert_eq!(ended.status, ExitStatus::Code(3));
        assert_eq!(ended.stdout, b"hello");
        assert_eq!(ended.stderr, b"oops\n");
    }

    #[tokio::test]
    async fn a_signal_is_told_as_a_shell_would() {
        let ended = exec("kill -TERM $$", Ending::Asked).unwrap().collect(b"").await.unwrap();
        assert_eq!(ended.status, ExitStatus::Signal("TERM".into()));
        assert_eq!(ended.status.code(), 143);
    }

    #[tokio::test]
    async fn a_command_that_is_given_up_ends_with_what_it_started() {
        use tokio::io::AsyncReadExt;
        let mut process = exec("sleep 300 & echo $!; wait; sleep 300", Ending::Asked).unwrap();
        let mut word = [0; 16];
        let length = process.stdout.read(&mut word).await.unwrap();
        let stat = format!("/proc/{}/stat", std::str::from_utf8(&word[..length]).unwrap().trim());
        assert!(std::fs::exists(&stat).unwrap());
        drop(process);
        let gone = async {
            while std::fs::read_to_string(&stat).is_ok_and(|state| !state.contains(") Z ")) {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(GRACE * 4, gone).await.expect("it runs on");
    }

    #[tokio::test]
    async fn a_unix_socket_is_dialled() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let echo = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            stream.write_all(text.to_uppercase().as_bytes()).await.unwrap();
        });
        let mut stream = dial(&Endpoint::Unix(path)).await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        echo.await.unwrap();
        assert_eq!(answer, "PING");
    }
}
