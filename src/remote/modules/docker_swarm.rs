//! `docker_swarm`: makes a swarm, joins or leaves one, and keeps its settings.

use serde_json::json;

use crate::{
    choices, options,
    protocol::{Change, Json, Map},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        docker::{
            Connection, Engine,
            compare::shown,
            engine::{encode, with_query},
            mounts::texts,
            swarm::{self, Membership},
        },
    },
};

choices! {
    /// What is to be true of a host and its swarm.
    pub enum State {
        /// It manages a swarm, with these settings.
        Present = "present",
        /// It belongs to the swarm of others.
        Join = "join",
        /// It belongs to none.
        Absent = "absent",
        /// Another node, which has left, is forgotten.
        Remove = "remove",
        /// Nothing is changed.
        Inspect = "inspect",
    }
}

options! {
    /// Makes a swarm of Docker engines, adds hosts to it and takes them out again. Tokens are masked wherever they are shown.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_swarm:
    ///     advertise_addr: "{{ private_address }}"
    ///   register: swarm
    /// - docker_swarm:
    ///     state: join
    ///     join_token: "{{ hostvars.lab1.swarm.swarm_facts.JoinTokens.Worker }}"
    ///     remote_addrs: [10.0.0.11]
    /// ```
    ///
    /// ## Returns
    /// `swarm_facts` with `JoinTokens` (`Worker`, `Manager`) and `UnlockKey`, on managers; `actions`: what was done.
    pub struct DockerSwarm {
        /// Address that others reach this host at, used when it makes or joins a swarm.
        advertise_addr: Option<String>,
        /// Address that managers listen at.
        listen_addr: String = "0.0.0.0:2377",
        /// Address for the traffic of containers.
        data_path_addr: Option<String>,
        /// Port for the traffic of containers.
        data_path_port: Option<i64>,
        /// Networks that overlay networks get theirs from.
        default_addr_pool: Vec<String>,
        /// Size of an overlay network, as the length of its prefix.
        subnet_size: Option<i64>,
        /// Make a new swarm out of what is here, or leave although this is a manager.
        force: bool = false,
        /// What is to be true of it.
        state: State = State::Present,
        /// Token to join with.
        join_token: Option<String>,
        /// Managers to join, `HOST` or `HOST:PORT`.
        remote_addrs: Vec<String>,
        /// The node to forget.
        node_id: Option<String>,
        /// How many ended tasks are remembered.
        task_history_retention_limit: Option<i64>,
        /// Log entries between snapshots of the managers' log.
        snapshot_interval: Option<i64>,
        /// Snapshots kept beside the newest.
        keep_old_snapshots: Option<i64>,
        /// Log entries kept for slow managers.
        log_entries_for_slow_followers: Option<i64>,
        /// Ticks between heartbeats of managers.
        heartbeat_tick: Option<i64>,
        /// Ticks until a new leader is elected.
        election_tick: Option<i64>,
        /// Nanoseconds between words of workers.
        dispatcher_heartbeat_period: Option<i64>,
        /// Nanoseconds that certificates of nodes are valid.
        node_cert_expiry: Option<i64>,
        /// Another number than before, not 0, makes a new certificate authority.
        ca_force_rotate: Option<i64>,
        /// Lock managers when they are restarted.
        autolock_managers: Option<bool>,
        /// Labels of the swarm.
        labels: Option<Map>,
        /// Make a new token for workers.
        rotate_worker_token: bool = false,
        /// Make a new token for managers.
        rotate_manager_token: bool = false,
        ..connection: Connection,
    }
}

impl Module for DockerSwarm {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        let mut plan = Plan::new();
        match self.state {
            State::Present => self.present(&engine, &mut plan)?,
            State::Join => self.join(&engine, &mut plan)?,
            State::Absent => self.leave(&engine, &mut plan)?,
            State::Remove => self.remove(&engine, &mut plan)?,
            State::Inspect if swarm::manager(&engine)? => plan.later = Some(LATER.to_owned()),
            State::Inspect => self.facts(&engine, &mut plan)?,
        }
        let done: Vec<Json> = plan.changes.iter().filter_map(|change| Some(json!(request(change)?))).collect();
        plan.set("actions", done);
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, _: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if matches!(self.state, State::Present | State::Inspect) {
            self.facts(&Engine::connect(probe, &self.connection)?, plan)?;
        }
        Ok(())
    }
}

