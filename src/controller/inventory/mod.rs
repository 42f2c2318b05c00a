//! Hosts and groups: read from any number of sources, with their variables, and chosen by patterns.

pub mod formats;
pub mod model;
pub mod patterns;
pub mod plugins;
pub mod ranges;
pub mod sources;
pub mod vars_files;

use std::collections::VecDeque;

use indexmap::{IndexMap, IndexSet};

pub use model::{Group, Host, HostName, Name, Vars, python};
pub use patterns::Selection;
pub use vars_files::{VarsKind, load_vars, vars_files};

use crate::controller::source::{Diagnostic, Span};

/// Names that mean the machine of the controller when the inventory does not name them.
pub const LOCALHOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Every host is in it.
pub const ALL: &str = "all";
/// Every host is in it that is in no other group but `all`.
pub const UNGROUPED: &str = "ungrouped";
const ALL_INDEX: usize = 0;
const UNGROUPED_INDEX: usize = 1;

/// All hosts and groups, in the order in which the sources name them.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// By name. Hosts used without being named are not in it, see [`Inventory::host`].
    pub hosts: IndexMap<HostName, Host>,
    /// By name; `all` and `ungrouped` are always there.
    pub groups: IndexMap<Name, Group>,
    /// Whether mappings that several sources give are merged.
    pub merge: bool,
    implicit: IndexMap<HostName, Host>,
}

impl Default for Inventory {
    fn default() -> Self {
        let implicit = LOCALHOST.iter().map(|name| ((*name).into(), Host::localhost(name))).collect();
        let mut inventory = Self { hosts: IndexMap::new(), groups: IndexMap::new(), merge: false, implicit };
        let span = Span::synthetic("built in", "");
        let all = inventory.add_group(ALL, &span);
        let ungrouped = inventory.add_group(UNGROUPED, &span);
        inventory.link(all, ungrouped);
        inventory
    }
}

