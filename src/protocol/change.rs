//! Changes as data: applying, predicting, showing and journalling are interpreters over these values.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Blob, Json};

/// One thing that is done to a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Put a regular file in place atomically; missing attributes keep those of the file that is replaced.
    Write {
        /// Where.
        path: PathBuf,
        /// What it holds afterwards.
        content: Content,
        /// Mode and owner.
        attributes: Attributes,
        /// Write into the existing inode, giving up atomicity (`unsafe_writes`).
        in_place: bool,
    },
    /// Copy a file on the host, to keep what is about to be replaced.
    Backup {
        /// The file.
        path: PathBuf,
        /// The copy.
        to: PathBuf,
    },
    /// Make one directory; parents exist.
    Directory {
        /// Where.
        path: PathBuf,
        /// Mode and owner.
        attributes: Attributes,
    },
    /// Make or replace a symbolic link.
    Symlink {
        /// Where.
        path: PathBuf,
        /// What it points at, as written.
        target: PathBuf,
    },
    /// Make or replace a hard link.
    HardLink {
        /// Where.
        path: PathBuf,
        /// An existing file.
        target: PathBuf,
    },
    /// Set mode, owner or times of something that exists.
    Attributes {
        /// Where.
        path: PathBuf,
        /// Only what differs.
        attributes: Attributes,
    },
    /// Remove whatever is there, directories with all they hold.
    Remove {
        /// Where.
        path: PathBuf,
    },
    /// Move to another name on the same host.
    Rename {
        /// From.
        path: PathBuf,
        /// To.
        to: PathBuf,
    },
    /// Run a command.
    Run(Run),
    /// Ask a daemon on the host over its socket.
    Http(HttpRequest),
    /// Nothing to do by itself: what another change brings about, said for predictions.
    Assume(Effect),
}

impl Change {
    /// What it makes true besides itself.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        match self {
            Self::Run(run) => &run.effects,
            Self::Http(request) => &request.effects,
            Self::Assume(effect) => std::slice::from_ref(effect),
            _ => &[],
        }
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Text that the module worked out itself.
    Text(String),
    /// Bytes that are not UTF-8, base64 on the wire.
    Bytes(#[serde(with = "base64_bytes")] Vec<u8>),
    /// Content that the controller has.
    Blob(Blob),
    /// A copy of a file on the host.
    CopyOf(PathBuf),
}

/// Mode, owner and times; `None` means leave as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Permission bits, `0o7777` at most.
    pub mode: Option<u32>,
    /// Numeric owner.
    pub uid: Option<u32>,
    /// Numeric group.
    pub gid: Option<u32>,
    /// Owner by name, when the user is only predicted to exist.
    pub owner: Option<String>,
    /// Group by name, likewise.
    pub group: Option<String>,
    /// Modification time in nanoseconds since 1970.
    #[serde(with = "nanoseconds")]
    pub mtime: Option<i128>,
    /// Access time in nanoseconds since 1970.
    #[serde(with = "nanoseconds")]
    pub atime: Option<i128>,
    /// Follow a symbolic link at the end of the path.
    pub follow: bool,
}

/// A command on the host, and what is true once it has succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Program and arguments; nothing secret.
    pub argv: Vec<String>,
    /// Fed to standard input; secrets go here.
    pub stdin: Option<String>,
    /// Variables added to the environment.
    pub environment: IndexMap<String, String>,
    /// Working directory.
    pub directory: Option<PathBuf>,
    /// Umask, octal bits.
    pub umask: Option<u32>,
    /// Exit codes that mean success; empty means 0.
    pub success: Vec<i32>,
    /// Show its output lines as progress.
    pub progress: bool,
    /// Seconds after which it is killed.
    pub timeout: Option<u64>,
    /// Run it on a terminal of its own and answer what it asks there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialogue: Option<Dialogue>,
    /// What a prediction may take as true afterwards.
    pub effects: Vec<Effect>,
}

/// What a command is answered on its terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialogue {
    /// Tried together on what the command writes; the earliest match is answered.
    pub answers: Vec<Answer>,
    /// Whether the terminal shows the answers.
    pub echo: bool,
    /// Seconds to wait for the next match or the end; for ever without.
    pub patience: Option<u64>,
}

/// What to say to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// A regular expression in this engine's words.
    pub pattern: String,
    /// The lines to send, one for each match; may be secret.
    pub replies: Vec<String>,
    /// Whether the first reply is given every time.
    pub repeated: bool,
}

/// A request to an HTTP daemon behind a Unix socket on the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Path of the socket.
    pub socket: PathBuf,
    /// GET, POST, DELETE …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Extra headers; may hold credentials, never shown.
    pub headers: IndexMap<String, String>,
    /// JSON body.
    pub body: Option<Json>,
    /// Body that the controller has (an archive), instead of JSON.
    pub upload: Option<Blob>,
    /// Body that is a file on the host, instead of one that the controller has.
    pub upload_path: Option<PathBuf>,
    /// Remove that file afterwards, whatever came of it.
    pub discard_upload: bool,
    /// Where on the host the body of the answer goes, instead of being returned.
    pub save_to: Option<PathBuf>,
    /// Status codes besides 2xx that are as good as success (304: already so).
    pub accept: Vec<u16>,
    /// So long it is asked again while it is refused because something still uses what it is about.
    pub insist_seconds: u64,
    /// The answer is a stream of JSON messages: show as progress, fail on `error`.
    pub stream: bool,
    /// What it does, for people.
    pub summary: String,
    /// Asked in this order when it fails, so that nothing half-made stays; what then fails as well is left.
    pub undo: Vec<HttpRequest>,
    /// What a prediction may take as true afterwards.
    pub effects: Vec<Effect>,
}

/// Something a prediction takes as true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What is known, by domain: `package/NAME`, `unit/NAME`, `user/NAME`, `docker/image/NAME` …
    pub key: String,
    /// How it is then; `null`: gone.
    pub value: Json,
}

impl Effect {
    /// An effect on `domain/name`.
    #[must_use]
    pub fn new(domain: &str, name: &str, value: Json) -> Self {
        Self { key: format!("{domain}/{name}"), value }
    }
}

impl Run {
    /// In [`Self::success`]: any exit code is fine, the module judges it itself.
    pub const ANY_CODE: i32 = i32::MIN;

    /// A command by its words.
    #[must_use]
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same command with one more known effect.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}

impl Content {
    /// Text where the bytes are UTF-8, else bytes.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }
}

/// Times as 64 bits on the wire, which reach to the year 2262: tagged enums carry no more.
mod nanoseconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature serde asks for")]
    pub(super) fn serialize<S: Serializer>(time: &Option<i128>, to: S) -> Result<S::Ok, S::Error> {
        time.map(|time| i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX })).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i128>, D::Error> {
        Ok(Option::<i64>::deserialize(from)?.map(i128::from))
    }
}

mod base64_bytes {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_wire_inside_a_change() {
        let attributes = Attributes { mtime: Some(1_700_000_000_123_456_789), atime: None, ..Attributes::default() };
        let change = Change::Attributes { path: PathBuf::from("/x"), attributes };
        let wire = serde_json::to_vec(&change).unwrap();
        assert_eq!(serde_json::from_slice::<Change>(&wire).unwrap(), change);
    }
}
