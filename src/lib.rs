//! `deployer`: an agentless remote deployer that reads Ansible-syntax playbooks.
//!
//! Three sides: [`controller`] runs where you type, [`protocol`] crosses the wire, [`remote`] runs on the host.

#[cfg(feature = "controller")]
pub mod controller;
pub mod protocol;
pub mod remote;
