//! `uri`: asks a web server as the host sees it, and hands back what it says.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use super::http::{
    self, Address, Answer, Client, HttpError, Request, WebOptions,
    client::{Follow, header_value},
    error::chain,
    sink::drain,
    tls::HostTrust,
};
use crate::{
    choices,
    controller::executor::{Done, Turn},
    options,
    protocol::{Failure, Json, Map, Outcome, Verdict},
    remote::{OptionSpec, Options, modules::attributes::FileAttributes},
};

/// The most that is kept of an answer: it stays in memory and may become a variable.
const CONTENT_BYTES_MAX: u64 = 64 << 20;

choices! {
    /// How `body` is written.
    pub enum BodyFormat { Raw = "raw", Json = "json", Form = "form-urlencoded", Multipart = "form-multipart" }
}

choices! {
    /// Which redirections are followed.
    pub enum FollowRedirects { Safe = "safe", All = "all" "yes" "true", None = "none" "no" "false", Urllib = "urllib2" }
}

options! {
    /// Asks a web server, as the host sees it: names are resolved, certificates trusted and ports reached there.
    /// Nothing runs on the host for it; the request travels through the connection that is already open.
    ///
    /// ## Example
    /// ```yaml
    /// - uri:
    ///     url: http://127.0.0.1:3000/rates
    ///     return_content: true
    ///   register: answer
    ///   until: answer.status == 200
    ///   retries: 30
    /// ```
    ///
    /// ## Returns
    /// `status` (-1 when nobody answered), `url` in the end, `redirected`, `elapsed` in seconds, `msg`, `cookies`, `cookies_string`, all headers under
    /// their names in small letters with `_`; `content` when asked for, `json` when the answer is JSON, `path` when a file was written.
    pub struct Uri {
        /// Where: `http://` or `https://`.
        url: String,
        /// GET, POST, PUT …
        method: String = "GET",
        /// What is sent.
        body: Option<Json>,
        /// How `body` is written.
        body_format: BodyFormat = BodyFormat::Raw,
        /// A file to send: of the controller, or of the host with `remote_src`.
        src: Option<String>,
        /// Whether `src` is on the host.
        remote_src: bool = false,
        /// A file or directory on the host for the answer.
        dest: Option<String>,
        /// Which answers are good.
        status_code: Vec<i64> = vec![200],
        /// Keep what was answered as `content`.
        return_content: bool = false,
        /// Seconds that connecting, the answer, and each piece of it may take.
        timeout: i64 = 30,
        /// Which redirections are followed: `safe` (of GET and HEAD), `all` or `none`.
        follow_redirects: FollowRedirects = FollowRedirects::Safe,
        /// Do nothing when this exists on the host.
        creates: Option<String>,
        /// Do nothing when this does not exist on the host.
        removes: Option<String>,
        /// Ask whoever listens at this socket on the host.
        unix_socket: Option<std::path::PathBuf>,
        /// Fetch again even though `dest` exists and has not changed since.
        force: bool [thirsty] = false,
        ..web: WebOptions,
        ..attributes: FileAttributes,
    }
}

/// The manual page.
pub const DOC: &str = Uri::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Uri::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    act(turn).await.into()
}

