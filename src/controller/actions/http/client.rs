//! Requests over dialled streams: proxies, TLS, logging in, redirections.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{HeaderMap, Method, StatusCode, body::Incoming, client::conn::http1, header, header::HeaderName};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{sync::OnceCell, task::AbortHandle};

use super::{Address, HttpError, cookies::Cookies, digest::Challenge, error::chain, proxy, tls::Trust};
use crate::controller::{
    actions::dialling::Dial,
    connection::{Endpoint, Stream},
};

/// Redirections that are followed for one request; browsers and Python stop about there, too.
const REDIRECTS_MAX: usize = 10;

/// Which redirections are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// None.
    None,
    /// Those of requests that only read.
    Safe,
    /// All.
    All,
    /// As Python's own library follows: forms that were sent turn into questions, what must be sent again is not.
    Urllib,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// GET, POST …
    pub method: Method,
    /// Where.
    pub address: Address,
    /// Headers.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
}

/// Asks web servers that the host can reach.
pub struct Client<'a> {
    dial: &'a dyn Dial,
    trust: &'a dyn Trust,
    tls: OnceCell<Arc<ClientConfig>>,
    /// Ask whoever listens at this socket instead of the address.
    pub unix_socket: Option<PathBuf>,
    /// Which redirections are followed.
    pub follow: Follow,
    /// Seconds that each step may take: connecting, the head of the answer, each piece of its body.
    pub timeout: Duration,
    /// Name and password.
    pub login: Option<(String, String)>,
    /// Send them before the server asks.
    pub login_at_once: bool,
    /// Variables that may name proxies; empty for none.
    pub proxies: HashMap<String, String>,
    /// Headers that do not go along on redirections.
    pub unredirected: Vec<HeaderName>,
}

/// The head of an answer, and its body still to be read.
pub struct Answer {
    /// 200, 404 …
    pub status: StatusCode,
    /// What the server calls it.
    pub reason: String,
    /// Where it came from in the end.
    pub address: Address,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Incoming,
    /// Cookies that came on the way.
    pub cookies: Cookies,
    /// Keeps the connection alive while the body is read.
    _driver: Driver,
}

/// Ends the task that drives a connection when nobody reads from it any more.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Times that a socket which is not there yet is tried, and the time between. Who was started by the task before needs a moment,
/// which slower tools give without meaning to.
const SOCKET_TRIES: usize = 5;
const SOCKET_PAUSE: Duration = Duration::from_millis(200);

impl<'a> Client<'a> {
    /// A client that sends simple requests; the rest is set on its fields.
    #[must_use]
    pub fn new(dial: &'a dyn Dial, trust: &'a dyn Trust, timeout: Duration) -> Self {
        Self {
            dial,
            trust,
            tls: OnceCell::new(),
            unix_socket: None,
            follow: Follow::Safe,
            timeout,
            login: None,
            login_at_once: false,
            proxies: HashMap::new(),
            unredirected: Vec::new(),
        }
    }

    /// Sends a request and what follows from the answers to it.
    ///
    /// # Errors
    /// When no server answers. An answer that says no is an answer.
    pub async fn send(&self, mut request: Request) -> Result<Answer, HttpError> {
        let mut cookies = Cookies::default();
        let mut login = request.address.login.clone().or_else(|| self.login.clone());
        let (mut logged_in, mut for_this_page) = (false, false);
        if self.login_at_once
            && let Some(login) = &login
        {
            log_in(&mut request.headers, header::AUTHORIZATION, login)?;
            logged_in = true;
        }
        let mut followed = 0;
        loop {
            let mut answer = self.exchange(&request, &cookies).await?;
            for set in answer.headers.get_all(header::SET_COOKIE) {
                cookies.take(&String::from_utf8_lossy(set.as_bytes()), &request.address);
            }
            if answer.status == StatusCode::UNAUTHORIZED
                && !logged_in
                && let Some(login) = &login
            {
                if let Some(challenge) = Challenge::find(&answer.headers) {
                    let own = uuid::Uuid::new_v4().simple().to_string();
                    let said = challenge.answer(request.method.as_str(), &request.address.path, login, &own);
                    request.headers.insert(header::AUTHORIZATION, header_value(&said)?);
                    (logged_in, for_this_page) = (true, true);
                    continue;
                }
                if wants_basic(&answer.headers) {
                    log_in(&mut request.headers, header::AUTHORIZATION, login)?;
                    logged_in = true;
                    continue;
                }
            }
            let target = match self.redirection(&answer, &request.method) {
                None => {
                    answer.cookies = cookies;
                    return Ok(answer);
                }
                Some(target) => request.address.join(&target)?,
            };
            followed += 1;
            if followed > REDIRECTS_MAX {
                return Err(HttpError::Redirects(REDIRECTS_MAX));
            }
            if (&target.host, target.port, target.secure)
                != (&request.address.host, request.address.port, request.address.secure)
            {
                // What one server may know is not another one's business.
                login = target.login.clone();
                logged_in = false;
                for name in [header::AUTHORIZATION, header::COOKIE] {
                    request.headers.remove(name);
                }
            }
            if for_this_page {
                (logged_in, for_this_page) = (false, false);
                request.headers.remove(header::AUTHORIZATION);
            }
            for name in &self.unredirected {
                request.headers.remove(name);
            }
            request.address = target;
            become_get(&mut request, answer.status, self.follow);
        }
    }

