//! What runs where you type. Stages in the order data flows; each uses only those above it.

pub mod vault;

pub mod source;

pub mod inventory;

pub mod variables;

pub mod template;

pub mod playbook;

pub mod connection;

pub mod event;
pub mod settings;

pub mod state;

pub mod compiler;

pub mod scheduler;

pub mod executor;

pub mod actions;

pub mod driver;

pub mod report;

pub mod cli;
