//! The variables that one host sees, in Ansible's order of precedence.

use std::{path::Path, sync::Arc};

use super::{Batch, magic};
use crate::controller::{
    inventory::{Vars, VarsKind, load_vars, vars_files},
    playbook::{Role, Task, role::layer},
    source::Diagnostics,
    state::{HostState, Run, lock},
    template::{self, HostScopes, WebOptions},
    variables::{Layer, Level, Scope, Var, layers::Layers},
};

/// What a host sees at a task, without the task's own loop.
pub fn of_task(run: &Arc<Run>, batch: &Batch, host: &str, task: &Task) -> Scope {
    let mut layers = of_host(run, batch, host);
    let role = task.role.as_deref();
    if let Some(role) = role {
        for outer in role.parents.iter().rev() {
            layers.add(Level::RoleDefaults, outer.defaults.clone());
            layers.add(Level::RoleVars, outer.vars.clone());
        }
        for inner in role.all_dependencies() {
            layers.add(Level::RoleDefaults, inner.defaults.clone());
            layers.add(Level::RoleVars, inner.vars.clone());
        }
        layers.add(Level::RoleDefaults, role.defaults.clone());
        layers.add(Level::RoleVars, role.vars.clone());
        layers.add(Level::RoleParameters, role.parameters.clone());
    }
    // The play's own level is there already.
    let levels = task.levels.iter().filter(|level| !Arc::ptr_eq(level, &batch.play.play.keywords));
    let own = std::ptr::from_ref(task.own());
    for level in levels {
        let is_own = std::ptr::eq(&raw const **level, own);
        let place = match () {
            () if level.parameters || (is_own && task.is_include()) => Level::IncludeParameters,
            () if is_own => Level::TaskVars,
            () => Level::BlockVars,
        };
        layers.add(place, Arc::new(layer(level.vars.as_ref())));
    }
    layers.add(Level::Magic, Arc::new(magic::of_task(task, batch)));
    layers.scope()
}

/// What a host sees in a play, outside any task.
pub fn of_host(run: &Arc<Run>, batch: &Batch, host: &str) -> Layers {
    let mut layers = of_inventory(run, host);
    let play = &batch.play;
    for role in play.exposed() {
        layers.add(Level::RoleDefaults, role.defaults.clone());
        layers.add(Level::RoleVars, role.vars.clone());
    }
    layers.add(Level::PlayVars, play.vars.clone());
    layers.add(Level::PlayPrompt, play.prompted.clone());
    layers.add(Level::Magic, batch.magic());
    let scope = layers.scope();
    for vars in vars_files_of(run, batch, &scope) {
        layers.add(Level::PlayFiles, vars);
    }
    layers
}

/// What a host sees outside any play: inventory, facts, what was set, the command line.
pub fn of_inventory(run: &Arc<Run>, host: &str) -> Layers {
    let mut layers = run.shared.of_host(host, || written_for(run, host));
    layers.add(Level::Magic, run.shared.of_everyone(|| magic::of_run(run)));
    layers.add(Level::Magic, Arc::new(magic::host_vars(run)));
    {
        let state = run.host(host);
        let state = lock(&state);
        let HostState { facts, set, included, .. } = &*state;
        layers.add(Level::Facts, facts.clone());
        layers.add(Level::IncludeVars, included.clone());
        layers.add(Level::SetFacts, set.clone());
    }
    layers.add(Level::ExtraVars, run.extra_vars.clone());
    layers
}

/// What the inventory says of a host, and files beside the playbook.
fn written_for(run: &Arc<Run>, host: &str) -> Layers {
    let mut layers = Layers::merging(run.settings.merge_hashes);
    let inventory = run.inventory.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = run.folder.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let groups = inventory.groups_of(host);
    layers.add(Level::Connection, Arc::new(Layer::from_iter([(Arc::from("ansible_host"), Var::data(host))])));
    for group in &groups {
        layers.add(Level::InventoryGroups, Arc::new(nodes(&group.vars)));
        let (beside_inventory, beside_playbook) = if &*group.name == "all" {
            (Level::InventoryGroupVarsAll, Level::PlaybookGroupVarsAll)
        } else {
            (Level::InventoryGroupVars, Level::PlaybookGroupVars)
        };
        layers.add(beside_inventory, Arc::new(nodes(&group.file_vars)));
        layers.add(beside_playbook, beside(run, &folder, VarsKind::Group, &group.name));
    }
    if let Some(known) = inventory.host(host) {
        layers.add(Level::InventoryHosts, Arc::new(nodes(&known.vars)));
        layers.add(Level::InventoryHostVars, Arc::new(nodes(&known.file_vars)));
    }
    layers.add(Level::PlaybookHostVars, beside(run, &folder, VarsKind::Host, host));
    let group_names: Vec<String> =
        groups.iter().map(|group| group.name.to_string()).filter(|name| name != "all").collect();
    drop(inventory);
    layers.add(Level::Magic, Arc::new(magic::of_host(run, host, group_names)));
    layers
}

