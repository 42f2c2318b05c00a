//! The catalog of actions: what is done on the controller, alone or before a module runs on the host.

use std::{future::Future, pin::Pin};

use crate::{
    controller::executor::{Done, Turn},
    remote::OptionSpec,
};

pub mod argument_spec;
pub mod dialling;
pub mod http;
pub mod postgres;

/// A future that an action returns.
pub type Doing<'t> = Pin<Box<dyn Future<Output = Done> + Send + 't>>;

/// A line of the catalog.
#[derive(Clone, Copy)]
pub struct Action {
    /// Ansible's short name.
    pub name: &'static str,
    /// The manual page.
    pub doc: &'static str,
    /// The options; none means the action checks them itself.
    pub spec: fn() -> Vec<OptionSpec>,
    /// Does it.
    pub run: for<'t> fn(&'t Turn) -> Doing<'t>,
    /// Whether check mode is predicted; an action without is skipped there, as in Ansible.
    pub check: bool,
    /// Whether it makes one call to the host, as the last thing it does.
    pub single: bool,
    /// Whether it is done once, for all hosts of the play together, as with `run_once`.
    pub together: bool,
}

/// Declares the actions of this folder. A file has `DOC`, `spec` and `run`.
macro_rules! catalog {
    ($($file:ident: $name:literal $(, $mark:ident)?;)*) => {
        $(pub mod $file;)*
        /// Every action.
        pub const CATALOG: &[Action] = &[$(Action {
            name: $name,
            doc: $file::DOC,
            spec: $file::spec,
            run: |turn| Box::pin($file::run(turn)),
            check: catalog!(@check $($mark)?),
            single: catalog!(@single $($mark)?),
            together: catalog!(@together $($mark)?),
        }),*];
    };
    (@check unchecked) => { false };
    (@check $($mark:ident)?) => { true };
    (@single single) => { true };
    (@single $($mark:ident)?) => { false };
    (@together together) => { true };
    (@together $($mark:ident)?) => { false };
}

catalog! {
    add_host: "add_host";
    apt_key: "apt_key";
    assemble: "assemble", single;
    assert: "assert";
    async_status: "async_status";
    copy: "copy", single;
    deb822_repository: "deb822_repository", single;
    debug: "debug";
    docker_image_copy: "docker_image_copy";
    docker_stack: "docker_stack";
    docker_swarm: "docker_swarm";
    docker_swarm_info: "docker_swarm_info";
    fail: "fail";
    fetch: "fetch";
    get_url: "get_url";
    group_by: "group_by";
    include_role: "include_role";
    include_tasks: "include_tasks";
    include_vars: "include_vars";
    meta: "meta";
    pause: "pause";
    postgresql_db: "postgresql_db";
    postgresql_info: "postgresql_info";
    postgresql_load: "postgresql_load";
    postgresql_ping: "postgresql_ping";
    postgresql_privs: "postgresql_privs";
    postgresql_query: "postgresql_query";
    postgresql_user: "postgresql_user";
    reboot: "reboot";
    script: "script", single;
    service_rollout: "service_rollout", together;
    service_rollout_info: "service_rollout_info";
    set_fact: "set_fact";
    set_stats: "set_stats";
    setup: "setup", single;
    template: "template", single;
    unarchive: "unarchive";
    uri: "uri", unchecked;
    validate_argument_spec: "validate_argument_spec";
    wait_for_connection: "wait_for_connection", unchecked;
}

/// The action of that name (without built-in collections).
#[must_use]
pub fn find(name: &str) -> Option<&'static Action> {
    let name = if name == "gather_facts" { "setup" } else { name };
    CATALOG.iter().find(|action| action.name == name)
}
