//! Makes one request to an engine: bodies up, progress while it runs, refusals as sentences with advice.

use std::{
    fmt,
    io::{self, Read},
    time::Duration,
};

use serde_json::json;

use super::{
    http::{self, Answer, Body},
    stream,
};
use crate::{
    protocol::{HttpRequest, Json},
    remote::{
        Applied,
        machine::{apply::Progress, system::System},
    },
};

/// What an engine (or the way to it) said no with, for people.
#[derive(Debug)]
pub struct Refused {
    /// What was tried and what came back.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::other(refused)
    }
}

/// The advice that an error of [`perform`] carries.
#[must_use]
pub fn hint(error: &io::Error) -> Option<&str> {
    error.get_ref()?.downcast_ref::<Refused>()?.hint.as_deref()
}

/// Makes a request that changes something. The method `EXEC` is not HTTP's: it runs a command in a container from its
/// creation to its exit code, which becomes [`Applied::code`].
///
/// # Errors
/// When the engine cannot be reached, refuses, or reports an error in its stream; [`hint`] may say what to do. What the
/// request names as its `undo` has then been asked for.
pub fn perform(
    system: &dyn System,
    request: &HttpRequest,
    upload: Option<&mut dyn Read>,
    progress: Progress<'_>,
) -> io::Result<Applied> {
    let start = system.now();
    let made = if request.method == "EXEC" {
        exec(system, request, progress)
    } else if request.insist_seconds > 0 {
        insist(system, request, progress)
    } else {
        once(system, request, upload, progress)
    };
    if let Some(path) = request.upload_path.as_deref().filter(|_| request.discard_upload) {
        // What came of the request is the thing to tell; a file that stays is overwritten next time.
        let _ = system.remove(path);
    }
    match made {
        Ok(mut applied) => {
            applied.times = (start, system.now());
            Ok(applied)
        }
        Err(error) => {
            for step in &request.undo {
                // The first failure is the one to tell; an undo that fails too leaves no more than there is already.
                let _ = once(system, step, None, &mut |_, _| {});
            }
            Err(error)
        }
    }
}

fn once(
    system: &dyn System,
    request: &HttpRequest,
    upload: Option<&mut dyn Read>,
    progress: Progress<'_>,
) -> io::Result<Applied> {
    let mut file = request.upload_path.as_ref().map(|path| system.open(path)).transpose()?;
    let (body, total) = match (&mut file, upload, &request.body) {
        (Some((file, size)), ..) => (Body::Upload(file, *size), Some(*size)),
        (None, Some(upload), _) => {
            let size = request.upload.as_ref().map_or(0, |blob| blob.size);
            (Body::Upload(upload, size), Some(size))
        }
        (None, None, Some(json)) => (Body::Json(serde_json::to_vec(json)?), None),
        (None, None, None) => (Body::Empty, None),
    };
    let stream = system.dial(&request.socket).map_err(|error| unreachable(request, &error))?;
    let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut told = 0;
    let mut answer = http::send(stream, &request.method, &request.path, headers, body, &mut |through| {
        // One line a hundredth: every one is a frame on the way to the screen.
        if let Some(total) = total.filter(|total| through * 100 / total.max(&1) > told) {
            told = through * 100 / total;
            progress(&request.summary, Some((through, total)));
        }
    })
    .map_err(|error| broken(&error))?;
    let code = i32::from(answer.status);
    if !(200..300).contains(&answer.status) && !request.accept.contains(&answer.status) {
        return Err(refusal(answer)?.into());
    }
    let mut applied = Applied { code, ..Applied::default() };
    if let Some(path) = &request.save_to {
        system.write(path, &mut answer.body, &crate::protocol::Attributes::default())?;
    } else if request.stream {
        match stream::messages(&mut answer.body, progress).map_err(|error| broken(&error))? {
            Ok(text) => applied.stdout = text,
            Err(message) => return Err(explain(0, &message).into()),
        }
    } else if request.path.contains("/logs") {
        (applied.stdout, applied.stderr) = stream::output(&mut answer.body, &mut |line| progress(line, None))?;
    } else {
        applied.stdout = answer.text().map_err(|error| broken(&error))?;
    }
    Ok(applied)
}

/// Asks again while something still uses what the request is about.
fn insist(system: &dyn System, request: &HttpRequest, progress: Progress<'_>) -> io::Result<Applied> {
    const PAUSE: Duration = Duration::from_secs(1);
    let tries = request.insist_seconds / PAUSE.as_secs();
    for _ in 0..tries {
        match once(system, request, None, progress) {
            Err(error) if ["in use", "active endpoints"].iter().any(|words| error.to_string().contains(words)) => {
                progress(&format!("{}: {error}", request.summary), None);
            }
            ended => return ended,
        }
        system.sleep(PAUSE);
    }
    once(system, request, None, progress)
}

