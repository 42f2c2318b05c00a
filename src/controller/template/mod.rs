//! Templates: the catalogues of filters, tests, lookups and methods, and the writers they share.

pub mod emit;
pub mod filters;
pub mod lookups;
pub mod methods;
pub mod tests;

#[cfg(test)]
mod probes;
