//! The catalog of modules: one file and one line each.

use super::plan::Entry;

/// Declares the modules of this folder and lists what they are called.
macro_rules! catalog {
    ($($file:ident: $($entry:expr),+;)*) => {
        $(pub mod $file;)*
        /// Every module that runs on a host.
        pub const CATALOG: &[Entry] = &[$($($entry),+),*];
    };
}

catalog! {
    docker_image: Entry::of::<docker_image::DockerImage>("docker_image");
    docker_network: Entry::of::<docker_network::DockerNetwork>("docker_network");
    docker_volume: Entry::of::<docker_volume::DockerVolume>("docker_volume");
    docker_container: Entry::of::<docker_container::DockerContainer>("docker_container");
    ping: Entry::of::<ping::Ping>("ping").portable();
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
