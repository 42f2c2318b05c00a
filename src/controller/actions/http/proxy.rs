//! Which proxy a request goes through, as the usual variables say.

use super::{Address, HttpError};

/// The proxy for an address: `http_proxy`, `https_proxy`, `all_proxy`, minus `no_proxy`, in either case of letters.
///
/// # Errors
/// When the variable holds no address that can be used.
pub fn choose(to: &Address, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Address>, HttpError> {
    let either = |name: &str| variable(name).or_else(|| variable(&name.to_uppercase()));
    let name = if to.secure { "https_proxy" } else { "http_proxy" };
    let Some(proxy) = either(name).or_else(|| either("all_proxy")).filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    if is_excepted(to, &either("no_proxy").unwrap_or_default()) {
        return Ok(None);
    }
    let url = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
    Address::parse(&url).map(Some)
}

fn is_excepted(to: &Address, list: &str) -> bool {
    let host = to.host.to_lowercase();
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_lowercase();
        if entry == "*" || entry == host || entry == to.host_and_port() {
            return true;
        }
        if let (Ok(net), Ok(address)) = (entry.parse::<ipnet::IpNet>(), host.parse::<std::net::IpAddr>()) {
            return net.contains(&address);
        }
        let suffix = entry.trim_start_matches('*').trim_start_matches('.');
        host.strip_suffix(suffix).is_some_and(|before| before.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, variables: &[(&str, &str)]) -> Option<String> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        choose(&Address::parse(url).unwrap(), find).unwrap().map(|proxy| proxy.to_string())
    }

    #[test]
    fn variables_choose_the_proxy() {
        assert_eq!(chosen("https://h/", &[("https_proxy", "http://p:3128")]), Some("http://p:3128/".into()));
        assert_eq!(chosen("https://h/", &[("HTTPS_PROXY", "p:3128")]), Some("http://p:3128/".into()));
        assert_eq!(chosen("http://h/", &[("https_proxy", "http://p:3128")]), None);
        assert_eq!(chosen("http://h/", &[("http_proxy", "")]), None);
        assert_eq!(chosen("http://h/", &[("all_proxy", "http://p")]), Some("http://p/".into()));
    }

    #[test]
    fn exceptions_go_straight() {
        for (url, list, straight) in [
            ("http://localhost/", "localhost,127.0.0.1", true),
            ("http://a.example.org/", ".example.org", true),
            ("http://a.example.org/", "example.org", true),
            ("http://example.org/", "example.org", true),
            ("http://badexample.org/", "example.org", false),
            ("http://10.1.2.3/", "10.0.0.0/8", true),
            ("http://11.1.2.3/", "10.0.0.0/8", false),
            ("http://h:81/", "h:80", false),
            ("http://h/", "*", true),
        ] {
            let chosen = chosen(url, &[("http_proxy", "p:1"), ("no_proxy", list)]);
            assert_eq!(chosen.is_none(), straight, "{url} {list}");
        }
    }
}
