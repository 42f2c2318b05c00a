//! The helpers that were built into the program, one per architecture.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use flate2::read::GzDecoder;

include!(concat!(env!("OUT_DIR"), "/helpers.rs"));

/// A helper ready to be sent.
#[derive(Clone, Debug)]
pub struct Helper {
    /// Architecture as `uname -m` says it.
    pub arch: &'static str,
    /// Lower-case hex SHA-256 of the program.
    pub sha256: String,
    /// Length of the program in bytes.
    pub size: usize,
    /// The program, packed by gzip.
    pub packed: Cow<'static, [u8]>,
}

impl Helper {
    /// The program itself, for hosts that have no `gzip`.
    ///
    /// # Errors
    /// When it was not packed by gzip.
    pub fn program(&self) -> io::Result<Vec<u8>> {
        let mut program = Vec::with_capacity(self.size);
        GzDecoder::new(&*self.packed).read_to_end(&mut program)?;
        Ok(program)
    }
}

/// Every helper at hand.
pub fn helpers() -> &'static [Helper] {
    static LIST: std::sync::OnceLock<Vec<Helper>> = std::sync::OnceLock::new();
    LIST.get_or_init(|| {
        let helper = |&(arch, size, sha256, packed): &(&'static str, usize, &str, &'static [u8])| Helper {
            arch,
            sha256: sha256.to_owned(),
            size,
            packed: Cow::Borrowed(packed),
        };
        HELPERS.iter().map(helper).collect()
    })
}
