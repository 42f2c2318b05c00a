//! The only door to the system: probes read through it, the machine applies changes, the overlay predicts them.

pub mod apply;
mod command;
pub mod detach;
pub mod fake;
mod inode;
pub mod overlay;
pub mod predict;
pub mod probe;
pub mod real;
pub mod system;
pub mod terminal;
mod writing;

use sha2::{Digest, Sha256};

/// The lower-case hex SHA-256 of some bytes.
#[must_use]
pub fn digest(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        text
    })
}
