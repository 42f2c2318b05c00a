//! `hostvars`: what other hosts' variables are, rendered in their own scope.

use std::{fmt, sync::Arc};

use minijinja::{
    Value,
    value::{Enumerator, Object},
};

use super::lazy::context;
use crate::controller::variables::Scope;

/// Who knows the scopes of all hosts.
pub trait HostScopes: Send + Sync + 'static {
    /// The scope of a host, outside any task.
    fn scope_of(&self, host: &str) -> Option<Scope>;
    /// All hosts of the inventory.
    fn hosts(&self) -> Vec<String>;
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

/// The value of `hostvars`.
#[must_use]
pub fn host_vars(scopes: Arc<dyn HostScopes>) -> Value {
    Value::from_object(HostVars(scopes))
}
