//! Runs over SSH on the hosts of the lab.
