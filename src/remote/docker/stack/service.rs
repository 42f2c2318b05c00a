//! One service of a compose definition as the spec that a swarm takes.

use serde_json::json;

use super::{
    IMAGE,
    compose::{Names, labelled},
    fields::Fields,
};
use crate::protocol::{Json, Map};

/// What happens when an update goes wrong.
const FAILURE_ACTIONS: &[&str] = &["pause", "continue", "rollback"];

/// The spec of a service.
///
/// # Errors
/// What is wrong or not supported, and where it stands.
pub fn spec(
    namespace: &str,
    name: &str,
    value: &Json,
    names: &Names,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Json, String> {
    let fields = Fields::of(format!("services.{name}"), value)?;
    let deploy = fields.below("deploy")?;
    let image = fields.text("image")?.ok_or_else(|| fields.wrong("image", "is missing; images are not built here"))?;
    let mut labels = labelled(namespace, deploy.labels("labels")?);
    labels.insert(IMAGE.to_owned(), json!(image));
    let mut task = json!({
        "ContainerSpec": container(namespace, &image, &fields, names, variable)?,
        "Placement": placement(&deploy)?,
        "Resources": resources(&deploy)?,
        "Networks": networks(name, &fields, names)?,
        "LogDriver": logging(&fields)?,
    });
    let restart = deploy.below("restart_policy")?;
    // What the engine takes when it is told nothing, so that leaving a value out again is seen.
    task["RestartPolicy"] = json!({
        "Condition": restart.word("condition", &["none", "on-failure", "any"])?.unwrap_or_else(|| "any".to_owned()),
        "Delay": restart.time("delay")?.unwrap_or(5_000_000_000),
        "MaxAttempts": restart.number("max_attempts")?.unwrap_or(0),
        "Window": restart.time("window")?.unwrap_or(0),
    });
    restart.done()?;
    let replicas = deploy.number("replicas")?;
    let mode = match deploy.word("mode", &["replicated", "global"])?.as_deref() {
        Some("global") if replicas.is_some() => return Err(deploy.wrong("replicas", "a global service has no number")),
        Some("global") => json!({"Global": {}}),
        _ => json!({"Replicated": {"Replicas": replicas.unwrap_or(1)}}),
    };
    let endpoint = deploy.word("endpoint_mode", &["vip", "dnsrr"])?.unwrap_or_else(|| "vip".to_owned());
    let spec = json!({
        "Name": format!("{namespace}_{name}"),
        "Labels": labels,
        "TaskTemplate": task,
        "Mode": mode,
        "UpdateConfig": update(&deploy, "update_config")?,
        "RollbackConfig": update(&deploy, "rollback_config")?,
        "EndpointSpec": {"Mode": endpoint, "Ports": ports(&fields)?},
    });
    deploy.done()?;
    fields.done()?;
    Ok(spec)
}

fn container(
    namespace: &str,
    image: &str,
    fields: &Fields<'_>,
    names: &Names,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Json, String> {
    let known = |(name, value): (String, Json)| match value {
        // Without a value it comes from outside, where it is set there.
        Json::Null => variable(&name).map(|value| format!("{name}={value}")),
        Json::String(value) => Some(format!("{name}={value}")),
        other => Some(format!("{name}={other}")),
    };
    let mut env: Vec<String> = fields.pairs("environment")?.into_iter().filter_map(known).collect();
    env.sort();
    let host = |line: &String| {
        let (name, address) = line.split_once(['=', ':'])?;
        Some(format!("{address} {name}"))
    };
    let hosts = match fields.get("extra_hosts") {
        Json::Object(map) => {
            map.iter().filter_map(|(name, address)| Some(format!("{} {name}", address.as_str()?))).collect()
        }
        _ => fields.list("extra_hosts")?.iter().filter_map(host).collect::<Vec<_>>(),
    };
    Ok(json!({
        "Image": image,
        "Labels": labelled(namespace, fields.labels("labels")?),
        "Command": fields.words("entrypoint")?,
        "Args": fields.words("command")?,
        "Hostname": fields.text("hostname")?,
        "Env": env,
        "Dir": fields.text("working_dir")?,
        "User": fields.text("user")?,
        "Groups": fields.list("group_add")?,
        "StopSignal": fields.text("stop_signal")?,
        "StopGracePeriod": fields.time("stop_grace_period")?,
        "TTY": fields.flag("tty")?,
        "OpenStdin": fields.flag("stdin_open")?,
        "ReadOnly": fields.flag("read_only")?,
        "Init": fields.flag("init")?,
        "Hosts": hosts,
        "DNSConfig": {"Nameservers": fields.list("dns")?, "Search": fields.list("dns_search")?},
        "Mounts": mounts(fields, names)?,
        "Healthcheck": health(fields)?,
        "Sysctls": fields.labels("sysctls")?,
        "CapabilityAdd": capabilities(fields.list("cap_add")?),
        "CapabilityDrop": capabilities(fields.list("cap_drop")?),
    }))
}

/// Names of capabilities as the engine keeps them.
fn capabilities(names: Vec<String>) -> Vec<String> {
    let full = |name: String| match name.to_uppercase() {
        name if name == "ALL" || name.starts_with("CAP_") => name,
        name => format!("CAP_{name}"),
    };
    let mut names: Vec<String> = names.into_iter().map(full).collect();
    names.sort();
    names
}

fn health(fields: &Fields<'_>) -> Result<Json, String> {
    let given = fields.below("healthcheck")?;
    let test = match given.get("test") {
        Json::String(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
        _ => given.list("test")?,
    };
    if test.first().is_some_and(|first| !["NONE", "CMD", "CMD-SHELL"].contains(&first.as_str())) {
        return Err(given.wrong("test", "begins with NONE, CMD or CMD-SHELL where it is a list"));
    }
    let disabled = given.flag("disable")? == Some(true);
    let health = json!({
        "Test": if disabled { vec!["NONE".to_owned()] } else { test },
        "Interval": given.time("interval")?,
        "Timeout": given.time("timeout")?,
        "StartPeriod": given.time("start_period")?,
        "Retries": given.number("retries")?,
    });
    given.done()?;
    Ok(health)
}

fn mounts(fields: &Fields<'_>, names: &Names) -> Result<Vec<Json>, String> {
    let Json::Array(items) = fields.get("volumes") else {
        return if fields.get("volumes").is_null() {
            Ok(Vec::new())
        } else {
            Err(fields.wrong("volumes", "is no list"))
        };
    };
    let mut mounts = items.iter().map(|item| mount(fields, item, names)).collect::<Result<Vec<_>, _>>()?;
    mounts.sort_by_key(|mount| mount["Target"].to_string());
    Ok(mounts)
}

fn mount(fields: &Fields<'_>, item: &Json, names: &Names) -> Result<Json, String> {
    let (mut mount, source) = if let Json::String(text) = item {
        let wrong =
            || fields.wrong("volumes", format!("`{text}` is no volume; write SOURCE:TARGET or SOURCE:TARGET:ro"));
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, mode) = match parts.as_slice() {
            [target] => (None, *target, "rw"),
            [source, target] => (Some(*source), *target, "rw"),
            [source, target, mode @ ("ro" | "rw")] => (Some(*source), *target, *mode),
            _ => return Err(wrong()),
        };
        let bind = source.is_some_and(|source| source.starts_with(['/', '.', '~']));
        let kind = if bind { "bind" } else { "volume" };
        (json!({"Type": kind, "Target": target, "ReadOnly": mode == "ro"}), source.map(str::to_owned))
    } else {
        let long = Fields::of(format!("{}.volumes", fields.at()), item)?;
        let kind = long.word("type", &["bind", "volume", "tmpfs"])?.unwrap_or_else(|| "volume".to_owned());
        let mut mount = json!({"Type": kind, "Target": long.text("target")?, "ReadOnly": long.flag("read_only")?});
        let (bind, volume, tmpfs) = (long.below("bind")?, long.below("volume")?, long.below("tmpfs")?);
        let (propagation, no_copy, size) = (bind.text("propagation")?, volume.flag("nocopy")?, tmpfs.bytes("size")?);
        // Options of another kind are refused by the engine even where they are empty.
        match kind.as_str() {
            "bind" => mount["BindOptions"] = json!({"Propagation": propagation}),
            "tmpfs" => mount["TmpfsOptions"] = json!({"SizeBytes": size}),
            _ => mount["VolumeOptions"] = json!({"NoCopy": no_copy}),
        }
        let source = long.text("source")?;
        [bind, volume, tmpfs, long].into_iter().try_for_each(Fields::done)?;
        (mount, source)
    };
    let Some(source) = source else { return Ok(mount) };
    if mount["Type"] == "bind" {
        if !source.starts_with('/') {
            return Err(fields.wrong("volumes", format!("`{source}` is relative; paths of hosts are absolute")));
        }
        mount["Source"] = json!(source);
    } else {
        let Some((full, options)) = names.volumes.get(&source) else {
            return Err(fields.wrong("volumes", format!("there is no volume {source} under `volumes`")));
        };
        mount["Source"] = json!(full);
        for (name, value) in options.as_object().into_iter().flatten() {
            mount["VolumeOptions"][name] = value.clone();
        }
    }
    Ok(mount)
}

fn networks(name: &str, fields: &Fields<'_>, names: &Names) -> Result<Vec<Json>, String> {
    let mut asked: Vec<(String, Vec<String>)> = Vec::new();
    match fields.get("networks") {
        Json::Null => asked.push(("default".to_owned(), Vec::new())),
        Json::Object(map) => {
            for (network, value) in map {
                let options = Fields::of(format!("{}.networks.{network}", fields.at()), value)?;
                asked.push((network.clone(), options.list("aliases")?));
                options.done()?;
            }
        }
        _ => asked.extend(fields.list("networks")?.into_iter().map(|network| (network, Vec::new()))),
    }
    let mut attached = Vec::new();
    for (network, aliases) in asked {
        let full = names.networks.get(&network);
        let full =
            full.ok_or_else(|| fields.wrong("networks", format!("there is no network {network} under `networks`")))?;
        let aliases: Vec<String> = aliases.into_iter().chain([name.to_owned()]).collect();
        // The host's own network knows no names.
        attached.push(if full == "host" {
            json!({"Target": full})
        } else {
            json!({"Target": full, "Aliases": aliases})
        });
    }
    attached.sort_by_key(|network| network["Target"].to_string());
    Ok(attached)
}

fn ports(fields: &Fields<'_>) -> Result<Vec<Json>, String> {
    let items = match fields.get("ports") {
        Json::Null => return Ok(Vec::new()),
        Json::Array(items) => items,
        _ => return Err(fields.wrong("ports", "is no list")),
    };
    let mut ports = Vec::new();
    for item in items {
        if let Json::Object(_) = item {
            let long = Fields::of(format!("{}.ports", fields.at()), item)?;
            let mode = long.word("mode", &["ingress", "host"])?.unwrap_or_else(|| "ingress".to_owned());
            let protocol = long.word("protocol", &["tcp", "udp", "sctp"])?.unwrap_or_else(|| "tcp".to_owned());
            let target = long.number("target")?.ok_or_else(|| long.wrong("target", "is missing"))?;
            let published = long.number("published")?.unwrap_or(0);
            ports.push(
                json!({"Protocol": protocol, "TargetPort": target, "PublishedPort": published, "PublishMode": mode}),
            );
            long.done()?;
            continue;
        }
        let text = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
        let bindings = crate::remote::docker::ports::bindings(std::slice::from_ref(&text), "");
        for (target, bindings) in bindings.map_err(|why| fields.wrong("ports", why))? {
            let (number, protocol) = target.split_once('/').unwrap_or((&target, "tcp"));
            for binding in bindings.as_array().into_iter().flatten() {
                if binding["HostIp"] != "" {
                    return Err(
                        fields.wrong("ports", format!("`{text}`: a swarm publishes on all addresses, not on one"))
                    );
                }
                let published: u16 = match binding["HostPort"].as_str().unwrap_or_default() {
                    "" => 0,
                    port => port.parse().map_err(|_| fields.wrong("ports", format!("`{text}` is no port")))?,
                };
                let target: u16 = number.parse().map_err(|_| fields.wrong("ports", format!("`{text}` is no port")))?;
                ports.push(json!({"Protocol": protocol, "TargetPort": target, "PublishedPort": published,
                    "PublishMode": "ingress"}));
            }
        }
    }
    ports.sort_by_key(|port| {
        (port["PublishedPort"].as_u64(), port["TargetPort"].as_u64(), port["Protocol"].to_string())
    });
    Ok(ports)
}

fn placement(deploy: &Fields<'_>) -> Result<Json, String> {
    let placement = deploy.below("placement")?;
    let mut preferences = Vec::new();
    for preference in placement.get("preferences").as_array().into_iter().flatten() {
        let fields = Fields::of(format!("{}.preferences", placement.at()), preference)?;
        preferences.push(json!({"Spread": {"SpreadDescriptor": fields.text("spread")?}}));
        fields.done()?;
    }
    let read = json!({
        "Constraints": placement.list("constraints")?,
        "Preferences": preferences,
        "MaxReplicas": placement.number("max_replicas_per_node")?,
    });
    placement.done()?;
    Ok(read)
}

fn resources(deploy: &Fields<'_>) -> Result<Json, String> {
    let resources = deploy.below("resources")?;
    let amount = |name: &'static str| {
        let fields = resources.below(name)?;
        let mut read = json!({"MemoryBytes": fields.bytes("memory")?});
        if let Some(cpus) = fields.text("cpus")? {
            let number: f64 = cpus.parse().map_err(|_| fields.wrong("cpus", format!("`{cpus}` is no number")))?;
            #[expect(clippy::cast_possible_truncation, reason = "a number of processors, in billionths")]
            let billionths = (number * 1e9).round() as i64;
            read["NanoCPUs"] = json!(billionths);
        }
        if name == "limits" {
            read["Pids"] = json!(fields.number("pids")?);
        }
        fields.done().map(|()| read)
    };
    let read = json!({"Limits": amount("limits")?, "Reservations": amount("reservations")?});
    resources.done()?;
    Ok(read)
}

/// How tasks are replaced. What is not said is what the engine would take, so that leaving a value out again is seen.
fn update(deploy: &Fields<'_>, name: &'static str) -> Result<Json, String> {
    let update = deploy.below(name)?;
    let ratio = update.text("max_failure_ratio")?.unwrap_or_else(|| "0".to_owned());
    let ratio: f64 = ratio.parse().map_err(|_| update.wrong("max_failure_ratio", format!("`{ratio}` is no number")))?;
    let actions = if name == "rollback_config" { &FAILURE_ACTIONS[..2] } else { FAILURE_ACTIONS };
    let read = json!({
        "Parallelism": update.number("parallelism")?.unwrap_or(1),
        "Delay": update.time("delay")?.unwrap_or(0),
        "FailureAction": update.word("failure_action", actions)?.unwrap_or_else(|| "pause".to_owned()),
        "Monitor": update.time("monitor")?.unwrap_or(5_000_000_000),
        "MaxFailureRatio": ratio,
        "Order": update.word("order", &["stop-first", "start-first"])?.unwrap_or_else(|| "stop-first".to_owned()),
    });
    update.done()?;
    Ok(read)
}

fn logging(fields: &Fields<'_>) -> Result<Json, String> {
    let logging = fields.below("logging")?;
    let (driver, options): (Option<String>, Map) = (logging.text("driver")?, logging.labels("options")?);
    logging.done()?;
    Ok(if driver.is_none() && options.is_empty() { Json::Null } else { json!({"Name": driver, "Options": options}) })
}
