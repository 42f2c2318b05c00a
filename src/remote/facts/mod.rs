//! The catalog of facts: what a host says of itself.

use std::path::Path;

use crate::{
    protocol::{Json, Map, Run},
    remote::Probe,
};

pub mod wildcard;

/// A part of the facts that can be asked for by name.
pub struct Subset {
    /// Its name in `gather_subset`.
    pub name: &'static str,
    /// Other names for it: of the facts it gives.
    pub also: &'static [&'static str],
    /// Whether it belongs to `min`, which is cheap and nearly always gathered.
    pub minimal: bool,
    /// The facts it gives, without `ansible_` in front; `network` gives one more for each interface.
    pub gives: &'static [&'static str],
    gather: fn(&mut Gathering<'_, '_>),
}

/// Declares the facts of this folder and lists what they are called.
macro_rules! catalog {
    ($($file:ident $([$($also:literal)*])? $($minimal:ident)?;)*) => {
        $(mod $file;)*
        /// Every subset of facts, in the order in which they are gathered.
        pub const CATALOG: &[Subset] = &[$(Subset {
            name: stringify!($file),
            also: &[$($($also),*)?],
            minimal: catalog!(@minimal $($minimal)?),
            gives: $file::GIVES,
            gather: $file::gather,
        }),*];
    };
    (@minimal min) => { true };
    (@minimal) => { false };
}

catalog! {
    platform ["architecture" "machine" "kernel" "system" "fqdn" "hostname" "machine_id"] min;
    distribution ["os_family"] min;
    user min;
    env min;
    date_time min;
    cmdline ["proc_cmdline"] min;
    dns min;
    local min;
    lsb min;
    pkg_mgr min;
    service_mgr min;
    selinux min;
    apparmor min;
    fips min;
    caps min;
    ssh_pub_keys min;
    python min;
    network ["interfaces" "default_ipv4" "default_ipv6" "all_ipv4_addresses" "all_ipv6_addresses"];
    hardware ["processor" "memory" "uptime"];
    dmi ["hardware" "system_vendor" "product_name"];
    devices ["hardware"];
    mounts ["hardware"];
    r#virtual ["virtualization_type" "virtualization_role" "virtualization_tech_guest" "virtualization_tech_host"];
    loadavg;
    chroot ["is_chroot"];
}

/// Facts as they come together.
pub struct Gathering<'p, 'a> {
    probe: &'p Probe<'a>,
    facts: Map,
    /// Seconds that one command may take.
    timeout: u64,
    /// Where the host's own facts are.
    fact_path: &'p Path,
}

/// What `gather_subset` accepts.
pub fn subset_names() -> Vec<&'static str> {
    let names = CATALOG.iter().flat_map(|subset| [plain(subset)].into_iter().chain(subset.also.iter().copied()));
    let mut names: Vec<&str> = ["all", "min"].into_iter().chain(names).collect();
    // Asked for often enough, and nothing here has anything to say about them.
    names.extend(["facter", "ohai"]);
    names.sort_unstable();
    names.dedup();
    names
}

fn plain(subset: &Subset) -> &'static str {
    subset.name.trim_start_matches("r#")
}

/// The `gather_subset` that gives these facts and no more than it has to; `None` where nobody can tell what gives one of them.
pub fn least<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Vec<String>> {
    let mut wanted = vec!["!all".to_owned(), "!min".to_owned()];
    for name in names {
        let subset = plain(CATALOG.iter().find(|subset| subset.gives.contains(&name))?).to_owned();
        if !wanted.contains(&subset) {
            wanted.push(subset);
        }
    }
    Some(wanted)
}

/// Picks subsets as Ansible does: `min` unless it is excluded, and what is named; everything where nothing is said.
///
/// # Errors
/// A name that is none.
pub fn select(wanted: &[String]) -> Result<Vec<&'static Subset>, String> {
    let known = subset_names();
    let (mut named, mut excluded) = (Vec::new(), Vec::new());
    let (mut everything, mut nothing, mut minimal) = (false, false, true);
    for word in wanted {
        let (list, name) = match word.strip_prefix('!') {
            Some(name) => (&mut excluded, name),
            None => (&mut named, word.as_str()),
        };
        if !known.contains(&name) {
            return Err(format!(
                "Bad subset '{name}' given to Ansible. gather_subset options allowed: all, {}",
                known.iter().filter(|known| **known != "all").copied().collect::<Vec<_>>().join(", ")
            ));
        }
        match word.as_str() {
            "all" => everything = true,
            "!all" => nothing = true,
            "min" => minimal = true,
            "!min" => minimal = false,
            _ => {}
        }
        list.push(name);
    }
    named.retain(|name| *name != "all");
    // A list of exclusions alone takes from `min`, not from everything: so it is in ansible-core's `get_collector_names`.
    let everything = everything && !nothing || wanted.is_empty();
    let is =
        |subset: &Subset, names: &[&str]| names.iter().any(|name| *name == plain(subset) || subset.also.contains(name));
    Ok(CATALOG
        .iter()
        .filter(|subset| {
            is(subset, &named) || !is(subset, &excluded) && (subset.minimal && minimal || everything && !subset.minimal)
        })
        .collect())
}

