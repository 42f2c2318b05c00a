//! What a unit is now, or will be once predictions are true.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{
    protocol::{Effect, Json, Map},
    remote::{Probe, machine::probe::Found},
};

const SUFFIXES: &[&str] = &[
    ".service",
    ".socket",
    ".timer",
    ".target",
    ".mount",
    ".automount",
    ".path",
    ".slice",
    ".swap",
    ".device",
    ".scope",
];

const SYSTEM_FOLDERS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

const USER_FOLDERS: &[&str] = &["/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"];

/// State of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Started, or about to be.
    pub active: bool,
    /// About to be stopped.
    pub stopping: bool,
    /// Started at boot.
    pub enabled: bool,
    /// Cannot be started by anything.
    pub masked: bool,
}

impl Unit {
    /// What a change says of the unit afterwards.
    #[must_use]
    pub fn effect(self, name: &str) -> Effect {
        let value = json!({"active": self.active, "enabled": self.enabled, "masked": self.masked});
        Effect::new("unit", &full_name(name), value)
    }

    /// What an earlier task is predicted to have made of a unit.
    #[must_use]
    pub fn assumed(probe: &Probe<'_>, name: &str) -> Option<Self> {
        let value = probe.assumed("unit", &full_name(name)).filter(|value| !value.is_null())?;
        let is = |key: &str| value.get(key).and_then(Json::as_bool).unwrap_or(false);
        Some(Self { active: is("active"), stopping: false, enabled: is("enabled"), masked: is("masked") })
    }

    /// A unit that an earlier task is predicted to bring with a package, by Debian's convention: packages enable their
    /// units and start them, unless `policy-rc.d` forbids that or there is no systemd to start anything.
    ///
    /// # Errors
    /// When the host cannot be looked at.
    pub fn packaged(probe: &Probe<'_>, name: &str) -> Found<Option<Self>> {
        let coming: Vec<&Json> =
            probe.all_assumed("package").map(|(_, value)| value).filter(|value| !value.is_null()).collect();
        if coming.is_empty() {
            return Ok(None);
        }
        let held = coming.iter().any(|value| value.get("starts").and_then(Json::as_bool) == Some(false));
        let active = !held && is_running(probe)? && !forbidden(probe, name)?;
        Ok(Some(Self { active, enabled: true, ..Self::default() }))
    }
}

/// Whether systemd runs this host.
///
/// # Errors
/// When the host cannot be looked at.
pub fn is_running(probe: &Probe<'_>) -> Found<bool> {
    probe.exists(Path::new("/run/systemd/system"))
}

/// The unit's name with its kind.
#[must_use]
pub fn full_name(name: &str) -> String {
    if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) { name.to_owned() } else { format!("{name}.service") }
}

/// The file that defines a unit; of an instance, its template's.
///
/// # Errors
/// When the host cannot be looked at.
pub fn file(probe: &Probe<'_>, name: &str, user: bool) -> Found<Option<PathBuf>> {
    let full = full_name(name);
    let mut names = vec![full.clone()];
    if let (Some(at), Some(dot)) = (full.find('@'), full.rfind('.'))
        && at < dot
    {
        names.push(format!("{}{}", &full[..=at], &full[dot..]));
    }
    let mut folders: Vec<PathBuf> =
        (if user { USER_FOLDERS } else { SYSTEM_FOLDERS }).iter().map(PathBuf::from).collect();
    if user && let Some(home) = probe.variable("HOME") {
        folders.push(Path::new(&home).join(".config/systemd/user"));
    }
    for folder in folders {
        for name in &names {
            let path = folder.join(name);
            if probe.stat(&path)?.is_some() {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// The properties that `systemctl show` prints.
#[must_use]
pub fn properties(shown: &str) -> Map {
    let mut properties = Map::new();
    for line in shown.lines() {
        if let Some((name, value)) = line.split_once('=')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            properties.insert(name.to_owned(), value.into());
        }
    }
    properties
}

fn forbidden(probe: &Probe<'_>, name: &str) -> Found<bool> {
    const POLICY: &str = "/usr/sbin/policy-rc.d";
    const FORBIDDEN: i32 = 101;
    if !probe.exists(Path::new(POLICY))? {
        return Ok(false);
    }
    // One that is only predicted cannot be asked.
    if probe.read_text(Path::new(POLICY))?.contains("exit 101") {
        return Ok(true);
    }
    let name = name.trim_end_matches(".service");
    Ok(probe.query(&[POLICY, name, "start"]).is_ok_and(|output| output.code == FORBIDDEN))
}
