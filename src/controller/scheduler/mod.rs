//! Which step may start now. Pure: no I/O, no clocks, no async.

pub mod cursor;
pub mod strategies;

pub use cursor::{Cursor, Ending, Position};
pub use strategies::Strategy;
