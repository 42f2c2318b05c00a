//! The command lines of apt-get that the module's options stand for.

use crate::protocol::Run;

use super::Apt;

/// Locks that another process holds are the usual reason for both retries and the delay between them.
const UPDATE: &str = "\
attempt=0
while :; do
    \"$@\" </dev/null && exit 0
    code=$?
    attempt=$((attempt + 1))
    if [ \"$attempt\" -ge \"$RETRIES\" ]; then
        [ -z \"$UNDONE\" ] || rm -f -- \"$UNDONE\"
        exit \"$code\"
    fi
    delay=$((attempt * attempt))
    [ \"$delay\" -gt \"$DELAY_MAX\" ] && delay=$DELAY_MAX
    echo \"the update failed, trying again in $delay s\"
    sleep \"$delay\"
done
";

/// apt-get ends with this code for everything that went wrong.
const APT_FAILED: i32 = 100;

impl Apt {
    /// Brings the package lists up to date, with as many attempts as the options allow.
    pub(super) fn update(&self) -> Run {
        // From standard input, so that a failure names the command and not the loop around it.
        let mut run = Run::new(["sh", "-s", "--", "apt-get", "update", "-q"]);
        run.stdin = Some(UPDATE.to_owned());
        // Without it a source that cannot be reached is only a warning and the old list is kept.
        run.argv.extend(["-o".to_owned(), "APT::Update::Error-Mode=any".to_owned()]);
        run.argv.extend(self.lock());
        if self.allow_unauthenticated {
            run.argv.push("--allow-unauthenticated".to_owned());
        }
        run.environment.insert("UNDONE".to_owned(), String::new());
        run.environment.insert("RETRIES".to_owned(), self.update_cache_retries.max(1).to_string());
        run.environment.insert("DELAY_MAX".to_owned(), self.update_cache_retry_max_delay.max(0).to_string());
        run.progress = true;
        plain_language(run)
    }

    /// Brings the package lists up to date for a module that has written a source; a new file of it goes when that fails.
    pub(in crate::remote::modules) fn update_or_undo(retries: i64, delay_max: i64, added: Option<&str>) -> Run {
        let mut run = Run::new(["sh", "-s", "--", "apt-get", "update", "-q", "-o", "APT::Update::Error-Mode=any"]);
        run.stdin = Some(UPDATE.to_owned());
        run.environment.insert("UNDONE".to_owned(), added.unwrap_or_default().to_owned());
        run.environment.insert("RETRIES".to_owned(), retries.max(1).to_string());
        run.environment.insert("DELAY_MAX".to_owned(), delay_max.max(0).to_string());
        run.success = vec![Run::ANY_CODE];
        run.progress = true;
        plain_language(run)
    }

    /// apt-get with a verb and what it acts on; its failures are explained afterwards.
    pub(super) fn act(&self, verb: &[&str], names: &[String]) -> Run {
        let mut run = Run::new(self.argv(verb, names));
        run.progress = true;
        run.success = vec![0, APT_FAILED];
        plain_language(run)
    }

    /// What [`Self::act`] would do, without doing it.
    pub(super) fn simulate(&self, verb: &[&str], names: &[String]) -> Run {
        let mut argv = self.argv(verb, names);
        argv.insert(1, "-s".to_owned());
        plain_language(Run::new(argv))
    }

    fn argv(&self, verb: &[&str], names: &[String]) -> Vec<String> {
        let mut argv: Vec<String> = ["apt-get", "-y", "-o", "Dpkg::Use-Pty=0"].map(str::to_owned).to_vec();
        argv.extend(self.lock());
        for option in self.dpkg_options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
            argv.extend(["-o".to_owned(), format!("Dpkg::Options::=--{}", option.trim_start_matches('-'))]);
        }
        if let Some(recommends) = self.install_recommends {
            let word = if recommends { "yes" } else { "no" };
            argv.extend(["-o".to_owned(), format!("APT::Install-Recommends={word}")]);
        }
        if let Some(release) = &self.default_release {
            argv.extend(["-t".to_owned(), release.clone()]);
        }
        let flags = [
            (self.autoremove, "--auto-remove"),
            (self.purge, "--purge"),
            (self.fail_on_autoremove, "--no-remove"),
            (self.only_upgrade, "--only-upgrade"),
            (self.allow_unauthenticated || self.force, "--allow-unauthenticated"),
            (self.allow_downgrade || self.force, "--allow-downgrades"),
            (self.allow_change_held_packages || self.force, "--allow-change-held-packages"),
            (self.force, "--allow-remove-essential"),
        ];
        argv.extend(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| (*flag).to_owned()));
        argv.extend(verb.iter().map(|word| (*word).to_owned()));
        argv.extend(names.iter().cloned());
        argv
    }

    fn lock(&self) -> [String; 2] {
        ["-o".to_owned(), format!("DPkg::Lock::Timeout={}", self.lock_timeout)]
    }
}

/// No questions, and output that can be read back.
fn plain_language(mut run: Run) -> Run {
    for (name, value) in
        [("DEBIAN_FRONTEND", "noninteractive"), ("DEBIAN_PRIORITY", "critical"), ("LC_ALL", "C"), ("LANGUAGE", "C")]
    {
        run.environment.insert(name.to_owned(), value.to_owned());
    }
    run
}

/// What a simulation says would happen, by package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Simulation {
    /// Name, version that is there (if any) and version that would be.
    pub installed: Vec<(String, Option<String>, String)>,
    /// Name and version of what would go.
    pub removed: Vec<(String, String)>,
}

