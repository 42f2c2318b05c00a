//! `dpkg_selections`: what dpkg is meant to do with a package, such as holding it.

use serde_json::json;

use crate::{
    choices, options,
    protocol::{Change, Effect, Run},
    remote::{Choice, Module, Plan, Planned, Probe, Stop},
};

options! {
    /// Sets the selection state of a package, without installing or removing anything.
    ///
    /// ## Example
    /// ```yaml
    /// - dpkg_selections:
    ///     name: docker-ce
    ///     selection: hold
    /// ```
    ///
    /// ## Returns
    /// `before`, `after`: the states.
    pub struct DpkgSelections {
        /// The package.
        name: String,
        /// The state.
        selection: Selection,
    }
}

choices! {
    /// What dpkg is meant to do with a package.
    pub enum Selection {
        /// Install and upgrade it.
        Install = "install",
        /// Leave it as it is.
        Hold = "hold",
        /// Remove it.
        Deinstall = "deinstall",
        /// Remove it with its configuration.
        Purge = "purge",
    }
}

const DOMAIN: &str = "dpkg_selection";

impl Module for DpkgSelections {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let wanted = self.selection.word();
        let assumed = probe.assumed(DOMAIN, &self.name).and_then(|state| state.as_str()).map(str::to_owned);
        let before = match assumed {
            Some(state) => state,
            None => {
                let output = probe.query(&["dpkg", "--get-selections", &self.name])?;
                if output.stderr.contains("no packages found matching") {
                    let message = format!("Failed to find package '{}' to perform selection '{wanted}'.", self.name);
                    return Err(Stop::failed(message));
                }
                output.stdout.split_whitespace().nth(1).unwrap_or("not present").to_owned()
            }
        };
        let mut plan = Plan::new();
        if before != wanted {
            let mut run = Run::new(["dpkg", "--set-selections"]);
            run.stdin = Some(format!("{} {wanted}\n", self.name));
            plan.push(Change::Run(run.effect(Effect::new(DOMAIN, &self.name, json!(wanted)))));
            plan.diff(&*self.name, format!("{before}\n"), format!("{wanted}\n"));
        }
        plan.set("before", before);
        plan.set("after", wanted);
        Ok(plan)
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
    fn a_package_is_held_once() {
        let mut trial = Trial::new(Fake::new().command(&["dpkg", "--get-selections", "git"], 0, "git\tinstall\n"));
        let hold = json!({"name": "git", "selection": "hold"});
        let outcome = trial.check("dpkg_selections", hold.clone());
        assert_eq!((outcome.verdict, &outcome.result["before"]), (Verdict::Changed, &json!("install")));
        assert_eq!(trial.check("dpkg_selections", hold).verdict, Verdict::Unchanged);
    }
}
