//! Interfaces, their addresses and where packets go by default.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::json;

use crate::protocol::{Json, Map};

use super::Gathering;

/// One address of one interface.
struct Address {
    interface: String,
    ip: String,
    prefix: u32,
    broadcast: Option<String>,
    scope: String,
}

/// The facts that come from here.
pub(super) const GIVES: &[&str] =
    &["interfaces", "default_ipv4", "default_ipv6", "all_ipv4_addresses", "all_ipv6_addresses"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let names: Vec<String> =
        facts.names("/sys/class/net").into_iter().filter(|name| name != "bonding_masters").collect();
    let routes = facts.text("/proc/net/route").unwrap_or_default();
    let addresses = if let Some(listed) = facts.says(&["ip", "-o", "addr", "show"]) {
        listed.lines().filter_map(listed_address).collect()
    } else {
        let mut addresses = ipv4_of_kernel(&facts.text("/proc/net/fib_trie").unwrap_or_default(), &routes);
        addresses.extend(facts.text("/proc/net/if_inet6").unwrap_or_default().lines().filter_map(kernel_ipv6));
        addresses
    };
    let (mut all4, mut all6) = (Vec::new(), Vec::new());
    let mut interfaces = Map::new();
    for name in &names {
        let mut interface = properties(facts, name);
        let mut ipv6 = Vec::new();
        let mut secondaries = Vec::new();
        for address in addresses.iter().filter(|address| &address.interface == name) {
            if address.ip.contains(':') {
                if address.ip != "::1" {
                    all6.push(address.ip.clone());
                }
                ipv6.push(json!({
                    "address": address.ip, "prefix": address.prefix.to_string(), "scope": address.scope,
                }));
                continue;
            }
            if !address.ip.starts_with("127.") {
                all4.push(address.ip.clone());
            }
            let value = ipv4(address);
            if interface.contains_key("ipv4") {
                secondaries.push(value);
            } else {
                interface.insert("ipv4".to_owned(), value);
            }
        }
        if !ipv6.is_empty() {
            interface.insert("ipv6".to_owned(), ipv6.into());
        }
        if !secondaries.is_empty() {
            interface.insert("ipv4_secondaries".to_owned(), secondaries.into());
        }
        interfaces.insert(name.clone(), interface.into());
    }
    let gateway6 = facts.text("/proc/net/ipv6_route").unwrap_or_default();
    let default4 = default_ipv4(&routes, &interfaces);
    let default6 = default_ipv6(&gateway6, &interfaces);
    facts.set("interfaces", names);
    facts.set("default_ipv4", default4);
    facts.set("default_ipv6", default6);
    facts.set("all_ipv4_addresses", all4);
    facts.set("all_ipv6_addresses", all6);
    for (name, interface) in interfaces {
        facts.set(&name.replace(['-', ':', '.'], "_"), interface);
    }
}

fn properties(facts: &Gathering<'_, '_>, name: &str) -> Map {
    let path = |file: &str| format!("/sys/class/net/{name}/{file}");
    let mut interface = Map::new();
    let mut put = |key: &str, value: Json| {
        interface.insert(key.to_owned(), value);
    };
    put("device", name.into());
    if let Some(address) = facts.line(path("address")).filter(|address| address != "00:00:00:00:00:00") {
        put("macaddress", address.into());
    }
    if let Some(mtu) = facts.line(path("mtu")).and_then(|mtu| mtu.parse::<u64>().ok()) {
        put("mtu", mtu.into());
    }
    let flags =
        facts.line(path("flags")).and_then(|flags| u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok());
    // IFF_UP and IFF_PROMISC of the kernel's interface flags.
    put(
        "active",
        (flags.unwrap_or_default() & 0x1 != 0 && facts.line(path("operstate")).as_deref() != Some("down")).into(),
    );
    put("promisc", (flags.unwrap_or_default() & 0x100 != 0).into());
    let kind = if facts.exists(path("bridge")) {
        "bridge"
    } else if facts.exists(path("bonding")) {
        "bonding"
    } else {
        match facts.line(path("type")).as_deref() {
            Some("1") => "ether",
            Some("32") => "infiniband",
            Some("512") => "ppp",
            Some("772") => "loopback",
            Some("65534") => "tunnel",
            _ => "unknown",
        }
    };
    put("type", kind.into());
    if kind == "bridge" {
        put("interfaces", facts.names(path("brif")).into());
        put("stp", (facts.line(path("bridge/stp_state")).as_deref() == Some("1")).into());
        if let Some(id) = facts.line(path("bridge/bridge_id")) {
            put("id", id.into());
        }
    }
    if let Ok(module) = facts.probe.read_link(path("device/driver/module").as_ref())
        && let Some(module) = module.file_name()
    {
        put("module", module.to_string_lossy().into_owned().into());
    }
    if let Some(speed) = facts.line(path("speed")).and_then(|speed| speed.parse::<i64>().ok()) {
        put("speed", speed.into());
    }
    interface
}

/// A line of `ip -o addr`, from iproute2 or busybox.
fn listed_address(line: &str) -> Option<Address> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |key: &str| {
        words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1)).map(|word| (*word).to_owned())
    };
    let (address, prefix) = words.get(3)?.split_once('/').unwrap_or((words.get(3)?, "32"));
    matches!(*words.get(2)?, "inet" | "inet6").then(|| Address {
        interface: words[1].trim_end_matches(':').split('@').next().unwrap_or_default().to_owned(),
        ip: address.to_owned(),
        prefix: prefix.parse().unwrap_or_default(),
        broadcast: after("brd"),
        scope: after("scope").unwrap_or_default(),
    })
}

