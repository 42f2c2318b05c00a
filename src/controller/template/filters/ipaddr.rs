//! The `ipaddr` filters of `ansible.utils`: addresses and networks taken apart.

use std::net::IpAddr;

use ipnet::IpNet;
use minijinja::{Error, State, Value};

use super::super::emit::python;
use super::Filter;
use super::arguments::{Arguments, integer, invalid, is_list, items};

pub(super) const ALL: &[Filter] = &[
    Filter::new("ipaddr", "value query version alias", |_, args| on_each(args, args.int("version")?)),
    Filter::new("ipv4", "value query", |_, args| on_each(args, Some(4))),
    Filter::new("ipv6", "value query", |_, args| on_each(args, Some(6))),
    Filter::new("ipwrap", "value query", ipwrap),
];

type Outcome = Result<Value, Error>;

/// An address, and the network it was written with, if any.
#[derive(Clone, Copy)]
struct Parsed {
    net: IpNet,
    with_prefix: bool,
}

fn parse(text: &str) -> Option<Parsed> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Parsed { net: IpNet::from(address), with_prefix: false });
    }
    let (address, mask) = text.split_once('/')?;
    let net = match (text.parse::<IpNet>(), mask.parse::<IpAddr>()) {
        (Ok(net), _) => net,
        (_, Ok(mask)) => IpNet::with_netmask(address.parse().ok()?, mask).ok()?,
        _ => return None,
    };
    Some(Parsed { net, with_prefix: true })
}

/// What does not fit gives `False`; in a list it is left out.
fn on_each(args: &Arguments, version: Option<i64>) -> Outcome {
    let (value, query) = (args.need("value")?, args.text_or("query", ""));
    let one = |value: &Value| -> Result<Option<Value>, Error> {
        let Some(parsed) = parse(&python::text(value)) else { return Ok(None) };
        let own = if parsed.net.addr().is_ipv4() { 4 } else { 6 };
        if version.is_some_and(|version| version != own) {
            return Ok(None);
        }
        answer(value, parsed, &query)
    };
    if is_list(value) {
        let mut out = Vec::new();
        for item in items(value)? {
            out.extend(one(&item)?);
        }
        return Ok(Value::from(out));
    }
    Ok(one(value)?.unwrap_or_else(|| Value::from(false)))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address(number: u128, like: IpAddr) -> Option<IpAddr> {
    match like {
        IpAddr::V4(_) => u32::try_from(number).ok().map(|number| IpAddr::V4(number.into())),
        IpAddr::V6(_) => Some(IpAddr::V6(number.into())),
    }
}

fn private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local(),
    }
}

fn answer(value: &Value, parsed: Parsed, query: &str) -> Result<Option<Value>, Error> {
    let (net, host) = (parsed.net, parsed.net.addr());
    let single = net.prefix_len() == net.max_prefix_len();
    let is_network = parsed.with_prefix && host == net.network() && !single;
    let (first, last) = (number(net.network()), number(net.broadcast()));
    let show = |found: Option<IpAddr>| found.map(|found| Value::from(found.to_string()));
    let keep = |holds: bool| holds.then(|| value.clone());
    let narrow = net.max_prefix_len() - net.prefix_len() < 2;
    Ok(match query {
        "bool" => Some(Value::from(true)),
        "" => Some(value.clone()),
        "address" | "ip" => (!is_network).then(|| Value::from(host.to_string())),
        "network" | "subnet_id" => Some(Value::from(net.network().to_string())),
        "netmask" => Some(Value::from(net.netmask().to_string())),
        "hostmask" | "wildcard" => Some(Value::from(net.hostmask().to_string())),
        "prefix" => Some(Value::from(net.prefix_len())),
        "broadcast" => {
            if narrow {
                None
            } else {
                show(Some(net.broadcast()))
            }
        }
        "size" => Some(if last - first == u128::MAX { Value::from(u128::MAX) } else { integer_of(last - first + 1) }),
        "version" => Some(Value::from(if host.is_ipv4() { 4 } else { 6 })),
        "type" => Some(Value::from(if is_network { "network" } else { "address" })),
        "int" => Some(integer_of(number(host))),
        "host" | "hostnet" | "host/prefix" => (!is_network).then(|| Value::from(net.to_string())),
        "net" => is_network.then(|| Value::from(net.to_string())),
        "cidr" => Some(Value::from(net.to_string())),
        "subnet" | "network/prefix" => Some(Value::from(net.trunc().to_string())),
        "ip/prefix" | "address/prefix" | "gateway" => {
            (parsed.with_prefix && !is_network).then(|| Value::from(net.to_string()))
        }
        "network_netmask" => Some(Value::from(format!("{} {}", net.network(), net.netmask()))),
        "first_usable" => show(address(if narrow { first } else { first + 1 }, host)),
        "last_usable" => show(address(if narrow { last } else { last - 1 }, host)),
        "range_usable" if !narrow => match (address(first + 1, host), address(last - 1, host)) {
            (Some(low), Some(high)) => Some(Value::from(format!("{low}-{high}"))),
            _ => None,
        },
        "private" => keep(private(host)),
        "public" => keep(!private(host) && !host.is_multicast() && !host.is_unspecified()),
        "loopback" | "lo" => keep(host.is_loopback()),
        "multicast" => keep(host.is_multicast()),
        "unicast" => keep(!host.is_multicast()),
        "revdns" => Some(Value::from(reversed(host))),
        _ => return other(value, parsed, query),
    })
}

