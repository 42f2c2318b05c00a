//! Modules on a host that takes no helper: planned here, looked at and changed through plain `sh`.

use tokio_util::sync::CancellationToken;

use super::{module::Called, turn::Turn};
use crate::{
    controller::{
        connection::{ConnectError, helper::without_helper_hint},
        event::Event,
        state::lock,
    },
    protocol::{Call, Failure, Outcome, Verdict},
    remote::modules,
};

impl Turn {
    /// Carries out a module where no helper runs, if it needs no more than `sh`.
    pub(super) async fn without_helper(&self, call: Call, reason: &str) -> Called {
        let host = &self.way.host;
        if let Some(entry) = modules::find(&call.module)
            && (!entry.portable || call.background.is_some())
        {
            let failure = Failure::new(format!("{} needs the helper, and {host} takes none: {reason}", entry.name));
            let mut hint = without_helper_hint(reason);
            if entry.name == "setup" {
                hint.push_str("; `gather_facts: false` leaves facts out");
            }
            return failed(failure.hint(hint));
        }
        let link = self.run.link(host);
        let (plain, connection, before) = {
            let mut link = link.lock().await;
            let connection = match self.way.connection(&self.run, &mut link).await {
                Ok(connection) => connection,
                Err(lost) => return lost.into(),
            };
            match self.way.plain(&mut link, &connection).await {
                Ok(plain) => (plain, connection, link.predicted.clone()),
                Err(lost) => return lost.into(),
            }
        };
        let told = before.len();
        let ended = CancellationToken::new();
        // A task that is given up ends what it runs: the thread itself cannot be ended.
        let _guard = ended.clone().drop_guard();
        let (run, shown, task, user) = (self.run.clone(), self.host.clone(), self.info.clone(), plain.clone());
        let carried = tokio::task::spawn_blocking(move || {
            let mut progress = |text: &str, amount: Option<(u64, u64)>| {
                run.events.emit(Event::Progress {
                    host: shown.clone(),
                    task: task.clone(),
                    text: run.mask(text),
                    amount,
                });
            };
            user.carry_out(&call, &before, &run.blobs, ended, &mut progress)
        });
        let outcome = match carried.await {
            Ok(outcome) => outcome,
            Err(error) => return failed(Failure::new(format!("the task was interrupted: {error}"))),
        };
        if !connection.is_open() && matches!(outcome.verdict, Verdict::Failed(_)) {
            return Called::Unreachable(lost_while(host));
        }
        if !outcome.predicted.is_empty() {
            let mut link = link.lock().await;
            let unchanged = link.predicted.len() == told;
            link.predicted.extend(outcome.predicted.iter().cloned());
            let mut known = lock(&plain.known);
            // It made them itself, and knows them, provided nobody else made some meanwhile.
            if unchanged && known.1 == told {
                known.1 = link.predicted.len();
            }
        }
        Called::Outcome(Box::new(outcome))
    }
}

fn lost_while(host: &str) -> Failure {
    let error = ConnectError::Lost { alias: host.to_owned(), reason: "it closed while a command ran".to_owned() };
    Failure { message: error.to_string(), hint: error.hint() }
}

fn failed(failure: Failure) -> Called {
    Called::Outcome(Box::new(Outcome::new(Verdict::Failed(failure))))
}
