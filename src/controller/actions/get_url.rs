//! `get_url`: fetches a file from where the host would, and has the host put it in place.

use std::{
    fs::File,
    io::BufWriter,
    sync::Mutex,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::http::{
    Address, Answer, Client, HttpError, Request, WebOptions, address,
    checksum::{self, Hashing, Wanted},
    client::Follow,
    on_host::{disposition, only_if_newer, place, stat},
    sink::drain,
    tls::HostTrust,
};
use crate::{
    controller::{
        executor::{Done, Turn},
        state::lock,
    },
    options,
    protocol::{Blob, Failure, Json, Map, Outcome, Verdict},
    remote::{OptionSpec, Options, modules::attributes::FileAttributes},
};

/// The most that a list of checksums holds.
const LIST_BYTES_MAX: u64 = 16 << 20;
/// Seconds that a server has for each step of what another action fetches.
const PATIENCE_SECONDS: u64 = 30;
/// Bytes between two words of progress.
const PROGRESS_BYTES: u64 = 1 << 20;

options! {
    /// Fetches a file from a web server, as the host sees it, and puts it in place.
    ///
    /// A file that has the wanted checksum already is not fetched; without a checksum the server is asked for what is newer, and what comes is compared
    /// by content. In check mode a missing file is foretold without fetching it.
    ///
    /// ## Example
    /// ```yaml
    /// - get_url:
    ///     url: https://example.org/app-1.2.tar.gz
    ///     dest: /opt/app.tar.gz
    ///     checksum: sha256:https://example.org/SHA256SUMS
    ///     mode: '0644'
    /// ```
    ///
    /// ## Returns
    /// `url`, `dest`, `status_code`, `msg`, `checksum_src` and `checksum_dest` (SHA-1), `md5sum`, `size`, `mode`, `owner`, `group`, `elapsed`; `backup_file` when one was made.
    pub struct GetUrl {
        /// Where from: `http://`, `https://`, or `file://` on the host itself.
        url: String,
        /// Where to put it; an existing directory is one to put it into.
        dest: String,
        /// `algorithm:hash`, or `algorithm:address` of a list of them.
        checksum: String = "",
        /// Fetch even though it is there.
        force: bool [thirsty] = false,
        /// Keep the old version beside the new one.
        backup: bool = false,
        /// Seconds that connecting, the answer, and each piece of it may take.
        timeout: i64 = 10,
        /// Accepted as Ansible has it: what is fetched waits on the controller, not on the host.
        tmp_dest: Option<String>,
        ..web: WebOptions,
        ..attributes: FileAttributes,
    }
}

/// The manual page.
pub const DOC: &str = GetUrl::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    GetUrl::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    match act(turn).await {
        Ok(outcome) => outcome.into(),
        Err((failure, result)) => Outcome { result, ..Outcome::new(Verdict::Failed(failure)) }.into(),
    }
}

/// A failure and what is returned with it.
type Refused = (Failure, Map);

fn refused(failure: Failure) -> Refused {
    (failure, Map::new())
}

