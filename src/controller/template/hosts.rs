//! `hostvars`: what other hosts' variables are, rendered in their own scope.

use std::{fmt, sync::Arc};

use minijinja::{
    Value,
    value::{Enumerator, Object},
};

use super::{lazy::context, lookups::Options};
use crate::controller::variables::Scope;

/// What asks web servers from the controller.
pub type Fetch = fn(&str, &Options) -> Result<Vec<u8>, String>;

/// Who knows the scopes of all hosts.
pub trait HostScopes: Send + Sync + 'static {
    /// The scope of a host, outside any task.
    fn scope_of(&self, host: &str) -> Option<Scope>;
    /// All hosts of the inventory.
    fn hosts(&self) -> Vec<String>;
    /// The hosts that a pattern names.
    ///
    /// # Errors
    /// When it is no pattern.
    fn select(&self, pattern: &str) -> Result<Vec<String>, String>;
    /// A setting of the run, by the name Ansible has for it.
    fn setting(&self, name: &str) -> Option<Value>;
    /// Everything in a file, opened first if it is a vault.
    ///
    /// # Errors
    /// When it cannot be read or opened.
    fn read(&self, path: &std::path::Path) -> Result<Vec<u8>, String>;
    /// The body behind an address, asked for from the controller.
    ///
    /// # Errors
    /// When there is no answer, or one that says no.
    fn fetch(&self, url: &str, options: &Options) -> Result<Vec<u8>, String>;
}

struct HostVars(Arc<dyn HostScopes>);

impl fmt::Debug for HostVars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hostvars")
    }
}

impl Object for HostVars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(context(&self.0.scope_of(key.as_str()?)?))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.hosts().into_iter().map(Value::from).collect())
    }
}

/// Who knows about everyone, behind a value that [`host_vars`] made.
pub(super) fn everyone(value: &Value) -> Option<Arc<dyn HostScopes>> {
    value.downcast_object_ref::<HostVars>().map(|vars| vars.0.clone())
}

/// The value of `hostvars`.
#[must_use]
pub fn host_vars(scopes: Arc<dyn HostScopes>) -> Value {
    Value::from_object(HostVars(scopes))
}
