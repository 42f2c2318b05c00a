//! Published and exposed ports as people write them, and as the engine takes them.

use serde_json::json;

use crate::protocol::{Json, Map};

/// Reads `published_ports` into the engine's `PortBindings`; ports without an address get `host_ip`.
///
/// # Errors
/// What is no port, and how one is written.
pub fn bindings(published: &[String], host_ip: &str) -> Result<Map, String> {
    let mut bindings = Map::new();
    for port in published {
        let parts = split(port);
        let bad = || format!("`{port}` is no published port; write PORT, HOST:PORT or IP:HOST:PORT, also with ranges");
        if port == "all" {
            return Err("`all` is no published port; use publish_all_ports".to_owned());
        }
        let (ip, host, container) = match parts.as_slice() {
            [container] => (host_ip, "", *container),
            [host, container] => (host_ip, *host, *container),
            [ip, host, container] => (ip.trim_start_matches('[').trim_end_matches(']'), *host, *container),
            _ => return Err(bad()),
        };
        if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
            return Err(format!("`{ip}` in `{port}` is no IP address; ports are published on addresses, not on names"));
        }
        let (numbers, protocol) = container.split_once('/').unwrap_or((container, "tcp"));
        let inner = range(numbers).ok_or_else(bad)?;
        let outer = if host.is_empty() { None } else { Some(range(host).ok_or_else(bad)?) };
        for (at, number) in inner.clone().enumerate() {
            let host_port = match &outer {
                None => String::new(),
                // A range for one port lets the engine choose out of it.
                Some(_) if length(&inner) == 1 => host.to_owned(),
                Some(outer) if length(outer) == length(&inner) => {
                    outer.clone().nth(at).map(|port| port.to_string()).unwrap_or_default()
                }
                Some(_) => return Err(format!("`{port}` publishes ranges of different length")),
            };
            let list = bindings.entry(format!("{number}/{protocol}")).or_insert_with(|| json!([]));
            if let Json::Array(list) = list {
                list.push(json!({"HostIp": ip, "HostPort": host_port}));
            }
        }
    }
    Ok(bindings)
}

/// Reads `exposed_ports` into the engine's `ExposedPorts`.
///
/// # Errors
/// What is no port.
pub fn exposed(ports: &[String]) -> Result<Map, String> {
    let mut exposed = Map::new();
    for port in ports {
        let (numbers, protocol) = port.trim().split_once('/').unwrap_or((port.trim(), "tcp"));
        let numbers = range(numbers).ok_or_else(|| format!("`{port}` is no port; write PORT, FROM-TO or PORT/udp"))?;
        exposed.extend(numbers.map(|number| (format!("{number}/{protocol}"), json!({}))));
    }
    Ok(exposed)
}

/// Bindings in the form they are compared in: by port the sorted `IP:PORT` texts.
#[must_use]
pub fn comparable(bindings: &Json) -> Json {
    let Some(bindings) = bindings.as_object() else { return json!({}) };
    let texts = |list: &Json| {
        let mut texts: Vec<String> = list.as_array().into_iter().flatten().map(text).collect();
        texts.sort();
        texts.dedup();
        Json::from(texts)
    };
    bindings
        .iter()
        .filter(|(_, list)| !list.is_null())
        .map(|(port, list)| (port.clone(), texts(list)))
        .collect::<Map>()
        .into()
}

fn text(binding: &Json) -> String {
    let ip = binding["HostIp"].as_str().filter(|ip| !ip.is_empty()).unwrap_or("0.0.0.0");
    let port = binding["HostPort"].as_str().filter(|port| *port != "0").unwrap_or_default();
    format!("{ip}:{port}")
}

fn split(port: &str) -> Vec<&str> {
    let from = port.find(']').unwrap_or(0);
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in port.match_indices(':').filter(|(at, _)| *at >= from) {
        parts.push(&port[start..at]);
        start = at + 1;
    }
    parts.push(&port[start..]);
    parts
}

fn range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to).then_some(from..=to)
}

fn length(range: &std::ops::RangeInclusive<u16>) -> usize {
    usize::from(range.end() - range.start()) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(port: &str) -> Result<Json, String> {
        bindings(&[port.to_owned()], "0.0.0.0").map(|map| comparable(&map.into()))
    }

    #[test]
    fn every_form_of_a_published_port_is_read() {
        assert_eq!(read("80"), Ok(json!({"80/tcp": ["0.0.0.0:"]})));
        assert_eq!(read("8080:80/udp"), Ok(json!({"80/udp": ["0.0.0.0:8080"]})));
        assert_eq!(read("127.0.0.1:8080:80"), Ok(json!({"80/tcp": ["127.0.0.1:8080"]})));
        assert_eq!(read("127.0.0.1::80"), Ok(json!({"80/tcp": ["127.0.0.1:"]})));
        assert_eq!(read("[::1]:8080:80"), Ok(json!({"80/tcp": ["::1:8080"]})));
        assert_eq!(
            read("9001-9002:8001-8002"),
            Ok(json!({"8001/tcp": ["0.0.0.0:9001"], "8002/tcp": ["0.0.0.0:9002"]}))
        );
        assert_eq!(read("9001-9005:80"), Ok(json!({"80/tcp": ["0.0.0.0:9001-9005"]})));
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for wrong in ["http", "1-2:3-9", "localhost:1:2", "1:2:3:4", "70000", "9-1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(exposed(&["x".to_owned()]).is_err());
        assert_eq!(exposed(&["1-2/udp".to_owned()]).map(|map| map.len()), Ok(2));
    }
}
