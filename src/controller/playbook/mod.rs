//! Plays, blocks, tasks, handlers and roles as they were written, their words checked.

pub mod arguments;
pub mod check;
pub mod custom;
pub mod item;
pub mod keywords;
pub mod load;
pub mod mentions;
pub mod play;
pub mod reading;
pub mod role;
pub mod support;
mod words;

pub use arguments::Arguments;
pub use item::{Block, Item, Loop, Task};
pub use keywords::Keywords;
pub use load::{Catalog, Loader};
pub use play::{Play, Playbook};
pub use role::{Role, RoleUse};
