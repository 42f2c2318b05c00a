//! Kernel, machine and names of the host.

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &[
    "system",
    "kernel",
    "kernel_version",
    "architecture",
    "userspace_architecture",
    "userspace_bits",
    "machine",
    "hostname",
    "domain",
    "nodename",
    "fqdn",
    "machine_id",
];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let kernel = |facts: &Gathering<'_, '_>, file: &str| facts.line(format!("/proc/sys/kernel/{file}"));
    let system = kernel(facts, "ostype").unwrap_or_else(|| "Linux".to_owned());
    facts.set("system", system);
    if let Some(release) = kernel(facts, "osrelease") {
        facts.set("kernel", release);
    }
    if let Some(version) = kernel(facts, "version") {
        facts.set("kernel_version", version);
    }
    let machine = facts.says(&["uname", "-m"]).map(|name| name.trim().to_owned()).or_else(|| kernel(facts, "arch"));
    if let Some(machine) = machine {
        let bits = if machine.contains("64") || machine == "s390x" { "64" } else { "32" };
        let architecture = match machine.as_str() {
            "i486" | "i586" | "i686" => "i386",
            other => other,
        };
        facts.set("architecture", architecture);
        facts.set("userspace_architecture", architecture);
        facts.set("userspace_bits", bits);
        facts.set("machine", machine);
    }
    let assumed = facts.probe.assumed("hostname", "current").and_then(|name| name.as_str()).map(str::to_owned);
    let node = assumed.or_else(|| kernel(facts, "hostname")).unwrap_or_else(|| "localhost".to_owned());
    let fqdn = facts
        .says(&["hostname", "-f"])
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| node.clone());
    facts.set("hostname", node.split('.').next().unwrap_or_default());
    facts.set("domain", fqdn.split_once('.').map_or("", |(_, domain)| domain));
    facts.set("nodename", node);
    facts.set("fqdn", fqdn);
    if let Some(id) = facts.line("/etc/machine-id").or_else(|| facts.line("/var/lib/dbus/machine-id")) {
        facts.set("machine_id", id);
    }
}
