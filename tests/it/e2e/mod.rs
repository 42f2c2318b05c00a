//! Runs over SSH on the hosts of the lab.

mod ahead;
mod bare;
mod environments;
mod faults;
mod images;
mod interrupt;
mod lab;
mod local;
mod main_job;
mod other_project;
mod registry;
mod rollout;
mod service;
mod service_faults;
mod setup;
mod swarm;
