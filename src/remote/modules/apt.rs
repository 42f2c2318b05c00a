//! `apt`: packages on Debian and its relatives, with apt-get and dpkg only.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    choices, options,
    protocol::{Attributes, Change, Content, Effect, Run},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        machine::{probe::Found, system::Stat},
    },
};

mod available;
mod command;
mod failure;
mod installed;
mod packages;
#[cfg(test)]
mod tests;

pub use installed::{Installed, Known};

options! {
    /// Installs, upgrades and removes packages with apt-get; Python and its bindings are not needed.
    ///
    /// Updating the lists does not count as a change when packages are named too. In check mode a package that no list knows
    /// counts as to be installed when an update of the lists would come first: on a bare host there are no lists yet.
    ///
    /// ## Example
    /// ```yaml
    /// - apt:
    ///     name: [docker.io, "postgresql-client=15*"]
    ///     update_cache: true
    ///     cache_valid_time: 3600
    /// ```
    ///
    /// ## Returns
    /// `cache_updated`, `cache_update_time` (seconds since 1970), and `stdout`, `stderr` of apt-get when packages changed.
    pub struct Apt {
        /// Packages: names, `name=1.2*`, `name>=1.2`, wildcards; `*` with `state: latest` is everything.
        package: Vec<String> [name pkg],
        /// What they should be.
        state: State = State::Present,
        /// Update the package lists first.
        update_cache: Option<bool>,
        /// How often to try to update the lists.
        update_cache_retries: i64 = 5,
        /// The longest pause between these, in seconds.
        update_cache_retry_max_delay: i64 = 12,
        /// Do not update lists that are at most this many seconds old; implies `update_cache`.
        cache_valid_time: i64 = 0,
        /// Remove configuration files too.
        purge: bool = false,
        /// A package file on the host.
        deb: Option<PathBuf>,
        /// The release to prefer.
        default_release: Option<String>,
        /// Install recommended packages; the host's setting when left out.
        install_recommends: Option<bool>,
        /// Allow downgrades, unsigned and held packages, and removing essential ones.
        force: bool = false,
        /// Upgrade everything: `safe` (`yes`) removes nothing, `full` (`dist`) may.
        upgrade: Upgrade = Upgrade::No,
        /// Options for dpkg, without their dashes.
        dpkg_options: String = "force-confdef,force-confold",
        /// Remove dependencies that nothing needs any more.
        autoremove: bool = false,
        /// Delete downloaded packages that cannot be downloaded any more.
        autoclean: bool = false,
        /// Fail when packages would be removed.
        fail_on_autoremove: bool = false,
        /// The exit code that policy-rc.d gives to packages that want to start their services meanwhile.
        policy_rc_d: Option<i64>,
        /// Install nothing that is not there yet.
        only_upgrade: bool = false,
        /// Accepted for Ansible's sake; apt-get is always used.
        force_apt_get: bool = false,
        /// Delete all downloaded packages.
        clean: bool = false,
        /// Accept packages without a valid signature.
        allow_unauthenticated: bool = false,
        /// Allow a lower version than the one that is there.
        allow_downgrade: bool [allow_downgrades] = false,
        /// Change packages that are held.
        allow_change_held_packages: bool = false,
        /// Seconds to wait for another process to give up the package lock.
        lock_timeout: i64 = 60,
        /// Accepted for Ansible's sake; there are no dependencies.
        auto_install_module_deps: bool = true,
    }
}

choices! {
    /// What packages should be.
    pub enum State {
        /// Installed, in whatever version unless one is named.
        Present = "present" "installed",
        /// Gone.
        Absent = "absent" "removed",
        /// Installed in the best version there is.
        Latest = "latest",
        /// Their build dependencies are installed.
        BuildDep = "build-dep",
        /// Broken dependencies are mended.
        Fixed = "fixed",
    }
}

choices! {
    /// Which upgrade of everything.
    pub enum Upgrade {
        /// None.
        No = "no",
        /// Removes nothing.
        Safe = "safe" "yes",
        /// May remove.
        Full = "full" "dist",
    }
}

const STAMP: &str = "/var/lib/apt/periodic/update-success-stamp";
const LISTS: &str = "/var/lib/apt/lists";
const ARCHIVES: &str = "/var/cache/apt/archives";
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// What is to be done besides updating the lists.
#[derive(Default)]
struct Work {
    runs: Vec<Run>,
    diff: Option<(String, String)>,
    warnings: Vec<String>,
}

impl Module for Apt {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        self.validate()?;
        if probe.program("apt-get")?.is_none() {
            return Err(Stop::failed("apt-get is not on this host").hint("use `package` where hosts differ"));
        }
        let mut plan = Plan::new();
        let stamp = stamp(probe)?;
        let update = self.needs_update(probe, stamp)?;
        if update {
            let run = self.update().effect(Effect::new("apt", "lists", json!({"updated": true})));
            plan.push(Change::Run(run));
            if !probe.exists(Path::new(STAMP))? {
                // apt-get leaves the time alone when no list is newer; without this cache_valid_time would never hold.
                let attributes = Attributes { mtime: Some(probe.now()), ..Attributes::default() };
                plan.push(Change::Attributes { path: LISTS.into(), attributes });
            }
        }
        plan.set("cache_updated", update);
        plan.set("cache_update_time", seconds(if update { Some(probe.now()) } else { stamp.map(|s| s.mtime) }));