impl Inventory {
    /// The host of that name. `localhost` and its two addresses are there even if no source names them: as the host the
    /// sources do name by another of the three, else as one with a local connection.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name).or_else(|| {
            let implicit = self.implicit.get(name)?;
            Some(LOCALHOST.iter().find_map(|other| self.hosts.get(*other)).unwrap_or(implicit))
        })
    }

    /// The group of that name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// All groups a host is in, also through children, lowest precedence first: by depth, then priority, then name.
    /// `all` comes first, for every host.
    #[must_use]
    pub fn groups_of(&self, host: &str) -> Vec<&Group> {
        let direct = self.host(host).map(|host| host.groups.clone()).unwrap_or_default();
        let mut found: IndexSet<usize> = IndexSet::from([ALL_INDEX]);
        let mut queue: Vec<usize> = direct.into_iter().collect();
        while let Some(index) = queue.pop() {
            if found.insert(index) {
                queue.extend(&self.groups[index].parents);
            }
        }
        let mut groups: Vec<&Group> = found.into_iter().map(|index| &self.groups[index]).collect();
        groups.sort_by(|a, b| (a.depth, a.priority, &a.name).cmp(&(b.depth, b.priority, &b.name)));
        groups
    }

    /// The hosts of a group: its own, then its children's, level by level, in the order written.
    #[must_use]
    pub fn hosts_of(&self, group: &str) -> Vec<&Host> {
        let Some(index) = self.groups.get_index_of(group) else { return Vec::new() };
        self.host_indexes(index).into_iter().map(|index| &self.hosts[index]).collect()
    }

    /// The groups right below a group, in the order written.
    #[must_use]
    pub fn children_of(&self, group: &str) -> Vec<&Group> {
        self.group(group)
            .map(|group| group.children.iter().map(|index| &self.groups[*index]).collect())
            .unwrap_or_default()
    }

    /// The hosts that a group names itself, in the order written.
    #[must_use]
    pub fn own_hosts_of(&self, group: &str) -> Vec<&Host> {
        self.group(group).map(|group| group.hosts.iter().map(|index| &self.hosts[*index]).collect()).unwrap_or_default()
    }

    pub(super) fn host_indexes(&self, group: usize) -> IndexSet<usize> {
        let mut hosts = IndexSet::new();
        let mut seen = IndexSet::from([group]);
        let mut queue = VecDeque::from([group]);
        while let Some(index) = queue.pop_front() {
            hosts.extend(&self.groups[index].hosts);
            queue.extend(self.groups[index].children.iter().copied().filter(|child| seen.insert(*child)));
        }
        hosts
    }

    /// Adds a group if it is not there; its index.
    pub fn add_group(&mut self, name: &str, span: &Span) -> usize {
        self.groups.get_index_of(name).unwrap_or_else(|| {
            let name: Name = name.into();
            self.groups.insert_full(name.clone(), Group::new(name, span.clone())).0
        })
    }

    /// Adds a host if it is not there; its index.
    pub fn add_host(&mut self, name: &str, span: &Span) -> usize {
        self.hosts.get_index_of(name).unwrap_or_else(|| {
            let name: Name = name.into();
            self.hosts.insert_full(name.clone(), Host::new(name, span.clone())).0
        })
    }

    /// The index of a host; one that is there without being named is taken up as if it were.
    pub fn adopt(&mut self, name: &str) -> Option<usize> {
        if let Some(index) = self.hosts.get_index_of(name) {
            return Some(index);
        }
        let host = self.implicit.get(name)?.clone();
        Some(self.hosts.insert_full(name.into(), host).0)
    }

    /// Puts a host into a group, both by index. Whether it was not there before.
    pub fn add_host_to_group(&mut self, host: usize, group: usize) -> bool {
        self.hosts[host].groups.insert(group);
        self.groups[group].hosts.insert(host)
    }

    /// Makes a group the child of another, both by index. An error if that would close a circle.
    pub fn add_child(&mut self, parent: usize, child: usize, place: &Span) -> Result<(), Diagnostic> {
        if parent == child {
            let name = &self.groups[parent].name;
            return Err(Diagnostic::error(place, format!("group `{name}` cannot be its own child")));
        }
        let mut queue = vec![parent];
        let mut seen = IndexSet::new();
        while let Some(index) = queue.pop() {
            if index == child {
                let (parent, child) = (&self.groups[parent].name, &self.groups[child].name);
                let message = format!("group `{child}` cannot be a child of `{parent}`, which is in `{child}` itself");
                return Err(Diagnostic::error(place, message));
            }
            if seen.insert(index) {
                queue.extend(&self.groups[index].parents);
            }
        }
        self.link(parent, child);
        Ok(())
    }

    fn link(&mut self, parent: usize, child: usize) {
        self.groups[parent].children.insert(child);
        self.groups[child].parents.insert(parent);
    }

    /// Restores the rules every inventory keeps, after hosts, groups or links were added: each group is below `all`,
    /// each host in a group, `ungrouped` holds only hosts of no other group, depths are known.
    pub fn reconcile(&mut self) {
        for index in UNGROUPED_INDEX..self.groups.len() {
            if self.groups[index].parents.is_empty() {
                self.link(ALL_INDEX, index);
            }
        }
        let mut misplaced = Vec::new();
        for index in 0..self.hosts.len() {
            let groups = &self.hosts[index].groups;
            let elsewhere = groups.iter().any(|group| *group != ALL_INDEX && *group != UNGROUPED_INDEX);
            if !elsewhere {
                self.add_host_to_group(index, UNGROUPED_INDEX);
            } else if groups.contains(&UNGROUPED_INDEX) {
                misplaced.push(index);
            }
        }
        for host in &misplaced {
            self.hosts[*host].groups.shift_remove(&UNGROUPED_INDEX);
        }
        if !misplaced.is_empty() {
            let misplaced: IndexSet<usize> = misplaced.into_iter().collect();
            self.groups[UNGROUPED_INDEX].hosts.retain(|host| !misplaced.contains(host));
        }
        self.measure();
    }

    /// Depths by longest way from `all`: a group is measured once all its parents are.
    fn measure(&mut self) {
        let mut open: Vec<usize> = self.groups.values().map(|group| group.parents.len()).collect();
        let mut ready: Vec<usize> = (0..open.len()).filter(|index| open[*index] == 0).collect();
        for group in self.groups.values_mut() {
            group.depth = 0;
        }
        while let Some(index) = ready.pop() {
            let depth = self.groups[index].depth + 1;
            for child in self.groups[index].children.clone() {
                self.groups[child].depth = self.groups[child].depth.max(depth);
                open[child] -= 1;
                if open[child] == 0 {
                    ready.push(child);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
