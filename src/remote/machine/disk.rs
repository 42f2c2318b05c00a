//! When what was written is on the disk.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

/// File systems of disks in this machine (`statfs(2)`): where a write was taken there is room for it. Others may refuse when the
/// file is brought to them.
const OF_THIS_MACHINE: [u64; 7] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0xF2F5_2010, // F2FS
    0x2FC1_2FC1, // ZFS
    0x794C_7630, // overlayfs
    0x0102_1994, // tmpfs
];

/// Kilobytes that others may have waiting for the disk for a wait for all of it to be the quickest one.
const OTHERS_KILOBYTES_MAX: u64 = 64 << 10;

/// Waits at a time: a journal takes those that come together in one go.
const AT_ONCE: usize = 16;

/// Whether a write that the file's system has taken will not be refused later.
pub(super) fn promises(file: &File) -> bool {
    rustix::fs::fstatfs(file)
        .is_ok_and(|system| u64::try_from(system.f_type).is_ok_and(|kind| OF_THIS_MACHINE.contains(&kind)))
}

/// Waits until all of these files are on the disk.
///
/// # Errors
/// When one does not get there.
pub(super) fn settle(files: &[&Path]) -> io::Result<()> {
    if waiting_kilobytes().is_some_and(|kilobytes| kilobytes > OTHERS_KILOBYTES_MAX) { each(files) } else { all(files) }
}

/// Everything that the file systems of these files have not written yet.
fn all(files: &[&Path]) -> io::Result<()> {
    let mut systems = BTreeMap::new();
    for file in files {
        systems.entry(fs::symlink_metadata(file)?.dev()).or_insert(*file);
    }
    systems.values().try_for_each(|file| whole(file))
}

/// Everything that one file system has not written yet.
fn whole(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

/// These files and nothing else, where they may be opened.
fn each(files: &[&Path]) -> io::Result<()> {
    let one = |file: &&Path| match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => whole(file),
        opened => opened?.sync_all(),
    };
    std::thread::scope(|scope| {
        let share = files.len().div_ceil(AT_ONCE).max(1);
        let waits: Vec<_> =
            files.chunks(share).map(|files| scope.spawn(move || files.iter().try_for_each(one))).collect();
        waits
            .into_iter()
            .try_for_each(|wait| wait.join().unwrap_or_else(|_| Err(io::Error::other("a wait for the disk broke off"))))
    })
}

/// What the kernel has not written to any disk yet; `None` where it does not say.
fn waiting_kilobytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let of = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
    };
    Some(of("Dirty:")? + of("Writeback:")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_waiting_takes_all_files_and_tells_of_one_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..=AT_ONCE * 2).map(|at| folder.path().join(at.to_string())).collect();
        paths.iter().for_each(|path| fs::write(path, "content").unwrap());
        let mut files: Vec<&Path> = paths.iter().map(std::path::PathBuf::as_path).collect();
        let missing = folder.path().join("missing");
        for way in [settle, all, each] {
            way(&files).unwrap();
            way(&[]).unwrap();
            files.push(&missing);
            assert_eq!(way(&files).unwrap_err().kind(), io::ErrorKind::NotFound);
            files.pop();
        }
    }

    #[test]
    fn the_kernel_says_how_much_waits() {
        assert!(waiting_kilobytes().is_some());
    }
}
