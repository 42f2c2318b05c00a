//! What check mode has foretold about servers and databases that are not there yet.

use super::Login;
use crate::{
    controller::executor::Turn,
    protocol::{Change, Effect, Json},
};

/// What earlier tasks would have brought about.
#[derive(Clone, Copy, Debug)]
pub struct Predicted {
    /// Anything on the host: the server itself may be among it.
    pub anything: bool,
    /// The database.
    pub database: bool,
}

/// What is foretold for a database on the task's host.
pub async fn of(turn: &Turn, login: &Login, database: &str) -> Predicted {
    let link = turn.run.link(&turn.way.host);
    let link = link.lock().await;
    let effect = effect(login, database, true);
    let database = link.predicted.iter().rev().find_map(|change| match change {
        Change::Assume(known) if known.key == effect.key => Some(known.value == Json::Bool(true)),
        _ => None,
    });
    Predicted { anything: !link.predicted.is_empty(), database: database.unwrap_or(false) }
}

/// Foretells that a database will be there, or gone.
pub async fn foretell(turn: &Turn, login: &Login, database: &str, there: bool) {
    let link = turn.run.link(&turn.way.host);
    link.lock().await.predicted.push(Change::Assume(effect(login, database, there)));
}

fn effect(login: &Login, database: &str, there: bool) -> Effect {
    Effect::new("postgresql", &format!("{}/{database}", login.endpoint()), Json::Bool(there))
}
