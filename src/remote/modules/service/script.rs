//! Services without systemd: init scripts, and `OpenRC` where it is.

use std::path::{Path, PathBuf};

use crate::{
    protocol::Run,
    remote::{Probe, Stop, machine::probe::Found},
};

use super::{Service, State};
use crate::remote::modules::systemd::unit::{self, Unit};

/// What starts services on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Init {
    /// Scripts in `/etc/init.d`, links in `/etc/rc?.d`.
    Sysv,
    /// `rc-service` and `rc-update`.
    OpenRc,
}

impl Init {
    pub(super) fn of(probe: &Probe<'_>) -> Found<Self> {
        Ok(if probe.program("rc-service")?.is_some() { Self::OpenRc } else { Self::Sysv })
    }

    /// What the service is now; `None` when there is no such service.
    pub(super) fn look(self, probe: &Probe<'_>, service: &Service) -> Found<Option<Unit>> {
        let name = &service.name;
        if let Some(unit) = Unit::assumed(probe, name) {
            return Ok(Some(unit));
        }
        if !probe.exists(&path(name))? {
            if probe.predicting()
                && let Some(unit) = Unit::packaged(probe, name)?
            {
                return Ok(Some(unit));
            }
            if unit::file(probe, name, false)?.is_some() {
                return Err(Stop::failed(format!("{name} is a unit of systemd, which does not run on this host"))
                    .hint("start the host with systemd, or start the program with `command`"));
            }
            return Ok(None);
        }
        let active = match &service.pattern {
            Some(pattern) => has_process(probe, pattern)?,
            None => answers_running(&probe.query_run(&self.verb(service, "status"))?),
        };
        Ok(Some(Unit { active, enabled: self.enabled(probe, service)?, ..Unit::default() }))
    }

    fn enabled(self, probe: &Probe<'_>, service: &Service) -> Found<bool> {
        match self {
            Self::OpenRc => {
                let link = Path::new("/etc/runlevels").join(&service.runlevel).join(&service.name);
                Ok(probe.stat(&link)?.is_some())
            }
            Self::Sysv => {
                for level in 2..=5 {
                    let directory = PathBuf::from(format!("/etc/rc{level}.d"));
                    let names = if probe.exists(&directory)? { probe.read_dir(&directory)? } else { Vec::new() };
                    // S, two digits that order the starts, then the script's name.
                    if names.iter().any(|link| link.starts_with('S') && link.get(3..) == Some(&service.name)) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Runs the service's script with a verb.
    pub(super) fn verb(self, service: &Service, verb: &str) -> Run {
        let program = if self == Self::OpenRc { "rc-service" } else { "service" };
        let mut run = Run::new([program, service.name.as_str(), verb]);
        if verb != "status" {
            run.argv.extend(service.arguments.split_whitespace().map(str::to_owned));
        }
        run
    }

    /// Has the service started at boot, or no more.
    pub(super) fn enable(self, probe: &Probe<'_>, service: &Service, enabled: bool) -> Found<Run> {
        let name = service.name.as_str();
        if self == Self::OpenRc {
            return Ok(Run::new(["rc-update", if enabled { "add" } else { "del" }, name, &service.runlevel]));
        }
        if probe.program("update-rc.d")?.is_none() && probe.program("chkconfig")?.is_some() {
            return Ok(Run::new(["chkconfig", name, if enabled { "on" } else { "off" }]));
        }
        if !enabled {
            return Ok(Run::new(["update-rc.d", name, "disable"]));
        }
        // `enable` does nothing for a script that never had links, `defaults` nothing for one that was disabled.
        let both = "update-rc.d \"$1\" defaults && update-rc.d \"$1\" enable";
        Ok(Run::new(["sh", "-c", both, "update-rc.d", name]))
    }
}

/// The verbs that lead to a state; several where the script should rest between them.
pub(super) fn verbs(state: State, unit: Unit, sleep: Option<i64>) -> Vec<&'static str> {
    match state {
        State::Started if unit.active => vec![],
        State::Stopped if !unit.active => vec![],
        State::Stopped => vec!["stop"],
        State::Reloaded if unit.active => vec!["reload"],
        State::Started | State::Reloaded => vec!["start"],
        State::Restarted if sleep.is_some() && unit.active => vec!["stop", "sleep", "start"],
        State::Restarted => vec!["restart"],
    }
}

/// Where a service's init script is.
pub(super) fn path(name: &str) -> PathBuf {
    Path::new("/etc/init.d").join(name)
}

/// Scripts that know no `status` answer with words, if at all.
fn answers_running(output: &crate::remote::machine::system::Output) -> bool {
    let said = output.stdout.to_lowercase();
    let stopped = ["not running", "stopped", "is dead", "inactive", "unused"].iter().any(|word| said.contains(word));
    output.success() && !stopped
}

fn has_process(probe: &Probe<'_>, pattern: &str) -> Found<bool> {
    for name in probe.read_dir(Path::new("/proc"))? {
        if name.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(line) = probe.read_text(&Path::new("/proc").join(&name).join("cmdline"))
            && line.replace('\0', " ").contains(pattern)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
