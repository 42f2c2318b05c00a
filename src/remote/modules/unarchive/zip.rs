//! Zip archives, through the host's `unzip`.

use std::path::Path;

use super::{Format, Unarchive};
use crate::{
    protocol::Run,
    remote::{
        Probe, Stop,
        machine::{probe::Found, system::FileKind},
    },
};

/// A zip archive and what to take of it.
pub(super) struct Zip<'a>(pub(super) &'a Unarchive);

/// Unpacks beside, compares, and unpacks in place when something is missing or differs.
const REFRESH: &str = r#"dest=$1; shift
stage=$(mktemp -d) || exit
trap 'rm -rf -- "$stage"' EXIT
unzip -qq -o "$@" -d "$stage" || exit
cd "$stage" || exit
differing=$(find . -type f | while IFS= read -r file; do
  cmp -s "$file" "$dest/$file" || { echo yes; break; }
done; find . -type d | while IFS= read -r directory; do
  [ -d "$dest/$directory" ] || { echo yes; break; }
done)
[ -z "$differing" ] && exit 0
unzip -qq -o "$@" -d "$dest" && echo changed"#;

/// A line of the archive's table.
struct Row {
    size: u64,
    crc: u32,
    name: String,
}

impl Zip<'_> {
    fn selection(&self, archive: &Path) -> Vec<String> {
        let options = self.0;
        let mut words = options.extra_opts.clone();
        if options.keep_newer {
            words.push("-u".to_owned());
        }
        words.push(archive.to_string_lossy().into_owned());
        words.extend(options.include.iter().cloned());
        if !options.exclude.is_empty() {
            words.push("-x".to_owned());
            words.extend(options.exclude.iter().cloned());
        }
        words
    }

    fn table(&self, probe: &Probe<'_>, archive: &Path) -> Found<Vec<Row>> {
        let mut argv = vec!["unzip".to_owned(), "-v".to_owned()];
        argv.extend(self.selection(archive));
        let output = probe.query_run(&Run::new(argv))?;
        if !output.success() {
            return Err(Stop::failed(format!("unzip could not read {}: {}", archive.display(), output.stderr.trim())));
        }
        Ok(output.stdout.lines().filter_map(row).collect())
    }
}

/// Length, method, size, ratio, date, time, CRC and name.
fn row(line: &str) -> Option<Row> {
    let mut rest = line;
    let mut fields = Vec::new();
    while fields.len() < 7 {
        let trimmed = rest.trim_start();
        let end = trimmed.find(char::is_whitespace)?;
        fields.push(&trimmed[..end]);
        rest = &trimmed[end..];
    }
    let crc = fields[6];
    let name = rest.strip_prefix("  ").unwrap_or(rest);
    let valid = crc.len() == 8 && !name.is_empty();
    valid.then_some(Row {
        size: fields[0].parse().ok()?,
        crc: u32::from_str_radix(crc, 16).ok()?,
        name: name.to_owned(),
    })
}

impl Format for Zip<'_> {
    fn handler(&self) -> &'static str {
        "ZipArchive"
    }

    fn program(&self) -> &'static str {
        "unzip"
    }

    fn names(&self, probe: &Probe<'_>, archive: &Path) -> Found<Vec<String>> {
        Ok(self.table(probe, archive)?.into_iter().map(|row| row.name).collect())
    }

    fn differs(&self, probe: &Probe<'_>, archive: &Path) -> Found<bool> {
        for row in self.table(probe, archive)? {
            let path = self.0.dest.join(&row.name);
            let same = match probe.stat(&path)? {
                Some(stat) if row.name.ends_with('/') => stat.kind == FileKind::Directory,
                Some(stat) if stat.kind == FileKind::File => {
                    stat.size == row.size && crc32(&probe.read(&path)?) == row.crc
                }
                Some(stat) if stat.kind == FileKind::Symlink => {
                    crc32(probe.read_link(&path)?.to_string_lossy().as_bytes()) == row.crc
                }
                _ => false,
            };
            if !same {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn extract(&self, archive: &Path) -> Run {
        let mut argv = vec!["unzip".to_owned(), "-qq".to_owned(), "-o".to_owned()];
        argv.extend(self.selection(archive));
        argv.extend(["-d".to_owned(), self.0.dest.to_string_lossy().into_owned()]);
        Run::new(argv)
    }

    fn refresh(&self, archive: &Path, _root: bool) -> Run {
        let mut argv: Vec<String> = ["/bin/sh", "-c", REFRESH, "sh"].map(str::to_owned).to_vec();
        argv.push(self.0.dest.to_string_lossy().into_owned());
        argv.extend(self.selection(archive));
        Run::new(argv)
    }

    fn listing(&self, archive: &Path) -> Vec<String> {
        let mut argv = vec!["unzip".to_owned(), "-Z1".to_owned(), archive.to_string_lossy().into_owned()];
        argv.extend(self.0.include.iter().cloned());
        if !self.0.exclude.is_empty() {
            argv.push("-x".to_owned());
            argv.extend(self.0.exclude.iter().cloned());
        }
        argv
    }
}

/// The checksum that zip archives hold of every file.
fn crc32(content: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    !content.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_table_are_read_with_spaces_in_names() {
        let line = "       6  Stored        6   0% 2026-01-02 03:04 363a3020  dir/my file.txt";
        let row = row(line).unwrap();
        assert_eq!((row.size, row.crc, row.name.as_str()), (6, 0x363a_3020, "dir/my file.txt"));
        assert!(super::row(" Length   Method    Size  Cmpr    Date    Time   CRC-32   Name").is_none());
        assert!(super::row("--------          -------  ---                            -------").is_none());
        assert_eq!(crc32(b"hello\n"), 0x363a_3020);
    }
}