fn exec(system: &dyn System, request: &HttpRequest, progress: Progress<'_>) -> io::Result<Applied> {
    let create = HttpRequest { method: "POST".to_owned(), ..request.clone() };
    let created = once(system, &create, None, progress)?;
    let created: Json = serde_json::from_str(&created.stdout)?;
    let id = created["Id"].as_str().unwrap_or_default();
    let prefix = request.path.find("/containers/").map_or("", |at| &request.path[..at]);
    let tty = request.body.as_ref().is_some_and(|body| body["Tty"] == true);
    let start = HttpRequest {
        path: format!("{prefix}/exec/{id}/start"),
        body: Some(json!({"Detach": false, "Tty": tty})),
        method: "POST".to_owned(),
        ..request.clone()
    };
    let stream = system.dial(&start.socket).map_err(|error| unreachable(&start, &error))?;
    let body = Body::Json(serde_json::to_vec(&start.body)?);
    let mut answer = http::send(stream, "POST", &start.path, [], body, &mut |_| {})?;
    if answer.status >= 300 {
        return Err(refusal(answer)?.into());
    }
    let (stdout, stderr) = stream::output(&mut answer.body, &mut |line| progress(line, None))?;
    let inspect = HttpRequest {
        path: format!("{prefix}/exec/{id}/json"),
        method: "GET".to_owned(),
        body: None,
        ..request.clone()
    };
    // The engine closes the output a moment before it notes the exit code.
    for _ in 0..50 {
        let state: Json = serde_json::from_str(&once(system, &inspect, None, progress)?.stdout)?;
        if let Some(code) = state["ExitCode"].as_i64().filter(|_| state["Running"] != true) {
            return Ok(Applied { code: i32::try_from(code).unwrap_or(-1), stdout, stderr, ..Applied::default() });
        }
        system.sleep(Duration::from_millis(100));
    }
    Err(Refused { message: "the exit code of the command never came".to_owned(), hint: None }.into())
}

fn refusal(answer: Answer) -> io::Result<Refused> {
    let status = answer.status;
    Ok(explain(status, &message_of(&answer.text()?)))
}

/// The sentence in a refusal's body.
#[must_use]
pub fn message_of(body: &str) -> String {
    serde_json::from_str::<Json>(body)
        .ok()
        .and_then(|json| json["message"].as_str().map(str::to_owned))
        .unwrap_or_else(|| body.trim().to_owned())
}

fn explain(status: u16, message: &str) -> Refused {
    let lower = message.to_lowercase();
    let has = |words: &str| lower.contains(words);
    let message = taken_port(message).unwrap_or_else(|| message.to_owned());
    let hint = if has("port is already allocated") || has("address already in use") {
        Some("another process or container holds this port on the host: stop it, or publish another port".to_owned())
    } else if has("is already in use by container") {
        Some("a container of this name exists already: remove it or choose another name".to_owned())
    } else if has("no such image") || has("pull access denied") || has("manifest unknown") || has("not found: manifest")
    {
        Some("build, load or pull the image first, and check its name and tag".to_owned())
    } else if has("unauthorized") || has("authentication required") || has("no basic auth credentials") {
        Some("log in to the registry with docker_login first".to_owned())
    } else if has("no such host") || has("i/o timeout") || has("network is unreachable") || has("connection refused") {
        Some("the engine cannot reach that address: check network, DNS and proxy of the host's Docker".to_owned())
    } else if has("x509") {
        Some("the engine does not trust the registry's certificate: install its CA on the host".to_owned())
    } else if has("no space left on device") {
        Some("free space on the host, for example with docker_prune".to_owned())
    } else if status == 409 && has("must force") {
        Some("containers use it: remove them first, or say `force_absent: true`".to_owned())
    } else if status == 409 && has("is being used by") || has("has active endpoints") || has("volume is in use") {
        Some("remove the containers that use it first".to_owned())
    } else {
        None
    };
    Refused { message, hint }
}

/// The address that a port could not be had on, out of what the engine wraps around it.
fn taken_port(message: &str) -> Option<String> {
    let between = |from: &str, to: &str| {
        let (_, rest) = message.split_once(from)?;
        rest.split_once(to).map(|(address, _)| address.to_owned())
    };
    let address = between("Bind for ", " failed: port is already allocated").or_else(|| {
        let (_, listening) = message.split_once("listen ")?;
        let (address, _) = listening.split_once(": bind: address already in use")?;
        address.split_once(' ').map(|(_, address)| address.to_owned())
    })?;
    Some(format!("port {address} is already in use on the host"))
}

fn unreachable(request: &HttpRequest, error: &io::Error) -> Refused {
    let (message, hint) = not_reached(&request.socket.display().to_string(), error);
    Refused { message, hint: Some(hint) }
}

fn broken(error: &io::Error) -> Refused {
    Refused {
        message: format!("the Docker engine stopped answering: {error}"),
        hint: Some("see whether Docker still runs on the host, and its log".to_owned()),
    }
}

/// Why nobody answers at a socket, and what to do about it.
#[must_use]
pub fn not_reached(socket: &str, error: &io::Error) -> (String, String) {
    let message = format!("cannot reach the Docker engine at {socket}: {error}");
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "use `become: true`, or add the user to the group docker".to_owned(),
        _ => "is Docker installed and running on this host?".to_owned(),
    };
    (message, hint)
}
