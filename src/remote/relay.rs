//! A socket of the host on standard input and output, for what only a certain user may reach.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::{fd::AsFd, unix::net::UnixStream},
    sync::Arc,
};

use crate::protocol::call::RELAY_CONNECTED;

/// Bytes copied at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Connects to `unix PATH` or `tcp HOST PORT` and copies until the socket ends.
///
/// The first line says [`RELAY_CONNECTED`], or why there is no connection.
///
/// # Errors
/// When standard output breaks.
pub fn relay(words: &[String]) -> io::Result<()> {
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let connected = match words {
        [kind, path] if kind == "unix" => UnixStream::connect(path).map(Socket::Unix),
        [kind, host, port] if kind == "tcp" => port
            .parse::<u16>()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "this is no port"))
            .and_then(|port| TcpStream::connect((host.as_str(), port)))
            .and_then(|stream| stream.set_nodelay(true).map(|()| Socket::Tcp(stream))),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no socket")),
    };
    match connected {
        Ok(socket) => {
            output.write_all(format!("{RELAY_CONNECTED}\n").as_bytes())?;
            between(input, output, socket)
        }
        Err(error) => output.write_all(format!("{}\n", error.to_string().replace('\n', " ")).as_bytes()),
    }
}

/// The end of input is the end of what is sent; the socket's end is the end of all.
fn between(mut input: File, mut output: File, socket: Socket) -> io::Result<()> {
    let socket = Arc::new(socket);
    let to = Arc::clone(&socket);
    std::thread::spawn(move || {
        // A socket that takes no more may still have something to say.
        let _ = copy(|chunk| input.read(chunk), |chunk| to.write_all(chunk));
        let _ = to.end();
    });
    copy(|chunk| socket.read(chunk), |chunk| output.write_all(chunk))
}

fn copy(
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => write(&chunk[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Socket {
    fn read(&self, chunk: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => {
                let mut stream = stream;
                stream.read(chunk)
            }
            Self::Tcp(stream) => {
                let mut stream = stream;
                stream.read(chunk)
            }
        }
    }

    fn write_all(&self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(stream) => {
                let mut stream = stream;
                stream.write_all(chunk)
            }
            Self::Tcp(stream) => {
                let mut stream = stream;
                stream.write_all(chunk)
            }
        }
    }

    fn end(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}
