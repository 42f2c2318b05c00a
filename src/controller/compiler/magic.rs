//! Magic variables: what every host knows of itself, the play and the run.

use std::{path::Path, sync::Arc};

use minijinja::Value;

use super::{Batch, PlayRun, scope::Everyone};
use crate::controller::{
    inventory,
    playbook::Task,
    state::Run,
    template,
    variables::{Layer, Var},
};

fn set(layer: &mut Layer, name: &str, value: impl Into<Value>) {
    layer.insert(Arc::from(name), Var::Data(value.into()));
}

fn absolute(path: &Path) -> String {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std::path::absolute(path).map_or_else(|_| path.display().to_string(), |path| path.display().to_string())
}

/// The version of Ansible whose behaviour is followed: playbooks and modules compare with it.
pub const VERSION: &str = "2.19.14";

/// What a host knows of itself.
pub(super) fn of_host(run: &Arc<Run>, host: &str, group_names: Vec<String>) -> Layer {
    let mut layer = Layer::new();
    set(&mut layer, "inventory_hostname", host);
    set(&mut layer, "inventory_hostname_short", host.split('.').next().unwrap_or(host));
    let mut names = group_names;
    names.sort();
    set(&mut layer, "group_names", names);
    let inventory = run.inventory.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(source) = inventory.host(host).and_then(|host| host.source.as_deref()) {
        set(&mut layer, "inventory_file", absolute(source));
        let folder = if source.is_dir() { source } else { source.parent().unwrap_or(Path::new(".")) };
        set(&mut layer, "inventory_dir", absolute(folder));
    }
    layer
}

/// The way to what other hosts know.
pub(super) fn host_vars(run: &Arc<Run>) -> Layer {
    Layer::from_iter([(Arc::from("hostvars"), Var::Data(template::host_vars(Arc::new(Everyone(run.clone())))))])
}

/// What is the same for every host.
pub(super) fn of_run(run: &Arc<Run>) -> Layer {
    let mut layer = Layer::new();
    set(&mut layer, "groups", groups(run));
    let settings = &run.settings;
    set(&mut layer, "ansible_check_mode", settings.check);
    set(&mut layer, "ansible_diff_mode", settings.diff);
    set(&mut layer, "ansible_verbosity", settings.verbosity);
    set(&mut layer, "ansible_forks", settings.forks);
    set(
        &mut layer,
        "ansible_run_tags",
        if settings.tags.is_empty() { vec!["all".to_owned()] } else { settings.tags.clone() },
    );
    set(&mut layer, "ansible_skip_tags", settings.skip_tags.clone());
    if let Some(limit) = &settings.limit {
        set(&mut layer, "ansible_limit", limit.as_str());
    }
    let sources = settings.inventory.iter().map(|source| {
        if source.contains(',') && !Path::new(source).exists() { source.clone() } else { absolute(Path::new(source)) }
    });
    set(&mut layer, "ansible_inventory_sources", sources.collect::<Vec<_>>());
    let folder = run.folder.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    set(&mut layer, "playbook_dir", absolute(&folder));
    let version = [
        ("full", Value::from(VERSION)),
        ("major", 2.into()),
        ("minor", 19.into()),
        ("revision", 14.into()),
        ("string", Value::from(VERSION)),
    ];
    set(&mut layer, "ansible_playbook_python", inventory::python());
    set(&mut layer, "ansible_version", Value::from_pairs(version));
    layer
}

fn groups(run: &Arc<Run>) -> Value {
    let inventory = run.inventory.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let names: Vec<(Value, Value)> = inventory
        .groups
        .keys()
        .map(|name| {
            let hosts: Vec<String> = inventory.hosts_of(name).iter().map(|host| host.name.to_string()).collect();
            (Value::from(&**name), Value::from(hosts))
        })
        .collect();
    Value::from_object(names.into_iter().collect::<indexmap::IndexMap<Value, Value>>())
}

/// What a host knows of its play.
pub(super) fn of_play(play: &PlayRun, alive: Vec<String>, in_batch: Vec<String>) -> Layer {
    let mut layer = Layer::new();
    set(&mut layer, "ansible_play_name", play.name.as_str());
    set(&mut layer, "ansible_play_hosts_all", play.hosts.clone());
    set(&mut layer, "ansible_play_hosts", alive.clone());
    set(&mut layer, "play_hosts", alive);
    set(&mut layer, "ansible_play_batch", in_batch);
    let roles: Vec<String> = play.play.roles.iter().map(|used| used.role.name.clone()).collect();
    let mut dependencies: Vec<String> =
        play.roles.iter().map(|role| role.name.clone()).filter(|name| !roles.contains(name)).collect();
    let mut known = std::collections::HashSet::new();
    dependencies.retain(|name| known.insert(name.clone()));
    let all: Vec<String> = dependencies.iter().chain(&roles).cloned().collect();
    set(&mut layer, "role_names", roles.clone());
    set(&mut layer, "ansible_play_role_names", roles);
    set(&mut layer, "ansible_dependent_role_names", dependencies);
    set(&mut layer, "ansible_role_names", all);
    set(&mut layer, "playbook_dir", absolute(&play.play.folder));
    layer
}

/// What a task knows of itself.
pub(super) fn of_task(task: &Task, batch: &Batch) -> Layer {
    let mut layer = Layer::new();
    let role = task.role.as_deref();
    let mut folders: Vec<String> = role.iter().map(|role| absolute(&role.path)).collect();
    folders.extend([absolute(&task.folder), absolute(&batch.play.play.folder)]);
    folders.dedup();
    set(&mut layer, "ansible_search_path", folders);
    layer.insert(Arc::from("__action"), Var::data(task.module.as_str()));
    if let Some(role) = role {
        set(&mut layer, "role_name", role.short_name());
        set(&mut layer, "ansible_collection_name", role.collection.clone().map_or(Value::from(()), Value::from));
        set(&mut layer, "ansible_role_name", role.name.as_str());
        set(&mut layer, "role_path", absolute(&role.path));
        let outer: Vec<_> = std::iter::successors(role.includer.get(), |outer| outer.includer.get()).collect();
        if !outer.is_empty() {
            let names: Vec<String> = outer.iter().map(|role| role.name.clone()).collect();
            set(&mut layer, "ansible_parent_role_names", names);
            let paths: Vec<String> = outer.iter().map(|role| absolute(&role.path)).collect();
            set(&mut layer, "ansible_parent_role_paths", paths);
        }
    }
    layer
}
