//! What a task says of a rollout.

use crate::{
    choices, options,
    protocol::{Json, Map},
    remote::docker::{
        Connection,
        container::{Container, Pull},
        suboptions,
    },
};

choices! {
    /// Which release is to run.
    pub enum Goal {
        /// The one that the task describes.
        Present = "present",
        /// One that ran before: that of `release`, or the one before the present one.
        Previous = "previous",
    }
}

choices! {
    /// What is done with responses that are still under way when the time to drain is up.
    pub enum Late {
        /// They are left alone, and with them the old containers; the next rollout removes these.
        Keep = "keep",
        /// They are cut.
        Cut = "cut",
    }
}

choices! {
    /// What happens to hosts that are switched already when another one fails.
    pub enum OnFailure {
        /// They go back too.
        RollbackAll = "rollback_all",
        /// They stay as they are.
        Hold = "hold",
    }
}

choices! {
    /// A proxy of the catalog.
    pub enum ProxyKind {
        /// HAProxy over its runtime socket.
        Haproxy = "haproxy",
    }
}

options! {
    /// What a container has to answer before it counts as ready.
    pub struct Health {
        /// Path and query to ask for.
        path: String = "/",
        /// The status that is expected.
        status: i64 = 200,
        /// Values that the answer has to hold, by JSON pointer (`/rates/0/count: 3`).
        json: Map,
        /// A regular expression that has to match the answer.
        matches: Option<String>,
        /// Good answers in a row that are wanted.
        consecutive: i64 = 3,
        /// Seconds in which they have to come.
        timeout: f64 = 60.0,
        /// Seconds between requests.
        interval: f64 = 0.5,
        /// Seconds that one answer may take.
        request_timeout: f64 = 5.0,
    }
}

options! {
    /// The proxies in front of the service.
    pub struct ProxyOptions {
        /// Which kind they are.
        kind: ProxyKind = ProxyKind::Haproxy,
        /// The hosts they run on; those of the service when left out.
        hosts: Option<Vec<String>>,
        /// The backend of the service.
        backend: String,
        /// The socket that takes orders.
        socket: String = "/run/haproxy/admin.sock",
        /// The file that the proxy reads its servers' state from when it is reloaded; empty for none.
        state_file: String = "/var/lib/haproxy/server-state",
        /// Seconds after which the proxy gives up waiting for an answer (`timeout server`).
        server_timeout: f64 = 30.0,
    }
}

options! {
    /// How old containers come to their end.
    pub struct Drain {
        /// Seconds in which the last response has to be out; longer than the proxies wait for an answer.
        timeout: f64 = 60.0,
        /// What is done with those that are not.
        late: Late = Late::Keep,
    }
}

options! {
    /// The time in which a release is watched before its predecessor is stopped.
    pub struct Verify {
        /// How long, in seconds.
        seconds: f64 = 5.0,
        /// Seconds between two probes of each container.
        interval: f64 = 0.2,
        /// Failed probes and errors seen by the proxies that are borne.
        errors_max: i64 = 0,
    }
}
suboptions!(Health, ProxyOptions, Drain, Verify);

options! {
    /// Brings a replicated service to another release without losing a response: containers of the new release are started beside
    /// the old ones, asked in depth, entered into the proxies, and only when these find them healthy by their own checks, the old ones
    /// are drained and stopped. Hosts go in batches; when one fails, all go back.
    ///
    /// The task is carried out once, for all hosts of the play together, each with its own values of the options. Every host has two
    /// slots, ports that containers of one release have to themselves; the proxies know a server `HOST-SLOT-NUMBER` for each replica in
    /// each slot, so that no reload is needed.
    ///
    /// ## Example
    /// ```yaml
    /// - service_rollout:
    ///     name: rates
    ///     image: deployer/rates:4be1c2
    ///     bind: "{{ private_address }}"
    ///     slots: {blue: 3001, green: 3101}
    ///     container_port: 3000
    ///     env: {PGHOST: "{{ private_address }}"}
    ///     stop_timeout: 40
    ///     health: {path: /health, json: {/status: ok}}
    ///     proxy: {backend: api, hosts: "{{ groups['edge'] }}"}
    /// ```
    ///
    /// ## Returns
    /// `release`; `batches`: lists of hosts in their order; `hosts`: by name, with `slot`, `release_before`, `slot_before` and `done`
    /// (`unchanged`, `switched`, `mended`, `back`, `untouched`).
    pub struct ServiceRollout {
        /// Which release is to run.
        state: Goal = Goal::Present,
        /// What the release is called; made of image and settings when left out.
        release: Option<String>,
        /// Containers on each host.
        replicas: i64 = 1,
        /// The two slots of each host by name, each with the first of its ports: one for each replica.
        slots: Map,
        /// The address of the host that the ports are published at.
        bind: String = "127.0.0.1",
        /// The port that the service listens on in its container.
        container_port: i64 = 80,
        /// What a container has to answer before it counts as ready.
        health: Option<Health>,
        /// The proxies in front of the service.
        proxy: Option<ProxyOptions>,
        /// How old containers come to their end.
        drain: Option<Drain>,
        /// Hosts that are switched at the same time, as a number or in percent.
        batch: String = "1",
        /// Switch one host by itself first.
        canary: bool = true,
        /// The time in which a release is watched before its predecessor is stopped.
        verify: Option<Verify>,
        /// What happens to hosts that are switched already when another one fails.
        on_failure: OnFailure = OnFailure::RollbackAll,
        /// How many earlier releases are kept to go back to.
        keep: i64 = 3,
        /// The least room that the engine's disk must have.
        disk_free: String = "512M",
        /// When the image is pulled.
        pull: Pull = Pull::Missing,
        ..container: Container,
        ..engine: Connection,
    }
}

