//! The bytes an SSH connection runs on: TCP, a jump host's channel, or a proxy command.

use std::{
    io,
    pin::Pin,
    process::Stdio,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, Sleep, timeout},
};

use super::{
    super::{ConnectError, Endpoint, Stream, process::ClosingWriter},
    config::{Family, Places, Settings, resolve_name},
    keyring::Keyring,
};

/// Jump hosts behind jump hosts; a longer chain is a circle.
pub(super) const JUMPS_MAX: usize = 8;

/// Seconds in which the network must take at least one byte that waits to be sent: a peer that vanished without a word
/// would otherwise block an upload, and with it every keepalive, for ever.
const WRITE_STALL: Duration = Duration::from_mins(1);

/// Reaches the server's port.
pub(super) async fn reach(
    alias: &str,
    settings: &Settings,
    places: &Places,
    limit: Duration,
    keyring: &Arc<Keyring>,
    depth: usize,
) -> Result<Stream, ConnectError> {
    if let Some((last, before)) = settings.jumps.split_last() {
        return through_jump(alias, settings, places, last, before, keyring, depth).await;
    }
    if let Some(command) = &settings.proxy_command {
        return proxy(alias, command);
    }
    let (host, port) = (settings.hostname.clone(), settings.port);
    let expired = || ConnectError::Timeout {
        alias: alias.to_owned(),
        host: settings.hostname.clone(),
        port,
        seconds: limit.as_secs(),
        doing: "connecting",
    };
    let deadline = Instant::now() + limit;
    let resolved = tokio::time::timeout_at(deadline, tokio::net::lookup_host((host.as_str(), port)))
        .await
        .map_err(|_| expired())?
        .map_err(|source| ConnectError::Resolve { alias: alias.to_owned(), name: host.clone(), source })?;
    let addresses = resolved.filter(|address| match settings.family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    });
    let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address of the wanted family");
    for address in addresses {
        match tokio::time::timeout_at(deadline, TcpStream::connect(address)).await {
            Err(_) => return Err(expired()),
            Ok(Ok(stream)) => {
                // Small frames go back and forth; waiting to fill packets would cost 40 ms each.
                let _ = stream.set_nodelay(true);
                return Ok(Box::new(Progressing::new(stream, WRITE_STALL)));
            }
            Ok(Err(error)) => failure = error,
        }
    }
    Err(ConnectError::Unreachable { alias: alias.to_owned(), host, port, source: failure })
}

async fn through_jump(
    alias: &str,
    settings: &Settings,
    places: &Places,
    last: &str,
    before: &[String],
    keyring: &Arc<Keyring>,
    depth: usize,
) -> Result<Stream, ConnectError> {
    let failed = |source: ConnectError| ConnectError::Jump { alias: alias.to_owned(), source: Box::new(source) };
    if depth >= JUMPS_MAX {
        return Err(ConnectError::Config {
            file: "the SSH configuration".into(),
            line: 0,
            message: format!("the jump hosts of {} lead in a circle", settings.destination),
        });
    }
    let hop = Hop::parse(last);
    let mut given = Vec::new();
    if let Some(user) = hop.user {
        given.push(("user".to_owned(), vec![user]));
    }
    if let Some(port) = hop.port {
        given.push(("port".to_owned(), vec![port.to_string()]));
    }
    if !before.is_empty() {
        given.push(("proxyjump".to_owned(), vec![before.join(",")]));
    }
    let mut jump_settings = resolve_name(&hop.host, &given, settings.file.as_deref(), places).map_err(failed)?;
    // The user's word on strictness and files is for the whole way, wherever it was said.
    if settings.strict_named && !jump_settings.strict_named {
        jump_settings.strict = settings.strict;
    }
    let key = format!(
        "{}@{}:{} via {}",
        jump_settings.user,
        jump_settings.hostname,
        jump_settings.port,
        jump_settings.jumps.join(",")
    );
    let place = keyring.jump(&key).await;
    let mut shared = place.lock().await;
    let jump = match shared.as_ref().filter(|jump| jump.is_open()) {
        Some(jump) => jump.clone(),
        None => {
            let jump = Box::pin(super::Ssh::enter(&hop.host, &jump_settings, places, None, keyring, depth + 1))
                .await
                .map_err(failed)?;
            shared.insert(jump).clone()
        }
    };
    drop(shared);
    let endpoint = Endpoint::Tcp { host: settings.hostname.clone(), port: settings.port };
    jump.dial(&endpoint).await.map_err(failed)
}

/// One hop of a `ProxyJump`: `[user@]host[:port]` or an `ssh://` address.
#[derive(Debug, PartialEq, Eq)]
struct Hop {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

impl Hop {
    fn parse(text: &str) -> Self {
        let text = text.strip_prefix("ssh://").unwrap_or(text).trim_end_matches('/');
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, text),
        };
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, behind)) => (host, behind.strip_prefix(':')),
            // More than one colon without brackets is an IPv6 address.
            None if rest.matches(':').count() == 1 => {
                rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)))
            }
            None => (rest, None),
        };
        Self { user, host: host.to_owned(), port: port.and_then(|port| port.parse().ok()) }
    }
}

fn proxy(alias: &str, command: &str) -> Result<Stream, ConnectError> {
    let failed = |source| ConnectError::Proxy { alias: alias.to_owned(), command: command.to_owned(), source };
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("exec {command}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed(io::ErrorKind::BrokenPipe.into()));
    };
    Ok(Box::new(Proxied { stream: tokio::io::join(stdout, ClosingWriter::new(stdin)), _child: child }))
}

/// A proxy command's pipes; the command ends with them.
struct Proxied<S> {
    stream: S,
    _child: Child,
}

impl<S: AsyncRead + Unpin> AsyncRead for Proxied<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Proxied<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A socket whose writes fail when nothing moves for [`WRITE_STALL`].
struct Progressing<S> {
    stream: S,
    limit: Duration,
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> Progressing<S> {
    const fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, stall: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall = None;
            return polled;
        }
        let limit = self.limit;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        match stall.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the network took nothing for {} s", self.limit.as_secs()),
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Progressing<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Progressing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Runs one step of getting in within the limit.
pub(super) async fn within<T>(
    alias: &str,
    settings: &Settings,
    limit: Duration,
    doing: &'static str,
    step: impl Future<Output = T>,
) -> Result<T, ConnectError> {
    timeout(limit, step).await.map_err(|_| ConnectError::Timeout {
        alias: alias.to_owned(),
        host: settings.hostname.clone(),
        port: settings.port,
        seconds: limit.as_secs(),
        doing,
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[test]
    fn hops_are_read_as_openssh_reads_them() {
        let hop = |user: Option<&str>, host: &str, port| Hop { user: user.map(str::to_owned), host: host.into(), port };
        assert_eq!(Hop::parse("gate"), hop(None, "gate", None));
        assert_eq!(Hop::parse("me@gate:2200"), hop(Some("me"), "gate", Some(2200)));
        assert_eq!(Hop::parse("ssh://me@gate:2200/"), hop(Some("me"), "gate", Some(2200)));
        assert_eq!(Hop::parse("[fe80::1]:22"), hop(None, "fe80::1", Some(22)));
        assert_eq!(Hop::parse("fe80::1"), hop(None, "fe80::1", None));
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_fails_the_write_instead_of_blocking_it() {
        let (near, _far) = tokio::io::duplex(16);
        let mut near = Progressing::new(near, Duration::from_millis(20));
        let error = near.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
