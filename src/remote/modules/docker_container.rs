//! `docker_container`: makes, starts, compares, replaces and removes a container.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use crate::{
    options,
    protocol::{Change, HttpRequest, Json, Map},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        docker::{
            Connection, Engine, Object,
            compare::{Comparisons, Difference, Kind, Property, Strictness},
            container::{Container, ImageComparison, Mismatch, Pull, State},
            create, endpoints,
            engine::{effect, encode, with_query},
            pull,
            recreate::{self, Ending, Steps},
            reference::Reference,
        },
    },
};

options! {
    /// Brings a container of the host's Docker engine to the described state. Everything that the task states is compared,
    /// and only that; the container is made anew only when something differs that cannot be changed in place, and the old
    /// one comes back when the new one does not start.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_container:
    ///     name: web
    ///     image: nginx:1.27
    ///     published_ports: ["127.0.0.1:8080:80"]
    ///     restart_policy: unless-stopped
    /// ```
    ///
    /// ## Returns
    /// `container`: as the engine's inspect shows it, `null` when it is gone. `differences`: what differed, by option, with `before` and
    /// `after`. `status` and the output in `container.Output` with `detach: false`.
    pub struct DockerContainer {
        /// What is to be true of it.
        state: State = State::Started,
        /// Make it anew whether or not anything differs.
        recreate: bool = false,
        /// Restart it when it runs.
        restart: bool = false,
        /// Freeze or thaw it.
        paused: Option<bool>,
        /// Return at once; with `false` wait for its end and return its output.
        detach: bool = true,
        /// Remove it after it has ended; for `detach: false`.
        cleanup: bool = false,
        /// Return its output with `detach: false`.
        output_logs: bool = false,
        /// Kill instead of stopping.
        force_kill: bool [forcekill] = false,
        /// The signal to kill with.
        kill_signal: Option<String>,
        /// Keep anonymous volumes when it is removed.
        keep_volumes: bool = true,
        /// When its image is pulled.
        pull: Pull = Pull::Missing,
        /// `image: ignore` and the like, by option: `strict`, `ignore`, `allow_more_present`; `*` for all.
        comparisons: Map,
        /// Whose defaults strict comparisons take in.
        image_comparison: ImageComparison = ImageComparison::Desired,
        /// What happens when only the name of the image differs.
        image_name_mismatch: Mismatch = Mismatch::Recreate,
        /// Seconds that `state: healthy` waits.
        healthy_wait_timeout: f64 = 300.0,
        /// Seconds that Ansible waits for a removal; removals are awaited here anyway.
        removal_wait_timeout: Option<f64>,
        /// Ansible's older name for how defaults are treated; only `no_defaults` exists here.
        container_default_behavior: Option<String>,
        ..container: Container,
        ..connection: Connection,
    }
}

/// The image that is wanted, as far as it is known.
struct Wanted {
    reference: Reference,
    /// Its inspect; null when it is only known after a pull or build.
    image: Json,
}

impl Module for DockerContainer {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        let found = engine.container(&self.container.name)?;
        let mut plan = Plan::new();
        if self.state == State::Absent {
            self.remove(&engine, found.as_ref(), &mut plan);
            return Ok(plan);
        }
        let properties = self.properties(&engine, probe)?;
        let comparisons = Comparisons::read(&self.comparisons).map_err(Stop::failed)?;
        let wanted = self.image(&engine, found.as_ref(), &mut plan)?;
        match found {
            None => self.create(&engine, &properties, wanted.as_ref(), None, &mut plan),
            Some(found) => self.compare(&engine, &properties, &comparisons, wanted.as_ref(), &found, &mut plan)?,
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if self.state == State::Absent {
            return Ok(());
        }
        let engine = Engine::connect(probe, &self.connection)?;
        if self.state == State::Healthy {
            self.wait_healthy(&engine, probe)?;
        }
        let container = engine.container(&self.container.name)?.map_or_else(|| json!({}), |found| found.value);
        plan.set("container", container);
        self.warn(&engine, applied, plan);
        if !self.detach {
            self.ended(plan, applied)?;
        }
        Ok(())
    }
}

impl DockerContainer {
    fn running(&self) -> bool {
        matches!(self.state, State::Started | State::Healthy)
    }