/// Options of a container that the rollout sets itself, and what to write instead.
const TAKEN: &[(&str, &str)] = &[
    ("published_ports", "`slots` and `container_port` say which ports are published"),
    ("auto_remove", "old containers are kept to go back to"),
    ("network_mode", "use `networks`: two releases run side by side"),
];

impl ServiceRollout {
    /// What cannot be right, whatever is there.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let given = [
            self.container.published_ports.is_some(),
            self.container.auto_remove.is_some(),
            self.container.network_mode.is_some(),
        ];
        for ((name, instead), _) in TAKEN.iter().zip(given).filter(|(_, given)| *given) {
            problems.push(format!("{name} cannot be given here: {instead}"));
        }
        if self.container.restart_policy == Some(crate::remote::docker::container::RestartPolicy::Always) {
            let message = "restart_policy: always would start old releases with the engine; use unless-stopped";
            problems.push(message.to_owned());
        }
        if self.container.image.is_none() {
            problems.push("missing required arguments: image".to_owned());
        }
        if self.slots.len() != 2 || self.slots.values().any(|port| port_of(port).is_none()) {
            problems.push("slots must name two slots, each with the first of its ports".to_owned());
        }
        if self.replicas < 1 {
            problems.push("replicas must be at least 1".to_owned());
        }
        if self.keep < 1 {
            problems.push("keep must be at least 1: without an earlier release there is no way back".to_owned());
        }
        match &self.proxy {
            None => problems.push("missing required arguments: proxy".to_owned()),
            Some(proxy) => {
                let drain = self.drain.as_ref().map_or(DRAIN_SECONDS, |drain| drain.timeout);
                if drain <= proxy.server_timeout {
                    problems.push(format!(
                        "drain.timeout ({drain} s) must be longer than the proxies wait for an answer ({} s)",
                        proxy.server_timeout
                    ));
                }
            }
        }
        problems
    }
}

/// Seconds to drain where a task says nothing.
const DRAIN_SECONDS: f64 = 60.0;

/// A port as written.
#[must_use]
pub fn port_of(value: &Json) -> Option<u16> {
    match value {
        Json::Number(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::remote::Options;

    fn problems(more: Json) -> String {
        let mut given = json!({
            "name": "s", "image": "i", "slots": {"blue": 3001, "green": "3101"}, "proxy": {"backend": "b"},
        });
        for (name, value) in more.as_object().unwrap() {
            given[name] = value.clone();
        }
        match ServiceRollout::parse(given.as_object().unwrap()) {
            Ok(options) => options.problems().join("; "),
            Err(problems) => problems.join("; "),
        }
    }

    #[test]
    fn what_cannot_be_right_is_said_before_any_host_is_asked() {
        assert_eq!(problems(json!({})), "");
        for (more, says) in [
            (json!({"published_ports": ["80:80"]}), "`slots` and `container_port` say which ports"),
            (json!({"network_mode": "host"}), "two releases run side by side"),
            (json!({"restart_policy": "always"}), "use unless-stopped"),
            (json!({"slots": {"blue": 3001}}), "slots must name two slots"),
            (json!({"slots": {"blue": 3001, "green": "x"}}), "slots must name two slots"),
            (json!({"replicas": 0}), "replicas must be at least 1"),
            (json!({"proxy": null}), "missing required arguments: proxy"),
            (json!({"image": null}), "missing required arguments: image"),
            // A response that the proxy still waits for would be called late.
            (json!({"drain": {"timeout": 30}}), "must be longer than the proxies wait for an answer (30 s)"),
            (json!({"proxy": {"backend": "b", "server_timeout": 90}}), "drain.timeout (60 s) must be longer"),
            (json!({"health": {"pth": "/"}}), "pth"),
        ] {
            let said = problems(more.clone());
            assert!(said.contains(says), "{more}: {said}");
        }
    }
}