        let mut work = Work::default();
        if self.clean && has_archives(probe)? {
            work.runs.push(self.act(&["clean"], &[]));
        }
        if self.upgrade != Upgrade::No {
            self.plan_upgrade(probe, update, &mut work)?;
        }
        if let Some(deb) = &self.deb {
            self.plan_deb(probe, deb, &mut work)?;
        }
        self.plan_packages(probe, update, &mut work)?;
        self.finish(probe, plan, work)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        let mut changed = false;
        let mut acted = false;
        for (change, applied) in plan.changes.iter().zip(applied) {
            let Change::Run(run) = change else { continue };
            if run.argv.first().is_none_or(|program| program != "apt-get") {
                continue;
            }
            acted = true;
            if applied.code != 0 {
                return Err(failure::explain(applied));
            }
            changed |= command::counted(&applied.stdout).unwrap_or(true);
            plan.result.insert("stdout".to_owned(), applied.stdout.as_str().into());
            plan.result.insert("stderr".to_owned(), applied.stderr.as_str().into());
        }
        if acted {
            plan.changed = Some(changed);
        }
        if plan.result.get("cache_updated").is_some_and(|updated| updated == true) {
            plan.set("cache_update_time", seconds(stamp(probe)?.map(|stamp| stamp.mtime)));
        }
        Ok(())
    }
}

impl Apt {
    fn validate(&self) -> Result<(), Stop> {
        let exclusive = [
            (self.deb.is_some(), "deb"),
            (!self.package.is_empty(), "package"),
            (self.upgrade != Upgrade::No, "upgrade"),
        ];
        let given: Vec<&str> = exclusive.iter().filter(|(given, _)| *given).map(|(_, name)| *name).collect();
        if given.len() > 1 {
            return Err(Stop::failed(format!("options are mutually exclusive: {}", given.join("|"))));
        }
        if self.deb.is_some() && self.state != State::Present {
            return Err(Stop::failed("deb only supports state=present"));
        }
        Ok(())
    }

    fn needs_update(&self, probe: &Probe<'_>, stamp: Option<Stat>) -> Found<bool> {
        if !self.update_cache.unwrap_or(false) && self.cache_valid_time == 0 {
            return Ok(false);
        }
        if self.cache_valid_time == 0 {
            return Ok(true);
        }
        if probe.assumed("apt", "lists").is_some() {
            return Ok(false);
        }
        let age = stamp.map_or(i128::MAX, |stamp| probe.now() - stamp.mtime);
        // Images for containers come with a young but empty directory, which is no valid cache.
        Ok(age > i128::from(self.cache_valid_time) * 1_000_000_000 || !available::has_lists(probe)?)
    }

    fn plan_upgrade(&self, probe: &Probe<'_>, update: bool, work: &mut Work) -> Found<()> {
        let verb: &[&str] =
            if self.upgrade == Upgrade::Full { &["dist-upgrade"] } else { &["upgrade", "--with-new-pkgs"] };
        self.plan_simulated(probe, update, verb, &[], work)
    }

    /// For verbs of which only apt itself knows what they lead to.
    fn plan_simulated(
        &self,
        probe: &Probe<'_>,
        update: bool,
        verb: &[&str],
        names: &[String],
        work: &mut Work,
    ) -> Found<()> {
        let simulation = self.look_ahead(probe, verb, names)?;
        // Lists that are updated first leave it to apt-get whether there is anything to do.
        let open = update && !probe.predicting();
        if !open && simulation.as_ref().is_some_and(command::Simulation::is_empty) {
            return Ok(());
        }
        let run = self.act(verb, names);
        self.record(simulation, run, names, work);
        Ok(())
    }

    /// What apt says it would do; `None` when it cannot say, which the real run then explains.
    fn look_ahead(&self, probe: &Probe<'_>, verb: &[&str], names: &[String]) -> Found<Option<command::Simulation>> {
        let output = probe.query_run(&self.simulate(verb, names))?;
        Ok(output.success().then(|| command::Simulation::parse(&output.stdout)))
    }

