//! Processors, memory and uptime.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &[
    "uptime_seconds",
    "processor",
    "processor_count",
    "processor_cores",
    "processor_threads_per_core",
    "processor_vcpus",
    "processor_nproc",
    "memtotal_mb",
    "memfree_mb",
    "swaptotal_mb",
    "swapfree_mb",
    "memory_mb",
];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    processors(facts);
    memory(facts);
    if let Some(uptime) = facts.line("/proc/uptime") {
        let seconds = uptime.split('.').next().and_then(|seconds| seconds.parse::<u64>().ok());
        facts.set("uptime_seconds", seconds);
    }
}

fn processors(facts: &mut Gathering<'_, '_>) {
    let text = facts.text("/proc/cpuinfo").unwrap_or_default();
    let mut listed = Vec::new();
    let mut count = 0_u64;
    let mut sockets: BTreeSet<String> = BTreeSet::new();
    let mut cores: BTreeSet<(String, String)> = BTreeSet::new();
    let mut socket = String::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':').map(|(key, value)| (key.trim(), value.trim())) else { continue };
        match key {
            "processor" => {
                count += 1;
                listed.push(value.to_owned());
            }
            "vendor_id" | "model name" | "Model Name" | "cpu" | "CPU part" => listed.push(value.to_owned()),
            "physical id" => {
                value.clone_into(&mut socket);
                sockets.insert(socket.clone());
            }
            "core id" => {
                cores.insert((socket.clone(), value.to_owned()));
            }
            _ => {}
        }
    }
    // Virtual machines and ARM have no topology in this file: every processor is one then.
    let count = count.max(1);
    let sockets = if sockets.is_empty() { count } else { sockets.len() as u64 };
    let cores_each = if cores.is_empty() { 1 } else { (cores.len() as u64 / sockets).max(1) };
    let threads_each = (count / (sockets * cores_each)).max(1);
    facts.set("processor", listed);
    facts.set("processor_count", sockets);
    facts.set("processor_cores", cores_each);
    facts.set("processor_threads_per_core", threads_each);
    facts.set("processor_vcpus", sockets * cores_each * threads_each);
    let usable = facts.says(&["nproc"]).and_then(|said| said.trim().parse::<u64>().ok());
    facts.set("processor_nproc", usable.unwrap_or(count));
}

fn memory(facts: &mut Gathering<'_, '_>) {
    let Some(text) = facts.text("/proc/meminfo") else { return };
    let kilobytes: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name, value.split_whitespace().next()?.parse().ok()?))
        })
        .collect();
    let megabytes = |name: &str| kilobytes.get(name).copied().unwrap_or_default() / 1024;
    let (total, free) = (megabytes("MemTotal"), megabytes("MemFree"));
    let cached = free + megabytes("Cached") + megabytes("Buffers");
    let (swap_total, swap_free) = (megabytes("SwapTotal"), megabytes("SwapFree"));
    facts.set("memtotal_mb", total);
    facts.set("memfree_mb", free);
    facts.set("swaptotal_mb", swap_total);
    facts.set("swapfree_mb", swap_free);
    facts.set(
        "memory_mb",
        json!({
            "real": {"total": total, "used": total.saturating_sub(free), "free": free},
            "nocache": {"free": cached, "used": total.saturating_sub(cached)},
            "swap": {
                "total": swap_total, "free": swap_free, "used": swap_total.saturating_sub(swap_free),
                "cached": megabytes("SwapCached"),
            },
        }),
    );
}
