//! Cookies that come with answers and go with the next request of the same task.

use super::Address;

/// Cookies of one task, in the order they came.
#[derive(Clone, Debug, Default)]
pub struct Cookies(Vec<Cookie>);

#[derive(Clone, Debug)]
struct Cookie {
    name: String,
    value: String,
    host: String,
    /// Also sent to hosts below that one.
    below: bool,
    path: String,
    secure: bool,
}

impl Cookies {
    /// Takes a `Set-Cookie` header of an answer from `from`.
    pub fn take(&mut self, header: &str, from: &Address) {
        let mut parts = header.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let folder = from.path.split('?').next().unwrap_or("/").rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut cookie = Cookie {
            name: name.trim().to_owned(),
            value: value.trim().trim_matches('"').to_owned(),
            host: from.host.to_lowercase(),
            below: false,
            path: if folder.is_empty() { "/".to_owned() } else { folder.to_owned() },
            secure: false,
        };
        let mut over = false;
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key.trim().to_ascii_lowercase().as_str() {
                "domain" => {
                    let domain = value.trim().trim_start_matches('.').to_lowercase();
                    // A host speaks for itself and what is above it, never for a stranger.
                    if !is_at_or_below(&cookie.host, &domain) || !domain.contains('.') {
                        continue;
                    }
                    cookie.host = domain;
                    cookie.below = true;
                }
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "max-age" => over = value.trim().parse::<i64>().is_ok_and(|seconds| seconds <= 0),
                _ => {}
            }
        }
        self.0.retain(|old| (&old.name, &old.host, &old.path) != (&cookie.name, &cookie.host, &cookie.path));
        if !over {
            self.0.push(cookie);
        }
    }

    /// The `Cookie` header for a request, if there is anything to say.
    #[must_use]
    pub fn header(&self, to: &Address) -> Option<String> {
        let host = to.host.to_lowercase();
        let path = to.path.split('?').next().unwrap_or("/");
        let fitting: Vec<String> = self
            .0
            .iter()
            .filter(|cookie| cookie.host == host || (cookie.below && is_at_or_below(&host, &cookie.host)))
            .filter(|cookie| !cookie.secure || to.secure)
            .filter(|cookie| {
                path.strip_prefix(cookie.path.as_str())
                    .is_some_and(|rest| rest.is_empty() || cookie.path.ends_with('/') || rest.starts_with('/'))
            })
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!fitting.is_empty()).then(|| fitting.join("; "))
    }

    /// Names and values.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|cookie| (cookie.name.as_str(), cookie.value.as_str()))
    }
}

fn is_at_or_below(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|before| before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Address {
        Address::parse(url).unwrap()
    }

    #[test]
    fn cookies_go_where_they_belong() {
        let mut jar = Cookies::default();
        jar.take("id=1; Path=/; HttpOnly", &at("http://a.example.org/login"));
        jar.take("deep=2", &at("http://a.example.org/x/y"));
        jar.take("wide=3; Domain=.example.org; path=/", &at("http://a.example.org/"));
        jar.take("stolen=4; Domain=other.org; path=/; Secure", &at("http://a.example.org/"));
        assert_eq!(jar.header(&at("http://a.example.org/x/z")).unwrap(), "id=1; deep=2; wide=3");
        assert_eq!(jar.header(&at("http://b.example.org/")).unwrap(), "wide=3");
        assert_eq!(jar.header(&at("http://other.org/")), None);
        assert!(jar.header(&at("https://a.example.org/")).unwrap().contains("stolen=4"));
        assert_eq!(jar.header(&at("http://a.example.org/xy")).unwrap(), "id=1; wide=3");
        jar.take("id=gone; Path=/; Max-Age=0", &at("http://a.example.org/login"));
        assert_eq!(jar.header(&at("http://a.example.org/")).unwrap(), "wide=3");
    }
}
