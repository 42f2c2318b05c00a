//! The kernel's list of TCP connections.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use crate::remote::{Probe, machine::probe::Found};

use super::WaitFor;

/// Names of states and the kernel's numbers for them.
const STATES: &[(&str, &str)] = &[
    ("ESTABLISHED", "01"),
    ("SYN_SENT", "02"),
    ("SYN_RECV", "03"),
    ("FIN_WAIT1", "04"),
    ("FIN_WAIT2", "05"),
    ("TIME_WAIT", "06"),
    ("CLOSE_WAIT", "08"),
];

/// Whether the port has connections that count.
pub(super) fn any(probe: &Probe<'_>, wait: &WaitFor) -> Found<bool> {
    let states: Vec<&str> = STATES
        .iter()
        .filter(|(name, _)| wait.active_connection_states.iter().any(|state| state == name))
        .map(|(_, number)| *number)
        .collect();
    let excluded: Vec<IpAddr> = wait.exclude_hosts.iter().filter_map(|host| host.parse().ok()).collect();
    let own: Option<IpAddr> = wait.host.parse().ok();
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
        if !probe.exists(Path::new(file))? {
            continue;
        }
        for line in probe.read_text(Path::new(file))?.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, local, peer, state, ..] = words.as_slice() else { continue };
            let (Some((address, port)), Some((peer, _))) = (endpoint(local), endpoint(peer)) else { continue };
            let here = own.is_none_or(|own| own.is_unspecified() || own == address);
            if Some(i64::from(port)) == wait.port && here && states.contains(state) && !excluded.contains(&peer) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// `ADDRESS:PORT` in hexadecimal; addresses are words in the machine's byte order.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let words: Option<Vec<u32>> =
        (0..address.len() / 8).map(|at| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()).collect();
    let bytes: Vec<u8> = words?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let address = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        // Connections over IPv4 to a socket for both are listed as mapped addresses.
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical(),
        _ => return None,
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}
