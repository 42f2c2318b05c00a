//! What runs where you type. Stages in the order data flows; each uses only those above it.

pub mod source;
pub mod template;
