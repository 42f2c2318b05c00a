//! Named packages: which of them have to be installed, upgraded or removed.

use std::collections::BTreeMap;

use crate::remote::{Probe, Stop, facts::wildcard, machine::probe::Found};

use super::{
    Apt, Installed, State, Work,
    available::{self, Offer},
    failure,
};

/// A package as the user wrote it.
struct Wanted<'a> {
    written: &'a str,
    name: &'a str,
    /// Operator (`=` or `>=`) and version.
    version: Option<(&'static str, &'a str)>,
}

/// Name and pinned version of what is handed to apt-get.
pub(super) fn split_version(written: &str) -> (&str, Option<&str>) {
    match written.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (written, None),
    }
}

impl<'a> Wanted<'a> {
    fn parse(written: &'a str) -> Found<Self> {
        if written.matches('=').count() > 1 {
            return Err(Stop::failed(format!("invalid package spec: {written}")));
        }
        let (name, version) = match written.split_once(">=") {
            Some((name, version)) => (name, Some((">=", version))),
            None => match written.split_once('=') {
                Some((name, version)) => (name, Some(("=", version))),
                None => (written, None),
            },
        };
        Ok(Self { written, name: name.trim(), version: version.map(|(operator, version)| (operator, version.trim())) })
    }
}

impl Apt {
    pub(super) fn plan_packages(&self, probe: &Probe<'_>, update: bool, work: &mut Work) -> Found<()> {
        let names: Vec<String> =
            self.package.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
        let everything = names.iter().any(|name| name == "*");
        let named: Vec<String> = names.into_iter().filter(|name| name != "*").collect();
        if everything && self.state == State::Latest {
            if !named.is_empty() {
                return Err(Stop::failed(
                    "unable to install additional packages when upgrading all installed packages",
                ));
            }
            return self.plan_simulated(probe, update, &["upgrade", "--with-new-pkgs"], &[], work);
        }
        if named.is_empty() {
            return self.plan_cleaning(probe, update, work);
        }
        match self.state {
            State::Absent => self.plan_removal(probe, &named, work),
            State::BuildDep => self.plan_simulated(probe, update, &["build-dep"], &named, work),
            State::Fixed => self.plan_simulated(probe, update, &["install", "--fix-broken"], &named, work),
            State::Present | State::Latest => self.plan_installation(probe, update, &named, work),
        }
    }

    fn plan_cleaning(&self, probe: &Probe<'_>, update: bool, work: &mut Work) -> Found<()> {
        if self.autoclean {
            let output = probe.query_run(&self.simulate(&["autoclean"], &[]))?;
            if output.stdout.lines().any(|line| line.starts_with("Del ")) {
                work.runs.push(self.act(&["autoclean"], &[]));
            }
        }
        if self.autoremove {
            self.plan_simulated(probe, update, &["autoremove"], &[], work)?;
        }
        if self.state == State::Fixed {
            self.plan_simulated(probe, update, &["install", "--fix-broken"], &[], work)?;
        }
        Ok(())
    }