    fn steps<'e, 'p, 'a>(&'e self, engine: &'e Engine<'p, 'a>) -> Steps<'e, 'p, 'a> {
        let ending =
            Ending { kill: self.force_kill, timeout: self.container.stop_timeout, keep_volumes: self.keep_volumes };
        Steps::new(engine, &self.container.name, ending, self.kill_signal.clone())
    }

    fn properties(&self, engine: &Engine<'_, '_>, probe: &Probe<'_>) -> Result<Vec<Property>, Stop> {
        let mut properties = create::properties(&self.container, probe)?;
        for property in &mut properties {
            // Another container is meant by its name and kept by its id.
            if ["network_mode", "pid_mode", "ipc_mode"].contains(&property.name)
                && let Some(name) = property.value.as_str().and_then(|mode| mode.strip_prefix("container:"))
                && let Some(id) =
                    engine.container(name)?.and_then(|other| other.value["Id"].as_str().map(str::to_owned))
            {
                property.value = json!(format!("container:{id}"));
                property.body = property.value.clone();
            }
        }
        for network in self.container.networks.iter().flatten() {
            endpoints::exists(engine, &network.name)?;
        }
        Ok(properties)
    }

    fn remove(&self, engine: &Engine<'_, '_>, found: Option<&Object>, plan: &mut Plan) {
        plan.set("container", Json::Null);
        let steps = self.steps(engine);
        plan.changes.extend(steps.left_aside().map(Change::Http));
        let Some(found) = found else { return };
        if found.value["State"]["Running"] == true && found.value["HostConfig"]["AutoRemove"] != true {
            plan.push(Change::Http(steps.stop()));
        }
        plan.push(Change::Http(steps.remove()));
        plan.diff(self.title(), "present\n", "absent\n");
    }

    fn title(&self) -> String {
        format!("container {}", self.container.name)
    }

    /// Finds the image, planning to pull it where that is due.
    fn image(&self, engine: &Engine<'_, '_>, found: Option<&Object>, plan: &mut Plan) -> Result<Option<Wanted>, Stop> {
        let Some(name) = &self.container.image else {
            return match found {
                Some(_) => Ok(None),
                None => Err(Stop::failed(format!(
                    "there is no container {} yet, and the task names no image to make it of",
                    self.container.name
                ))),
            };
        };
        let reference = Reference::parse(name, "latest");
        let there = engine.image(&reference)?;
        let due = match (&there, self.pull) {
            (None, Pull::Never) => {
                return Err(Stop::failed(format!("there is no image {} on the host", reference.full()))
                    .hint("build, load or pull it first, or let this task pull it with `pull: missing`"));
            }
            (None, _) if reference.is_id() => {
                return Err(Stop::failed(format!("there is no image {} on the host", reference.full()))
                    .hint("an image id cannot be pulled; name the image"));
            }
            (None, _) => true,
            (Some(there), Pull::Always) => !there.predicted && pull::is_newer(engine, &reference, &there.value)?,
            _ => false,
        };
        if due {
            plan.push(Change::Http(pull::request(engine, &reference, self.container.platform.as_deref())?));
        }
        let image = match there {
            Some(there) if !due && !there.value["Id"].is_null() => there.value,
            _ => Json::Null,
        };
        Ok(Some(Wanted { reference, image }))
    }

    fn create(
        &self,
        engine: &Engine<'_, '_>,
        properties: &[Property],
        wanted: Option<&Wanted>,
        replaces: Option<&Json>,
        plan: &mut Plan,
    ) {
        let steps = self.steps(engine);
        let mut requests = Vec::new();
        let current = replaces.and_then(|found| found["Config"]["Image"].as_str()).map(str::to_owned);
        let (image, id) = match wanted {
            Some(wanted) => (wanted.reference.full(), wanted.image["Id"].as_str()),
            None => (current.unwrap_or_default(), replaces.and_then(|found| found["Image"].as_str())),
        };
        let body = recreate::body(properties, &self.container, &image, self.detach);
        let runs_on = self.running() && self.detach;
        let predicted = recreate::predicted(&self.container.name, &body, &self.container, id, runs_on);
        let bring_back = replaces.map(|found| steps.set_aside(found, &mut requests)).unwrap_or_default();
        if replaces.is_none() {
            plan.diff(self.title(), "absent\n", described(properties, &self.container, &image));
        }
        requests.extend(steps.create(body, &self.container, predicted.clone(), &bring_back));
        if self.running() {
            let mut start = steps.start();
            start.undo = steps.take_back(&bring_back);
            requests.push(start);
        }
        if bring_back.is_empty() {
            requests.extend(steps.left_aside());
        } else {
            requests.push(steps.drop_aside());
        }
        if self.running() && !self.detach {
            self.await_end(engine, &mut requests);
        }
        plan.changes.extend(requests.into_iter().map(Change::Http));
        if engine.probe().predicting() {
            plan.set("container", predicted);
        }
    }

