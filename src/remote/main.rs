//! The helper: the program that runs on a host.

fn main() {}
