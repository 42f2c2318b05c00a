//! Checksums of files under the names Ansible gives them.

use std::path::Path;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::{
    choices,
    remote::{
        Choice, Probe, Stop,
        machine::{hex, probe::Found},
    },
};

/// Files above this many bytes are hashed by the host's own tools, to keep them out of memory.
const IN_MEMORY_BYTES_MAX: u64 = 32 << 20;

choices! {
    /// How a checksum is computed.
    pub enum Algorithm {
        Md5 = "md5",
        Sha1 = "sha1" "sha",
        Sha224 = "sha224",
        Sha256 = "sha256",
        Sha384 = "sha384",
        Sha512 = "sha512",
    }
}

impl Algorithm {
    /// The lower-case hex checksum of some bytes.
    pub fn bytes(self, content: &[u8]) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(content)),
            Self::Sha1 => hex(&Sha1::digest(content)),
            Self::Sha224 => hex(&Sha224::digest(content)),
            Self::Sha256 => hex(&Sha256::digest(content)),
            Self::Sha384 => hex(&Sha384::digest(content)),
            Self::Sha512 => hex(&Sha512::digest(content)),
        }
    }

    /// The lower-case hex checksum of a file, links followed.
    ///
    /// # Errors
    /// When the file cannot be read or its content is not known yet.
    pub fn file(self, probe: &Probe<'_>, path: &Path) -> Found<String> {
        if self == Self::Sha256 {
            return probe.sha256(path);
        }
        let size = probe.stat_followed(path)?.map_or(0, |stat| stat.size);
        if size <= IN_MEMORY_BYTES_MAX || probe.predicting() {
            return Ok(self.bytes(&probe.read(path)?));
        }
        let output = probe.query(&[&format!("{}sum", self.word()), "--", &path.to_string_lossy()])?;
        let sum = output.stdout.trim_start_matches('\\').split_whitespace().next().map(str::to_owned);
        sum.filter(|_| output.success()).ok_or_else(|| {
            Stop::failed(format!("cannot compute the checksum of {}: {}", path.display(), output.stderr.trim()))
        })
    }
}
