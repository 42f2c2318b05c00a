//! Requests to a host and what comes back while they run.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Change, Claim, Map, Outcome};

/// The version both sides must share; a helper is only ever used by the controller that carries it.
pub const PROTOCOL: u32 = 3;

/// What a relay says once it has its socket, on a line before anything else.
pub const RELAY_CONNECTED: &str = "connected";

/// What the holder of a lease is told first; otherwise the line says who has it.
pub const LEASE_HELD: &str = "held";

/// One module with plain options, to be planned and (outside check mode) applied.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the controller; every answer names it.
    pub id: u64,
    /// A name of the module catalog.
    pub module: String,
    /// Options by their canonical names, rendered, not yet coerced.
    pub options: Map,
    /// Predict instead of applying.
    pub check: bool,
    /// The whole run only predicts: what this call predicts is true for those behind it. A single task in check mode stands alone.
    #[serde(default)]
    pub rehearsal: bool,
    /// Whether the answer should hold diffs.
    pub diff: bool,
    /// Variables for every command that the module runs.
    pub environment: IndexMap<String, String>,
    /// Content of this call that travels in the same frame, in the order of the frame's body.
    pub inline: Vec<Blob>,
    /// Do it in the background: the answer only tells that it was started.
    pub background: Option<Background>,
    /// Where it stands in a burst, if it was sent before the answers to the calls before it had come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What must be true of the steps before it; it is left out where one of these is false.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Claim>,
    /// Keep its result for claims of later steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// How a result is kept for later steps of its burst.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// What counts as `changed`, where that is not for the module to say.
    pub changed: Option<bool>,
    /// All of it, and not only how it ended.
    pub whole: bool,
}

/// A call's place among calls that are sent one behind the other: once one step has failed, those of later steps are not
/// carried out. The calls of one step (the items of a loop) do not stop each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The burst; no other of this controller has its number.
    pub burst: u64,
    /// The step in it, rising.
    pub step: u64,
    /// Whether its failure ends the burst.
    pub stops: bool,
}

/// How a call runs that nobody waits for (Ansible's `async`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Background {
    /// Seconds after which it is ended.
    pub seconds: u64,
    /// Folder of the files that tell what became of it; `~` is expanded on the host.
    pub folder: String,
}

/// Content that lives on the controller, named by what it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Blob {
    /// Lower-case hex SHA-256 of the content.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
}

/// From the controller to the helper.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum ToHost {
    /// Do this; calls are answered in the order they were sent. Body: inline blobs one behind the other.
    Call(Call),
    /// Nothing behind this step is carried out unless the claim is true. There is no answer.
    Fence {
        /// Its place in the burst.
        place: Place,
        /// What must be true.
        claim: Claim,
    },
    /// The next piece of a blob that was asked for, as the body; an empty last piece is allowed.
    Blob {
        /// Which blob.
        sha256: String,
        /// Whether this piece ends it.
        last: bool,
        /// Set when the controller cannot deliver it.
        error: Option<String>,
        /// Whether the body is packed ([`super::packing`]).
        #[serde(default)]
        packed: bool,
    },
    /// Contents that were asked for, whole, one behind the other in the body.
    Blobs {
        /// Which, with the bytes that each has in the body.
        blobs: Vec<Blob>,
        /// Whether the body is packed ([`super::packing`]).
        #[serde(default)]
        packed: bool,
    },
    /// In check mode: what another session on the same host has predicted.
    Assume {
        /// Changes that are to be taken as made.
        changes: Vec<Change>,
    },
    /// Send back the content of a file as [`FromHost::Data`] frames, then [`FromHost::Done`].
    Read {
        /// Names the request in the answers.
        id: u64,
        /// Absolute path on the host.
        path: String,
    },
    /// Remove the helper's own file from the host's cache, then end.
    Forget,
}

/// From the helper to the controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum FromHost {
    /// The first frame: the helper runs.
    Ready(Ready),
    /// Something worth showing while a call runs.
    Progress {
        /// The call.
        id: u64,
        /// One line for people.
        text: String,
        /// Done and total in the same unit, where known.
        amount: Option<(u64, u64)>,
    },
    /// The call needs these contents now, in this order.
    Need {
        /// The call.
        id: u64,
        /// What it needs.
        blobs: Vec<Blob>,
    },
    /// A piece of a file that was asked for, as the body.
    Data {
        /// The request.
        id: u64,
    },
    /// The call was not carried out: a step of its burst before it has failed.
    NotRun {
        /// The call.
        id: u64,
    },
    /// The call was left out: what it says in `when` is not true.
    LeftOut {
        /// The call.
        id: u64,
    },
    /// The call ended.
    Done {
        /// The call.
        id: u64,
        /// How.
        outcome: Outcome,
    },
}

/// Who the helper is and where it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// [`PROTOCOL`] of the helper.
    pub protocol: u32,
    /// Effective user id.
    pub uid: u32,
    /// Name of that user, where the host knows one.
    pub user: String,
}
