//! Web addresses: taking them apart, and where a redirection leads.

use hyper::Uri;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::HttpError;

/// What may not stand in an address as it is, but is often written so.
const UNSAFE: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// An `http` or `https` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether TLS is spoken.
    pub secure: bool,
    /// Name or IP address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path and query, as sent.
    pub path: String,
    /// User and password that stood before the host, decoded.
    pub login: Option<(String, String)>,
    /// The fragment, which no server sees.
    fragment: String,
}

impl Address {
    /// Takes an address apart.
    ///
    /// # Errors
    /// When it is not an `http` or `https` address.
    pub fn parse(url: &str) -> Result<Self, HttpError> {
        let bad = |reason: &str| HttpError::Address { url: url.to_owned(), reason: reason.to_owned() };
        let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
        let encoded = utf8_percent_encode(rest.trim(), UNSAFE).to_string();
        let (scheme, after) =
            encoded.split_once("://").ok_or_else(|| bad("it does not begin with http:// or https://"))?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            other => return Err(bad(&format!("{other} is neither http nor https"))),
        };
        let end = after.find(['/', '?']).unwrap_or(after.len());
        let (authority, path) = after.split_at(end);
        let (login, authority) = match authority.rsplit_once('@') {
            Some((login, authority)) => (Some(login), authority),
            None => (None, authority),
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let parsed: Uri = format!("{scheme}://{authority}{path}")
            .parse()
            .map_err(|error: hyper::http::uri::InvalidUri| bad(&error.to_string()))?;
        let host = parsed.host().map(|host| host.trim_matches(['[', ']']).to_owned()).filter(|host| !host.is_empty());
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Ok(Self {
            secure,
            host: host.ok_or_else(|| bad("it names no host"))?,
            port: match parsed.port() {
                Some(port) => port.as_u16(),
                None if authority.ends_with(':') || !authority.contains(':') || authority.ends_with(']') => {
                    default_port(secure)
                }
                None => return Err(bad("its port is not a number up to 65535")),
            },
            path,
            login: login.map(|login| {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                (decode(user), decode(password))
            }),
            fragment: fragment.to_owned(),
        })
    }

    /// Where a `Location` leads from here.
    ///
    /// # Errors
    /// When it does not lead to an `http` or `https` address.
    pub fn join(&self, location: &str) -> Result<Self, HttpError> {
        // A path behind the same scheme without slashes is a path from here, as Python and browsers read it.
        let own = if self.secure { "https:" } else { "http:" };
        let location = location.strip_prefix(own).unwrap_or(location);
        // Nor does an empty host name another one.
        let location = if location.starts_with("///") { &location[2..] } else { location };
        if location.split(['/', '?', '#']).next().is_some_and(|start| start.contains(':')) {
            return Self::parse(location);
        }
        let scheme = if self.secure { "https" } else { "http" };
        if location.starts_with("//") {
            return Self::parse(&format!("{scheme}:{location}"));
        }
        let here = format!("{scheme}://{}", self.authority());
        let path = self.path.split('?').next().unwrap_or("/");
        if location.starts_with('/') {
            Self::parse(&format!("{here}{location}"))
        } else if location.starts_with('?') || location.is_empty() {
            Self::parse(&format!("{here}{path}{location}"))
        } else {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let (target, query) = location.split_at(location.find(['?', '#']).unwrap_or(location.len()));
            Self::parse(&format!("{here}{}{query}", without_dots(&format!("{folder}/{target}"))))
        }
    }

    /// Host and port as the `Host` header and a proxy want them; a default port is left out.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == default_port(self.secure) {
            self.bracketed()
        } else {
            format!("{}:{}", self.bracketed(), self.port)
        }
    }

    /// Host and port, always both.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    /// The last part of the path, decoded: the name of what is fetched.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        let path = self.path.split('?').next().unwrap_or_default();
        let name = percent_decode_str(path.rsplit('/').next().unwrap_or_default()).decode_utf8_lossy().into_owned();
        // A name that leads elsewhere is none.
        (!name.is_empty() && !name.contains('/') && name != "." && name != "..").then_some(name)
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl std::fmt::Display for Address {
    /// Without user and password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)?;
        if self.fragment.is_empty() { Ok(()) } else { write!(f, "#{}", self.fragment) }
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for part in path.split('/').skip(1) {
        ends_in_folder = matches!(part, "." | "..");
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let slash = if ends_in_folder && !parts.is_empty() { "/" } else { "" };
    format!("/{}{slash}", parts.join("/"))
}

/// An address with stars for the name and password in it.
#[must_use]
pub fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        None => url.to_owned(),
        Some((login, host)) => {
            let stars = if login.contains(':') { "****:****" } else { "****" };
            format!("{scheme}://{stars}@{host}{}", &rest[end..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_apart() {
        let address = Address::parse("https://me:p%40ss@[::1]:8443/a b?q=é#top").unwrap();
        assert_eq!(address.host, "::1");
        assert_eq!(address.port, 8443);
        assert_eq!(address.path, "/a%20b?q=%C3%A9");
        assert_eq!(address.login, Some(("me".into(), "p@ss".into())));
        assert_eq!(address.to_string(), "https://[::1]:8443/a%20b?q=%C3%A9#top");
        assert_eq!(Address::parse("http://h?x=1").unwrap().path, "/?x=1");
        assert_eq!(Address::parse("HTTP://h").unwrap().to_string(), "http://h/");
        assert_eq!(Address::parse("https://h:443/").unwrap().authority(), "h");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in ["", "h/x", "ftp://h/", "http://", "http:///x", "http://h:99999/", "http://h:x/"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn redirections_lead_on() {
        let from = Address::parse("https://h:8443/a/b/c?x#f").unwrap();
        for (location, to) in [
            ("http://o/z", "http://o/z"),
            ("//o/z", "https://o/z"),
            ("/z?q=a:b", "https://h:8443/z?q=a:b"),
            ("z", "https://h:8443/a/b/z"),
            ("../z?y", "https://h:8443/a/z?y"),
            ("../..", "https://h:8443/"),
            ("./", "https://h:8443/a/b/"),
            ("?y", "https://h:8443/a/b/c?y"),
            ("https:z", "https://h:8443/a/b/z"),
            ("https:///z", "https://h:8443/z"),
        ] {
            assert_eq!(from.join(location).unwrap().to_string(), to, "{location}");
        }
        assert!(from.join("file:///etc/passwd").is_err());
    }

    #[test]
    fn names_of_files_stay_names() {
        let name = |url: &str| Address::parse(url).unwrap().file_name();
        assert_eq!(name("http://h/a/b%20c.deb?x=/y"), Some("b c.deb".into()));
        assert_eq!(name("http://h/a/"), None);
        assert_eq!(name("http://h/..%2f..%2fetc%2fpasswd"), None);
    }
}