async fn act(turn: &Turn) -> Result<Outcome, Failure> {
    let given = turn.json_options().map_err(|error| Failure::new(error.message))?;
    let uri = Uri::parse(&given).map_err(|problems| Failure::new(problems.join("; ")))?;
    if let Some(refusal) = uri.web.refusal() {
        return Err(Failure::new(refusal));
    }
    for (path, wanted, word) in [(&uri.creates, true, "exists"), (&uri.removes, false, "does not exist")] {
        if let Some(path) = path
            && http::on_host::stat(turn, path).await?.is_some() == wanted
        {
            let mut outcome = Outcome::new(Verdict::Unchanged);
            outcome.result.insert("stdout".into(), json!(format!("skipped, since '{path}' {word}")));
            return Ok(outcome);
        }
    }
    let mut headers = headers(&uri.web)?;
    uri.web.known_login(turn, &uri.url, &mut headers).await?;
    let body = body(turn, &uri, &mut headers).await?;
    let mut dest = uri.dest.clone();
    let mut into_folder = false;
    if let Some(path) = &dest
        && let Some(stat) = http::on_host::stat(turn, path).await?
    {
        into_folder = stat.get("isdir") == Some(&Json::Bool(true));
        if !uri.force && !into_folder {
            http::on_host::only_if_newer(&mut headers, &stat);
        }
    }
    let trust = HostTrust {
        turn,
        validate: uri.web.validate_certs,
        ca_path: uri.web.ca_path.as_deref(),
        client_cert: uri.web.client_cert.as_deref(),
        client_key: uri.web.client_key.as_deref(),
    };
    let mut client = Client::new(turn, &trust, Duration::from_secs(u64::try_from(uri.timeout).unwrap_or(0).max(1)));
    uri.web.apply(&mut client, turn)?;
    client.unix_socket.clone_from(&uri.unix_socket);
    client.follow = match uri.follow_redirects {
        FollowRedirects::None => Follow::None,
        FollowRedirects::Safe => Follow::Safe,
        FollowRedirects::All => Follow::All,
        FollowRedirects::Urllib => Follow::Urllib,
    };
    let mut asked = ask(&uri, &client, headers, body).await;
    if let Some(password) = uri.web.url_password.as_deref().filter(|password| !password.is_empty()) {
        let said = std::mem::take(&mut asked.outcome.result);
        if let Json::Object(censored) = censor(Json::Object(said), password) {
            asked.outcome.result = censored;
        }
    }
    let Some(content) = asked.content else { return Ok(asked.outcome) };
    let mut outcome = asked.outcome;
    if let Some(path) = &mut dest {
        if into_folder {
            let name = asked.file_name.unwrap_or_else(|| "index.html".into());
            *path = format!("{}/{name}", path.trim_end_matches('/'));
        }
        if matches!(outcome.verdict, Verdict::Unchanged) && outcome.result.get("status") != Some(&json!(304)) {
            let blob = turn.run.blobs.add_bytes(content);
            outcome = http::on_host::place(turn, &given, path, &blob, outcome).await;
            if let Verdict::Failed(failure) = &mut outcome.verdict {
                failure.message = format!("Could not replace {path}: {}", failure.message);
                outcome.result.insert("msg".into(), json!(failure.message));
            }
        }
        outcome.result.insert("path".into(), json!(path));
    }
    Ok(outcome)
}

fn headers(web: &WebOptions) -> Result<HeaderMap, Failure> {
    let mut headers = web.headers()?;
    if web.decompress && !headers.contains_key(header::ACCEPT_ENCODING) {
        headers.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static("gzip"));
    }
    Ok(headers)
}

/// The bytes to send; says in the headers what they are, where the task does not.
async fn body(turn: &Turn, uri: &Uri, headers: &mut HeaderMap) -> Result<Vec<u8>, Failure> {
    if let Some(src) = &uri.src {
        if uri.body.is_some() {
            return Err(Failure::new("parameters are mutually exclusive: body|src"));
        }
        return if uri.remote_src { http::on_host::slurp(turn, src).await } else { read_here(turn, src) };
    }
    let Some(body) = &uri.body else { return Ok(Vec::new()) };
    let (kind, bytes) = match uri.body_format {
        BodyFormat::Json => ("application/json".to_owned(), http::body::json(body).into_bytes()),
        BodyFormat::Form => {
            let text = http::body::form(body).map_err(Failure::new)?;
            ("application/x-www-form-urlencoded".to_owned(), text.into_bytes())
        }
        BodyFormat::Multipart => {
            let read = |name: &str| read_here(turn, name).map_err(|failure| failure.message);
            let parts = http::body::parts(body, read).map_err(Failure::new)?;
            let (kind, bytes) = http::body::multipart(&parts);
            // The boundary is part of the type: what the task says cannot fit.
            headers.remove(header::CONTENT_TYPE);
            (kind, bytes)
        }
        BodyFormat::Raw => return Ok(http::body::json(body).into_bytes()),
    };
    if !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, header_value(&kind).map_err(|error| Failure::new(error.to_string()))?);
    }
    Ok(bytes)
}