    /// Waits for the end, takes the output, removes if wanted.
    fn await_end(&self, engine: &Engine<'_, '_>, requests: &mut Vec<HttpRequest>) {
        let name = &self.container.name;
        let path = format!("/containers/{}", encode(name));
        requests.push(engine.request("POST", &format!("{path}/wait"), format!("wait for container {name}")));
        if self.container.auto_remove != Some(true) {
            let logs = with_query(&format!("{path}/logs"), &[("stdout", "1"), ("stderr", "1")]);
            requests.push(engine.request("GET", &logs, format!("read the output of container {name}")));
        }
        if self.cleanup {
            requests.push(self.steps(engine).remove());
        }
    }

    fn compare(
        &self,
        engine: &Engine<'_, '_>,
        properties: &[Property],
        comparisons: &Comparisons,
        wanted: Option<&Wanted>,
        found: &Object,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        let current = found.value["Image"].as_str().filter(|_| self.image_comparison == ImageComparison::Current);
        let defaults = match (current, wanted) {
            (Some(id), _) => engine.image(&Reference::parse(id, ""))?.map_or(Json::Null, |image| image.value),
            (None, Some(wanted)) => wanted.image.clone(),
            (None, None) => Json::Null,
        };
        let mut differences: Vec<Difference> = properties
            .iter()
            .filter_map(|p| p.difference(&found.value, comparisons.of(p.name, p.kind), &defaults))
            .collect();
        if let Some(wanted) = wanted
            && comparisons.of("image", Kind::Value) != Strictness::Ignore
        {
            differences.extend(self.image_difference(wanted, found));
        }
        let anew = self.recreate || differences.iter().any(|difference| !difference.live);
        if anew {
            self.tell(&differences, plan);
            if self.recreate && differences.is_empty() {
                plan.diff(self.title(), "", "made anew (recreate: true)\n");
            }
            self.create(engine, properties, wanted, Some(&found.value), plan);
            return Ok(());
        }
        let mut after = found.value.clone();
        let mut requests = Vec::new();
        if !differences.is_empty() {
            requests.push(self.update(engine, properties, &differences, &mut after));
        }
        let strictness = comparisons.of("networks", Kind::Set);
        let moves = endpoints::moves(engine, &self.container, &found.value, strictness)?;
        let name = &self.container.name;
        requests.extend(moves.leave.iter().map(|network| endpoints::leave(engine, network, name)));
        let networks = self.container.networks.as_deref().unwrap_or_default();
        for network in moves.join.iter().filter_map(|at| networks.get(*at)) {
            after["NetworkSettings"]["Networks"][&network.name] = network.endpoint();
            requests.push(endpoints::join(engine, network, name));
        }
        for gone in moves.leave.iter().filter(|gone| networks.iter().all(|network| network.name != **gone)) {
            if let Some(joined) = after["NetworkSettings"]["Networks"].as_object_mut() {
                joined.shift_remove(gone);
            }
        }
        differences.extend(moves.differences);
        self.run_or_stop(engine, &mut after, &mut requests, &mut differences);
        self.tell(&differences, plan);
        if let Some(last) = requests.last_mut() {
            last.effects.push(effect("container", name, after.clone()));
        }
        if self.running()
            && let Some(removal) = self.steps(engine).left_aside()
        {
            plan.diff(removal.summary.clone(), "left by a run that was cut off\n", "absent\n");
            requests.push(removal);
        }
        plan.changes.extend(requests.into_iter().map(Change::Http));
        if engine.probe().predicting() {
            plan.set("container", after);
        }
        Ok(())
    }

