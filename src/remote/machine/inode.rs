//! What a file system keeps with an inode beside permissions: its version and its attributes, as `lsattr -v` tells them.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::{
    fs::{IFlags, OFlags, ioctl_getflags},
    ioctl,
};

use super::system::Inode;

/// Letters by bit, in the order in which `lsattr` prints them (e2fsprogs, lib/e2p/pf.c).
const LETTERS: [(u32, char); 22] = [
    (0x0000_0001, 's'),
    (0x0000_0002, 'u'),
    (0x0000_0008, 'S'),
    (0x0001_0000, 'D'),
    (0x0000_0010, 'i'),
    (0x0000_0020, 'a'),
    (0x0000_0040, 'd'),
    (0x0000_0080, 'A'),
    (0x0000_0004, 'c'),
    (0x0000_0800, 'E'),
    (0x0000_4000, 'j'),
    (0x0000_1000, 'I'),
    (0x0000_8000, 't'),
    (0x0002_0000, 'T'),
    (0x0008_0000, 'e'),
    (0x0080_0000, 'C'),
    (0x0200_0000, 'x'),
    (0x4000_0000, 'F'),
    (0x1000_0000, 'N'),
    (0x2000_0000, 'P'),
    (0x0010_0000, 'V'),
    (0x0000_0400, 'm'),
];

/// `FS_IOC_GETVERSION`: its number says `long`, what most file systems write is an `int`.
const VERSION: ioctl::Opcode = ioctl::opcode::read::<std::ffi::c_long>(b'v', 1);

/// Asks a file or folder.
///
/// # Errors
/// When it is neither, cannot be opened, or its file system keeps no such thing.
pub(super) fn look(path: &Path) -> io::Result<Inode> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
    let file = OpenOptions::new().read(true).custom_flags(i32::try_from(flags).unwrap_or_default()).open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let version = version(&file)?;
    Ok(Inode { version, attributes: letters(ioctl_getflags(&file)?) })
}

fn letters(flags: IFlags) -> String {
    LETTERS.iter().filter(|(bit, _)| flags.bits() & bit != 0).map(|(_, letter)| letter).collect()
}

fn version(file: &File) -> io::Result<u32> {
    let mut answer = [0_u32; size_of::<std::ffi::c_long>() / size_of::<u32>()];
    // SAFETY: the request writes at most a `long`, which is what its number declares, and `answer` is exactly as large, aligned for what is read
    // from it, and initialized before.
    #[expect(unsafe_code, reason = "rustix knows no safe form of this request")]
    unsafe {
        ioctl::ioctl(file, ioctl::Updater::<VERSION, _>::new(&mut answer))?;
    }
    Ok(answer[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_in_the_order_of_lsattr() {
        assert_eq!(letters(IFlags::from_bits_retain(0x8_0000) | IFlags::IMMUTABLE | IFlags::NOATIME), "iAe");
        assert_eq!(letters(IFlags::empty()), "");
    }

    #[test]
    fn what_lsattr_tells_of_a_file_is_told_here() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "").unwrap();
        let output = std::process::Command::new("lsattr").arg("-vd").arg(&file).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let mut words = told.split_whitespace();
        match look(&file) {
            Ok(inode) => {
                assert_eq!(words.next().unwrap(), inode.version.to_string());
                assert_eq!(words.next().unwrap().replace('-', ""), inode.attributes);
            }
            Err(_) => assert!(!output.status.success(), "{told}"),
        }
        let link = folder.path().join("l");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(look(&link).is_err());
    }
}