/// The kernel's own list of local addresses, for hosts without `ip`; which interface has them follows from the routes.
fn ipv4_of_kernel(trie: &str, routes: &str) -> Vec<Address> {
    let mut addresses: Vec<Address> = Vec::new();
    let mut last = "";
    for line in trie.lines() {
        if let Some((_, address)) = line.split_once("|-- ") {
            last = address.trim();
        } else if line.contains("/32 host LOCAL") && !addresses.iter().any(|known| known.ip == last) {
            let Ok(ip) = last.parse::<Ipv4Addr>() else { continue };
            let route = routes
                .lines()
                .skip(1)
                .filter_map(route)
                .find(|route| route.mask != 0 && u32::from(ip) & route.mask == route.destination);
            let (interface, prefix) = match route {
                Some(route) => (route.interface, route.mask.count_ones()),
                None if ip.is_loopback() => ("lo".to_owned(), 8),
                None => continue,
            };
            addresses.push(Address {
                interface,
                ip: last.to_owned(),
                prefix,
                broadcast: None,
                scope: if ip.is_loopback() { "host" } else { "global" }.to_owned(),
            });
        }
    }
    addresses
}

fn kernel_ipv6(line: &str) -> Option<Address> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [address, _, prefix, scope, _, interface] = words.as_slice() else { return None };
    Some(Address {
        interface: (*interface).to_owned(),
        ip: Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?).to_string(),
        prefix: u32::from_str_radix(prefix, 16).ok()?,
        broadcast: None,
        scope: match *scope {
            "00" => "global",
            "10" => "host",
            "20" => "link",
            _ => "site",
        }
        .to_owned(),
    })
}

struct Route {
    interface: String,
    destination: u32,
    gateway: u32,
    mask: u32,
}

/// A line of `/proc/net/route`, whose numbers are hexadecimal in the machine's byte order.
fn route(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number =
        |at: usize| u32::from_str_radix(words.get(at)?, 16).ok().map(|raw| u32::from_be_bytes(raw.to_ne_bytes()));
    Some(Route {
        interface: (*words.first()?).to_owned(),
        destination: number(1)?,
        gateway: number(2)?,
        mask: number(7)?,
    })
}

fn ipv4(address: &Address) -> Json {
    let mask = u32::MAX.checked_shl(32 - address.prefix.min(32)).unwrap_or(0);
    let network = address.ip.parse::<Ipv4Addr>().map(|ip| Ipv4Addr::from(u32::from(ip) & mask).to_string());
    json!({
        "address": address.ip,
        "broadcast": address.broadcast.as_deref().unwrap_or_default(),
        "netmask": Ipv4Addr::from(mask).to_string(),
        "network": network.unwrap_or_default(),
        "prefix": address.prefix.to_string(),
    })
}

fn default_ipv4(routes: &str, interfaces: &Map) -> Map {
    let Some(route) = routes.lines().skip(1).filter_map(route).find(|route| route.destination == 0 && route.mask == 0)
    else {
        return Map::new();
    };
    let mut default = Map::new();
    default.insert("gateway".to_owned(), Ipv4Addr::from(route.gateway).to_string().into());
    default.insert("interface".to_owned(), route.interface.as_str().into());
    default.insert("alias".to_owned(), route.interface.as_str().into());
    if let Some(interface) = interfaces.get(&route.interface) {
        for name in ["address", "broadcast", "netmask", "network", "prefix"] {
            default.insert(name.to_owned(), interface["ipv4"][name].clone());
        }
        for name in ["macaddress", "mtu", "type"] {
            default.insert(name.to_owned(), interface[name].clone());
        }
    }
    default
}

fn default_ipv6(routes: &str, interfaces: &Map) -> Map {
    let zero = "0".repeat(32);
    let found = routes.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|words| {
        words.len() == 10 && words[0] == zero && words[1] == "00" && words[4] != zero && words[9] != "lo"
    });
    let Some(words) = found else { return Map::new() };
    let gateway = u128::from_str_radix(words[4], 16).map(|raw| Ipv6Addr::from(raw).to_string()).unwrap_or_default();
    let mut default = Map::new();
    default.insert("gateway".to_owned(), gateway.into());
    default.insert("interface".to_owned(), words[9].into());
    let interface = interfaces.get(words[9]);
    let global = interface
        .and_then(|interface| interface["ipv6"].as_array()?.iter().find(|address| address["scope"] == "global"));
    for name in ["address", "prefix", "scope"] {
        default.insert(name.to_owned(), global.map_or(Json::Null, |address| address[name].clone()));
    }
    for name in ["macaddress", "mtu", "type"] {
        default.insert(name.to_owned(), interface.map_or(Json::Null, |interface| interface[name].clone()));
    }
    default
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_ip_and_from_the_kernel() {
        let listed = listed_address(
            "2: eth0@if9    inet 172.17.0.2/16 brd 172.17.255.255 scope global eth0\\       valid_lft forever",
        )
        .unwrap();
        assert_eq!(listed.interface, "eth0");
        assert_eq!(ipv4(&listed)["netmask"], "255.255.0.0");
        assert_eq!(ipv4(&listed)["network"], "172.17.0.0");

        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 172.17.0.2\n        /32 host LOCAL\n     |-- 172.17.255.255\n        /32 link BROADCAST\n";
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\neth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n";
        let known = ipv4_of_kernel(trie, routes);
        assert_eq!(known.len(), 2);
        assert_eq!((known[1].interface.as_str(), known[1].prefix), ("eth0", 16));
        assert_eq!(default_ipv4(routes, &Map::new())["gateway"], "172.17.0.1");
    }
}