    fn redirection(&self, answer: &Answer, method: &Method) -> Option<String> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let follows = match self.follow {
            Follow::None => false,
            Follow::Safe => reads,
            Follow::All => true,
            Follow::Urllib => reads || (*method == Method::POST && matches!(answer.status.as_u16(), 301..=303)),
        };
        if !follows || !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        answer.headers.get(header::LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned())
    }

    async fn exchange(&self, request: &Request, cookies: &Cookies) -> Result<Answer, HttpError> {
        let address = &request.address;
        let (stream, through) = self.limited("connecting", self.connect(address)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(exchange_failed)?;
        let driver = Driver(
            tokio::spawn(async move {
                // What goes wrong shows where the answer is awaited.
                let _ = connection.await;
            })
            .abort_handle(),
        );
        // A proxy that is not tunnelled through has to be told the whole address.
        let target = if through.is_some() {
            format!("http://{}{}", address.authority(), address.path)
        } else {
            address.path.clone()
        };
        let mut message = hyper::Request::builder()
            .method(request.method.clone())
            .uri(target)
            .body(Full::new(request.body.clone()))
            .map_err(|error| HttpError::Exchange(error.to_string()))?;
        let headers = message.headers_mut();
        let host = header_value(&address.authority())?;
        headers.insert(header::HOST, host);
        for (name, value) in &request.headers {
            if name == header::HOST {
                headers.insert(header::HOST, value.clone());
            } else {
                headers.append(name.clone(), value.clone());
            }
        }
        if !headers.contains_key(header::COOKIE)
            && let Some(text) = cookies.header(address)
        {
            headers.insert(header::COOKIE, header_value(&text)?);
        }
        if let Some(Address { login: Some(login), .. }) = &through {
            log_in(headers, header::PROXY_AUTHORIZATION, login)?;
        }
        headers.insert(header::CONNECTION, header_value("close")?);
        let answered = self
            .limited("waiting for the answer", async { sender.send_request(message).await.map_err(exchange_failed) });
        let (head, body) = answered.await?.into_parts();
        let reason = match head.extensions.get::<hyper::ext::ReasonPhrase>() {
            Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
            None => head.status.canonical_reason().unwrap_or_default().to_owned(),
        };
        Ok(Answer {
            status: head.status,
            reason,
            address: address.clone(),
            headers: head.headers,
            body,
            cookies: Cookies::default(),
            _driver: driver,
        })
    }

    /// A stream to the server, and the proxy it goes through where that has to be told the address.
    async fn connect(&self, address: &Address) -> Result<(Stream, Option<Address>), HttpError> {
        if let Some(socket) = &self.unix_socket {
            let stream = self.open_socket(socket).await?;
            return Ok((if address.secure { self.secured(stream, &address.host).await? } else { stream }, None));
        }
        let proxy = proxy::choose(address, |name| self.proxies.get(name).cloned())?;
        let Some(proxy) = proxy else {
            let stream = self.open(address).await?;
            return Ok((if address.secure { self.secured(stream, &address.host).await? } else { stream }, None));
        };
        let mut stream = self.open(&proxy).await?;
        if proxy.secure {
            stream = self.secured(stream, &proxy.host).await?;
        }
        if !address.secure {
            return Ok((stream, Some(proxy)));
        }
        let stream = tunnel(stream, &proxy, address).await?;
        Ok((self.secured(stream, &address.host).await?, None))
    }

    async fn open_socket(&self, socket: &Path) -> Result<Stream, HttpError> {
        let endpoint = Endpoint::Unix(socket.to_owned());
        for _ in 1..SOCKET_TRIES {
            if let Ok(stream) = self.dial.open(&endpoint).await {
                return Ok(stream);
            }
            tokio::time::sleep(SOCKET_PAUSE).await;
        }
        self.dial.open(&endpoint).await.map_err(HttpError::Dial)
    }

    async fn open(&self, address: &Address) -> Result<Stream, HttpError> {
        let endpoint = Endpoint::Tcp { host: address.host.clone(), port: address.port };
        self.dial.open(&endpoint).await.map_err(HttpError::Dial)
    }

    async fn secured(&self, stream: Stream, host: &str) -> Result<Stream, HttpError> {
        let settings = self.tls.get_or_try_init(|| self.trust.settings()).await?.clone();
        let bad = |reason: String| HttpError::Tls { host: host.to_owned(), reason };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| bad(error.to_string()))?;
        let connector = tokio_rustls::TlsConnector::from(settings);
        let stream = connector.connect(name, stream).await.map_err(|error| bad(chain(&error)))?;
        Ok(Box::new(stream))
    }

    async fn limited<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, HttpError>>,
    ) -> Result<T, HttpError> {
        tokio::time::timeout(self.timeout, work)
            .await
            .unwrap_or(Err(HttpError::Timeout { seconds: self.timeout.as_secs(), doing }))
    }
}

