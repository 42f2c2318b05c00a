//! `group`: groups of users.

use crate::{
    options,
    protocol::{Change, Effect, Json, Run},
    remote::{Applied, Choice, Module, Plan, Planned, Probe, Stop},
};

use super::user::{Group as Found, State};

options! {
    /// Makes, changes and removes a group with groupadd, groupmod and groupdel.
    ///
    /// ## Example
    /// ```yaml
    /// - group:
    ///     name: rates
    ///     system: true
    /// ```
    ///
    /// ## Returns
    /// `name`, `state`, `gid`, `system`.
    pub struct Group {
        /// Name.
        name: String,
        /// Whether it should exist.
        state: State = State::Present,
        /// Number.
        gid: Option<i64>,
        /// A system group; only matters when it is made.
        system: bool = false,
        /// Allow a number that another group has.
        non_unique: bool = false,
        /// Remove it even if it is some user's main group.
        force: bool = false,
        /// The lowest number for a new group.
        gid_min: Option<i64>,
        /// The highest number for a new group.
        gid_max: Option<i64>,
        /// Accepted for Ansible's sake; local tools are always used.
        local: bool = false,
    }
}

impl Module for Group {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        if self.non_unique && self.gid.is_none() {
            return Err(Stop::failed("non_unique needs a gid"));
        }
        for (name, value) in [("gid_min", self.gid_min), ("gid_max", self.gid_max)] {
            if self.local && value.is_some() {
                return Err(Stop::failed(format!("parameters are mutually exclusive: {name}|local")));
            }
        }
        let mut plan = Plan::new();
        plan.set("name", self.name.as_str());
        plan.set("state", self.state.word());
        plan.set("system", self.system);
        let wanted = self.gid.and_then(|gid| u32::try_from(gid).ok());
        let found = Found::find(probe, &self.name)?.filter(|group| group.name == self.name);
        match (self.state, found) {
            (State::Absent, None) => {}
            (State::Absent, Some(_)) => {
                let mut argv = vec!["groupdel"];
                argv.extend(self.force.then_some("-f"));
                argv.push(&self.name);
                plan.push(Change::Run(Run::new(argv).effect(Effect::new("group", &self.name, Json::Null))));
                plan.diff(&*self.name, format!("{}\n", self.name), "");
            }
            (State::Present, None) => {
                let mut argv = vec!["groupadd".to_owned()];
                self.number(&mut argv);
                for (name, value) in [("GID_MIN", self.gid_min), ("GID_MAX", self.gid_max)] {
                    if let Some(value) = value {
                        argv.extend(["-K".to_owned(), format!("{name}={value}")]);
                    }
                }
                argv.extend(self.system.then(|| "-r".to_owned()));
                argv.push(self.name.clone());
                let after = Found { name: self.name.clone(), gid: wanted, members: Vec::new() };
                plan.push(Change::Run(Run::new(argv).effect(after.effect())));
                plan.diff(&*self.name, "", format!("{}\n", self.name));
                plan.set("gid", wanted);
            }
            (State::Present, Some(group)) => {
                plan.set("gid", wanted.or(group.gid));
                if wanted.is_some() && wanted != group.gid {
                    let mut argv = vec!["groupmod".to_owned()];
                    self.number(&mut argv);
                    argv.push(self.name.clone());
                    let after = Found { gid: wanted, ..group };
                    plan.push(Change::Run(Run::new(argv).effect(after.effect())));
                }
            }
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, _applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if let Some(group) = Found::find(probe, &self.name)? {
            plan.set("gid", group.gid);
        }
        Ok(())
    }
}

impl Group {
    fn number(&self, argv: &mut Vec<String>) {
        if let Some(gid) = self.gid {
            argv.extend(["-g".to_owned(), gid.to_string()]);
            argv.extend(self.non_unique.then(|| "-o".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{machine::fake::Fake, modules::trial::Trial},
    };

    #[test]
    fn a_group_is_made_once() {
        let mut trial = Trial::new(Fake::new());
        let options = json!({"name": "rates", "gid": 900, "system": true});
        assert_eq!(trial.check("group", options.clone()).verdict, Verdict::Changed);
        assert_eq!(trial.check("group", options).verdict, Verdict::Unchanged);
        assert_eq!(trial.check("group", json!({"name": "rates", "gid": 901})).verdict, Verdict::Changed);
        assert_eq!(trial.check("user", json!({"name": "ann", "group": "rates"})).verdict, Verdict::Changed);
    }

    #[test]
    fn the_command_names_number_and_kind() {
        let mut trial = Trial::new(Fake::new().command(&["groupadd"], 0, ""));
        trial.apply("group", json!({"name": "rates", "gid": 900, "system": true}));
        assert_eq!(trial.commands(), ["groupadd -g 900 -r rates"]);
    }
}
