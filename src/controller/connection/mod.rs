//! Bytes to and from a host: one connection per host, commands and sockets over it, the helper on top.

mod connector;
pub mod descriptors;
mod error;
pub mod escalation;
pub mod helper;
pub mod local;
pub mod plain;
mod process;
pub mod shell;
pub mod ssh;
mod target;
#[cfg(test)]
mod testing;

pub use connector::{Connection, Connector};
pub use error::ConnectError;
pub use process::{Collected, Duplex, Endpoint, Exit, ExitStatus, Process, Reader, Stream, Writer, ended};
pub use target::{Ask, AskNobody, HostKeyChecking, Kind, Secret, Target};