async fn act(turn: &Turn) -> Result<Outcome, Refused> {
    let given = turn.json_options().map_err(|error| refused(Failure::new(error.message)))?;
    let get = GetUrl::parse(&given).map_err(|problems| refused(Failure::new(problems.join("; "))))?;
    if let Some(refusal) = get.web.refusal() {
        return Err(refused(Failure::new(refusal)));
    }
    let wanted = Wanted::parse(&get.checksum).map_err(|reason| refused(Failure::new(reason)))?;
    if let Some(path) = get.url.strip_prefix("file://") {
        return get.on_host(turn, &given, path, wanted.as_ref()).await.map_err(refused);
    }
    let trust = HostTrust {
        turn,
        validate: get.web.validate_certs,
        ca_path: get.web.ca_path.as_deref(),
        client_cert: get.web.client_cert.as_deref(),
        client_key: get.web.client_key.as_deref(),
    };
    let mut client = Client::new(turn, &trust, Duration::from_secs(u64::try_from(get.timeout).unwrap_or(0).max(1)));
    get.web.apply(&mut client, turn).map_err(refused)?;
    client.follow = Follow::All;
    let mut headers = get.web.headers().map_err(refused)?;
    get.web.known_login(turn, &get.url, &mut headers).await.map_err(refused)?;
    let address = Address::parse(&get.url).map_err(|error| refused(Failure::new(error.to_string())))?;
    let wanted = match wanted {
        Some(wanted) if wanted.is_address() => {
            Some(listed(&client, &headers, &wanted, &address).await.map_err(refused)?)
        }
        other => other,
    };
    let there = stat(turn, &get.dest).await.map_err(refused)?;
    let into_folder = there.as_ref().is_some_and(|stat| stat.get("isdir") == Some(&Json::Bool(true)));
    let mut dest = get.dest.clone();
    let mut there = there.filter(|_| !into_folder);
    if into_folder && let Some(name) = address.file_name() {
        dest = format!("{}/{name}", get.dest.trim_end_matches('/'));
        there = stat(turn, &dest).await.map_err(refused)?;
    }
    if let Some(stat) = &there
        && !get.force
    {
        match &wanted {
            Some(wanted) if checksum_there(turn, &dest, &wanted.algorithm).await.as_ref() == Some(&wanted.value) => {
                return Ok(keep(turn, &given, &get, &dest, "file already exists").await);
            }
            // Newer than the server's or not, it is not what is wanted.
            Some(_) => {}
            None => only_if_newer(&mut headers, stat),
        }
    }
    if turn.check && there.is_none() {
        return Ok(foretold(turn, &given, &get, &dest).await);
    }
    let begun = Instant::now();
    let fetched = get.fetch(turn, &client, headers, &address).await;
    let elapsed = begun.elapsed().as_secs();
    let fetched = fetched.map_err(|error| {
        let result = get.result(&dest, -1, elapsed);
        (Failure { message: format!("Request failed: {error}"), hint: error.hint() }, result)
    })?;
    let status = fetched.answer.status;
    let mut result = get.result(&dest, i64::from(status.as_u16()), elapsed);
    if status == StatusCode::NOT_MODIFIED {
        let mut outcome = keep(turn, &given, &get, &dest, "HTTP Error 304: Not Modified").await;
        outcome.result.insert("status_code".into(), json!(304));
        return Ok(outcome);
    }
    if !status.is_success() {
        result.insert("response".into(), json!(format!("HTTP Error {}: {}", status.as_u16(), fetched.answer.reason)));
        let message =
            format!("Request failed: {} answers {} {}", fetched.answer.address, status.as_u16(), fetched.answer.reason);
        return Err((Failure::new(message), result));
    }
    if into_folder {
        let name = disposition(&fetched.answer.headers).or_else(|| fetched.answer.address.file_name());
        dest = format!("{}/{}", get.dest.trim_end_matches('/'), name.unwrap_or_else(|| "index.html".into()));
        result.insert("dest".into(), json!(dest));
    }
    let sum = |algorithm: &str| fetched.sums.iter().find(|(name, _)| name == algorithm).map(|(_, sum)| sum.clone());
    if let Some(wanted) = &wanted {
        let found = sum(&wanted.algorithm).unwrap_or_default();
        if found != wanted.value {
            let message = format!("The checksum for {} did not match {}; it was {found}.", get.url, wanted.value);
            return Err((Failure::new(message).hint("nothing was put in place"), result));
        }
    }
    let blob =
        turn.run.blobs.add_file(fetched.file.path()).map_err(|error| refused(Failure::new(error.to_string())))?;
    result.insert("msg".into(), json!(format!("OK ({} bytes)", blob.size)));
    result.insert("size".into(), json!(blob.size));
    result.insert("checksum_src".into(), json!(sum("sha1")));
    result.insert("md5sum".into(), json!(sum("md5")));
    let so_far = Outcome { result, ..Outcome::new(Verdict::Unchanged) };
    let mut outcome = place(turn, &given, &dest, &blob, so_far).await;
    outcome.result.insert("checksum_dest".into(), json!(sum("sha1")));
    Ok(outcome)
}

/// Fetches a file for another action, to be sent on.
///
/// # Errors
/// When no server answers, or not with a file.
pub(super) async fn fetched(turn: &Turn, url: &str, validate: bool) -> Result<Blob, Failure> {
    let options = Map::from_iter([
        ("url".to_owned(), json!(url)),
        ("dest".to_owned(), json!("")),
        ("validate_certs".to_owned(), json!(validate)),
        ("timeout".to_owned(), json!(PATIENCE_SECONDS)),
    ]);
    let get = GetUrl::parse(&options).map_err(|problems| Failure::new(problems.join("; ")))?;
    let trust = HostTrust { turn, validate, ca_path: None, client_cert: None, client_key: None };
    let mut client = Client::new(turn, &trust, Duration::from_secs(PATIENCE_SECONDS));
    get.web.apply(&mut client, turn)?;
    client.follow = Follow::All;
    let mut headers = get.web.headers()?;
    get.web.known_login(turn, url, &mut headers).await?;
    let shown = address::without_login(url);
    let failed =
        |error: HttpError| Failure { message: format!("Failure downloading {shown}, {error}"), hint: error.hint() };
    let address = Address::parse(url).map_err(failed)?;
    let fetched = get.fetch(turn, &client, headers, &address).await.map_err(failed)?;
    let status = fetched.answer.status;
    if !status.is_success() {
        let said = format!("HTTP Error {}: {}", status.as_u16(), fetched.answer.reason);
        return Err(Failure::new(format!("Failure downloading {shown}, {said}")));
    }
    turn.run.blobs.add_file(fetched.file.path()).map_err(|error| Failure::new(error.to_string()))
}

