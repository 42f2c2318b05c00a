//! `deployer`: picks a side.

fn main() {}
