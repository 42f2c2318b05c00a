//! Tar archives, through the host's GNU tar, which finds out the compression itself.

use std::path::Path;

use super::{Format, Unarchive};
use crate::{
    protocol::Run,
    remote::{Mode, Probe, Stop, machine::probe::Found},
};

/// A tar archive and what to take of it.
pub(super) struct Tar<'a>(pub(super) &'a Unarchive);

/// Ends of the lines that GNU tar prints for differences which unpacking takes away.
const DIFFERENCES: [&str; 8] = [
    "Mod time differs",
    "Cannot stat: No such file or directory",
    "Symlink differs",
    "Contents differ",
    "Size differs",
    "File type differs",
    "Invalid owner",
    "Invalid group",
];

/// Unpacks unless `--diff` finds nothing that matters.
const REFRESH: &str = r#"pattern=$1; shift
if found=$(tar --diff "$@" 2>&1) || ! printf '%s\n' "$found" | grep -v ': : Warning' | grep -Eq "$pattern"; then
  tar --list "$@" >/dev/null && exit 0
fi
tar --extract "$@" && echo changed"#;

impl Tar<'_> {
    fn command(&self, action: &str, archive: &Path) -> Vec<String> {
        let mut argv = vec!["tar".to_owned(), action.to_owned()];
        argv.extend(self.selection(archive));
        argv
    }

    fn selection(&self, archive: &Path) -> Vec<String> {
        let options = self.0;
        let mut words = vec!["-C".to_owned(), options.dest.to_string_lossy().into_owned()];
        if !options.extra_opts.is_empty() {
            words.push("--show-transformed-names".to_owned());
            words.extend(options.extra_opts.iter().cloned());
        }
        if options.keep_newer {
            words.push("--keep-newer-files".to_owned());
        }
        words.extend(options.exclude.iter().map(|name| format!("--exclude={}", name.trim_end_matches('/'))));
        words.extend(["-f".to_owned(), archive.to_string_lossy().into_owned()]);
        words.extend(options.include.iter().cloned());
        words
    }

    /// What counts as a difference: not what the options set anyway, and only root can keep owners.
    fn differences(&self, root: bool) -> Vec<&'static str> {
        let wanted = &self.0.attributes;
        let mut differences = DIFFERENCES.to_vec();
        if root && wanted.owner.is_none() {
            differences.push("Uid differs");
        }
        if root && wanted.group.is_none() {
            differences.push("Gid differs");
        }
        // Others than root unpack through their umask.
        if root && !matches!(wanted.mode, Some(Mode::Bits(_) | Mode::Symbolic(_))) {
            differences.push("Mode differs");
        }
        differences
    }
}

impl Format for Tar<'_> {
    fn handler(&self) -> &'static str {
        "TgzArchive"
    }

    fn program(&self) -> &'static str {
        "tar"
    }

    fn names(&self, probe: &Probe<'_>, archive: &Path) -> Found<Vec<String>> {
        let output = probe.query_run(&plain(self.command("--list", archive)))?;
        if !output.success() {
            return Err(Stop::failed(format!("tar could not read {}: {}", archive.display(), output.stderr.trim())));
        }
        Ok(output.stdout.lines().map(str::to_owned).collect())
    }

    fn differs(&self, probe: &Probe<'_>, archive: &Path) -> Found<bool> {
        let output = probe.query_run(&plain(self.command("--diff", archive)))?;
        let differences = self.differences(probe.uid() == 0);
        // Options that strip leading directories leave those without a name.
        let nameless = |line: &&str| line.contains(": : Warning");
        let lines = || output.stdout.lines().chain(output.stderr.lines()).filter(|line| !nameless(line));
        // A directory that is only predicted cannot be compared; all of the archive is missing there.
        let nowhere = lines().any(|line| line.contains("Cannot open: No such file or directory"));
        Ok(nowhere || lines().any(|line| differences.iter().any(|difference| line.ends_with(difference))))
    }

    fn extract(&self, archive: &Path) -> Run {
        plain(self.command("--extract", archive))
    }

    fn refresh(&self, archive: &Path, root: bool) -> Run {
        let pattern = self.differences(root).join("$|");
        let mut argv: Vec<String> = ["/bin/sh", "-c", REFRESH, "sh"].map(str::to_owned).to_vec();
        argv.push(format!("{pattern}$"));
        argv.extend(self.selection(archive));
        plain(argv)
    }

    fn listing(&self, archive: &Path) -> Vec<String> {
        self.command("--list", archive)
    }
}

/// A run whose messages are in English, and names unquoted.
fn plain(argv: Vec<String>) -> Run {
    let mut run = Run::new(argv);
    run.environment.insert("LC_ALL".to_owned(), "C".to_owned());
    run.environment.insert("TAR_OPTIONS".to_owned(), "--quoting-style=literal".to_owned());
    run
}
