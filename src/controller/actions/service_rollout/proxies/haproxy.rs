//! HAProxy over its runtime socket.

use std::{collections::HashMap, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Mutex,
};

use super::{
    super::{
        ledger::{carried, map},
        options::ProxyOptions,
    },
    Admission, Proxy, Server,
};
use crate::{
    controller::{
        connection::{Endpoint, Stream},
        executor::Turn,
    },
    protocol::Failure,
};

/// How the socket says that it waits for the next order.
const PROMPT: &[u8] = b"\n> ";

/// The most that one answer may be.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// What an order may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// One HAProxy.
pub(super) struct Haproxy {
    turn: Turn,
    options: ProxyOptions,
    /// The open conversation; orders are given one after the other.
    conversation: Mutex<Option<Stream>>,
}

impl Haproxy {
    pub(super) fn new(turn: Turn, options: ProxyOptions) -> Self {
        Self { turn, options, conversation: Mutex::default() }
    }

    /// Gives an order and returns what is said to it.
    async fn order(&self, order: &str) -> Result<String, Failure> {
        let mut conversation = self.conversation.lock().await;
        // One that has been silent for long was ended by the proxy; what went wrong on it was not carried out twice.
        if let Some(mut open) = conversation.take()
            && let Ok(said) = tokio::time::timeout(ANSWER_LIMIT, exchange(&mut open, order)).await
            && let Ok(said) = said
        {
            *conversation = Some(open);
            return Ok(said);
        }
        let failed = |what: String| {
            Failure::new(format!("HAProxy on {} at {}: {what}", self.turn.host, self.options.socket)).hint(
                "its configuration needs `stats socket … level admin`, and the task `become` where root owns that",
            )
        };
        let endpoint = Endpoint::Unix(self.options.socket.clone().into());
        let mut open = self.turn.dial(&endpoint).await.map_err(|failure| failed(failure.message))?;
        let talk = async {
            exchange(&mut open, "prompt").await?;
            exchange(&mut open, order).await
        };
        let said = tokio::time::timeout(ANSWER_LIMIT, talk).await;
        let said = said.map_err(|_| failed("it does not answer".to_owned()))?;
        let said = said.map_err(|error| failed(error.to_string()))?;
        *conversation = Some(open);
        Ok(said)
    }

    /// An order that is answered with nothing.
    async fn obeyed(&self, order: &str) -> Result<(), Failure> {
        let said = self.order(order).await?;
        if said.trim().is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("HAProxy on {} refuses `{order}`: {}", self.turn.host, said.trim())))
    }

    fn server(&self, name: &str) -> String {
        format!("{}/{name}", self.options.backend)
    }
}

async fn exchange(stream: &mut Stream, order: &str) -> std::io::Result<String> {
    stream.write_all(format!("{order}\n").as_bytes()).await?;
    stream.flush().await?;
    let mut said = Vec::new();
    let mut chunk = [0; 4096];
    // The prompt follows an empty line, or stands at the very beginning.
    while !said.ends_with(PROMPT) && said != PROMPT[1..] {
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it ended the conversation"));
        }
        said.extend_from_slice(&chunk[..count]);
        if said.len() > ANSWER_BYTES_MAX {
            return Err(std::io::Error::other("it says too much"));
        }
    }
    said.truncate(said.len().saturating_sub(2));
    Ok(String::from_utf8_lossy(&said).into_owned())
}

impl Proxy for Haproxy {
    fn host(&self) -> &str {
        &self.turn.host
    }

    fn look(&self) -> BoxFuture<'_, Result<Vec<Server>, Failure>> {
        Box::pin(async {
            let backend = &self.options.backend;
            let nothing = |what: String| {
                Failure::new(format!("HAProxy on {} tells nothing of the backend {backend}: {what}", self.turn.host))
            };
            let states = states(&self.order(&format!("show servers state {backend}")).await?).map_err(nothing)?;
            // Of one backend, only servers, all of them.
            servers(&self.order(&format!("show stat {backend} 4 -1")).await?, &states).map_err(nothing)
        })
    }

    fn admit<'a>(&'a self, server: &'a str, admission: Admission) -> BoxFuture<'a, Result<(), Failure>> {
        let state = match admission {
            Admission::Ready => "ready",
            Admission::Drain => "drain",
            Admission::Out => "maint",
        };
        Box::pin(async move { self.obeyed(&format!("set server {} state {state}", self.server(server))).await })
    }

    fn distrust<'a>(&'a self, server: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.obeyed(&format!("set server {} health down", self.server(server))).await })
    }

    fn cut<'a>(&'a self, server: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.obeyed(&format!("shutdown sessions server {}", self.server(server))).await })
    }

    fn keep(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async {
            if self.options.state_file.is_empty() {
                return Ok(());
            }
            let state = self.order("show servers state").await?;
            let blob = self.turn.run.blobs.add_bytes(format!("{}\n", state.trim()).into_bytes());
            let options = json!({ "dest": self.options.state_file, "mode": "0644", "_blob": Turn::blob(&blob) });
            carried(self.turn.module("copy", map(options), std::slice::from_ref(&blob)).await).map(drop)
        })
    }
}

