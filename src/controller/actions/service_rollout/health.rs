//! Asking a container in depth, and judging what it says.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use regex::Regex;

use super::options::Health;
use crate::{
    controller::{
        actions::http::{Address, Client, HttpError, Request, sink::drain, tls::HostTrust},
        executor::Turn,
    },
    protocol::{Failure, Json},
};

/// The most that is read of an answer.
const CONTENT_BYTES_MAX: u64 = 4 << 20;

/// Letters of a wrong answer that are shown.
const SHOWN_CHARS: usize = 200;

/// What is asked and expected.
pub struct Probe {
    health: Health,
    matches: Option<Regex>,
}

impl Probe {
    /// Reads it.
    ///
    /// # Errors
    /// When the regular expression is none.
    pub fn new(health: Health) -> Result<Self, String> {
        let matches = health.matches.as_deref().map(Regex::new).transpose();
        let matches = matches.map_err(|error| format!("health.matches: {error}"))?;
        Ok(Self { health, matches })
    }

    /// Whether an answer is as expected.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(&self, status: u16, content: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(content);
        let shown = || text.chars().take(SHOWN_CHARS).collect::<String>();
        if i64::from(status) != self.health.status {
            return Err(format!("status {status} instead of {}: {}", self.health.status, shown().trim()));
        }
        if !self.health.json.is_empty() {
            let json: Json = serde_json::from_slice(content)
                .map_err(|error| format!("the answer is not JSON ({error}): {}", shown()))?;
            for (pointer, wanted) in &self.health.json {
                match json.pointer(pointer) {
                    Some(found) if same(found, wanted) => {}
                    Some(found) => return Err(format!("{pointer} is {found} instead of {wanted}")),
                    None => return Err(format!("the answer has no {pointer}: {}", shown())),
                }
            }
        }
        match &self.matches {
            Some(matches) if !matches.is_match(&text) => {
                Err(format!("`{matches}` does not match the answer: {}", shown()))
            }
            _ => Ok(()),
        }
    }

    /// Asks once, as the host sees it.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn ask(&self, turn: &Turn, bind: &str, port: u16) -> Result<(), String> {
        let (status, content) = self.answer(turn, bind, port).await.map_err(|error| error.to_string())?;
        self.judge(status, &content)
    }

    async fn answer(&self, turn: &Turn, bind: &str, port: u16) -> Result<(u16, Vec<u8>), HttpError> {
        let trust = HostTrust { turn, validate: true, ca_path: None, client_cert: None, client_key: None };
        let client = Client::new(turn, &trust, seconds(self.health.request_timeout));
        let address = Address::parse(&format!("http://{}:{port}{}", reachable(bind), self.health.path))?;
        let request = Request { method: Method::GET, address, headers: HeaderMap::new(), body: Bytes::new() };
        let mut answer = client.send(request).await?;
        let content = drain(&mut answer, Vec::new(), false, Some(CONTENT_BYTES_MAX), client.timeout, |_, _| {}).await?;
        Ok((answer.status.as_u16(), content))
    }

    /// Waits for as many good answers in a row as are wanted.
    ///
    /// # Errors
    /// What the last answer was, when they do not come in time.
    pub async fn await_ready(&self, turn: &Turn, bind: &str, port: u16) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut in_row = 0;
        loop {
            let wrong = match self.ask(turn, bind, port).await {
                Ok(()) => {
                    in_row += 1;
                    if in_row >= self.health.consecutive.max(1) {
                        return Ok(());
                    }
                    None
                }
                Err(wrong) => {
                    in_row = 0;
                    Some(wrong)
                }
            };
            if begun.elapsed() >= seconds(self.health.timeout) {
                let wrong = wrong.unwrap_or_else(|| "good answers came too late".to_owned());
                let message = format!("{bind}:{port} is not ready after {} s: {wrong}", self.health.timeout);
                return Err(Failure::new(message));
            }
            tokio::time::sleep(seconds(self.health.interval)).await;
        }
    }

    /// How long a container may take to come up.
    #[must_use]
    pub fn patience(&self) -> Duration {
        seconds(self.health.timeout)
    }
}

/// Seconds as written; nothing below zero.
#[must_use]
pub fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or_default()
}

/// An address that a published port can be asked at.
#[must_use]
pub fn reachable(bind: &str) -> &str {
    match bind {
        "0.0.0.0" | "" => "127.0.0.1",
        "::" => "[::1]",
        other => other,
    }
}

/// Whether two values are the same; a playbook's template makes text of numbers.
fn same(found: &Json, wanted: &Json) -> bool {
    match (found, wanted) {
        (Json::Number(found), Json::Number(wanted)) => found.as_f64() == wanted.as_f64(),
        (Json::Number(_) | Json::Bool(_), Json::String(wanted)) => wanted.eq_ignore_ascii_case(&found.to_string()),
        _ => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{protocol::Map, remote::Options};

    fn probe(health: Json) -> Probe {
        let Json::Object(map) = health else { return Probe::new(Health::parse(&Map::new()).unwrap()).unwrap() };
        Probe::new(Health::parse(&map).unwrap()).unwrap()
    }

    #[test]
    fn a_status_alone_is_not_enough_where_more_is_asked_for() {
        let probe = probe(json!({"json": {"/rates/0/count": 3, "/ok": "true"}, "matches": "\"day\""}));
        let good = br#"{"rates": [{"count": 3.0, "day": "x"}], "ok": true}"#;
        assert_eq!(probe.judge(200, good), Ok(()));
        assert!(probe.judge(500, good).unwrap_err().starts_with("status 500"));
        for (wrong, says) in [
            (&br#"{"rates": [{"count": 4, "day": "x"}], "ok": true}"#[..], "/rates/0/count is 4 instead of 3"),
            (br#"{"rates": [], "ok": true}"#, "has no /rates/0/count"),
            (br#"{"rates": [{"count": 3}], "ok": true}"#, "does not match"),
            (b"<html>", "not JSON"),
        ] {
            let said = probe.judge(200, wrong).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
    }
}
