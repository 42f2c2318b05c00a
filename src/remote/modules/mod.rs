//! The catalog of modules: one file and one line each.

use super::{plan::Entry, words};

pub mod accounts;
pub mod attributes;
pub mod checksums;
mod clock;
pub mod directories;
mod edit;
mod execution;
mod expression;
pub mod flags;
mod globbing;
mod inspection;
mod name_service;
#[cfg(test)]
mod rehearsal;
pub mod replacement;
mod times;
mod tree;
#[cfg(test)]
pub(crate) mod trial;

/// Declares the modules of this folder and lists what they are called.
macro_rules! catalog {
    ($($file:ident: $($entry:expr),+;)*) => {
        $(pub mod $file;)*
        /// Every module that runs on a host.
        pub const CATALOG: &[Entry] = &[$($($entry),+),*];
    };
}

catalog! {
    apt: Entry::of::<apt::Apt>("apt");
    apt_key: Entry::of::<apt_key::AptKey>("apt_key");
    apt_repository: Entry::of::<apt_repository::AptRepository>("apt_repository");
    assemble: Entry::of::<assemble::Assemble>("assemble");
    async_status: Entry::of::<async_status::AsyncStatus>("async_status");
    authorized_key: Entry::of::<authorized_key::AuthorizedKey>("authorized_key");
    blockinfile: Entry::of::<blockinfile::BlockInFile>("blockinfile");
    command: Entry::of::<command::Command>("command").portable();
    copy: Entry::of::<copy::Copy>("copy").portable();
    cron: Entry::of::<cron::Cron>("cron");
    custom: Entry::of::<custom::Custom>("custom").unchecked();
    deb822_repository: Entry::of::<deb822_repository::Deb822Repository>("deb822_repository");
    debconf: Entry::of::<debconf::Debconf>("debconf");
    docker_container: Entry::of::<docker_container::DockerContainer>("docker_container");
    docker_container_exec: Entry::of::<docker_container_exec::DockerContainerExec>("docker_container_exec").unchecked();
    docker_container_info: Entry::of::<docker_container_info::DockerContainerInfo>("docker_container_info");
    docker_host_info: Entry::of::<docker_host_info::DockerHostInfo>("docker_host_info");
    docker_image: Entry::of::<docker_image::DockerImage>("docker_image");
    docker_image_build: Entry::of::<docker_image_build::DockerImageBuild>("docker_image_build");
    docker_image_copy: Entry::of::<docker_image_copy::DockerImageCopy>("docker_image_copy");
    docker_image_info: Entry::of::<docker_image_info::DockerImageInfo>("docker_image_info");
    docker_image_load: Entry::of::<docker_image_load::DockerImageLoad>("docker_image_load");
    docker_image_pull: Entry::of::<docker_image_pull::DockerImagePull>("docker_image_pull");
    docker_login: Entry::of::<docker_login::DockerLogin>("docker_login");
    docker_network: Entry::of::<docker_network::DockerNetwork>("docker_network");
    docker_network_info: Entry::of::<docker_network_info::DockerNetworkInfo>("docker_network_info");
    docker_prune: Entry::of::<docker_prune::DockerPrune>("docker_prune").unchecked();
    docker_stack: Entry::of::<docker_stack::DockerStack>("docker_stack");
    docker_swarm: Entry::of::<docker_swarm::DockerSwarm>("docker_swarm");
    docker_swarm_info: Entry::of::<docker_swarm_info::DockerSwarmInfo>("docker_swarm_info");
    docker_volume: Entry::of::<docker_volume::DockerVolume>("docker_volume");
    docker_volume_info: Entry::of::<docker_volume_info::DockerVolumeInfo>("docker_volume_info");
    expect: Entry::of::<expect::Expect>("expect").unchecked();
    dpkg_selections: Entry::of::<dpkg_selections::DpkgSelections>("dpkg_selections");
    file: Entry::of::<file::File>("file").portable();
    find: Entry::of::<find::Find>("find");
    getent: Entry::of::<getent::Getent>("getent");
    git: Entry::of::<git::Git>("git");
    group: Entry::of::<group::Group>("group");
    hostname: Entry::of::<hostname::Hostname>("hostname");
    iptables: Entry::of::<iptables::Iptables>("iptables");
    known_hosts: Entry::of::<known_hosts::KnownHosts>("known_hosts");
    lineinfile: Entry::of::<lineinfile::LineInFile>("lineinfile");
    locale_gen: Entry::of::<locale_gen::LocaleGen>("locale_gen");
    mount: Entry::of::<mount::Mount>("mount");
    mount_facts: Entry::of::<mount_facts::MountFacts>("mount_facts");
    package: Entry::of::<package::Package>("package");
    package_facts: Entry::of::<package_facts::PackageFacts>("package_facts");
    ping: Entry::of::<ping::Ping>("ping").portable();
    pip: Entry::of::<pip::Pip>("pip");
    raw: Entry::of::<raw::Raw>("raw").unchecked().portable();
    replace: Entry::of::<replace::Replace>("replace");
    script: Entry::of::<script::Script>("script").portable();
    service: Entry::of::<service::Service>("service").portable(), Entry::of::<service::Service>("sysvinit").portable();
    service_facts: Entry::of::<service_facts::ServiceFacts>("service_facts");
    setup: Entry::of::<setup::Setup>("setup"), Entry::of::<setup::Setup>("gather_facts");
    shell: Entry::of::<shell::Shell>("shell").portable();
    slurp: Entry::of::<slurp::Slurp>("slurp");
    stat: Entry::of::<stat::StatFile>("stat").portable();
    subversion: Entry::of::<subversion::Subversion>("subversion");
    sysctl: Entry::of::<sysctl::Sysctl>("sysctl");
    systemd: Entry::of::<systemd::Systemd>("systemd"), Entry::of::<systemd::Systemd>("systemd_service");
    tempfile: Entry::of::<tempfile::TempFile>("tempfile");
    timezone: Entry::of::<timezone::Timezone>("timezone");
    unarchive: Entry::of::<unarchive::Unarchive>("unarchive");
    user: Entry::of::<user::User>("user");
    wait_for: Entry::of::<wait_for::WaitFor>("wait_for").unchecked();
}

/// The options of a module, for the action that stands before it.
#[must_use]
pub fn spec(name: &str) -> Vec<super::OptionSpec> {
    find(name).map(|entry| (entry.spec)()).unwrap_or_default()
}

/// The module of that name, with or without `ansible.builtin.` or another known collection in front.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    let short = short_name(name);
    CATALOG.iter().find(|entry| entry.name == short)
}

/// A module's name without the collections whose modules are built in.
#[must_use]
pub fn short_name(name: &str) -> &str {
    const COLLECTIONS: &[&str] = &[
        "ansible.builtin.",
        "ansible.legacy.",
        "ansible.posix.",
        "community.general.",
        "community.docker.",
        "community.postgresql.",
        "deployer.",
    ];
    COLLECTIONS.iter().find_map(|collection| name.strip_prefix(collection)).unwrap_or(name)
}