/// Asks a proxy for a way through.
async fn tunnel(stream: Stream, proxy: &Address, to: &Address) -> Result<Stream, HttpError> {
    let refused = |reason: String| HttpError::Proxy { proxy: proxy.to_string(), reason };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(exchange_failed)?;
    let driver = tokio::spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    let _driver = Driver(driver.abort_handle());
    let mut message = hyper::Request::builder()
        .method(Method::CONNECT)
        .uri(to.host_and_port())
        .body(Empty::<Bytes>::new())
        .map_err(|error| refused(error.to_string()))?;
    message.headers_mut().insert(header::HOST, header_value(&to.host_and_port())?);
    if let Some(login) = &proxy.login {
        log_in(message.headers_mut(), header::PROXY_AUTHORIZATION, login)?;
    }
    let answer = sender.send_request(message).await.map_err(|error| refused(chain(&error)))?;
    if !answer.status().is_success() {
        return Err(refused(answer.status().to_string()));
    }
    let upgraded = hyper::upgrade::on(answer).await.map_err(|error| refused(chain(&error)))?;
    Ok(Box::new(TokioIo::new(upgraded)))
}

/// What clients make of a request when they are sent elsewhere.
fn become_get(request: &mut Request, status: StatusCode, follow: Follow) {
    let changes = match status.as_u16() {
        _ if follow == Follow::Urllib => true,
        301 => request.method == Method::POST,
        302 | 303 => request.method != Method::HEAD,
        _ => false,
    };
    if changes {
        request.method = Method::GET;
        request.body = Bytes::new();
        for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::TRANSFER_ENCODING] {
            request.headers.remove(name);
        }
    }
}

fn wants_basic(headers: &HeaderMap) -> bool {
    headers.get_all(header::WWW_AUTHENTICATE).iter().any(|value| {
        String::from_utf8_lossy(value.as_bytes()).to_lowercase().split([',', ' ']).any(|word| word == "basic")
    })
}

/// Says who one is, with name and password as they are.
///
/// # Errors
/// When they cannot stand in a header.
pub fn log_in(headers: &mut HeaderMap, name: HeaderName, login: &(String, String)) -> Result<(), HttpError> {
    let mut value = header_value(&format!("Basic {}", STANDARD.encode(format!("{}:{}", login.0, login.1))))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// Text as the value of a header.
///
/// # Errors
/// When it holds line ends or other control characters.
pub fn header_value(text: &str) -> Result<header::HeaderValue, HttpError> {
    header::HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| HttpError::Exchange("a header's value may hold no line ends or control characters".into()))
}

fn exchange_failed(error: hyper::Error) -> HttpError {
    HttpError::Exchange(chain(&error))
}

impl Answer {
    /// The next piece of the body.
    ///
    /// # Errors
    /// When the server stops in the middle of it, or for longer than `limit`.
    pub async fn piece(&mut self, limit: Duration) -> Result<Option<Bytes>, HttpError> {
        loop {
            let frame = tokio::time::timeout(limit, self.body.frame())
                .await
                .map_err(|_| HttpError::Timeout { seconds: limit.as_secs(), doing: "reading the answer" })?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(HttpError::Broken(chain(&error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}
