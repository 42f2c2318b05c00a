//! Which packages could be had, as the package lists on the host know them.

use std::{collections::BTreeMap, path::Path};

use crate::{
    protocol::Run,
    remote::{Probe, Stop, machine::probe::Found},
};

/// What `apt-cache` says when none of the names is in the lists.
const NONE_KNOWN: &str = "No packages found";

/// What the lists say of one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The version that would be installed, if any.
    pub candidate: Option<String>,
    /// Every version that is offered, the best first.
    pub versions: Vec<String>,
}

/// Whether the host has package lists at all; images for containers come without.
///
/// # Errors
/// When the host cannot be looked at.
pub fn has_lists(probe: &Probe<'_>) -> Found<bool> {
    let directory = Path::new("/var/lib/apt/lists");
    if !probe.exists(directory)? {
        return Ok(false);
    }
    Ok(probe.read_dir(directory)?.iter().any(|name| name.contains("_Packages") || name.ends_with("Release")))
}

/// Asks for several packages at once; a name the lists do not know is missing from the answer.
///
/// # Errors
/// When `apt-cache` cannot be run.
pub fn offers(probe: &Probe<'_>, names: &[&str], release: Option<&str>) -> Found<BTreeMap<String, Offer>> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut argv = vec!["apt-cache".to_owned()];
    if let Some(release) = release {
        argv.extend(["-o".to_owned(), format!("APT::Default-Release={release}")]);
    }
    argv.push("policy".to_owned());
    argv.extend(names.iter().map(|name| (*name).to_owned()));
    Ok(parse(&ask(probe, argv)?))
}

/// Every name the lists know.
///
/// # Errors
/// When `apt-cache` cannot be run.
pub fn names(probe: &Probe<'_>) -> Found<Vec<String>> {
    let output = ask(probe, vec!["apt-cache".to_owned(), "pkgnames".to_owned()])?;
    Ok(output.lines().map(str::to_owned).collect())
}

/// Whether some package in the lists provides that virtual one.
///
/// # Errors
/// When `apt-cache` cannot be run.
pub fn is_virtual(probe: &Probe<'_>, name: &str) -> Found<bool> {
    let output = ask(probe, vec!["apt-cache".to_owned(), "showpkg".to_owned(), name.to_owned()])?;
    Ok(output.split_once("Reverse Provides:").is_some_and(|(_, providers)| !providers.trim().is_empty()))
}

fn ask(probe: &Probe<'_>, argv: Vec<String>) -> Found<String> {
    let mut run = Run::new(argv);
    run.environment.insert("LC_ALL".to_owned(), "C".to_owned());
    let output = probe.query_run(&run)?;
    // Older versions end with an error when they know none of the names.
    if output.success() || output.stderr.contains(NONE_KNOWN) {
        return Ok(output.stdout);
    }
    let said = output.stderr.trim();
    let asked = run.argv.join(" ");
    Err(Stop::failed(format!("the package lists cannot be read: `{asked}` ended with {}: {said}", output.code)))
}

fn parse(policy: &str) -> BTreeMap<String, Offer> {
    let mut offers: BTreeMap<String, Offer> = BTreeMap::new();
    let mut current = String::new();
    let mut table = false;
    for line in policy.lines() {
        let text = line.trim();
        if !line.starts_with(' ') {
            line.trim_end_matches(':').clone_into(&mut current);
            offers.insert(current.clone(), Offer::default());
            table = false;
            continue;
        }
        let Some(offer) = offers.get_mut(&current) else { continue };
        if let Some(candidate) = text.strip_prefix("Candidate:") {
            offer.candidate = Some(candidate.trim().to_owned()).filter(|version| version != "(none)");
        } else if text.starts_with("Version table:") {
            table = true;
        } else if table && (line.starts_with(" *** ") || (line.starts_with("     ") && !line.starts_with("      "))) {
            // Versions stand five columns in, the sources that have them eight.
            offer.versions.extend(text.trim_start_matches("*** ").split_whitespace().next().map(str::to_owned));
        }
    }
    offers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        protocol::Call,
        remote::machine::{fake::Fake, overlay::Overlay, system::Output},
    };

    #[test]
    fn a_policy_gives_candidates_and_all_versions() {
        let policy = "bash:\n  Installed: 5.2-1\n  Candidate: 5.2-2\n  Version table:\n     5.2-2 500\n        500 http://deb.debian.org/debian bookworm/main amd64 Packages\n *** 5.2-1 100\n        100 /var/lib/dpkg/status\nmail-transport-agent:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n";
        let offers = parse(policy);
        assert_eq!(offers["bash"].candidate.as_deref(), Some("5.2-2"));
        assert_eq!(offers["bash"].versions, ["5.2-2", "5.2-1"]);
        assert_eq!(offers["mail-transport-agent"], Offer::default());
    }

    #[test]
    fn lists_that_cannot_be_read_are_a_failure_with_what_was_said() {
        let says = |code: i32, stderr: &'static str| {
            Fake::new().respond(move |run| {
                (run.argv[0] == "apt-cache").then(|| Output { code, stderr: stderr.to_owned(), ..Output::default() })
            })
        };
        let asked = |host: &Fake| {
            let (overlay, call) = (Overlay::default(), Call::default());
            offers(&Probe::new(host, &overlay, &call, &mut |_, _| {}), &["bash"], None)
        };
        let Err(Stop::Failed(failure, _)) = asked(&says(137, "E: Unable to allocate")) else { panic!("not a failure") };
        assert!(failure.message.contains("ended with 137: E: Unable to allocate"), "{}", failure.message);
        assert!(asked(&says(100, "E: No packages found")).unwrap().is_empty());
    }
}
