//! Checksums of downloads: `algorithm:hash`, or `algorithm:address` of a list of them.

use std::io::{self, Write};

use sha2::digest::DynDigest;

use crate::remote::machine::hex;

/// What a file should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `sha256` …
    pub algorithm: String,
    /// In small letters, or the address of a list.
    pub value: String,
}

impl Wanted {
    /// Reads `algorithm:value`; an empty text wants nothing.
    ///
    /// # Errors
    /// When it has no algorithm, or one that is not known.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let (algorithm, value) =
            text.trim().split_once(':').ok_or("the checksum parameter has to be in format <algorithm>:<checksum>")?;
        let algorithm = algorithm.trim().to_lowercase();
        if hasher(&algorithm).is_none() {
            return Err(format!("checksum algorithm {algorithm} is none of md5, sha1, sha224, sha256, sha384, sha512"));
        }
        let value = value.trim();
        let value = if value.contains("://") { value.to_owned() } else { plain(value) };
        Ok(Some(Self { algorithm, value }))
    }

    /// Whether the value is where a list of checksums can be had.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.value.contains("://")
    }
}

/// The checksum of a file in a list as `sha256sum` and BSD's `sha256` write it, or the only one there is.
#[must_use]
pub fn find(list: &str, file: &str) -> Option<String> {
    let lines: Vec<(&str, Option<&str>)> = list
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            if let Some((head, hash)) = line.split_once(") = ") {
                return (hash, head.split_once('(').map(|(_, name)| name));
            }
            match line.split_once(char::is_whitespace) {
                Some((hash, name)) => (hash, Some(name.trim().trim_start_matches('*').trim_start_matches("./"))),
                None => (line, None),
            }
        })
        .collect();
    let named = lines.iter().find(|(_, name)| name.is_some_and(|name| name == file));
    let only = if let [single @ (_, None)] = lines.as_slice() { Some(single) } else { None };
    named
        .or(only)
        .map(|(hash, _)| plain(hash))
        .filter(|hash| !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn plain(hash: &str) -> String {
    hash.chars().filter(|letter| !letter.is_whitespace()).collect::<String>().to_lowercase()
}

pub(super) fn hasher(algorithm: &str) -> Option<Box<dyn DynDigest + Send>> {
    Some(match algorithm {
        "md5" => Box::new(md5::Md5::default()),
        "sha1" => Box::new(sha1::Sha1::default()),
        "sha224" => Box::new(sha2::Sha224::default()),
        "sha256" => Box::new(sha2::Sha256::default()),
        "sha384" => Box::new(sha2::Sha384::default()),
        "sha512" => Box::new(sha2::Sha512::default()),
        _ => return None,
    })
}

/// Writes through to something, keeping checksums of what passes.
pub struct Hashing<W> {
    to: W,
    hashers: Vec<(String, Box<dyn DynDigest + Send>)>,
}

impl<W: Write> Hashing<W> {
    /// With these algorithms; unknown ones are left out.
    pub fn new(to: W, algorithms: &[&str]) -> Self {
        let hashers = algorithms.iter().filter_map(|name| Some(((*name).to_owned(), hasher(name)?))).collect();
        Self { to, hashers }
    }

    /// What was written to, and the checksums by algorithm.
    pub fn finish(self) -> (W, Vec<(String, String)>) {
        let sums = self.hashers.into_iter().map(|(name, hasher)| (name, hex(&hasher.finalize()))).collect();
        (self.to, sums)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        for (_, hasher) in &mut self.hashers {
            hasher.update(&bytes[..count]);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let list = "AA11  other.tar\nbb22 *./x.tar\n";
        assert_eq!(find(list, "x.tar"), Some("bb22".into()));
        assert_eq!(find(list, "none"), None);
        assert_eq!(find("SHA256 (x.tar) = cc33\n", "x.tar"), Some("cc33".into()));
        assert_eq!(find("dd44\n", "whatever"), Some("dd44".into()));
        assert_eq!(find("<html>\n", "whatever"), None);
    }

    #[test]
    fn what_is_wanted_names_its_algorithm() {
        let wanted = Wanted::parse("SHA256: AB CD").unwrap().unwrap();
        assert_eq!((wanted.algorithm.as_str(), wanted.value.as_str()), ("sha256", "abcd"));
        assert!(Wanted::parse("sha1:https://h/SUMS").unwrap().unwrap().is_address());
        assert_eq!(Wanted::parse("").unwrap(), None);
        assert!(Wanted::parse("abcd").is_err());
        assert!(Wanted::parse("crc:ab").is_err());
    }

    #[test]
    fn checksums_are_of_what_passed() {
        let mut hashing = Hashing::new(Vec::new(), &["md5", "sha1"]);
        hashing.write_all(b"hi\n").unwrap();
        let (bytes, sums) = hashing.finish();
        assert_eq!(bytes, b"hi\n");
        assert_eq!(sums[0], ("md5".into(), "764efa883dda1e11db47671c4a3bbd9e".into()));
        assert_eq!(sums[1].1, "55ca6286e3e4f4fba5d0448333fa99fc5a404a73");
    }
}
