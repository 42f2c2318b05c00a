//! The helper's loop: frames in, frames out.