/// Bits of a server's administrative state, as the manual lists them: maintenance and draining, each by order, by inheritance,
/// by configuration or for want of an address.
const MAINTENANCE: u32 = 0x01 | 0x02 | 0x04 | 0x20;
const DRAINING: u32 = 0x08 | 0x10;

/// The operational state of a server that is up.
const RUNNING: &str = "2";

/// Reads `show servers state`: by server, which requests it gets and whether it is up.
fn states(text: &str) -> Result<HashMap<String, (Admission, bool)>, String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    // The first line is the version of the format.
    let head = lines.next().filter(|version| version.parse::<u32>().is_ok()).and_then(|_| lines.next());
    let Some(head) = head.and_then(|head| head.strip_prefix('#')) else { return Err(text.trim().to_owned()) };
    let columns: Vec<&str> = head.split_whitespace().collect();
    let mut states = HashMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let field = |name: &str| {
            columns.iter().position(|column| *column == name).and_then(|at| fields.get(at)).copied().unwrap_or_default()
        };
        let admission = match field("srv_admin_state").parse::<u32>() {
            Ok(bits) if bits & MAINTENANCE != 0 => Admission::Out,
            Ok(bits) if bits & DRAINING != 0 => Admission::Drain,
            Ok(_) => Admission::Ready,
            Err(_) => return Err(format!("the state of {} is not understood: {line}", field("srv_name"))),
        };
        states.insert(field("srv_name").to_owned(), (admission, field("srv_op_state") == RUNNING));
    }
    Ok(states)
}

/// Reads `show stat`: CSV whose first line names the columns.
fn servers(text: &str, states: &HashMap<String, (Admission, bool)>) -> Result<Vec<Server>, String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let head = lines.next().unwrap_or_default();
    let Some(head) = head.strip_prefix('#') else { return Err(head.to_owned()) };
    let columns: Vec<&str> = head.split(',').map(str::trim).collect();
    let mut servers = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |name: &str| {
            columns.iter().position(|column| *column == name).and_then(|at| fields.get(at)).copied().unwrap_or_default()
        };
        let number = |name: &str| field(name).parse::<u64>().unwrap_or_default();
        let name = field("svname").to_owned();
        let Some((admission, up)) = states.get(&name).copied() else { continue };
        // `* ` says that a check is under way; what stands behind is the one before.
        let check = field("check_status").trim_start_matches("* ");
        servers.push(Server {
            name,
            admission,
            healthy: up && check.ends_with("OK"),
            check: match (check, field("last_chk")) {
                ("", _) => "it is not checked".to_owned(),
                (check, "") => check.to_owned(),
                (check, more) => format!("{check} ({more})"),
            },
            busy: number("scur") + number("qcur"),
            errors: number("hrsp_5xx") + number("econ") + number("eresp"),
        });
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight\n\
        4 api 1 a-blue-1 10.0.0.1 2 0 1\n4 api 2 a-green-1 10.0.0.1 2 8 1\n\
        4 api 3 b-blue-1 10.0.0.2 0 1 1\n4 api 4 b-green-1 10.0.0.2 0 0 1\n\n";

    const STAT: &str = "# pxname,svname,qcur,qmax,scur,smax,econ,eresp,status,weight,check_status,hrsp_5xx,last_chk,\n\
        api,a-blue-1,1,0,2,5,1,2,UP,1,L7OK,4,,\n\
        api,a-green-1,0,0,0,0,0,0,DRAIN,0,* L7OK,0,,\n\
        api,b-blue-1,0,0,0,0,0,0,MAINT,1,L7OK,0,,\n\
        api,b-green-1,0,0,0,0,0,0,DOWN,1,L4CON,0,Connection refused,\n\n";

    #[test]
    fn what_the_proxy_shows_is_read_by_its_columns() {
        let servers = servers(STAT, &states(STATE).unwrap()).unwrap();
        let seen: Vec<(&str, Admission, bool)> =
            servers.iter().map(|server| (server.name.as_str(), server.admission, server.healthy)).collect();
        // The check of one that is out says what was once, and counts for nothing.
        assert_eq!(
            seen,
            [
                ("a-blue-1", Admission::Ready, true),
                ("a-green-1", Admission::Drain, true),
                ("b-blue-1", Admission::Out, false),
                ("b-green-1", Admission::Ready, false),
            ]
        );
        assert_eq!((servers[0].busy, servers[0].errors), (3, 7));
        assert_eq!(servers[3].check, "L4CON (Connection refused)");
    }

    #[test]
    fn a_backend_that_is_not_there_is_said() {
        assert_eq!(super::servers("No such proxy.\n", &HashMap::new()).unwrap_err(), "No such proxy.");
        assert_eq!(states("Can't find backend.\n").unwrap_err(), "Can't find backend.");
    }

    #[tokio::test]
    async fn an_answer_ends_with_the_prompt() {
        let (mine, mut other) = tokio::io::duplex(64);
        let mut stream: Stream = Box::new(mine);
        other.write_all(b"a\nb\n\n> ").await.unwrap();
        assert_eq!(exchange(&mut stream, "show").await.unwrap().trim(), "a\nb");
        other.write_all(b"\n> ").await.unwrap();
        assert_eq!(exchange(&mut stream, "set").await.unwrap().trim(), "");
        drop(other);
        assert!(exchange(&mut stream, "set").await.is_err());
    }
}
