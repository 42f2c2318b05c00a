//! `wait_for`: waits until a port, a file or a text is there, or gone.

use std::{
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use regex::Regex;
use serde_json::json;

use crate::{
    choices, options,
    protocol::{Json, Map},
    remote::{Choice, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

mod connections;

options! {
    /// Waits for a condition on the host: a port that answers, a file that is there, a text in either.
    ///
    /// ## Example
    /// ```yaml
    /// - wait_for:
    ///     port: 5432
    ///     timeout: 60
    /// ```
    ///
    /// ## Returns
    /// `elapsed` (seconds), `state`, `port`, `path`, `search_regex`, `match_groups`, `match_groupdict`.
    pub struct WaitFor {
        /// The host to connect to, as seen from the managed host.
        host: String = "127.0.0.1",
        /// Seconds to wait at most.
        timeout: i64 = 300,
        /// Seconds that one attempt to connect may take.
        connect_timeout: i64 = 5,
        /// Seconds before the first attempt.
        delay: i64 = 0,
        /// The port.
        port: Option<i64>,
        /// States of connections that count as active (drained).
        active_connection_states: Vec<String> =
            ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "SYN_RECV", "SYN_SENT", "TIME_WAIT"].map(str::to_owned).to_vec(),
        /// The file.
        path: Option<PathBuf>,
        /// A text to wait for, in the file or from the port.
        search_regex: Option<String>,
        /// What to wait for.
        state: State = State::Started,
        /// Hosts whose connections do not count (drained).
        exclude_hosts: Vec<String>,
        /// Seconds between attempts.
        sleep: i64 = 1,
        /// What to say instead when it does not happen.
        msg: Option<String>,
    }
}

choices! {
    /// What to wait for.
    pub enum State {
        /// The port answers, or the file is there.
        Started = "started",
        /// The port does not answer.
        Stopped = "stopped",
        /// The port has no active connections.
        Drained = "drained",
        /// The file is there.
        Present = "present",
        /// The file is gone, or the port does not answer.
        Absent = "absent",
    }
}

/// What a text to search for gave.
#[derive(Default)]
struct Groups {
    list: Vec<Json>,
    named: Map,
}

/// As much as is read from a port while a text is searched for: bounds memory.
const ANSWER_BYTES_MAX: usize = 1 << 20;

impl Module for WaitFor {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let regex = self.validate()?;
        let start = probe.now();
        let elapsed = || i64::try_from((probe.now() - start) / 1_000_000_000).unwrap_or(i64::MAX);
        probe.sleep(seconds(self.delay));
        let mut shown = 0;
        let groups = loop {
            if self.port.is_none() && self.path.is_none() {
                probe.sleep(seconds(self.timeout));
                break Groups::default();
            }
            if let Some(groups) = self.reached(probe, regex.as_ref())? {
                break groups;
            }
            if elapsed() >= self.timeout {
                return Err(self.expired(elapsed()));
            }
            if elapsed() >= shown + 5 {
                shown = elapsed();
                probe.progress(&format!("waiting for {}", self.target()), None);
            }
            probe.sleep(seconds(self.sleep.max(1)).min(seconds(self.timeout)));
        };
        let mut plan = Plan::new();
        plan.set("elapsed", elapsed());
        plan.set("state", self.state.word());
        plan.set("port", self.port);
        plan.set("path", self.path.as_ref().map(|path| path.to_string_lossy().into_owned()));
        plan.set("search_regex", self.search_regex.clone());
        plan.set("match_groups", groups.list);
        plan.set("match_groupdict", groups.named);
        Ok(plan)
    }
}

impl WaitFor {
    fn validate(&self) -> Result<Option<Regex>, Stop> {
        let wrong = match (self.port, &self.path, self.state) {
            (Some(_), Some(_), _) => "port and path parameter can not both be passed to wait_for",
            (_, Some(_), State::Stopped) => {
                "state=stopped should only be used for checking a port in the wait_for module"
            }
            (_, Some(_), State::Drained) => {
                "state=drained should only be used for checking a port in the wait_for module"
            }
            (None, None, State::Drained) => "state=drained needs a port",
            _ if !self.exclude_hosts.is_empty() && self.state != State::Drained => {
                "exclude_hosts should only be with state=drained"
            }
            _ => "",
        };
        if !wrong.is_empty() {
            return Err(Stop::failed(wrong));
        }
        self.search_regex
            .as_ref()
            .map(|text| Regex::new(&format!("(?m){text}")))
            .transpose()
            .map_err(|error| Stop::failed(format!("invalid regular expression: {error}")))
    }

    /// Whether it is so now; with the groups of a text that was searched for.
    fn reached(&self, probe: &Probe<'_>, regex: Option<&Regex>) -> Found<Option<Groups>> {
        let so = |reached: bool| Ok(reached.then(Groups::default));
        match (&self.path, self.state) {
            (Some(path), State::Absent) => match regex {
                Some(regex) => so(read(probe, path)?.is_none_or(|text| !regex.is_match(&text))),
                None => so(!probe.exists(path)?),
            },
            (Some(path), _) => match regex {
                Some(regex) => Ok(read(probe, path)?.and_then(|text| groups(regex, &text))),
                None => so(probe.exists(path)?),
            },
            (None, State::Drained) => so(!connections::any(probe, self)?),
            (None, State::Stopped | State::Absent) => so(self.dial(probe).is_err()),
            (None, State::Started | State::Present) => {
                let Ok(mut stream) = self.dial(probe) else { return Ok(None) };
                match regex {
                    Some(regex) => Ok(listen(&mut stream, regex)),
                    None => so(true),
                }
            }
        }
    }

    fn dial(&self, probe: &Probe<'_>) -> std::io::Result<Box<dyn crate::remote::machine::system::Duplex>> {
        let port = self.port.and_then(|port| u16::try_from(port).ok()).ok_or(ErrorKind::InvalidInput)?;
        let limit = u64::try_from(self.connect_timeout.min(self.timeout.max(1))).unwrap_or(1).max(1);
        probe.dial_tcp(&self.host, port, limit)
    }

    fn target(&self) -> String {
        match (&self.path, self.port) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(port)) => format!("{}:{port}", self.host),
            (None, None) => "the time".to_owned(),
        }
    }

    fn expired(&self, elapsed: i64) -> Stop {
        let target = self.target();
        let message = self.msg.clone().unwrap_or_else(|| match (&self.search_regex, self.state) {
            (Some(text), State::Started | State::Present) => {
                format!("Timeout when waiting for search string {text} in {target}")
            }
            (_, State::Drained) => format!("Timeout when waiting for {target} to drain"),
            (_, State::Stopped) => format!("Timeout when waiting for {target} to stop."),
            (_, State::Absent) => format!("Timeout when waiting for {target} to be absent."),
            (None, _) if self.path.is_some() => format!("Timeout when waiting for file {target}"),
            (None, _) => format!("Timeout when waiting for {target}"),
        });
        let mut result = Map::new();
        result.insert("elapsed".to_owned(), json!(elapsed));
        Stop::Failed(crate::protocol::Failure::new(message), result)
    }
}