    /// Adds a run with all that follows from it: dependencies too, where apt could look ahead.
    fn record(&self, simulation: Option<command::Simulation>, mut run: Run, names: &[String], work: &mut Work) {
        let simulation = simulation.filter(|simulation| !simulation.is_empty());
        let (mut before, mut after) = (String::new(), String::new());
        if let Some(simulation) = simulation {
            for (name, old, new) in &simulation.installed {
                if let Some(old) = old {
                    let _ = writeln!(before, "{name} {old}");
                }
                let _ = writeln!(after, "{name} {new}");
                run.effects.push(Effect::new("package", name, self.installed_effect(Some(new))));
            }
            for (name, version) in &simulation.removed {
                let _ = writeln!(before, "{name} {version}");
                run.effects.push(Effect::new("package", name, serde_json::Value::Null));
            }
        } else if self.state == State::Absent {
            before = lines(names);
        } else {
            after = lines(names);
        }
        // What was asked for is true afterwards under the name it was asked for, whatever apt calls it.
        for written in names {
            let (name, version) = packages::split_version(written);
            if run.effects.iter().any(|effect| effect.key == format!("package/{name}")) {
                continue;
            }
            let value =
                if self.state == State::Absent { serde_json::Value::Null } else { self.installed_effect(version) };
            run.effects.push(Effect::new("package", name, value));
        }
        work.diff = Some((before, after));
        work.runs.push(run);
    }

    fn installed_effect(&self, version: Option<&str>) -> serde_json::Value {
        let mut value = json!({"installed": true});
        if let Some(version) = version.filter(|version| !version.contains(['*', '?', '['])) {
            value["version"] = version.into();
        }
        if self.policy_rc_d.is_some_and(|code| code != 0) {
            value["starts"] = false.into();
        }
        value
    }

    fn plan_deb(&self, probe: &Probe<'_>, deb: &Path, work: &mut Work) -> Found<()> {
        let path = deb.to_string_lossy().into_owned();
        if path.contains("://") {
            return Err(Stop::failed(format!("{path} is not a file on the host"))
                .hint("fetch it with get_url first, then give its path as deb"));
        }
        if probe.stat(deb)?.is_none() {
            return Err(Stop::failed(format!("there is no package file {path} on the host")));
        }
        let output = probe.query(&["dpkg-deb", "-W", "--showformat=${Package}\t${Version}\t${Architecture}", &path])?;
        if !output.success() {
            if probe.predicting() {
                return Err(Stop::Unknown(format!("what is in {path} is known after apply")));
            }
            return Err(Stop::failed(format!("{path} is not a package: {}", output.stderr.trim())));
        }
        let mut fields = output.stdout.trim().split('\t');
        let name = fields.next().unwrap_or_default().to_owned();
        let version = fields.next().unwrap_or_default().to_owned();
        let installed = Installed::read(probe)?;
        let there = installed.find(&name);
        if there.is_some_and(|package| package.version == version) {
            return Ok(());
        }
        let mut run = self.act(&["install"], &[path]);
        run.effects.push(Effect::new("package", &name, self.installed_effect(Some(&version))));
        let before = there.map(|package| format!("{name} {}\n", package.version)).unwrap_or_default();
        work.diff = Some((before, format!("{name} {version}\n")));
        work.runs.push(run);
        Ok(())
    }

    fn finish(&self, probe: &Probe<'_>, mut plan: Plan, work: Work) -> Planned {
        plan.warnings.extend(work.warnings);
        if let Some((before, after)) = work.diff {
            plan.diff("packages", before, after);
        }
        let acts = !work.runs.is_empty();
        let only_update = !acts && self.package.is_empty() && self.deb.is_none() && self.upgrade == Upgrade::No;
        plan.changed = Some(if only_update { !plan.changes.is_empty() } else { acts });
        let policy = self.policy_rc_d.filter(|_| acts);
        let kept = PathBuf::from(format!("{POLICY}.kept"));
        let had_policy = probe.stat(Path::new(POLICY))?.is_some();
        if let Some(code) = policy {
            if had_policy {
                plan.push(Change::Backup { path: POLICY.into(), to: kept.clone() });
            }
            plan.push(Change::Write {
                path: POLICY.into(),
                content: Content::Text(format!("#!/bin/sh\nexit {code}\n")),
                attributes: Attributes { mode: Some(0o755), ..Attributes::default() },
                in_place: false,
            });
        }
        plan.changes.extend(work.runs.into_iter().map(Change::Run));
        if policy.is_some() {
            plan.push(if had_policy {
                Change::Rename { path: kept, to: POLICY.into() }
            } else {
                Change::Remove { path: POLICY.into() }
            });
        }
        Ok(plan)
    }
}

/// When the lists were last updated.
fn stamp(probe: &Probe<'_>) -> Found<Option<Stat>> {
    match probe.stat_followed(Path::new(STAMP))? {
        Some(stat) => Ok(Some(stat)),
        None => probe.stat_followed(Path::new(LISTS)),
    }
}

fn seconds(nanoseconds: Option<i128>) -> i64 {
    nanoseconds.and_then(|time| i64::try_from(time / 1_000_000_000).ok()).unwrap_or_default()
}

fn has_archives(probe: &Probe<'_>) -> Found<bool> {
    let directory = Path::new(ARCHIVES);
    Ok(probe.exists(directory)?
        && probe.read_dir(directory)?.iter().any(|name| Path::new(name).extension().is_some_and(|kind| kind == "deb")))
}

fn lines(names: &[String]) -> String {
    names.join("\n") + "\n"
}
