//! The helpers that were built into the program, one per architecture.

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

/// Every helper at hand.
pub fn helpers() -> &'static [Helper] {
    static LIST: std::sync::OnceLock<Vec<Helper>> = std::sync::OnceLock::new();
    LIST.get_or_init(|| {
        HELPERS.iter().map(|&(arch, bytes, sha256)| Helper { arch, bytes, sha256: sha256.to_owned() }).collect()
    })
}
