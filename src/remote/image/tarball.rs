//! What lies where in a tar file, found without reading what its entries hold.

use std::{
    collections::HashMap,
    io::{self, Read},
};

use super::scratch::Window;

/// Tar counts in these.
const BLOCK_BYTES: u64 = 512;

/// The longest name or set of extended attributes that is believed, in bytes.
const EXTENSION_BYTES_MAX: u64 = 1 << 20;

/// Links that are followed from an entry to what it stands for.
const LINKS_MAX: usize = 8;

/// A tar file and the places of its entries.
pub(super) struct Tarball {
    file: Window,
    entries: HashMap<String, Entry>,
}

enum Entry {
    Content { at: u64, size: u64 },
    Link(String),
}

/// What an extension says of the entry behind it.
#[derive(Default)]
struct Extended {
    name: Option<String>,
    target: Option<String>,
    size: Option<u64>,
}

impl Tarball {
    /// Finds the entries.
    pub(super) fn index(file: Window) -> io::Result<Self> {
        let mut entries = HashMap::new();
        let mut extended = Extended::default();
        let mut at = 0;
        while at + BLOCK_BYTES <= file.size() {
            let mut head = [0; 512];
            file.part(at, BLOCK_BYTES).read_exact(&mut head)?;
            at += BLOCK_BYTES;
            if head.iter().all(|byte| *byte == 0) {
                break;
            }
            check(&head)?;
            let size = number(&head[124..136]);
            match head[156] {
                b'x' => extended.take_records(&extension(&file, at, size)?),
                b'L' => extended.name = Some(text(&extension(&file, at, size)?)),
                b'K' => extended.target = Some(text(&extension(&file, at, size)?)),
                b'g' => {}
                kind => {
                    let said = std::mem::take(&mut extended);
                    let name = clean(&said.name.unwrap_or_else(|| name_of(&head)));
                    let size = said.size.unwrap_or(size);
                    let target = said.target.unwrap_or_else(|| text(&head[157..257]));
                    match kind {
                        0 | b'0' | b'7' => drop(entries.insert(name, Entry::Content { at, size })),
                        b'1' => drop(entries.insert(name, Entry::Link(clean(&target)))),
                        b'2' => {
                            let beside = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                            let target = clean(&format!("{beside}/{target}"));
                            entries.insert(name, Entry::Link(target));
                        }
                        _ => {}
                    }
                    at += if matches!(kind, 0 | b'0' | b'7') { padded(size) } else { 0 };
                    continue;
                }
            }
            at += padded(size);
        }
        Ok(Self { file, entries })
    }

    /// What an entry holds, links followed.
    pub(super) fn content(&self, name: &str) -> Option<Window> {
        let mut name = clean(name);
        for _ in 0..LINKS_MAX {
            match self.entries.get(&name)? {
                Entry::Content { at, size } => return Some(self.file.part(*at, *size)),
                Entry::Link(target) => name.clone_from(target),
            }
        }
        None
    }
}

impl Extended {
    /// Reads `LENGTH KEY=VALUE` lines.
    fn take_records(&mut self, mut records: &[u8]) {
        while let Some(space) = records.iter().position(|byte| *byte == b' ') {
            let length = std::str::from_utf8(&records[..space]).ok().and_then(|length| length.parse::<usize>().ok());
            let Some(length) = length.filter(|length| *length > space + 1 && *length <= records.len()) else { return };
            let record = text(&records[space + 1..length - 1]);
            records = &records[length..];
            match record.split_once('=') {
                Some(("path", value)) => self.name = Some(value.to_owned()),
                Some(("linkpath", value)) => self.target = Some(value.to_owned()),
                Some(("size", value)) => self.size = value.parse().ok(),
                _ => {}
            }
        }
    }
}

fn extension(file: &Window, at: u64, size: u64) -> io::Result<Vec<u8>> {
    if size > EXTENSION_BYTES_MAX {
        return Err(damaged());
    }
    let mut content = Vec::new();
    file.part(at, size).read_to_end(&mut content)?;
    Ok(content)
}

/// The sum over a head is the one thing that tells a tar file from anything else.
fn check(head: &[u8]) -> io::Result<()> {
    let sum: u64 =
        head.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum();
    if number(&head[148..156]) == sum { Ok(()) } else { Err(damaged()) }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is no tar file, or a damaged one")
}

/// Octal digits, or a large number in bytes.
fn number(field: &[u8]) -> u64 {
    if field[0] & 0x80 != 0 {
        return field[1..].iter().fold(u64::from(field[0] & 0x7f), |sum, byte| sum << 8 | u64::from(*byte));
    }
    let digits = field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| (b'0'..=b'7').contains(byte));
    digits.fold(0, |sum, digit| sum << 3 | u64::from(digit - b'0'))
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn name_of(head: &[u8]) -> String {
    let (name, prefix) = (text(&head[..100]), text(&head[345..500]));
    if head[257..263] == *b"ustar\0" && !prefix.is_empty() { format!("{prefix}/{name}") } else { name }
}

/// A name without `.`, `..` and slashes that say nothing.
fn clean(name: &str) -> String {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

const fn padded(size: u64) -> u64 {
    size.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES)
}
