//! The helpers that were built into the program, one per architecture.

use sha2::{Digest, Sha256};

use crate::remote::machine::hex;

include!(concat!(env!("OUT_DIR"), "/helpers.rs"));

/// A helper ready to be sent.
#[derive(Clone, Debug)]
pub struct Helper {
    /// Architecture as `uname -m` says it.
    pub arch: &'static str,
    /// The program.
    pub bytes: &'static [u8],
    /// Lower-case hex SHA-256 of it.
    pub sha256: String,
}

/// Every helper at hand, hashed once.
pub fn helpers() -> &'static [Helper] {
    static HASHED: std::sync::OnceLock<Vec<Helper>> = std::sync::OnceLock::new();
    HASHED.get_or_init(|| {
        HELPERS.iter().map(|&(arch, bytes)| Helper { arch, bytes, sha256: hex(&Sha256::digest(bytes)) }).collect()
    })
}