    fn plan_removal(&self, probe: &Probe<'_>, named: &[String], work: &mut Work) -> Found<()> {
        let installed = Installed::read(probe)?;
        let mut gone = Vec::new();
        for written in named {
            let wanted = Wanted::parse(written)?;
            for package in installed.matching(wanted.name) {
                let pinned = wanted.version.is_none_or(|(_, version)| wildcard::matches(version, &package.version));
                let there = package.installed && pinned || package.leftovers && self.purge;
                let name = match wanted.name.split_once(':') {
                    Some(_) => wanted.name.to_owned(),
                    None => package.name.clone(),
                };
                if there && !gone.contains(&name) {
                    gone.push(name);
                }
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        // A package that is only predicted cannot be simulated away.
        let simulation = self.look_ahead(probe, &["remove"], &gone)?;
        let run = self.act(&["remove"], &gone);
        self.record(simulation, run, &gone, work);
        Ok(())
    }

    fn plan_installation(&self, probe: &Probe<'_>, update: bool, named: &[String], work: &mut Work) -> Found<()> {
        let installed = Installed::read(probe)?;
        let mut wanted = Vec::new();
        for written in named {
            wanted.push(Wanted::parse(written)?);
        }
        // Before an update the lists tell nothing, unless the update is only going to be predicted.
        let after_update = update || probe.predicting() && probe.assumed("apt", "lists").is_some();
        let open = update && !probe.predicting();
        let asked: Vec<&str> = wanted
            .iter()
            .filter(|wanted| !wildcard::is_pattern(wanted.name))
            .filter(|wanted| {
                // Reading the lists takes a third of a second: not for what is there in the right version already.
                let there = installed.find(wanted.name).is_some_and(|package| match wanted.version {
                    Some(("=", version)) => wildcard::matches(version, &package.version),
                    version => version.is_none(),
                });
                self.state == State::Latest || !there
            })
            .map(|wanted| wanted.name)
            .collect();
        let offers = available::offers(probe, &asked, self.default_release.as_deref())?;
        let mut install = Vec::new();
        for wanted in &wanted {
            if wildcard::is_pattern(wanted.name) {
                self.plan_pattern(probe, wanted, &installed, after_update, &mut install)?;
                continue;
            }
            let offer = offers.get(wanted.name);
            let needed = match installed.find(wanted.name) {
                Some(package) => self.needs_other_version(probe, wanted, &package.version, offer, open)?,
                None if self.only_upgrade => false,
                None if installed.provider(wanted.name).is_some() => false,
                None => {
                    obtainable(probe, wanted, offer, after_update, work)?;
                    true
                }
            };
            if needed {
                install.push(match wanted.version {
                    // apt-get has no word for "at least"; its candidate has been found to be enough.
                    Some((">=", _)) => wanted.name.to_owned(),
                    _ => wanted.written.to_owned(),
                });
            }
        }
        if install.is_empty() {
            return Ok(());
        }
        let wants_detail = probe.wants_diff() || probe.predicting();
        let simulation = if wants_detail { self.look_ahead(probe, &["install"], &install)? } else { None };
        let run = self.act(&["install"], &install);
        self.record(simulation, run, &install, work);
        Ok(())
    }

    fn needs_other_version(
        &self,
        probe: &Probe<'_>,
        wanted: &Wanted<'_>,
        there: &str,
        offer: Option<&Offer>,
        open: bool,
    ) -> Found<bool> {
        match wanted.version {
            Some(("=", version)) => {
                if wildcard::matches(version, there) || there.is_empty() {
                    let best = offer.and_then(|offer| offer.versions.iter().find(|v| wildcard::matches(version, v)));
                    return Ok(self.state == State::Latest && best.is_some_and(|best| best != there));
                }
                Ok(true)
            }
            Some((_, version)) if !there.is_empty() && !at_least(probe, there, version)? => Ok(true),
            _ if self.state != State::Latest => Ok(false),
            // The lists are updated first, so only apt-get can tell.
            _ if open => Ok(true),
            _ => match offer.and_then(|offer| offer.candidate.as_deref()) {
                Some(candidate) if !there.is_empty() && candidate != there => at_least(probe, candidate, there),
                _ => Ok(false),
            },
        }
    }

    fn plan_pattern(
        &self,
        probe: &Probe<'_>,
        wanted: &Wanted<'_>,
        installed: &Installed,
        after_update: bool,
        install: &mut Vec<String>,
    ) -> Found<()> {
        let known = available::names(probe)?;
        let names: Vec<&str> =
            known.iter().map(String::as_str).filter(|name| wildcard::matches(wanted.name, name)).collect();
        if names.is_empty() && installed.matching(wanted.name).next().is_none() && !after_update {
            return Err(failure::no_package(wanted.written, available::has_lists(probe)?));
        }
        let offers = available::offers(probe, &names, self.default_release.as_deref())?;
        let by_name: BTreeMap<&str, &str> = installed
            .packages()
            .iter()
            .filter(|package| package.installed)
            .map(|package| (package.name.as_str(), package.version.as_str()))
            .collect();
        for name in names {
            let single = Wanted { written: name, name, version: wanted.version };
            let offer = offers.get(name);
            let needed = match by_name.get(name) {
                Some(there) => self.needs_other_version(probe, &single, there, offer, false)?,
                None => !self.only_upgrade && offer.is_some_and(|offer| offer.candidate.is_some()),
            };
            if needed {
                install.push(match wanted.version {
                    Some(("=", version)) => format!("{name}={version}"),
                    _ => name.to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// Fails when the lists are known to be current and no package of that name and version is in them.
fn obtainable(
    probe: &Probe<'_>,
    wanted: &Wanted<'_>,
    offer: Option<&Offer>,
    after_update: bool,
    work: &mut Work,
) -> Found<()> {
    let found = match (offer, wanted.version) {
        (Some(offer), Some(("=", version))) => offer.versions.iter().any(|v| wildcard::matches(version, v)),
        (Some(offer), Some((_, version))) => match &offer.candidate {
            Some(candidate) => at_least(probe, candidate, version)?,
            None => false,
        },
        (Some(offer), None) if offer.candidate.is_some() => true,
        (_, None) => available::is_virtual(probe, wanted.name)?,
        (None, Some(_)) => false,
    };
    if found {
        return Ok(());
    }
    let lists = available::has_lists(probe)?;
    if after_update {
        if lists && probe.predicting() {
            let written = wanted.written;
            work.warnings
                .push(format!("{written} is in no current package list; taken to come with the update of the lists"));
        }
        return Ok(());
    }
    Err(failure::no_package(wanted.written, lists))
}

/// Whether one version is at least another, by Debian's rules.
fn at_least(probe: &Probe<'_>, version: &str, least: &str) -> Found<bool> {
    Ok(probe.query(&["dpkg", "--compare-versions", version, "ge", least])?.success())
}