/// What nobody knows beforehand.
const LATER: &str = "the tokens of a swarm are known after they are made";

fn request(change: &Change) -> Option<&str> {
    if let Change::Http(request) = change { Some(&request.summary) } else { None }
}

impl DockerSwarm {
    fn present(&self, engine: &Engine<'_, '_>, plan: &mut Plan) -> Result<(), Stop> {
        let is = swarm::membership(engine)?;
        if is == (Membership::Manager, false) && !self.force {
            self.update(engine, plan)?;
            return self.facts(engine, plan);
        }
        plan.later = Some(LATER.to_owned());
        match is {
            (Membership::Manager, true) => {}
            (Membership::Worker, _) => {
                return Err(Stop::failed("this host is a worker of a swarm already")
                    .hint("have it leave first (state: absent), or promote it on a manager"));
            }
            (Membership::Broken(why), _) if !self.force => {
                return Err(swarm::broken(&why));
            }
            _ => {
                let mut request = engine.request("POST", "/swarm/init", "make a swarm");
                let mut body = self.addresses();
                body["ForceNewCluster"] = json!(self.force);
                body["DataPathPort"] = json!(self.data_path_port.unwrap_or_default());
                body["DefaultAddrPool"] = json!(self.default_addr_pool);
                body["SubnetSize"] = json!(self.subnet_size.unwrap_or_default());
                body["Spec"] = self.settings(&json!({"Name": "default", "Labels": {}}));
                request.body = Some(body);
                request.effects.push(swarm::becomes("manager"));
                plan.diff("swarm", "absent\n", "present, managed by this host\n");
                plan.push(Change::Http(request));
            }
        }
        Ok(())
    }

    /// Says how others join.
    fn facts(&self, engine: &Engine<'_, '_>, plan: &mut Plan) -> Result<(), Stop> {
        let found = engine.get("/swarm")?.unwrap_or_default();
        let key = match self.autolock_managers {
            Some(true) => engine.get("/swarm/unlockkey")?.map_or(Json::Null, |key| key["UnlockKey"].clone()),
            _ => Json::Null,
        };
        plan.set("swarm_facts", json!({"JoinTokens": found["JoinTokens"], "UnlockKey": key}));
        Ok(())
    }

    fn update(&self, engine: &Engine<'_, '_>, plan: &mut Plan) -> Result<(), Stop> {
        let found = engine.get("/swarm")?.unwrap_or_default();
        let wanted = self.settings(&found["Spec"]);
        let mut query = vec![("version", shown(&found["Version"]["Index"]))];
        let (mut before, mut after) = (String::new(), String::new());
        if wanted != found["Spec"] {
            before = serde_json::to_string_pretty(&found["Spec"]).unwrap_or_default() + "\n";
            after = serde_json::to_string_pretty(&wanted).unwrap_or_default() + "\n";
        }
        for (asked, name) in
            [(self.rotate_worker_token, "rotateWorkerToken"), (self.rotate_manager_token, "rotateManagerToken")]
        {
            if asked {
                query.push((name, "true".to_owned()));
                after += &format!("{name}: a new one\n");
                plan.later = Some(LATER.to_owned());
            }
        }
        if before == after {
            return Ok(());
        }
        plan.diff("swarm", before, after);
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut request = engine.request("POST", &with_query("/swarm/update", &query), "change the swarm's settings");
        request.body = Some(wanted);
        plan.push(Change::Http(request));
        Ok(())
    }

