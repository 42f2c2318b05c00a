//! What a helper says while it reads an image for the controller, and what it is asked for.

use serde::{Deserialize, Serialize};

use super::Failure;

/// An image as it is told before anything of it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The digest of its configuration, `sha256:` in front: what engines call its id.
    pub id: String,
    /// When it was made, as its configuration says.
    pub created: String,
    /// Its layers from the lowest up.
    pub layers: Vec<Layer>,
}

/// A layer of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The digest of its unpacked archive, `sha256:` in front.
    pub diff_id: String,
    /// About how many bytes it has where it lies.
    pub size: u64,
}

/// From the controller to the helper; each is answered before the next is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// The image's configuration, byte by byte.
    Configuration,
    /// The archive of a layer.
    Layer {
        /// Its place in the image, from 0.
        number: usize,
        /// Compress it where that makes it smaller.
        compress: bool,
    },
}

/// From the helper to the controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum Tell {
    /// The first word: this is the image.
    Image(Image),
    /// The engine is still writing the image out; so many bytes so far.
    Saved {
        /// Bytes.
        bytes: u64,
    },
    /// The next piece of what was asked for, as the body.
    Piece,
    /// That was all of it.
    End,
    /// It cannot be had.
    Failed(Failure),
}
