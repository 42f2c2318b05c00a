//! PostgreSQL spoken from the controller over streams that start at the host.

pub mod dump;
pub mod error;
pub mod ledger;
pub mod loader;
pub mod login;
pub mod names;
pub mod password;
pub mod predictions;
pub mod replacement;
pub mod secured;
pub mod session;
pub mod values;

pub use error::PgError;
pub use login::Login;
pub use session::Session;
