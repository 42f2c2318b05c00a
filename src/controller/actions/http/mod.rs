//! HTTP from the controller over streams that start at the host, as `uri` and `get_url` need it.

pub mod address;
pub mod body;
pub mod checksum;
pub mod client;
pub mod cookies;
pub mod digest;
pub mod error;
pub mod here;
pub mod netrc;
pub mod on_host;
pub mod options;
pub mod proxy;
pub mod signing_key;
pub mod sink;
pub mod tls;

#[cfg(test)]
pub mod server;

pub use address::Address;
pub use client::{Answer, Client, Request};
pub use error::HttpError;
pub use options::WebOptions;
