//! What a task may say about a container.

use super::{mounts::Mount, suboptions};
use crate::{
    choices, options,
    protocol::{Json, Map},
};

choices! {
    /// What is to be true of a container.
    pub enum State {
        /// Gone.
        Absent = "absent",
        /// There, running or not.
        Present = "present",
        /// Running.
        Started = "started",
        /// There and not running.
        Stopped = "stopped",
        /// Running and healthy by its own health check.
        Healthy = "healthy",
    }
}

choices! {
    /// When a container is started again by the engine.
    pub enum RestartPolicy {
        /// Never.
        No = "no",
        /// When it failed.
        OnFailure = "on-failure",
        /// Always.
        Always = "always",
        /// Unless it was stopped by somebody.
        UnlessStopped = "unless-stopped",
    }
}

choices! {
    /// When an image is pulled.
    pub enum Pull {
        /// Never.
        Never = "never",
        /// When it is not there.
        Missing = "missing" "no" "false",
        /// When the registry has another one.
        Always = "always" "yes" "true",
    }
}

choices! {
    /// What a difference in the name of an image does.
    pub enum Mismatch {
        /// Nothing, as long as it is the same image.
        Ignore = "ignore",
        /// The container is made anew.
        Recreate = "recreate",
    }
}

choices! {
    /// Whose defaults a container is compared with.
    pub enum ImageComparison {
        /// Those of the image that the task names.
        Desired = "desired-image",
        /// Those of the image that the container has.
        Current = "current-image",
    }
}

choices! {
    /// How command and entrypoint are read.
    pub enum CommandHandling {
        /// As they are; an empty list is one.
        Correct = "correct",
        /// Split once more; an empty list is nothing.
        Compatibility = "compatibility",
    }
}

options! {
    /// A network that a container is in.
    pub struct Attachment {
        /// Name of the network.
        name: String,
        /// Its address there.
        ipv4_address: Option<String>,
        /// Its IPv6 address there.
        ipv6_address: Option<String>,
        /// Other names it is found under there.
        aliases: Option<Vec<String>>,
        /// Other containers, as NAME or NAME:ALIAS.
        links: Option<Vec<String>>,
        /// Its hardware address there.
        mac_address: Option<String>,
        /// Options of the network's driver.
        driver_opts: Option<Map>,
        /// Which network is the way out: the highest.
        gw_priority: Option<i64>,
    }
}

options! {
    /// How the engine finds out whether a container works.
    pub struct Healthcheck {
        /// A command as text for a shell or as list; `NONE` turns the image's check off.
        test: Option<Json>,
        /// `true` when `test` is a list that starts with `CMD` or `CMD-SHELL` itself.
        test_cli_compatible: bool = false,
        /// Time between checks, `30s` for one.
        interval: Option<String>,
        /// Time after which a check has failed.
        timeout: Option<String>,
        /// Time to start up, in which failures do not count.
        start_period: Option<String>,
        /// Time between checks in that time.
        start_interval: Option<String>,
        /// Failures in a row that make it unhealthy.
        retries: Option<i64>,
    }
}
suboptions!(Attachment, Healthcheck);