impl Simulation {
    /// Reads the `Inst` and `Remv` lines of `apt-get -s`.
    pub(super) fn parse(output: &str) -> Self {
        let mut simulation = Self::default();
        for line in output.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("Inst"), Some(name)) => {
                    let rest: Vec<&str> = words.collect();
                    let old = rest.iter().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
                    let new = rest.iter().find_map(|word| word.strip_prefix('('));
                    simulation.installed.push((
                        name.to_owned(),
                        old.map(str::to_owned),
                        new.unwrap_or_default().to_owned(),
                    ));
                }
                (Some("Remv" | "Purg"), Some(name)) => {
                    let version = words.next().unwrap_or_default().trim_matches(['[', ']']);
                    simulation.removed.push((name.to_owned(), version.to_owned()));
                }
                _ => {}
            }
        }
        simulation
    }

    /// Whether nothing would happen.
    pub(super) fn is_empty(&self) -> bool {
        self.installed.is_empty() && self.removed.is_empty()
    }
}

/// Whether apt-get's last line of numbers counts anything; `None` when there is no such line.
pub(super) fn counted(stdout: &str) -> Option<bool> {
    let line = stdout.lines().rev().find(|line| line.contains(" upgraded, ") && line.contains(" newly installed"))?;
    let counts = line.split(", ").flat_map(|part| part.split(" and ")).filter(|part| !part.contains("not upgraded"));
    Some(counts.filter_map(|part| part.split_whitespace().next()?.parse::<u64>().ok()).any(|count| count > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_tells_new_from_upgraded_and_removed() {
        let output = "Remv exim4 [4.96]\nInst libc6 [2.36-9] (2.36-10 Debian:12 [amd64]) []\nInst docker.io (20.10.24+dfsg1-1 Debian:12 [amd64])\nConf docker.io (20)\n";
        let simulation = Simulation::parse(output);
        assert_eq!(
            simulation.installed,
            [
                ("libc6".to_owned(), Some("2.36-9".to_owned()), "2.36-10".to_owned()),
                ("docker.io".to_owned(), None, "20.10.24+dfsg1-1".to_owned()),
            ]
        );
        assert_eq!(simulation.removed, [("exim4".to_owned(), "4.96".to_owned())]);
    }

    #[test]
    fn packages_that_are_held_back_do_not_count() {
        assert_eq!(counted("0 upgraded, 0 newly installed, 0 to remove and 14 not upgraded.\n"), Some(false));
        assert_eq!(counted("0 upgraded, 2 newly installed, 0 to remove and 14 not upgraded.\n"), Some(true));
        assert_eq!(counted("0 upgraded, 0 newly installed, 1 to remove and 0 not upgraded.\n"), Some(true));
        assert_eq!(counted("Reading package lists...\n"), None);
    }
}
