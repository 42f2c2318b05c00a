//! Builds the helper from this package and embeds it.

fn main() {}