/// What was fetched.
struct Fetched {
    answer: Answer,
    file: tempfile::NamedTempFile,
    sums: Vec<(String, String)>,
}

impl GetUrl {
    async fn fetch(
        &self,
        turn: &Turn,
        client: &Client<'_>,
        headers: HeaderMap,
        address: &Address,
    ) -> Result<Fetched, HttpError> {
        let name = address.file_name().unwrap_or_else(|| self.url.clone());
        let told = Mutex::new(0);
        self.download(client, headers, address, |done, all| {
            let mut told = lock(&told);
            if done >= *told + PROGRESS_BYTES {
                *told = done;
                turn.progress(format!("fetching {name}"), Some((done, all.unwrap_or(0).max(done))));
            }
        })
        .await
    }

    async fn download(
        &self,
        client: &Client<'_>,
        headers: HeaderMap,
        address: &Address,
        progress: impl FnMut(u64, Option<u64>),
    ) -> Result<Fetched, HttpError> {
        let unwritable = |error: std::io::Error| HttpError::Sink(format!("cannot keep it on the controller: {error}"));
        let file = tempfile::NamedTempFile::new().map_err(unwritable)?;
        let request = Request { method: Method::GET, address: address.clone(), headers, body: Bytes::new() };
        let mut answer = client.send(request).await?;
        let mut algorithms = vec!["sha1", "md5"];
        if let Some((algorithm, _)) = self.checksum.split_once(':') {
            algorithms.push(algorithm.trim());
        }
        let lower: Vec<String> = algorithms.iter().map(|name| name.to_lowercase()).collect();
        let names: Vec<&str> = lower.iter().map(String::as_str).collect();
        let to = Hashing::new(BufWriter::new(file.as_file().try_clone().map_err(unwritable)?), &names);
        let (_, sums): (BufWriter<File>, _) =
            drain(&mut answer, to, self.web.decompress, None, client.timeout, progress).await?.finish();
        Ok(Fetched { answer, file, sums })
    }

    fn result(&self, dest: &str, status: i64, elapsed: u64) -> Map {
        Map::from_iter([
            ("url".to_owned(), json!(self.url)),
            ("dest".to_owned(), json!(dest)),
            ("status_code".to_owned(), json!(status)),
            ("elapsed".to_owned(), json!(elapsed)),
        ])
    }

    /// `file://`: what is on the host stays there.
    async fn on_host(&self, turn: &Turn, given: &Map, path: &str, wanted: Option<&Wanted>) -> Result<Outcome, Failure> {
        if let Some(wanted) = wanted {
            let found = checksum_there(turn, path, &wanted.algorithm).await.unwrap_or_default();
            if found != wanted.value {
                return Err(Failure::new(format!(
                    "The checksum for {} did not match {}; it was {found}.",
                    self.url, wanted.value
                )));
            }
        }
        let mut options = attributes(given);
        options.insert("src".into(), json!(path));
        options.insert("dest".into(), json!(self.dest));
        options.insert("remote_src".into(), json!(true));
        let mut outcome = turn.module("copy", options, &[]).await;
        outcome.result.insert("url".into(), json!(self.url));
        if !matches!(outcome.verdict, Verdict::Failed(_)) {
            let size = outcome.result.get("size").and_then(Json::as_u64).unwrap_or_default();
            outcome.result.insert("msg".into(), json!(format!("OK ({size} bytes)")));
        }
        Ok(outcome)
    }
}

