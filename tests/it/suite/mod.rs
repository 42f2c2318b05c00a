//! Playbooks on this machine: what a play does, seen through its events and the files it leaves.

mod files;
mod flow;
mod images;
mod modules;
mod values;
