//! Which distribution the host runs, under the names playbooks compare with.

use super::{Gathering, assignments};

/// `ID` of os-release, Ansible's name, Ansible's family.
const KNOWN: &[(&str, &str, &str)] = &[
    ("debian", "Debian", "Debian"),
    ("ubuntu", "Ubuntu", "Debian"),
    ("raspbian", "Debian", "Debian"),
    ("kali", "Kali", "Debian"),
    ("linuxmint", "Linux Mint", "Debian"),
    ("pop", "Pop!_OS", "Debian"),
    ("devuan", "Devuan", "Debian"),
    ("rhel", "RedHat", "RedHat"),
    ("centos", "CentOS", "RedHat"),
    ("fedora", "Fedora", "RedHat"),
    ("rocky", "Rocky", "RedHat"),
    ("almalinux", "AlmaLinux", "RedHat"),
    ("ol", "OracleLinux", "RedHat"),
    ("amzn", "Amazon", "RedHat"),
    ("alpine", "Alpine", "Alpine"),
    ("arch", "Archlinux", "Archlinux"),
    ("manjaro", "Manjaro", "Archlinux"),
    ("gentoo", "Gentoo", "Gentoo"),
    ("sles", "SLES", "Suse"),
    ("opensuse-leap", "openSUSE Leap", "Suse"),
    ("opensuse-tumbleweed", "openSUSE Tumbleweed", "Suse"),
];

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &[
    "distribution",
    "os_family",
    "distribution_major_version",
    "distribution_minor_version",
    "distribution_release",
    "distribution_version",
    "distribution_file_path",
    "distribution_file_parsed",
];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let path = ["/etc/os-release", "/usr/lib/os-release"].into_iter().find(|path| facts.exists(path));
    let text = path.and_then(|path| facts.text(path)).unwrap_or_default();
    let field = |name: &str| assignments(&text).find(|(key, _)| *key == name).map(|(_, value)| value);
    let id = field("ID").unwrap_or_default();
    let like = field("ID_LIKE").unwrap_or_default();
    let known = KNOWN.iter().find(|(known, ..)| *known == id);
    let related = || like.split_whitespace().find_map(|id| KNOWN.iter().find(|(known, ..)| *known == id));
    let name = match known {
        Some((_, name, _)) => (*name).to_owned(),
        None => field("NAME").unwrap_or_else(|| "Linux".to_owned()),
    };
    let family = known.or_else(related).map_or_else(|| name.clone(), |(.., family)| (*family).to_owned());

    // These have the point release only in a file of their own.
    let precise = match id.as_str() {
        "debian" | "raspbian" => facts.line("/etc/debian_version"),
        "alpine" => facts.line("/etc/alpine-release"),
        _ => None,
    };
    let version = precise
        .filter(|version| version.starts_with(|first: char| first.is_ascii_digit()))
        .or_else(|| field("VERSION_ID"))
        .unwrap_or_else(|| "NA".to_owned());
    let codename = field("VERSION_CODENAME").filter(|name| !name.is_empty());
    let release = codename.or_else(|| {
        let version = field("VERSION")?;
        let (_, after) = version.split_once('(')?;
        Some(after.trim_end_matches(')').to_owned())
    });
    let mut parts = version.split('.');
    facts.set("distribution", name);
    facts.set("os_family", family);
    facts.set("distribution_major_version", parts.next().unwrap_or_default());
    if let Some(minor) = parts.next() {
        facts.set("distribution_minor_version", minor);
    }
    facts.set("distribution_release", release.unwrap_or_else(|| "NA".to_owned()));
    facts.set("distribution_version", version);
    if let Some(path) = path {
        facts.set("distribution_file_path", path);
        facts.set("distribution_file_parsed", true);
    }
}
