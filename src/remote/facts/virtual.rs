//! Whether the host is a container or a virtual machine, and of which kind.

use super::Gathering;

/// Words in the firmware's product or vendor name and the technology they mean.
const FIRMWARE: &[(&str, &str)] = &[
    ("VMware", "VMware"),
    ("VirtualBox", "virtualbox"),
    ("innotek", "virtualbox"),
    ("Parallels", "parallels"),
    ("Virtual Machine", "VirtualPC"),
    ("OpenStack", "openstack"),
    ("KVM", "kvm"),
    ("QEMU", "kvm"),
    ("Bochs", "kvm"),
    ("Amazon EC2", "kvm"),
    ("Google", "kvm"),
    ("DigitalOcean", "kvm"),
    ("Hetzner", "kvm"),
    ("HVM domU", "xen"),
];

/// The facts that come from here.
pub(super) const GIVES: &[&str] =
    &["virtualization_type", "virtualization_role", "virtualization_tech_guest", "virtualization_tech_host"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let mut guest: Vec<&str> = Vec::new();
    let mut container = None;
    let cgroup = facts.text("/proc/1/cgroup").unwrap_or_default();
    let started_as = facts.text("/proc/1/environ").unwrap_or_default();
    let started_as = started_as.split('\0').find_map(|entry| entry.strip_prefix("container="));
    if facts.exists("/.dockerenv") || facts.exists("/.dockerinit") || cgroup.contains("/docker") {
        container = Some("docker");
    } else if facts.exists("/run/.containerenv") || started_as == Some("podman") {
        container = Some("podman");
    } else if cgroup.contains("/lxc/") || started_as == Some("lxc") {
        container = Some("lxc");
    } else if started_as.is_some() || cgroup.contains("/containerd") {
        container = Some("container");
    } else if facts.exists("/proc/vz") && !facts.exists("/proc/lve") {
        container = Some("openvz");
    }
    if let Some(kind) = container {
        guest.push(kind);
        guest.push("container");
        guest.dedup();
    }
    let dmi = |file: &str| facts.line(format!("/sys/devices/virtual/dmi/id/{file}")).unwrap_or_default();
    let firmware = format!("{} {} {}", dmi("product_name"), dmi("sys_vendor"), dmi("bios_vendor"));
    let machine = FIRMWARE.iter().find(|(word, _)| firmware.contains(word)).map(|(_, kind)| *kind);
    let machine = machine.or_else(|| facts.exists("/proc/xen").then_some("xen"));
    let cpu = facts.text("/proc/cpuinfo").unwrap_or_default();
    let hypervised = cpu.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let machine = machine.or_else(|| hypervised.then_some("kvm"));
    guest.extend(machine);

    let modules = facts.text("/proc/modules").unwrap_or_default();
    let loaded = |name: &str| modules.lines().any(|line| line.split_whitespace().next() == Some(name));
    let mut host: Vec<&str> = Vec::new();
    if loaded("kvm") {
        host.push("kvm");
    }
    if loaded("vboxdrv") {
        host.push("virtualbox");
    }
    let (kind, role) = match (container.or(machine), host.first()) {
        (Some(kind), _) => (kind, "guest"),
        (None, Some(kind)) => (*kind, "host"),
        (None, None) => ("NA", "NA"),
    };
    facts.set("virtualization_type", kind);
    facts.set("virtualization_role", role);
    facts.set("virtualization_tech_guest", guest);
    facts.set("virtualization_tech_host", host);
}