/// Gathers subsets into one mapping of `ansible_*` names.
pub fn gather(probe: &Probe<'_>, subsets: &[&Subset], timeout: u64, fact_path: &Path) -> Map {
    let mut gathering = Gathering { probe, facts: Map::new(), timeout, fact_path };
    for subset in subsets {
        (subset.gather)(&mut gathering);
    }
    gathering.facts
}

impl Gathering<'_, '_> {
    fn set(&mut self, name: &str, value: impl Into<Json>) {
        self.facts.insert(format!("ansible_{name}"), value.into());
    }

    /// The text of a file. What cannot be read is no fact, and no failure either.
    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let path = path.as_ref();
        self.probe.exists(path).ok().filter(|exists| *exists)?;
        self.probe.read_text(path).ok()
    }

    /// The text of a short file without white space around it.
    fn line(&self, path: impl AsRef<Path>) -> Option<String> {
        self.text(path).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.probe.exists(path.as_ref()).unwrap_or(false)
    }

    fn names(&self, directory: impl AsRef<Path>) -> Vec<String> {
        if self.exists(&directory) { self.probe.read_dir(directory.as_ref()).unwrap_or_default() } else { Vec::new() }
    }

    /// What a command prints, if it succeeds.
    fn says(&self, argv: &[&str]) -> Option<String> {
        self.probe.program(argv.first()?).ok()??;
        let mut run = Run::new(argv.iter().copied());
        run.timeout = Some(self.timeout);
        run.environment.insert("LC_ALL".to_owned(), "C".to_owned());
        let output = self.probe.query_run(&run).ok()?;
        output.success().then_some(output.stdout)
    }
}

/// `KEY=value` and `KEY="value"` lines.
fn assignments(text: &str) -> impl Iterator<Item = (&str, String)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.trim().split_once('=')?;
        (!key.starts_with('#')).then(|| (key, value.trim_matches(['"', '\'']).to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{protocol::Call, remote::machine::overlay::Overlay};

    fn names(wanted: &[&str]) -> Vec<&'static str> {
        let wanted: Vec<String> = wanted.iter().map(|word| (*word).to_owned()).collect();
        select(&wanted).unwrap().into_iter().map(plain).collect()
    }

    #[test]
    fn what_a_subset_gives_is_its_own() {
        let (here, overlay) = (crate::remote::machine::real::Real::new(), Overlay::default());
        let call = Call::default();
        let mut silent = |_: &str, _: Option<(u64, u64)>| {};
        let probe = Probe::new(&here, &overlay, &call, &mut silent);
        let mut known = 0;
        for subset in CATALOG {
            for name in gather(&probe, &[subset], 10, Path::new("/nonexistent")).keys() {
                let name = name.trim_start_matches("ansible_");
                let giver = CATALOG.iter().find(|subset| subset.gives.contains(&name));
                assert!(giver.is_none_or(|giver| giver.name == subset.name), "{name} comes from {}", subset.name);
                known += usize::from(giver.is_some());
            }
        }
        assert!(known > 50, "{known} facts have a known giver");
    }

    #[test]
    fn only_what_gives_the_named_facts_is_asked_for() {
        assert_eq!(
            least(["os_family", "pkg_mgr", "distribution"]).unwrap(),
            ["!all", "!min", "distribution", "pkg_mgr"]
        );
        assert_eq!(least([]).unwrap(), ["!all", "!min"]);
        assert_eq!(least(["virtualization_type"]).unwrap()[2..], ["virtual"]);
        assert_eq!(least(["os_family", "br0"]), None);
    }

    #[test]
    fn subsets_are_picked_as_ansible_does() {
        assert_eq!(names(&["all"]).len(), CATALOG.len());
        assert!(names(&["!all"]).contains(&"distribution") && !names(&["!all"]).contains(&"network"));
        assert_eq!(names(&["!all", "!min"]), Vec::<&str>::new());
        assert_eq!(names(&["!all", "!min", "interfaces"]), ["network"]);
        assert!(names(&["network"]).contains(&"distribution") && !names(&["network"]).contains(&"hardware"));
        assert!(
            !names(&["all", "!hardware"]).contains(&"hardware") && names(&["all", "!hardware"]).contains(&"network")
        );
        assert!(names(&["!hardware"]).contains(&"distribution") && !names(&["!hardware"]).contains(&"network"));
        assert_eq!(names(&[]).len(), CATALOG.len());
        assert_eq!(names(&["!all", "!min", "hardware"]), ["hardware", "dmi", "devices", "mounts"]);
        assert!(select(&["nosuch".to_owned()]).is_err());
    }
}
