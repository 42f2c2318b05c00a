//! `docker_volume`: makes and removes volumes.

use serde_json::json;

use crate::{
    choices, options,
    protocol::{Change, HttpRequest, Json, Map},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        docker::{
            Connection, Engine,
            engine::{effect, encode},
            mounts::texts,
        },
    },
};

choices! {
    /// What is to be true of a volume.
    pub enum State {
        /// There.
        Present = "present",
        /// Gone with what it holds.
        Absent = "absent",
    }
}

choices! {
    /// Whether a volume that differs is made anew, which loses what it holds.
    pub enum Recreate {
        /// Always.
        Always = "always",
        /// Never: it stays as it is.
        Never = "never",
        /// When options differ.
        Changed = "options-changed",
    }
}

options! {
    /// Makes a volume of the host's Docker engine, or removes it with what it holds. A volume that differs from the task
    /// stays as it is, with a warning, unless `recreate` says otherwise.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_volume:
    ///     name: database
    /// ```
    ///
    /// ## Returns
    /// `volume`: as the engine's inspect shows it.
    pub struct DockerVolume {
        /// Name of the volume.
        volume_name: String [name],
        /// Its driver.
        driver: String = "local",
        /// Options of the driver.
        driver_options: Map,
        /// Labels.
        labels: Option<Map>,
        /// Whether one that differs is made anew.
        recreate: Recreate = Recreate::Never,
        /// What is to be true of it.
        state: State = State::Present,
        ..connection: Connection,
    }
}

impl Module for DockerVolume {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        let found = engine.volume(&self.volume_name)?;
        let mut plan = Plan::new();
        let title = format!("volume {}", self.volume_name);
        match (&found, self.state) {
            (None, State::Absent) => {}
            (Some(_), State::Absent) => {
                plan.diff(title, "present\n", "absent\n");
                plan.push(Change::Http(self.remove(&engine)));
            }
            (None, State::Present) => {
                plan.diff(title, "absent\n", "present\n");
                self.create(&engine, &mut plan);
            }
            (Some(found), State::Present) => {
                let differences = self.differences(&found.value);
                plan.set("volume", found.value.clone());
                let anew = match self.recreate {
                    Recreate::Always => true,
                    Recreate::Never => false,
                    Recreate::Changed => !differences.is_empty(),
                };
                let lines = |side: fn(&(String, String, String)) -> &str| {
                    let lines: Vec<String> = differences.iter().map(|d| format!("{}: {}", d.0, side(d))).collect();
                    lines.join("\n") + "\n"
                };
                let (before, after) = (lines(|d| &d.1), lines(|d| &d.2));
                if anew {
                    plan.diff(title, before, after);
                    plan.push(Change::Http(self.remove(&engine)));
                    self.create(&engine, &mut plan);
                } else if !differences.is_empty() {
                    let told = before.lines().map(str::to_owned).collect::<Vec<_>>().join(", ");
                    plan.warnings.push(format!(
                        "{title} differs from the task and stays as it is ({told}); `recreate: options-changed` would make it \
                         anew and lose what it holds"
                    ));
                }
            }
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if !applied.is_empty() && self.state == State::Present {
            let engine = Engine::connect(probe, &self.connection)?;
            plan.set("volume", engine.volume(&self.volume_name)?.map_or(Json::Null, |volume| volume.value));
        }
        Ok(())
    }
}

impl DockerVolume {
    fn create(&self, engine: &Engine<'_, '_>, plan: &mut Plan) {
        let body = json!({
            "Name": self.volume_name,
            "Driver": self.driver,
            "DriverOpts": texts(&self.driver_options),
            "Labels": self.labels.as_ref().map(texts).unwrap_or_default(),
        });
        let predicted = json!({
            "Name": self.volume_name, "Driver": self.driver, "Options": body["DriverOpts"], "Labels": body["Labels"],
        });
        let mut request = engine.request("POST", "/volumes/create", format!("create volume {}", self.volume_name));
        request.body = Some(body);
        request.effects.push(effect("volume", &self.volume_name, predicted.clone()));
        plan.push(Change::Http(request));
        plan.set("volume", predicted);
    }

    fn remove(&self, engine: &Engine<'_, '_>) -> HttpRequest {
        let path = format!("/volumes/{}", encode(&self.volume_name));
        let mut request = engine.request("DELETE", &path, format!("remove volume {}", self.volume_name));
        request.accept = vec![404];
        request.effects.push(effect("volume", &self.volume_name, Json::Null));
        request
    }

    fn differences(&self, found: &Json) -> Vec<(String, String, String)> {
        let mut told = Vec::new();
        let mut compare = |what: String, found: &Json, wanted: &Json| {
            if found != wanted {
                told.push((
                    what,
                    crate::remote::docker::compare::shown(found),
                    crate::remote::docker::compare::shown(wanted),
                ));
            }
        };
        compare("driver".to_owned(), &found["Driver"], &json!(self.driver));
        for (key, value) in texts(&self.driver_options) {
            compare(format!("driver_options.{key}"), &found["Options"][&key], &value);
        }
        for (key, value) in self.labels.as_ref().map(texts).unwrap_or_default() {
            compare(format!("labels.{key}"), &found["Labels"][&key], &value);
        }
        told
    }
}