fn read(probe: &Probe<'_>, path: &Path) -> Found<Option<String>> {
    if probe.exists(path)? { probe.read_text(path).map(Some) } else { Ok(None) }
}

/// Reads what a peer says until the text is in it, the peer ends, or there is too much.
fn listen(stream: &mut dyn Read, regex: &Regex) -> Option<Groups> {
    let mut heard = Vec::new();
    let mut buffer = [0; 1024];
    while heard.len() < ANSWER_BYTES_MAX {
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => heard.extend_from_slice(&buffer[..n]),
            _ => break,
        }
        if let Some(found) = groups(regex, &String::from_utf8_lossy(&heard)) {
            return Some(found);
        }
    }
    None
}

fn groups(regex: &Regex, text: &str) -> Option<Groups> {
    let captures = regex.captures(text)?;
    let value = |found: Option<regex::Match<'_>>| found.map_or(Json::Null, |found| found.as_str().into());
    let named = regex.capture_names().flatten();
    Some(Groups {
        list: captures.iter().skip(1).map(value).collect(),
        named: named.map(|name| (name.to_owned(), value(captures.name(name)))).collect(),
    })
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{
            machine::fake::Fake,
            modules::trial::{Trial, failure},
        },
    };

    #[test]
    fn a_port_that_answers_is_no_change() {
        let host = Fake::new().listen("127.0.0.1:22", || Box::new(Cursor::new(b"SSH-2.0-x\r\n".to_vec())));
        let mut trial = Trial::new(host);
        let outcome = trial.apply("wait_for", json!({"port": 22, "search_regex": "SSH-(?P<v>[0-9.]+)"}));
        assert_eq!(outcome.verdict, Verdict::Unchanged);
        assert_eq!(outcome.result["match_groups"], json!(["2.0"]));
        assert_eq!(outcome.result["match_groupdict"], json!({"v": "2.0"}));
    }

    #[test]
    fn waiting_ends_in_time_and_says_what_for() {
        let mut trial = Trial::new(Fake::new());
        let outcome = trial.apply("wait_for", json!({"port": 5432, "timeout": 10, "delay": 2}));
        assert_eq!(failure(&outcome), "Timeout when waiting for 127.0.0.1:5432");
        assert_eq!(outcome.result["elapsed"], 10);
        let outcome = trial.apply("wait_for", json!({"path": "/x", "timeout": 1, "msg": "no x"}));
        assert_eq!(failure(&outcome), "no x");
    }

    #[test]
    fn what_is_gone_is_absent_and_stopped() {
        let mut trial = Trial::new(Fake::new());
        assert_eq!(trial.apply("wait_for", json!({"path": "/x", "state": "absent"})).verdict, Verdict::Unchanged);
        assert_eq!(trial.apply("wait_for", json!({"port": 1, "state": "stopped"})).verdict, Verdict::Unchanged);
        let check = trial.check("wait_for", json!({"port": 1}));
        assert!(matches!(check.verdict, Verdict::Skipped(_)));
    }

    #[test]
    fn open_connections_keep_a_port_from_being_drained() {
        let head = "  sl  local_address rem_address   st\n";
        let line = "   0: 0100007F:1538 0200007F:D431 01 0:0\n";
        let busy = Fake::new().file("/proc/net/tcp", &format!("{head}{line}"));
        let drained = json!({"port": 5432, "state": "drained", "timeout": 3});
        failure(&Trial::new(busy).apply("wait_for", drained));
        let busy = Fake::new().file("/proc/net/tcp", &format!("{head}{line}"));
        let options = json!({"port": 5432, "state": "drained", "timeout": 3, "exclude_hosts": ["127.0.0.2"]});
        assert_eq!(Trial::new(busy).apply("wait_for", options).verdict, Verdict::Unchanged);
    }
}
