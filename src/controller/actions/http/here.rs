//! Web requests from the controller itself, which the lookup `url` makes.

use std::{fmt::Display, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hyper::{HeaderMap, Method, header, header::HeaderName};
use rustls::ClientConfig;

use super::{
    Address, Client, HttpError, Request,
    client::{Follow, header_value},
    netrc,
    tls::{BUNDLES, Trust, settings},
};
use crate::controller::{
    actions::dialling::Here,
    template::{WebOptions, emit::python},
};

/// Seconds that each step may take where nobody says.
const TIMEOUT: f64 = 10.0;
/// Whatever is larger does not belong into a variable.
const BODY_MAX: usize = 64 << 20;
/// What to call oneself.
const AGENT: &str = "ansible-httpget";

/// Trust as the controller has it.
struct OwnTrust {
    validate: bool,
    authorities: Option<String>,
}

impl Trust for OwnTrust {
    fn settings(&self) -> BoxFuture<'_, Result<Arc<ClientConfig>, HttpError>> {
        Box::pin(async move {
            let roots = if self.validate { Some(self.roots()?) } else { None };
            settings(roots.as_deref(), None).map(Arc::new)
        })
    }
}

impl OwnTrust {
    fn roots(&self) -> Result<Vec<u8>, HttpError> {
        if let Some(path) = &self.authorities {
            return std::fs::read(path).map_err(|error| HttpError::Certificates(format!("{path}: {error}")));
        }
        let named = std::env::var("SSL_CERT_FILE").ok();
        let mut places = named.iter().map(String::as_str).chain(BUNDLES);
        places.find_map(|path| std::fs::read(path).ok()).ok_or_else(|| {
            HttpError::Certificates("there are no certificates of authorities here (package ca-certificates)".into())
        })
    }
}

/// The body behind an address, with the options of the lookup `url`.
///
/// # Errors
/// When there is no answer, or one that says no.
pub fn fetch(url: &str, options: &WebOptions) -> Result<Vec<u8>, String> {
    // Templates are rendered on threads of the run's own runtime, which may not be waited on there.
    let outcome = std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| error.to_string())?.block_on(ask(url, options))
        });
        asked.join()
    });
    outcome.unwrap_or_else(|_| Err(format!("the request for {url} broke off")))
}

async fn ask(url: &str, options: &WebOptions) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn Display| format!("Failed lookup url for {url} : {error}");
    for refused in ["use_gssapi", "ciphers"] {
        if options.get(refused).is_some_and(minijinja::Value::is_true) {
            return Err(failed(&format!("{refused} is not supported")));
        }
    }
    let address = Address::parse(url).map_err(|error| failed(&error))?;
    let trust = OwnTrust { validate: options.flag("validate_certs", true), authorities: options.text("ca_path") };
    let seconds = options.text("timeout").and_then(|text| text.parse().ok()).unwrap_or(TIMEOUT);
    let timeout = Duration::try_from_secs_f64(seconds).map_err(|error| failed(&error))?;
    let mut client = Client::new(&Here, &trust, timeout);
    client.unix_socket = options.text("unix_socket").map(Into::into);
    client.follow = match options.text("follow_redirects").unwrap_or_default().to_lowercase().as_str() {
        "all" | "yes" | "true" => Follow::All,
        "none" | "no" | "false" => Follow::None,
        _ => Follow::Safe,
    };
    client.login = options.text("username").map(|user| (user, options.text("password").unwrap_or_default()));
    client.login_at_once = options.flag("force_basic_auth", false);
    if options.flag("use_proxy", true) {
        client.proxies.extend(std::env::vars().filter(|(name, _)| name.to_lowercase().ends_with("_proxy")));
    }
    let mut headers = headers(options).map_err(|error| failed(&error))?;
    if client.login.is_none() && address.login.is_none() && options.flag("use_netrc", true) {
        client.login = netrc::login_here(&address.host);
        if client.login.is_some() {
            // Ansible lets what netrc says win over a header.
            headers.remove(header::AUTHORIZATION);
            client.login_at_once = true;
        }
    }
    for name in names(options.get("unredirected_headers")) {
        client.unredirected.push(header_name(&name).map_err(|error| failed(&error))?);
    }
    let request = Request { method: Method::GET, address, headers, body: bytes::Bytes::new() };
    let mut answer = client.send(request).await.map_err(|error| failed(&error))?;
    if !answer.status.is_success() {
        let (code, reason) = (answer.status.as_u16(), &answer.reason);
        return Err(format!("Received HTTP error for {url} : HTTP Error {code}: {reason}"));
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.piece(timeout).await.map_err(|error| failed(&error))? {
        body.extend_from_slice(&piece);
        if body.len() > BODY_MAX {
            return Err(failed(&HttpError::TooLarge { limit: BODY_MAX as u64 }));
        }
    }
    Ok(body)
}

fn headers(options: &WebOptions) -> Result<HeaderMap, HttpError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, header_value(&options.text("http_agent").unwrap_or_else(|| AGENT.to_owned()))?);
    if options.flag("force", false) {
        headers.insert(header::CACHE_CONTROL, header_value("no-cache")?);
    }
    for (name, value) in options.get("headers").map(python::pairs).unwrap_or_default() {
        headers.insert(header_name(&python::text(&name))?, header_value(&python::text(&value))?);
    }
    Ok(headers)
}

fn header_name(name: &str) -> Result<HeaderName, HttpError> {
    HeaderName::from_bytes(name.trim().as_bytes())
        .map_err(|_| HttpError::Exchange(format!("{name:?} cannot be the name of a header")))
}

/// A list, or words with commas between.
fn names(value: Option<&minijinja::Value>) -> Vec<String> {
    let Some(value) = value else { return Vec::new() };
    match value.as_str() {
        Some(text) => text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
        None => value.try_iter().into_iter().flatten().map(|name| python::text(&name)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use minijinja::Value;

    use super::{super::server::serve, *};

    fn options(pairs: &[(&str, Value)]) -> WebOptions {
        WebOptions::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_controller_asks_with_the_headers_it_is_told() {
        let server = serve(|received| {
            let said = format!("{} {} {}", received.line, received.header("user-agent"), received.header("x-a"));
            ("200 OK".to_owned(), said.into_bytes())
        })
        .await;
        let headers = Value::from_pairs([("X-A", Value::from(1))]);
        let found = fetch(
            &format!("http://{}/path?q", server.at),
            &options(&[("headers", headers), ("http_agent", Value::from("me")), ("use_netrc", Value::from(false))]),
        );
        assert_eq!(found, Ok(b"GET /path?q me 1".to_vec()));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_answer_that_says_no_is_an_error() {
        let server = serve(|_| ("404 Not Found".to_owned(), Vec::new())).await;
        let url = format!("http://{}/", server.at);
        let found = fetch(&url, &options(&[("use_netrc", Value::from(false))]));
        assert_eq!(found, Err(format!("Received HTTP error for {url} : HTTP Error 404: Not Found")));
    }
}
