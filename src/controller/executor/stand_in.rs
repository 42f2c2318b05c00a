//! Foresees for a user whom earlier tasks of the same check would bring: root looks in their place.

use super::{module::Called, turn::Turn};
use crate::protocol::{Call, Change, Failure, Json, Outcome, Verdict};

/// What predictions say of a user who is not there yet.
#[derive(Debug, PartialEq, Eq)]
enum Coming {
    /// A task makes them, with that home.
    Made(String),
    /// A package may bring them.
    Brought,
}

impl Turn {
    /// Predicts a call of a user who does not exist, which `failure` says; nothing is carried out.
    pub(super) async fn without_user(&self, mut call: Call, failure: Failure) -> Called {
        let Some(user) = self.way.escalation.as_ref().map(|how| how.user.clone()) else {
            return Called::failed(failure);
        };
        let link = self.run.link(&self.way.host);
        let mut link = link.lock().await;
        let Some(coming) = coming(&link.predicted, &user) else { return Called::failed(failure) };
        let unknown = Verdict::Unknown(format!("what {user} can do is known after apply, once there is such a user"));
        let unknown = Called::Outcome(Box::new(Outcome::new(unknown)));
        if !call.check {
            return unknown;
        }
        match coming {
            Coming::Made(home) => {
                call.environment.entry("HOME".to_owned()).or_insert(home);
            }
            // Where their home will be is the package's business.
            Coming::Brought if names_home(&call) => return unknown,
            Coming::Brought => {}
        }
        let way = self.way.of_root();
        let Ok(session) = way.session(&self.run, &mut link).await else { return unknown };
        drop(link);
        self.send_over(&way, &session, call).await
    }
}

fn names_home(call: &Call) -> bool {
    Json::Object(call.options.clone()).to_string().contains(['~', '$'])
}

/// What the predictions bring of a user; `None` when nothing does.
fn coming(predicted: &[Change], user: &str) -> Option<Coming> {
    let effects = || predicted.iter().rev().flat_map(|change| change.effects().iter().rev());
    let key = format!("user/{user}");
    if let Some(made) = effects().find(|effect| effect.key == key) {
        return made
            .value
            .as_object()
            .map(|user| Coming::Made(user.get("home").and_then(Json::as_str).unwrap_or_default().to_owned()));
    }
    let brings = |key: &str, value: &Json| key.starts_with("package/") && !value.is_null();
    effects().any(|effect| brings(&effect.key, &effect.value)).then_some(Coming::Brought)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::Effect;

    #[test]
    fn a_user_comes_with_the_last_word_that_was_said_of_them() {
        let assume = |domain: &str, name: &str, value: Json| Change::Assume(Effect::new(domain, name, value));
        let ann = || assume("user", "ann", json!({"home": "/srv/ann"}));
        let table = [
            (vec![], None),
            (vec![assume("user", "bob", json!({}))], None),
            (vec![ann()], Some(Coming::Made("/srv/ann".into()))),
            (vec![ann(), assume("user", "ann", Json::Null)], None),
            (vec![assume("package", "x", json!("1"))], Some(Coming::Brought)),
            (vec![assume("package", "x", Json::Null)], None),
            (vec![assume("package", "x", json!("1")), ann()], Some(Coming::Made("/srv/ann".into()))),
        ];
        for (predicted, expected) in table {
            assert_eq!(coming(&predicted, "ann"), expected, "{predicted:?}");
        }
    }
}