fn nodes(vars: &Vars) -> Layer {
    vars.iter().map(|(name, node)| (name.clone(), Var::Node(node.clone()))).collect()
}

/// Variables beside the playbook; each file is read once in a run.
fn beside(run: &Arc<Run>, folder: &Path, kind: VarsKind, name: &str) -> Arc<Layer> {
    run.cached(&format!("{} {kind:?} {name}", folder.display()), || {
        let files = vars_files(folder, kind, name);
        if files.is_empty() {
            return Layer::new();
        }
        let mut diagnostics = Diagnostics::default();
        let vars = load_vars(&files, &run.loader.keyring, &mut diagnostics);
        for diagnostic in diagnostics.found {
            run.warn(diagnostic.message);
        }
        nodes(&vars)
    })
}

/// `vars_files` of a play; of a list in the list the first that exists counts.
fn vars_files_of(run: &Arc<Run>, batch: &Batch, scope: &Scope) -> Vec<Arc<Layer>> {
    let play = &batch.play.play;
    let Some(files) = play.get("vars_files") else { return Vec::new() };
    let context = template::context(scope);
    let single = std::slice::from_ref(files);
    let mut found = Vec::new();
    for entry in files.as_list().unwrap_or(single) {
        let own = std::slice::from_ref(entry);
        for candidate in entry.as_list().unwrap_or(own) {
            let Ok(name) = template::lazy::value(candidate, &context) else { continue };
            let places = [play.folder.join("vars"), play.folder.clone()].map(|folder| folder.join(name.to_string()));
            if let Some(path) = places.into_iter().find(|path| path.is_file()) {
                found.push(run.cached(&format!("file {}", path.display()), || {
                    let mut diagnostics = Diagnostics::default();
                    let vars = load_vars(std::slice::from_ref(&path), &run.loader.keyring, &mut diagnostics);
                    for diagnostic in diagnostics.found {
                        run.warn(diagnostic.message);
                    }
                    nodes(&vars)
                }));
                break;
            }
        }
    }
    found
}

/// `hostvars` of a run.
pub struct Everyone(pub Arc<Run>);

impl HostScopes for Everyone {
    fn scope_of(&self, host: &str) -> Option<Scope> {
        let known = self.0.inventory.read().unwrap_or_else(std::sync::PoisonError::into_inner).host(host).is_some();
        known.then(|| of_inventory(&self.0, host).scope())
    }

    fn hosts(&self) -> Vec<String> {
        let inventory = self.0.inventory.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        inventory.hosts.keys().map(ToString::to_string).collect()
    }

    fn select(&self, pattern: &str) -> Result<Vec<String>, String> {
        let inventory = self.0.inventory.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let hosts = inventory.resolve(pattern, None).map_err(|diagnostic| diagnostic.message)?;
        Ok(hosts.iter().map(ToString::to_string).collect())
    }

    fn setting(&self, name: &str) -> Option<minijinja::Value> {
        super::configuration::setting(&self.0.settings, name)
    }

    fn fetch(&self, url: &str, options: &WebOptions) -> Result<Vec<u8>, String> {
        (self.0.fetch)(url, options)
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let content = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        match std::str::from_utf8(&content) {
            Ok(text) if crate::controller::vault::is_vault(text) => {
                let plain = self.0.loader.keyring.open(text).map_err(|error| format!("{}: {error}", path.display()))?;
                Ok(plain.expose().clone())
            }
            _ => Ok(content),
        }
    }
}

/// The folders in which a task's files are looked for, nearest first; `kind` is `files`, `templates` …
#[must_use]
pub fn search_path(task: &Task, playbook: &Path, kind: &str) -> Vec<std::path::PathBuf> {
    let mut folders = Vec::new();
    let mut add = |folder: &Path| {
        folders.push(folder.join(kind));
        folders.push(folder.to_owned());
    };
    let mut role: Option<&Role> = task.role.as_deref();
    if let Some(own) = role.take() {
        add(&own.path);
        for outer in &own.parents {
            add(&outer.path);
        }
    }
    add(&task.folder);
    add(playbook);
    // `playbooks/dev.yaml` with `templates/` beside `playbooks/` is how projects are laid out.
    if let Some(above) = playbook.parent() {
        add(above);
    }
    folders
}
