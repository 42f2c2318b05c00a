//! Runs over SSH on the hosts of the lab.

mod faults;
mod lab;
mod setup;