    fn image_difference(&self, wanted: &Wanted, found: &Object) -> Option<Difference> {
        let name = found.value["Config"]["Image"].as_str().unwrap_or_default();
        let (before, after) = (found.value["Image"].as_str(), wanted.image["Id"].as_str());
        let same_name = Reference::parse(name, "latest").canonical() == wanted.reference.canonical();
        let (before, after) = match (before, after) {
            (Some(before), Some(after)) if before == after => {
                // The engine notes an id where the image was named by one, and where the name went elsewhere since.
                if same_name || self.image_name_mismatch == Mismatch::Ignore {
                    return None;
                }
                (name.to_owned(), wanted.reference.full())
            }
            // Made of the same image by an earlier task of this run, whose id nobody knows yet.
            (None, None) if found.predicted && same_name => return None,
            (before, after) => (
                format!("{name} {}", before.unwrap_or("(known after apply)")),
                format!("{} {}", wanted.reference.full(), after.unwrap_or("(known after apply)")),
            ),
        };
        Some(Difference { name: "image".to_owned(), before, after, live: false })
    }

    fn update(
        &self,
        engine: &Engine<'_, '_>,
        properties: &[Property],
        differences: &[Difference],
        after: &mut Json,
    ) -> HttpRequest {
        let name = &self.container.name;
        let path = format!("/containers/{}/update", encode(name));
        let mut request = engine.request("POST", &path, format!("update container {name}"));
        let mut body = json!({});
        for property in properties.iter().filter(|p| differences.iter().any(|d| d.name == p.name)) {
            let field = property.at.rsplit('/').next().unwrap_or_default();
            body[field] = property.value.clone();
            if let Some(place) = after["HostConfig"].as_object_mut() {
                place.insert(field.to_owned(), property.value.clone());
            }
        }
        // One limit of memory is checked against the other, so both travel.
        for property in properties.iter().filter(|p| ["memory", "memory_swap"].contains(&p.name) && p.live) {
            if body.get("Memory").is_some() || body.get("MemorySwap").is_some() {
                body[property.at.rsplit('/').next().unwrap_or_default()] = property.value.clone();
            }
        }
        request.body = Some(body);
        request
    }

    fn run_or_stop(
        &self,
        engine: &Engine<'_, '_>,
        after: &mut Json,
        requests: &mut Vec<HttpRequest>,
        differences: &mut Vec<Difference>,
    ) {
        let steps = self.steps(engine);
        let state = &after["State"];
        let (running, paused) = (state["Running"] == true, state["Paused"] == true);
        let status = state["Status"].as_str().unwrap_or("stopped").to_owned();
        let mut move_to = |new: &str, request: HttpRequest| {
            requests.push(request);
            let told = |text: &str| text.to_owned();
            differences.push(Difference { name: told("state"), before: told(&status), after: told(new), live: true });
        };
        if self.running() && !running {
            move_to("running", steps.start());
            after["State"]["Running"] = json!(true);
            after["State"]["Status"] = json!("running");
            if !self.detach {
                self.await_end(engine, requests);
            }
        } else if self.state == State::Stopped && running {
            move_to("exited", steps.stop());
            after["State"]["Running"] = json!(false);
            after["State"]["Status"] = json!("exited");
        } else if self.running() && self.restart {
            move_to("restarted", steps.restart());
        } else if let Some(wanted) = self.paused.filter(|wanted| self.running() && *wanted != paused) {
            move_to(if wanted { "paused" } else { "running" }, steps.pause(wanted));
            after["State"]["Paused"] = json!(wanted);
        }
    }

    fn tell(&self, differences: &[Difference], plan: &mut Plan) {
        if differences.is_empty() {
            return;
        }
        let lines = |side: fn(&Difference) -> &str| {
            let mut text = String::new();
            for difference in differences {
                for line in side(difference).lines() {
                    _ = writeln!(text, "{}: {line}", difference.name);
                }
            }
            text
        };
        plan.diff(self.title(), lines(|d| &d.before), lines(|d| &d.after));
        let told: Vec<Json> = differences
            .iter()
            .map(|d| json!({"option": d.name, "before": d.before, "after": d.after, "recreate": !d.live}))
            .collect();
        plan.set("differences", told);
    }