    fn join(&self, engine: &Engine<'_, '_>, plan: &mut Plan) -> Result<(), Stop> {
        match swarm::membership(engine)?.0 {
            Membership::None => {}
            Membership::Broken(why) => {
                return Err(swarm::broken(&why));
            }
            Membership::Worker | Membership::Manager => return Ok(()),
        }
        let Some(token) = self.join_token.as_ref().filter(|_| !self.remote_addrs.is_empty()) else {
            return Err(Stop::failed("state: join needs `join_token` and `remote_addrs`"));
        };
        let mut request = engine.request("POST", "/swarm/join", "join the swarm");
        let mut body = self.addresses();
        body["JoinToken"] = json!(token);
        body["RemoteAddrs"] = json!(self.remote_addrs);
        request.body = Some(body);
        // Manager or worker: the token says so to the swarm, and nobody else.
        request.effects.push(swarm::becomes("worker"));
        plan.diff("swarm", "absent\n", format!("joined at {}\n", self.remote_addrs.join(", ")));
        plan.push(Change::Http(request));
        Ok(())
    }

    fn leave(&self, engine: &Engine<'_, '_>, plan: &mut Plan) -> Result<(), Stop> {
        let (is, _) = swarm::membership(engine)?;
        match is {
            Membership::None => return Ok(()),
            Membership::Manager if !self.force => {
                return Err(Stop::failed("this host is a manager of its swarm, which may be lost when it leaves")
                    .hint("demote it first, or say `force: true`"));
            }
            _ => {}
        }
        let path = with_query("/swarm/leave", &[("force", if self.force { "true" } else { "false" })]);
        let mut request = engine.request("POST", &path, "leave the swarm");
        request.effects.push(swarm::becomes("none"));
        plan.diff("swarm", "present\n", "absent\n");
        plan.push(Change::Http(request));
        Ok(())
    }

    fn remove(&self, engine: &Engine<'_, '_>, plan: &mut Plan) -> Result<(), Stop> {
        let Some(id) = &self.node_id else { return Err(Stop::failed("state: remove needs `node_id`")) };
        if swarm::manager(engine)? {
            return Ok(());
        }
        let path = format!("/nodes/{}", encode(id));
        let Some(node) = engine.get(&path)? else { return Ok(()) };
        if node["Status"]["State"] != "down" && !self.force {
            return Err(Stop::failed(format!("node {id} is still part of the swarm"))
                .hint("have it leave first (state: absent on that host), or say `force: true`"));
        }
        let path = with_query(&path, &[("force", if self.force { "true" } else { "false" })]);
        plan.diff(format!("node {id}"), "present\n", "absent\n");
        plan.push(Change::Http(engine.request("DELETE", &path, format!("forget node {id}"))));
        Ok(())
    }

    fn addresses(&self) -> Json {
        let mut body = json!({"ListenAddr": self.listen_addr});
        for (name, address) in [("AdvertiseAddr", &self.advertise_addr), ("DataPathAddr", &self.data_path_addr)] {
            if let Some(address) = address {
                body[name] = json!(address);
            }
        }
        body
    }

    /// The settings of a swarm with those that are stated; all others stay.
    fn settings(&self, found: &Json) -> Json {
        let mut spec = found.clone();
        let numbers = [
            ("Orchestration", "TaskHistoryRetentionLimit", self.task_history_retention_limit),
            ("Raft", "SnapshotInterval", self.snapshot_interval),
            ("Raft", "KeepOldSnapshots", self.keep_old_snapshots),
            ("Raft", "LogEntriesForSlowFollowers", self.log_entries_for_slow_followers),
            ("Raft", "HeartbeatTick", self.heartbeat_tick),
            ("Raft", "ElectionTick", self.election_tick),
            ("Dispatcher", "HeartbeatPeriod", self.dispatcher_heartbeat_period),
            ("CAConfig", "NodeCertExpiry", self.node_cert_expiry),
            // Engines leave out a zero here.
            ("CAConfig", "ForceRotate", self.ca_force_rotate.filter(|number| *number != 0)),
        ];
        for (folder, name, number) in numbers {
            if let Some(number) = number {
                spec[folder][name] = json!(number);
            }
        }
        if let Some(lock) = self.autolock_managers {
            spec["EncryptionConfig"]["AutoLockManagers"] = json!(lock);
        }
        if let Some(labels) = &self.labels {
            spec["Labels"] = texts(labels).into();
        }
        spec
    }
}