fn read_here(turn: &Turn, name: &str) -> Result<Vec<u8>, Failure> {
    let path = turn.find_file("files", name)?;
    std::fs::read(&path).map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

/// What came of asking: the outcome, and the bytes where a server answered.
struct Asked {
    outcome: Outcome,
    content: Option<Vec<u8>>,
    /// What the answer or the address calls it.
    file_name: Option<String>,
}

async fn ask(uri: &Uri, client: &Client<'_>, headers: HeaderMap, body: Vec<u8>) -> Asked {
    let begun = Instant::now();
    let asked = exchange(uri, client, headers, body).await;
    let elapsed = begun.elapsed().as_secs();
    let wanted: Vec<String> = uri.status_code.iter().map(ToString::to_string).collect();
    let wanted = wanted.join(", ");
    match asked {
        Err(error) => {
            // An answer that breaks off is Ansible's other way to fail.
            let message = match &error {
                HttpError::Broken(reason) => {
                    format!("HTTP Error while fetching {}: {reason}", http::address::without_login(&uri.url))
                }
                error => format!("Status code was -1 and not [{wanted}]: Request failed: {error}"),
            };
            let failure = Failure { message, hint: error.hint() };
            let mut result = Map::from_iter([
                ("status".to_owned(), json!(-1)),
                ("url".to_owned(), json!(http::address::without_login(&uri.url))),
                ("redirected".to_owned(), json!(false)),
                ("elapsed".to_owned(), json!(elapsed)),
                ("msg".to_owned(), json!(failure.message)),
            ]);
            if uri.return_content {
                result.insert("content".to_owned(), json!(""));
            }
            let good = uri.status_code.contains(&-1);
            let verdict = if good { Verdict::Unchanged } else { Verdict::Failed(failure) };
            Asked { outcome: Outcome { result, ..Outcome::new(verdict) }, content: None, file_name: None }
        }
        Ok((answer, content)) => {
            let good = uri.status_code.contains(&i64::from(answer.status.as_u16()));
            let mut result = described(uri, &answer, &content);
            result.insert("elapsed".into(), json!(elapsed));
            let verdict = if good {
                Verdict::Unchanged
            } else {
                let said = result.get("msg").and_then(Json::as_str).unwrap_or_default();
                let message = format!("Status code was {} and not [{wanted}]: {said}", answer.status.as_u16());
                result.insert("msg".into(), json!(message));
                Verdict::Failed(Failure::new(message))
            };
            let file_name = http::on_host::disposition(&answer.headers).or_else(|| answer.address.file_name());
            Asked { outcome: Outcome { result, ..Outcome::new(verdict) }, content: Some(content), file_name }
        }
    }
}

async fn exchange(
    uri: &Uri,
    client: &Client<'_>,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<(Answer, Vec<u8>), HttpError> {
    let method =
        Method::from_bytes(uri.method.to_uppercase().as_bytes()).map_err(|error| HttpError::Exchange(chain(&error)))?;
    let request = Request { method, address: Address::parse(&uri.url)?, headers, body: Bytes::from(body) };
    let mut answer = client.send(request).await?;
    let content =
        drain(&mut answer, Vec::new(), uri.web.decompress, Some(CONTENT_BYTES_MAX), client.timeout, |_, _| {}).await?;
    Ok((answer, content))
}

/// A value without a secret: wherever it stood, in names too, there are stars.
fn censor(value: Json, secret: &str) -> Json {
    let text = |text: String| text.replace(secret, "********");
    match value {
        Json::String(said) => text(said).into(),
        Json::Array(values) => values.into_iter().map(|value| censor(value, secret)).collect(),
        Json::Object(map) => {
            map.into_iter().map(|(name, value)| (text(name), censor(value, secret))).collect::<Map>().into()
        }
        other => other,
    }
}

/// The answer under Ansible's names.
fn described(uri: &Uri, answer: &Answer, content: &[u8]) -> Map {
    let mut result = Map::new();
    for name in answer.headers.keys() {
        let values: Vec<String> = answer
            .headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        result.insert(name.as_str().replace('-', "_"), json!(values.join(", ")));
    }
    if let Some(Json::String(location)) = result.get("location") {
        let absolute = answer.address.join(location).map_or_else(|_| location.clone(), |to| to.to_string());
        result.insert("location".into(), json!(absolute));
    }
    let pairs: Vec<String> = answer.cookies.pairs().map(|(name, value)| format!("{name}={value}")).collect();
    let cookies: Map = answer.cookies.pairs().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    result.insert("cookies".into(), json!(cookies));
    result.insert("cookies_string".into(), json!(pairs.join("; ")));
    let redirected = Address::parse(&uri.url).is_ok_and(|asked| asked != answer.address);
    result.insert(
        "url".into(),
        json!(if redirected { answer.address.to_string() } else { http::address::without_login(&uri.url) }),
    );
    result.insert("redirected".into(), json!(redirected));
    result.insert("status".into(), json!(answer.status.as_u16()));
    let message =
        if answer.status.is_client_error() || answer.status.is_server_error() || answer.status.is_redirection() {
            format!("HTTP Error {}: {}", answer.status.as_u16(), answer.reason)
        } else {
            let length =
                answer.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).unwrap_or("unknown");
            format!("{} ({length} bytes)", if answer.status == StatusCode::OK { "OK" } else { &answer.reason })
        };
    result.insert("msg".into(), json!(message));
    if is_json(&answer.headers)
        && let Ok(value) = serde_json::from_slice::<Json>(content)
    {
        result.insert("json".into(), value);
    }
    if uri.return_content {
        result.insert("content".into(), json!(String::from_utf8_lossy(content)));
    }
    result
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).to_lowercase());
    kind.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let sub = kind.rsplit(['/', '+']).next().unwrap_or_default();
        matches!(sub, "json" | "javascript")
    })
}

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::Arc};

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

    async fn asked(options: Json, set: impl FnOnce(&mut Client<'_>)) -> Outcome {
        let uri = Uri::parse(options.as_object().unwrap()).unwrap();
        let mut client = Client::new(&Here, &Nobody, Duration::from_secs(5));
        client.login =
            uri.web.url_username.clone().map(|user| (user, uri.web.url_password.clone().unwrap_or_default()));
        set(&mut client);
        let headers = headers(&uri.web).unwrap();
        let body = uri.body.as_ref().map(http::body::json).unwrap_or_default();
        ask(&uri, &client, headers, body.into_bytes()).await.outcome
    }

    fn site(request: &Received) -> (String, Vec<u8>) {
        let json = "200 OK\r\nContent-Type: application/problem+json; charset=utf-8";
        match request.line.as_str() {
            "GET /json" => (
                format!("{json}\r\nX-Some-Header: a\r\nX-Some-Header: b\r\nSet-Cookie: id=7; Path=/"),
                b"{\"a\": [1]}".to_vec(),
            ),
            "GET /hop" => ("302 Found\r\nLocation: ../json\r\nSet-Cookie: hop=1".into(), Vec::new()),
            "POST /hop" => ("303 See Other\r\nLocation: /echo".into(), Vec::new()),
            "GET /circle" => ("302 Found\r\nLocation: /circle".into(), Vec::new()),
            "GET /private" if request.header("authorization") == "Basic bWU6cHc=" => ("200 OK".into(), b"in".to_vec()),
            "GET /private" => ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"".into(), Vec::new()),
            "GET /packed" => {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packer.write_all(b"unpacked").unwrap();
                ("200 OK\r\nContent-Encoding: gzip".into(), packer.finish().unwrap())
            }
            "GET /echo" | "POST /echo" => {
                let text =
                    format!("{} {} {}", request.line, request.header("cookie"), String::from_utf8_lossy(&request.body));
                ("200 OK".into(), text.into_bytes())
            }
            line if line.starts_with("GET http://") => ("200 OK".into(), format!("proxied {line}").into_bytes()),
            _ => ("404 Nowhere".into(), b"gone".to_vec()),
        }
    }

    #[tokio::test]
    async fn answers_come_back_under_ansibles_names() {
        let server = serve(site).await;
        let url = format!("http://{}/json", server.at);
        let result = asked(json!({ "url": url, "return_content": true }), |_| {}).await.result;
        assert_eq!(result["status"], 200);
        assert_eq!(result["json"]["a"][0], 1);
        assert_eq!(result["content"], "{\"a\": [1]}");
        assert_eq!(result["x_some_header"], "a, b");
        assert_eq!(result["cookies"]["id"], "7");
        assert_eq!(result["url"], json!(url));
        assert_eq!(result["redirected"], false);
        assert_eq!(result["msg"], "OK (10 bytes)");
    }

    #[tokio::test]
    async fn another_status_fails_unless_it_is_wanted() {
        let server = serve(site).await;
        let url = format!("http://{}/none", server.at);
        let outcome = asked(json!({ "url": url }), |_| {}).await;
        let Verdict::Failed(failure) = &outcome.verdict else { panic!("{:?}", outcome.verdict) };
        assert_eq!(failure.message, "Status code was 404 and not [200]: HTTP Error 404: Nowhere");
        assert_eq!(outcome.result["status"], 404);
        let outcome = asked(json!({ "url": url, "status_code": "200, 404" }), |_| {}).await;
        assert_eq!(outcome.verdict, Verdict::Unchanged);
    }

    #[tokio::test]
    async fn nobody_there_is_status_minus_one() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let outcome = asked(json!({ "url": url }), |_| {}).await;
        assert!(matches!(outcome.verdict, Verdict::Failed(_)));
        assert_eq!(outcome.result["status"], -1);
        let message = outcome.result["msg"].as_str().unwrap();
        assert!(message.starts_with("Status code was -1 and not [200]: Request failed: "), "{message}");
        assert!(message.contains("refused"), "{message}");
    }

    #[tokio::test]
    async fn redirections_are_followed_as_asked() {
        let server = serve(site).await;
        let url = |path: &str| format!("http://{}{path}", server.at);
        let result = asked(json!({ "url": url("/hop") }), |_| {}).await.result;
        assert_eq!((&result["status"], &result["redirected"]), (&json!(200), &json!(true)));
        assert_eq!(result["cookies_string"], "hop=1; id=7");
        let result = asked(json!({ "url": url("/hop") }), |client| client.follow = Follow::None).await.result;
        assert_eq!((&result["status"], &result["location"]), (&json!(302), &json!(url("/json"))));
        let post = json!({ "url": url("/hop"), "method": "POST", "body": "x", "return_content": true });
        assert_eq!(asked(post.clone(), |_| {}).await.result["status"], 303);
        let result = asked(post, |client| client.follow = Follow::All).await.result;
        assert_eq!(result["content"], "GET /echo  ");
        let result = asked(json!({ "url": url("/circle") }), |_| {}).await.result;
        assert_eq!(result["status"], -1);
        assert!(result["msg"].as_str().unwrap().contains("circles"));
    }

    #[tokio::test]
    async fn logging_in_waits_to_be_asked() {
        let server = serve(site).await;
        let url = format!("http://{}/private", server.at);
        let options = json!({ "url": url, "user": "me", "password": "pw", "return_content": true });
        assert_eq!(asked(options, |_| {}).await.result["content"], "in");
        assert_eq!(asked(json!({ "url": url, "user": "me", "password": "no" }), |_| {}).await.result["status"], 401);
        let url = format!("http://me:pw@{}/private", server.at);
        assert_eq!(asked(json!({ "url": url }), |client| client.login_at_once = true).await.result["status"], 200);
    }

    #[tokio::test]
    async fn gzip_is_unpacked() {
        let server = serve(site).await;
        let url = format!("http://{}/packed", server.at);
        let result = asked(json!({ "url": url, "return_content": true }), |_| {}).await.result;
        assert_eq!(result["content"], "unpacked");
        let result = asked(json!({ "url": url, "return_content": true, "decompress": false }), |_| {}).await.result;
        assert_ne!(result["content"], "unpacked");
    }

    #[tokio::test]
    async fn a_proxy_is_told_the_whole_address() {
        let server = serve(site).await;
        let proxy = server.at.clone();
        let options = json!({ "url": "http://far.example.org/x", "return_content": true });
        let outcome = asked(options, move |client| drop(client.proxies.insert("http_proxy".into(), proxy))).await;
        assert_eq!(outcome.result["content"], "proxied GET http://far.example.org/x");
    }

    #[tokio::test]
    async fn a_unix_socket_is_asked_instead_of_the_address() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 1024];
            let count = stream.read(&mut bytes).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nOK").await.unwrap();
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        });
        let options = json!({ "url": "http://localhost/_ping", "return_content": true });
        let result = asked(options, |client| client.unix_socket = Some(socket)).await.result;
        assert_eq!(result["content"], "OK");
        assert!(served.await.unwrap().starts_with("GET /_ping HTTP/1.1\r\nhost: localhost\r\n"));
    }
}