    fn wait_healthy(&self, engine: &Engine<'_, '_>, probe: &Probe<'_>) -> Result<(), Stop> {
        let name = &self.container.name;
        let start = probe.now();
        loop {
            let value = engine.container(name)?.map_or(Json::Null, |found| found.value);
            let health = &value["State"]["Health"];
            let status = health["Status"].as_str();
            match status {
                Some("healthy") => return Ok(()),
                None if value["State"]["Running"] == true => {
                    return Err(Stop::failed(format!("container {name} has no health check"))
                        .hint("give it one with `healthcheck`, or use `state: started`"));
                }
                _ => {}
            }
            #[expect(clippy::cast_precision_loss, reason = "seconds of a wait")]
            let waited = (probe.now() - start) as f64 / 1e9;
            let gone = value["State"]["Running"] != true && value["State"]["Restarting"] != true;
            let late = self.healthy_wait_timeout > 0.0 && waited >= self.healthy_wait_timeout;
            if gone || late || status == Some("unhealthy") {
                let said = health["Log"].as_array().and_then(|log| log.last()).and_then(|last| last["Output"].as_str());
                let said = said.map_or_else(|| self.last_words(engine), str::to_owned);
                let what = if gone { "ended" } else { "is not healthy" };
                return Err(Stop::Failed(
                    crate::protocol::Failure::new(format!(
                        "container {name} {what} after {waited:.0} s: {}",
                        said.trim()
                    ))
                    .hint(format!("see `docker logs {name}` on the host")),
                    Map::from_iter([("container".to_owned(), value)]),
                ));
            }
            probe.progress(&format!("{name} is {}, waiting for healthy", status.unwrap_or("starting")), None);
            probe.sleep(Duration::from_millis(500));
        }
    }

    fn last_words(&self, engine: &Engine<'_, '_>) -> String {
        let path = format!("/containers/{}/logs?stdout=1&stderr=1&tail=10", encode(&self.container.name));
        engine.output(&path).unwrap_or_default()
    }

    /// A container that ended right after it was started is no failure in Ansible, but nobody meant it.
    fn warn(&self, engine: &Engine<'_, '_>, applied: &[Applied], plan: &mut Plan) {
        for (change, applied) in plan.changes.iter().zip(applied) {
            if matches!(change, Change::Http(request) if request.path.contains("/containers/create")) {
                let answer: Json = serde_json::from_str(&applied.stdout).unwrap_or_default();
                let warnings = answer["Warnings"].as_array().into_iter().flatten().filter_map(Json::as_str);
                plan.warnings.extend(warnings.map(str::to_owned));
            }
        }
        let state = &plan.result["container"]["State"];
        if self.state == State::Started && self.detach && !applied.is_empty() && state["Running"] == false {
            let code = state["ExitCode"].as_i64().unwrap_or_default();
            let said = self.last_words(engine);
            plan.warnings.push(format!("container {} ended at once with {code}: {}", self.container.name, said.trim()));
        }
    }

    fn ended(&self, plan: &mut Plan, applied: &[Applied]) -> Result<(), Stop> {
        let made = |part: &str| {
            plan.changes.iter().zip(applied).find_map(|(change, applied)| match change {
                Change::Http(request) if request.path.contains(part) => Some(applied),
                _ => None,
            })
        };
        let Some(waited) = made("/wait") else { return Ok(()) };
        let waited: Json = serde_json::from_str(&waited.stdout).unwrap_or_default();
        let status = waited["StatusCode"].as_i64().unwrap_or(-1);
        let output = made("/logs").map_or_else(
            || "Cannot retrieve result as auto_remove is enabled".to_owned(),
            |logs| format!("{}{}", logs.stdout, logs.stderr),
        );
        plan.set("status", status);
        if let Some(container) = plan.result.get_mut("container") {
            container["Output"] = json!(output);
        }
        if status == 0 {
            return Ok(());
        }
        let said = crate::remote::docker::stream::tail(&output);
        Err(Stop::failed(format!("container {} ended with {status}: {}", self.container.name, said.trim())))
    }
}

/// Everything that is stated, for the diff of a new container.
fn described(properties: &[Property], container: &Container, image: &str) -> String {
    let nothing = json!({});
    let mut text = format!("image: {image}\n");
    for difference in properties.iter().filter_map(|p| p.difference(&nothing, Strictness::MorePresent, &Json::Null)) {
        for line in difference.after.lines() {
            _ = writeln!(text, "{}: {line}", difference.name);
        }
    }
    for line in endpoints::told(container.networks.as_deref().unwrap_or_default()).lines() {
        _ = writeln!(text, "networks: {line}");
    }
    text
}