options! {
    /// Everything that a container is made of.
    pub struct Container {
        /// Name of the container.
        name: String,
        /// Image by name, or id.
        image: Option<String>,
        /// What it runs; text is split as a shell would.
        command: Option<Json>,
        /// How command and entrypoint are read.
        command_handling: CommandHandling = CommandHandling::Correct,
        /// What runs the command.
        entrypoint: Option<Vec<String>>,
        /// Variables of its environment.
        env: Map,
        /// A file on the host with variables, NAME=VALUE a line; `env` wins.
        env_file: Option<std::path::PathBuf>,
        /// Ports on the host that lead into it: PORT, HOST:PORT, IP:HOST:PORT, with ranges and /udp.
        published_ports: Option<Vec<String>> [ports],
        /// The address of published ports without one.
        default_host_ip: String = "0.0.0.0",
        /// Publish every exposed port somewhere.
        publish_all_ports: Option<bool>,
        /// Ports that it is said to listen on.
        exposed_ports: Option<Vec<String>> [exposed expose],
        /// SOURCE:TARGET[:MODE]; a source without a slash is a volume.
        volumes: Option<Vec<String>>,
        /// The same with more to say.
        mounts: Option<Vec<Mount>>,
        /// Driver of new volumes.
        volume_driver: Option<String>,
        /// Containers whose volumes it gets too.
        volumes_from: Option<Vec<String>>,
        /// Memory as file systems: PATH[:OPTIONS].
        tmpfs: Option<Vec<String>>,
        /// Networks it is in.
        networks: Option<Vec<Attachment>>,
        /// `bridge`, `host`, `none`, `container:NAME` or a network.
        network_mode: Option<String>,
        /// Be in no other network than those of `networks`, as the docker command does it.
        networks_cli_compatible: bool = true,
        /// Leave networks that `networks` does not name.
        purge_networks: bool = false,
        /// Labels.
        labels: Option<Map>,
        /// Most memory, `512M` for one.
        memory: Option<String>,
        /// Most memory and swap together; `-1` is unlimited.
        memory_swap: Option<String>,
        /// Memory that it is brought back to when there is little.
        memory_reservation: Option<String>,
        /// How readily its memory is swapped, 0 to 100.
        memory_swappiness: Option<i64>,
        /// Most kernel memory.
        kernel_memory: Option<String>,
        /// Most processors, fractions too.
        cpus: Option<f64>,
        /// Share of the processors when they are short.
        cpu_shares: Option<i64>,
        /// Length of the scheduler's period in microseconds.
        cpu_period: Option<i64>,
        /// Microseconds of each period.
        cpu_quota: Option<i64>,
        /// Which processors, `0-2,4`.
        cpuset_cpus: Option<String>,
        /// Which memory nodes.
        cpuset_mems: Option<String>,
        /// Share of block I/O, 10 to 1000.
        blkio_weight: Option<i64>,
        /// Most processes.
        pids_limit: Option<i64>,
        /// NAME:SOFT[:HARD].
        ulimits: Option<Vec<String>>,
        /// Capabilities it gets.
        capabilities: Option<Vec<String>> [cap_add],
        /// Capabilities it loses.
        cap_drop: Option<Vec<String>>,
        /// All rights on the host.
        privileged: Option<bool>,
        /// User in the container, NAME or UID[:GID].
        user: Option<String>,
        /// More groups of that user.
        groups: Option<Vec<String>>,
        /// Where its command starts.
        working_dir: Option<String>,
        /// Its host name.
        hostname: Option<String>,
        /// Its domain.
        domainname: Option<String>,
        /// When the engine starts it again.
        restart_policy: Option<RestartPolicy>,
        /// How often on-failure tries.
        restart_retries: Option<i64>,
        /// Signal that stops it.
        stop_signal: Option<String>,
        /// Seconds before it is killed when it does not stop.
        stop_timeout: Option<i64>,
        /// How the engine finds out whether it works.
        healthcheck: Option<Healthcheck>,
        /// Where its output goes.
        log_driver: Option<String>,
        /// Options of that.
        log_options: Option<Map> [log_opt],
        /// HOST:CONTAINER[:RIGHTS].
        devices: Option<Vec<String>>,
        /// Rules for devices, as cgroups write them.
        device_cgroup_rules: Option<Vec<String>>,
        /// Name servers.
        dns_servers: Option<Vec<String>> [dns],
        /// Options of name resolution.
        dns_opts: Option<Vec<String>>,
        /// Domains that are searched.
        dns_search_domains: Option<Vec<String>>,
        /// More lines of /etc/hosts, NAME: IP.
        etc_hosts: Option<Json> [extra_hosts],
        /// Run a small init as process 1.
        init: Option<bool>,
        /// Its root is not writable.
        read_only: Option<bool>,
        /// Security options.
        security_opts: Option<Vec<String>>,
        /// Size of /dev/shm.
        shm_size: Option<String>,
        /// Kernel settings of its own.
        sysctls: Option<Map>,
        /// Options of its storage.
        storage_opts: Option<Map>,
        /// Whose processes it sees: `host` or `container:NAME`.
        pid_mode: Option<String>,
        /// Whose shared memory it sees.
        ipc_mode: Option<String>,
        /// Whose users it has.
        userns_mode: Option<String>,
        /// Whose host name it has.
        uts: Option<String>,
        /// `host` or `private`.
        cgroupns_mode: Option<String>,
        /// Its parent among cgroups.
        cgroup_parent: Option<String>,
        /// What runs containers.
        runtime: Option<String>,
        /// Never kill it when memory is short.
        oom_killer: Option<bool>,
        /// How readily it is killed then.
        oom_score_adj: Option<i64>,
        /// Other containers, NAME:ALIAS.
        links: Option<Vec<String>>,
        /// Its hardware address.
        mac_address: Option<String>,
        /// With a terminal.
        tty: Option<bool>,
        /// Keep its standard input open.
        interactive: Option<bool>,
        /// Remove it when it ends.
        auto_remove: Option<bool>,
        /// Platform of the image.
        platform: Option<String>,
    }
}