fn attributes(given: &Map) -> Map {
    let kept = ["mode", "owner", "group", "unsafe_writes", "backup"];
    given
        .iter()
        .filter(|(name, _)| kept.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Leaves the content as it is; mode, owner and group still have to be as asked for.
async fn keep(turn: &Turn, given: &Map, get: &GetUrl, dest: &str, message: &str) -> Outcome {
    touch(turn, given, get, dest, "file", message).await
}

/// What check mode says of a file that is not there: later tasks may take it as there.
async fn foretold(turn: &Turn, given: &Map, get: &GetUrl, dest: &str) -> Outcome {
    touch(turn, given, get, dest, "touch", "would be fetched").await
}

async fn touch(turn: &Turn, given: &Map, get: &GetUrl, dest: &str, state: &str, message: &str) -> Outcome {
    let mut options = attributes(given);
    options.shift_remove("backup");
    options.insert("path".into(), json!(dest));
    options.insert("state".into(), json!(state));
    let mut outcome = turn.module("file", options, &[]).await;
    for (name, value) in
        [("url", json!(get.url)), ("dest", json!(dest)), ("msg", json!(message)), ("elapsed", json!(0))]
    {
        outcome.result.insert(name.into(), value);
    }
    outcome
}

async fn checksum_there(turn: &Turn, path: &str, algorithm: &str) -> Option<String> {
    let options = Map::from_iter([
        ("path".to_owned(), json!(path)),
        ("follow".to_owned(), json!(true)),
        ("checksum_algorithm".to_owned(), json!(algorithm)),
    ]);
    let outcome = turn.module("stat", options, &[]).await;
    outcome.result.get("stat")?.get("checksum")?.as_str().map(str::to_lowercase)
}

/// The checksum of the file in a list that is fetched itself.
async fn listed(client: &Client<'_>, headers: &HeaderMap, wanted: &Wanted, of: &Address) -> Result<Wanted, Failure> {
    let failed =
        |error: HttpError| Failure { message: format!("cannot fetch the checksums: {error}"), hint: error.hint() };
    let address = Address::parse(&wanted.value).map_err(failed)?;
    let request = Request { method: Method::GET, address, headers: headers.clone(), body: Bytes::new() };
    let mut answer = client.send(request).await.map_err(failed)?;
    if !answer.status.is_success() {
        return Err(Failure::new(format!("cannot fetch the checksums: {} answers {}", wanted.value, answer.status)));
    }
    let bytes =
        drain(&mut answer, Vec::new(), true, Some(LIST_BYTES_MAX), client.timeout, |_, _| {}).await.map_err(failed)?;
    let name = of.file_name().unwrap_or_default();
    let value = checksum::find(&String::from_utf8_lossy(&bytes), &name)
        .ok_or_else(|| Failure::new(format!("Unable to find a checksum for file '{name}' in '{}'", wanted.value)))?;
    Ok(Wanted { algorithm: wanted.algorithm.clone(), value })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::controller::actions::{
        dialling::Here,
        http::{
            server::{Received, serve},
            tls::Trust,
        },
    };

    /// No test speaks TLS.
    struct Nobody;

    impl Trust for Nobody {
        fn settings(&self) -> BoxFuture<'_, Result<Arc<rustls::ClientConfig>, HttpError>> {
            Box::pin(async { Err(HttpError::Certificates("TLS was asked for".into())) })
        }
    }

    fn site(request: &Received) -> (String, Vec<u8>) {
        match request.line.as_str() {
            "GET /SUMS" => ("200 OK".into(), b"aa00  x.bin\nbb00  app.tar\n".to_vec()),
            "GET /app.tar" => ("200 OK".into(), vec![b'x'; 3_000_000]),
            _ => ("404 Not Found".into(), Vec::new()),
        }
    }

    #[tokio::test]
    async fn what_is_fetched_is_kept_with_its_checksums() {
        let server = serve(site).await;
        let url = format!("http://{}/app.tar", server.at);
        let options = json!({ "url": url, "dest": "/x", "checksum": "SHA256:00" });
        let get = GetUrl::parse(options.as_object().unwrap()).unwrap();
        let client = Client::new(&Here, &Nobody, Duration::from_secs(5));
        let mut heard = 0;
        let address = Address::parse(&url).unwrap();
        let fetched = get.download(&client, HeaderMap::new(), &address, |done, all| {
            assert_eq!(all, Some(3_000_000));
            heard = done;
        });
        let fetched = fetched.await.unwrap();
        assert_eq!(heard, 3_000_000);
        assert_eq!(std::fs::metadata(fetched.file.path()).unwrap().len(), 3_000_000);
        let names: Vec<&str> = fetched.sums.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["sha1", "md5", "sha256"]);
    }

    #[tokio::test]
    async fn the_checksum_may_stand_in_a_list() {
        let server = serve(site).await;
        let at = |path: &str| format!("http://{}/{path}", server.at);
        let client = Client::new(&Here, &Nobody, Duration::from_secs(5));
        let wanted = |path: &str| Wanted { algorithm: "sha256".into(), value: at(path) };
        let of = |path: &str| Address::parse(&at(path)).unwrap();
        let found = listed(&client, &HeaderMap::new(), &wanted("SUMS"), &of("app.tar")).await.unwrap();
        assert_eq!((found.algorithm.as_str(), found.value.as_str()), ("sha256", "bb00"));
        let missing = listed(&client, &HeaderMap::new(), &wanted("SUMS"), &of("other")).await.unwrap_err();
        assert!(missing.message.contains("Unable to find a checksum for file 'other'"));
        assert!(listed(&client, &HeaderMap::new(), &wanted("none"), &of("app.tar")).await.is_err());
    }
}
