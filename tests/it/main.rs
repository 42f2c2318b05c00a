//! Every test that looks at the whole program: as a user types it, on files, on this machine and on real hosts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cli;
mod e2e;
mod errors;
mod scene;
mod suite;
mod tidy;
