//! The catalog of strategies: which hosts go on when.

mod free;
mod linear;

use super::Position;

/// Chooses among hosts that are ready. `ready` and `busy` hold a host's number and where it is.
pub trait Strategy: Send + Sync {
    /// The name users write.
    fn name(&self) -> &'static str;
    /// The hosts that may start their next task now.
    fn next(&self, ready: &[(usize, Position)], busy: &[(usize, Position)]) -> Vec<usize>;
}

/// Every strategy.
pub const CATALOG: &[&dyn Strategy] = &[&linear::Linear, &free::Free, &free::HostPinned];

/// The strategy of that name, with or without `ansible.builtin.` in front.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn Strategy> {
    let name = name.strip_prefix("ansible.builtin.").unwrap_or(name);
    CATALOG.iter().copied().find(|strategy| strategy.name() == name)
}