/// A query that is a number picks that address of the network; one that is a network asks for membership.
fn other(value: &Value, parsed: Parsed, query: &str) -> Result<Option<Value>, Error> {
    let net = parsed.net;
    let (first, last) = (number(net.network()), number(net.broadcast()));
    if let Ok(index) = query.parse::<i128>() {
        let distance = index.unsigned_abs();
        let wanted = if index < 0 { last.checked_sub(distance - 1) } else { first.checked_add(distance) };
        let found =
            wanted.filter(|wanted| (first..=last).contains(wanted)).and_then(|wanted| address(wanted, net.addr()));
        return Ok(found.map(|found| Value::from(format!("{found}/{}", net.prefix_len()))));
    }
    match parse(query) {
        Some(outer) if outer.net.addr().is_ipv4() == net.addr().is_ipv4() => {
            Ok(outer.net.trunc().contains(&net).then(|| value.clone()))
        }
        Some(_) => Ok(None),
        None => Err(invalid(format!("ipaddr: unknown filter type: {query}"))),
    }
}

fn integer_of(number: u128) -> Value {
    i128::try_from(number).map_or_else(|_| Value::from(number), integer)
}

fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            let digits: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            format!("{}.ip6.arpa.", digits.join("."))
        }
    }
}

/// Brackets around an IPv6 address, for use before a port.
fn ipwrap(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let wrap = |value: &Value| {
        let text = python::text(value);
        let (host, prefix) = text.split_once('/').map_or((text.as_str(), None), |(host, prefix)| (host, Some(prefix)));
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => {
                Value::from(prefix.map_or_else(|| format!("[{host}]"), |prefix| format!("[{host}]/{prefix}")))
            }
            _ => value.clone(),
        }
    };
    let value = args.need("value")?;
    Ok(if is_list(value) { items(value)?.iter().map(wrap).collect() } else { wrap(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let table = [
            ("192.168.1.10/24", "address", "'192.168.1.10'"),
            ("192.168.1.10/24", "network", "'192.168.1.0'"),
            ("192.168.1.10/255.255.255.0", "prefix", "24"),
            ("192.168.1.10/24", "netmask", "'255.255.255.0'"),
            ("192.168.1.10/24", "broadcast", "'192.168.1.255'"),
            ("192.168.1.0/24", "size", "256"),
            ("192.168.1.0/24", "5", "'192.168.1.5/24'"),
            ("192.168.1.0/24", "-1", "'192.168.1.255/24'"),
            ("192.168.1.0/24", "address", "False"),
            ("192.168.1.10/24", "network/prefix", "'192.168.1.0/24'"),
            ("192.168.1.10", "192.168.0.0/16", "'192.168.1.10'"),
            ("10.0.0.1", "192.168.0.0/16", "False"),
            ("8.8.8.8", "public", "'8.8.8.8'"),
            ("10.0.0.1", "public", "False"),
            ("10.0.0.1", "revdns", "'1.0.0.10.in-addr.arpa.'"),
            ("fe80::1/64", "network", "'fe80::'"),
            ("::1", "version", "6"),
            ("::/0", "-1", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/0'"),
            ("nope", "", "False"),
        ];
        for (text, query, expected) in table {
            let value = Value::from(text);
            let found = parse(text).and_then(|parsed| answer(&value, parsed, query).unwrap());
            assert_eq!(python::repr(&found.unwrap_or_else(|| Value::from(false))), expected, "{text} {query}");
        }
        assert!(answer(&Value::from("::1"), parse("::1").unwrap(), "zzz").is_err());
    }
}
