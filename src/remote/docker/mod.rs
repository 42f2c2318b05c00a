//! The Docker Engine, spoken to over its own socket on the host: reads through the probe, changes as data.

pub mod build;
pub mod client;
pub mod compare;
pub mod container;
pub mod context;
pub mod create;
pub mod endpoints;
pub mod engine;
pub mod filters;
pub mod http;
pub mod layers;
pub mod mounts;
pub mod ports;
pub mod pull;
pub mod recreate;
pub mod reference;
pub mod registry;
pub mod sizes;
pub mod stack;
pub mod stream;
pub mod swarm;

#[cfg(test)]
mod copy_tests;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod swarm_tests;
#[cfg(test)]
mod tests;

pub use client::{hint, perform};
pub use engine::{Connection, Engine, Object};

/// Lets a set of options be the value of another module's option.
macro_rules! suboptions {
    ($($name:ident),+ $(,)?) => {$(
        impl $crate::remote::OptionType for $name {
            const KIND: $crate::remote::Kind = $crate::remote::Kind::Map;
            fn read(value: &$crate::protocol::Json) -> Result<Self, String> {
                let map = <$crate::protocol::Map as $crate::remote::OptionType>::read(value)?;
                <Self as $crate::remote::Options>::parse(&map).map_err(|problems| problems.join("; "))
            }
        }
    )+};
}
pub(crate) use suboptions;
