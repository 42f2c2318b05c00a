//! From what a task says about a container to properties: each with the engine's value and a way to compare it.

use serde_json::json;

use super::{
    compare::{Kind, Property},
    container::{CommandHandling, Container, Healthcheck},
    mounts::{self, texts},
    ports, sizes,
};
use crate::{
    protocol::{Json, Map},
    remote::{Choice, Probe, Stop, words},
};

/// Everything the task states, in the order in which it is told.
///
/// # Errors
/// Values that cannot be read, and an `env_file` that is not there.
pub fn properties(container: &Container, probe: &Probe<'_>) -> Result<Vec<Property>, Stop> {
    let mut list = List(Vec::new());
    process(container, probe, &mut list)?;
    storage(container, probe, &mut list).map_err(wrong)?;
    network(container, &mut list).map_err(wrong)?;
    limits(container, &mut list).map_err(wrong)?;
    isolation(container, &mut list).map_err(wrong)?;
    Ok(list.0)
}

fn wrong(problem: String) -> Stop {
    Stop::failed(problem)
}

struct List(Vec<Property>);

impl List {
    #[expect(clippy::ref_option, reason = "what is stated is an optional field of the task")]
    fn add<T: serde::Serialize>(
        &mut self,
        name: &'static str,
        at: &'static str,
        kind: Kind,
        value: &Option<T>,
    ) -> &mut Property {
        let value = value.as_ref().map(|value| json!(value));
        self.0.push(Property::new(name, at, kind, value.unwrap_or(Json::Null)));
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    fn bytes(&mut self, name: &'static str, at: &'static str, text: Option<&String>) -> Result<&mut Property, String> {
        let value = text
            .map(|text| match text.as_str() {
                "unlimited" | "-1" => Ok(-1),
                text => sizes::bytes(text).map_err(|problem| format!("option {name}: {problem}")),
            })
            .transpose()?;
        Ok(self.add(name, at, Kind::Value, &value))
    }
}

fn process(c: &Container, probe: &Probe<'_>, list: &mut List) -> Result<(), Stop> {
    let words =
        c.command.as_ref().map(|command| command_words(command, c.command_handling)).transpose().map_err(wrong)?;
    list.add("command", "/Config/Cmd", Kind::List, &words.flatten());
    let entrypoint =
        c.entrypoint.clone().filter(|words| !words.is_empty() || c.command_handling == CommandHandling::Correct);
    list.add("entrypoint", "/Config/Entrypoint", Kind::List, &entrypoint);
    let variables = environment(c, probe)?;
    list.add("env", "/Config/Env", Kind::Set, &(!variables.is_empty()).then_some(variables)).secret = true;
    list.add("labels", "/Config/Labels", Kind::Dict, &c.labels.as_ref().map(texts));
    list.add("user", "/Config/User", Kind::Value, &c.user);
    list.add("working_dir", "/Config/WorkingDir", Kind::Value, &c.working_dir);
    list.add("hostname", "/Config/Hostname", Kind::Value, &c.hostname);
    list.add("domainname", "/Config/Domainname", Kind::Value, &c.domainname);
    list.add("tty", "/Config/Tty", Kind::Value, &c.tty);
    list.add("interactive", "/Config/OpenStdin", Kind::Value, &c.interactive);
    list.add("stop_signal", "/Config/StopSignal", Kind::Value, &c.stop_signal);
    list.add("stop_timeout", "/Config/StopTimeout", Kind::Ignored, &c.stop_timeout);
    let check = c.healthcheck.as_ref().map(healthcheck).transpose().map_err(wrong)?;
    list.add("healthcheck", "/Config/Healthcheck", Kind::Dict, &check);
    let policy = c.restart_policy.map(|policy| {
        let mut value = json!({"Name": policy.word()});
        if let Some(retries) = c.restart_retries {
            value["MaximumRetryCount"] = json!(retries);
        }
        value
    });
    let property = list.add("restart_policy", "/HostConfig/RestartPolicy", Kind::Dict, &policy);
    property.live = true;
    property.normalise = restart_policy;
    list.add("auto_remove", "/HostConfig/AutoRemove", Kind::Value, &c.auto_remove);
    list.add("init", "/HostConfig/Init", Kind::Value, &c.init).normalise = falsy;
    list.add("log_driver", "/HostConfig/LogConfig/Type", Kind::Value, &c.log_driver);
    list.add("log_options", "/HostConfig/LogConfig/Config", Kind::Dict, &c.log_options.as_ref().map(texts));
    Ok(())
}

/// The words of a command as it is written; `None` when nothing is meant.
fn command_words(command: &Json, handling: CommandHandling) -> Result<Option<Vec<String>>, String> {
    let text = |word: &Json| match word {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let split = |line: &str| words::split(line).map_err(|problem| format!("{problem}: {line}"));
    let words = match command {
        Json::Null => return Ok(None),
        Json::Array(words) if handling == CommandHandling::Correct => words.iter().map(text).collect(),
        Json::Array(words) => split(&words.iter().map(text).collect::<Vec<_>>().join(" "))?,
        other => split(&text(other))?,
    };
    Ok(Some(words).filter(|words| !words.is_empty() || handling == CommandHandling::Correct))
}

fn environment(c: &Container, probe: &Probe<'_>) -> Result<Vec<String>, Stop> {
    let mut variables = indexmap::IndexMap::<String, String>::new();
    if let Some(file) = &c.env_file {
        for line in probe
            .read_text(file)?
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (name, value) = line.split_once('=').ok_or_else(|| {
                // The line itself may hold a secret.
                Stop::failed(format!("{} has a line that is not NAME=VALUE", file.display()))
            })?;
            variables.insert(name.to_owned(), value.to_owned());
        }
    }
    for (name, value) in &c.env {
        let text = match value {
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            _ => {
                return Err(Stop::failed(format!("the value of {name} in env is no text"))
                    .hint("write it in quotes, so that it is clear which text is meant"));
            }
        };
        variables.insert(name.clone(), text);
    }
    Ok(variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

fn healthcheck(check: &Healthcheck) -> Result<Json, String> {
    let mut body = Map::new();
    match &check.test {
        Some(Json::String(text)) if text == "NONE" => _ = body.insert("Test".into(), json!(["NONE"])),
        Some(Json::String(text)) => _ = body.insert("Test".into(), json!(["CMD-SHELL", text])),
        Some(Json::Array(words)) => {
            let words: Vec<String> =
                words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
            let spelled = words.first().is_some_and(|word| ["CMD", "CMD-SHELL", "NONE"].contains(&word.as_str()));
            let words =
                if spelled || check.test_cli_compatible { words } else { [vec!["CMD".to_owned()], words].concat() };
            body.insert("Test".into(), json!(words));
        }
        Some(_) => return Err("healthcheck.test is a command, as text or list".to_owned()),
        None => {}
    }
    let times = [
        ("Interval", &check.interval),
        ("Timeout", &check.timeout),
        ("StartPeriod", &check.start_period),
        ("StartInterval", &check.start_interval),
    ];
    for (name, time) in times {
        if let Some(time) = time {
            body.insert(name.to_owned(), json!(sizes::nanoseconds(time)?));
        }
    }
    if let Some(retries) = check.retries {
        body.insert("Retries".into(), json!(retries));
    }
    Ok(body.into())
}

fn storage(c: &Container, probe: &Probe<'_>, list: &mut List) -> Result<(), String> {
    let home = probe.variable("HOME");
    let split = c.volumes.as_ref().map(|volumes| mounts::volumes(volumes, home.as_deref())).transpose()?;
    let (binds, anonymous) = split.unzip();
    list.add("volumes", "/HostConfig/Binds", Kind::Set, &binds).normalise = mounts::comparable_binds;
    let paths = anonymous.filter(|paths| !paths.is_empty());
    let paths = paths.map(|paths| paths.into_iter().map(|path| (path, json!({}))).collect::<Map>());
    list.add("volumes", "/Config/Volumes", Kind::Dict, &paths);
    let bodies = c.mounts.as_ref().map(|mounts| mounts.iter().map(mounts::Mount::body).collect::<Result<Vec<_>, _>>());
    list.add("mounts", "/HostConfig/Mounts", Kind::Set, &bodies.transpose()?).normalise = mounts::comparable_mounts;
    list.add("volume_driver", "/HostConfig/VolumeDriver", Kind::Value, &c.volume_driver);
    list.add("volumes_from", "/HostConfig/VolumesFrom", Kind::Set, &c.volumes_from);
    let tmpfs = c.tmpfs.as_ref().map(|list| {
        list.iter()
            .map(|one| one.split_once(':').unwrap_or((one, "")))
            .map(|(at, o)| (at.to_owned(), json!(o)))
            .collect::<Map>()
    });
    list.add("tmpfs", "/HostConfig/Tmpfs", Kind::Dict, &tmpfs);
    list.add("read_only", "/HostConfig/ReadonlyRootfs", Kind::Value, &c.read_only);
    list.bytes("shm_size", "/HostConfig/ShmSize", c.shm_size.as_ref())?;
    list.add("storage_opts", "/HostConfig/StorageOpt", Kind::Dict, &c.storage_opts.as_ref().map(texts));
    Ok(())
}

fn network(c: &Container, list: &mut List) -> Result<(), String> {
    let bindings = c.published_ports.as_ref().map(|ports| ports::bindings(ports, &c.default_host_ip)).transpose()?;
    let mut exposed = c.exposed_ports.as_ref().map(|ports| ports::exposed(ports)).transpose()?;
    list.add("exposed_ports", "/Config/ExposedPorts", Kind::Dict, &exposed);
    if let Some(bindings) = &bindings {
        // Published ports are exposed too; comparing that as well would only say the same twice.
        exposed.get_or_insert_default().extend(bindings.keys().map(|port| (port.clone(), json!({}))));
        if let Some(property) = list.0.last_mut() {
            property.body = json!(exposed);
        }
    }
    list.add("published_ports", "/HostConfig/PortBindings", Kind::Dict, &bindings).normalise = ports::comparable;
    list.add("publish_all_ports", "/HostConfig/PublishAllPorts", Kind::Value, &c.publish_all_ports);
    list.add("dns_servers", "/HostConfig/Dns", Kind::List, &c.dns_servers);
    list.add("dns_opts", "/HostConfig/DnsOptions", Kind::Set, &c.dns_opts);
    list.add("dns_search_domains", "/HostConfig/DnsSearch", Kind::List, &c.dns_search_domains);
    let hosts = match &c.etc_hosts {
        Some(Json::Object(hosts)) => {
            Some(texts(hosts).iter().map(|(n, ip)| format!("{n}:{}", ip.as_str().unwrap_or(""))).collect())
        }
        Some(Json::Array(lines)) => Some(lines.iter().filter_map(Json::as_str).map(str::to_owned).collect::<Vec<_>>()),
        Some(_) => return Err("etc_hosts is a mapping of names to addresses".to_owned()),
        None => None,
    };
    list.add("etc_hosts", "/HostConfig/ExtraHosts", Kind::Set, &hosts);
    list.add("links", "/HostConfig/Links", Kind::Set, &c.links).normalise = links;
    list.add(
        "mac_address",
        "/Config/MacAddress",
        Kind::Value,
        &c.mac_address.as_ref().map(|mac| mac.replace('-', ":")),
    );
    let mode = c.network_mode.clone().or_else(|| {
        let first = c.networks.as_ref()?.first()?;
        c.networks_cli_compatible.then(|| first.name.clone())
    });
    list.add("network_mode", "/HostConfig/NetworkMode", Kind::Value, &mode).normalise = network_mode;
    Ok(())
}

fn limits(c: &Container, list: &mut List) -> Result<(), String> {
    list.bytes("memory", "/HostConfig/Memory", c.memory.as_ref())?.live = c.memory_swap.is_some();
    list.bytes("memory_swap", "/HostConfig/MemorySwap", c.memory_swap.as_ref())?.live = c.memory.is_some();
    list.bytes("memory_reservation", "/HostConfig/MemoryReservation", c.memory_reservation.as_ref())?.live = true;
    list.add("memory_swappiness", "/HostConfig/MemorySwappiness", Kind::Value, &c.memory_swappiness);
    list.bytes("kernel_memory", "/HostConfig/KernelMemory", c.kernel_memory.as_ref())?;
    #[expect(clippy::cast_possible_truncation, reason = "processors are few")]
    let nanos = c.cpus.map(|cpus| (cpus * 1e9).round() as i64);
    list.add("cpus", "/HostConfig/NanoCpus", Kind::Value, &nanos).live = true;
    list.add("cpu_shares", "/HostConfig/CpuShares", Kind::Value, &c.cpu_shares).live = true;
    list.add("cpu_period", "/HostConfig/CpuPeriod", Kind::Value, &c.cpu_period).live = true;
    list.add("cpu_quota", "/HostConfig/CpuQuota", Kind::Value, &c.cpu_quota).live = true;
    list.add("cpuset_cpus", "/HostConfig/CpusetCpus", Kind::Value, &c.cpuset_cpus).live = true;
    list.add("cpuset_mems", "/HostConfig/CpusetMems", Kind::Value, &c.cpuset_mems).live = true;
    list.add("blkio_weight", "/HostConfig/BlkioWeight", Kind::Value, &c.blkio_weight).live = true;
    list.add("pids_limit", "/HostConfig/PidsLimit", Kind::Value, &c.pids_limit).live = true;
    list.add("oom_killer", "/HostConfig/OomKillDisable", Kind::Value, &c.oom_killer);
    list.add("oom_score_adj", "/HostConfig/OomScoreAdj", Kind::Value, &c.oom_score_adj);
    let one = |limit: &String| {
        let bad = || format!("`{limit}` is no ulimit; write NAME:SOFT or NAME:SOFT:HARD");
        let number = |text: &str| text.parse::<i64>().map_err(|_| bad());
        match limit.split(':').collect::<Vec<_>>().as_slice() {
            [name, soft] => Ok(json!({"Name": name, "Soft": number(soft)?, "Hard": number(soft)?})),
            [name, soft, hard] => Ok(json!({"Name": name, "Soft": number(soft)?, "Hard": number(hard)?})),
            _ => Err(bad()),
        }
    };
    let ulimits = c.ulimits.as_ref().map(|limits| limits.iter().map(one).collect::<Result<Vec<_>, _>>()).transpose()?;
    list.add("ulimits", "/HostConfig/Ulimits", Kind::Set, &ulimits);
    Ok(())
}

fn isolation(c: &Container, list: &mut List) -> Result<(), String> {
    list.add("privileged", "/HostConfig/Privileged", Kind::Value, &c.privileged);
    list.add("capabilities", "/HostConfig/CapAdd", Kind::Set, &c.capabilities).normalise = capabilities;
    list.add("cap_drop", "/HostConfig/CapDrop", Kind::Set, &c.cap_drop).normalise = capabilities;
    list.add("groups", "/HostConfig/GroupAdd", Kind::Set, &c.groups);
    let one = |device: &String| {
        match device.split(':').collect::<Vec<_>>().as_slice() {
        [path] => Ok((*path, *path, "rwm")),
        [path, inside] => Ok((*path, *inside, "rwm")),
        [path, inside, rights] => Ok((*path, *inside, *rights)),
        _ => Err(format!("`{device}` is no device; write HOST:CONTAINER:RIGHTS")),
    }
    .map(|(path, inside, rights)| json!({"PathOnHost": path, "PathInContainer": inside, "CgroupPermissions": rights}))
    };
    let devices =
        c.devices.as_ref().map(|devices| devices.iter().map(one).collect::<Result<Vec<_>, _>>()).transpose()?;
    list.add("devices", "/HostConfig/Devices", Kind::Set, &devices);
    list.add("device_cgroup_rules", "/HostConfig/DeviceCgroupRules", Kind::Set, &c.device_cgroup_rules);
    list.add("security_opts", "/HostConfig/SecurityOpt", Kind::Set, &c.security_opts);
    list.add("sysctls", "/HostConfig/Sysctls", Kind::Dict, &c.sysctls.as_ref().map(texts));
    list.add("pid_mode", "/HostConfig/PidMode", Kind::Value, &c.pid_mode);
    list.add("ipc_mode", "/HostConfig/IpcMode", Kind::Value, &c.ipc_mode);
    list.add("userns_mode", "/HostConfig/UsernsMode", Kind::Value, &c.userns_mode);
    list.add("uts", "/HostConfig/UTSMode", Kind::Value, &c.uts);
    list.add("cgroupns_mode", "/HostConfig/CgroupnsMode", Kind::Value, &c.cgroupns_mode);
    list.add("cgroup_parent", "/HostConfig/CgroupParent", Kind::Value, &c.cgroup_parent);
    list.add("runtime", "/HostConfig/Runtime", Kind::Value, &c.runtime);
    Ok(())
}

fn restart_policy(policy: &Json) -> Json {
    let mut policy = policy.clone();
    // No policy is written as nothing by older engines.
    if policy["Name"] == "" || policy["Name"].is_null() {
        policy["Name"] = json!("no");
    }
    policy
}

fn falsy(value: &Json) -> Json {
    if value.is_null() { json!(false) } else { value.clone() }
}

fn capabilities(list: &Json) -> Json {
    let one = |name: &str| name.to_uppercase().trim_start_matches("CAP_").to_owned();
    list.as_array().into_iter().flatten().filter_map(Json::as_str).map(one).collect::<Vec<_>>().into()
}

fn links(list: &Json) -> Json {
    // Returned as /linked:/this/alias, written as linked:alias.
    let one = |link: &str| match link.split_once(':') {
        Some((name, alias)) => {
            format!("{}:{}", name.trim_start_matches('/'), alias.rsplit('/').next().unwrap_or(alias))
        }
        None => format!("{link}:{link}"),
    };
    list.as_array().into_iter().flatten().filter_map(Json::as_str).map(one).collect::<Vec<_>>().into()
}

fn network_mode(mode: &Json) -> Json {
    match mode.as_str() {
        None | Some("" | "default") => json!("bridge"),
        Some(_) => mode.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_the_same_with_and_without_their_prefix() {
        assert_eq!(capabilities(&json!(["sys_time"])), capabilities(&json!(["CAP_SYS_TIME"])));
    }

    #[test]
    fn links_are_compared_as_they_were_written() {
        assert_eq!(links(&json!(["/db:/web/database"])), links(&json!(["db:database"])));
    }
}
