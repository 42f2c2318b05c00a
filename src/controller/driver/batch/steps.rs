//! `--step`: a person says of every task whether it is carried out.

use std::{collections::HashMap, sync::Arc};

use crate::controller::{connection::Ask, event::TaskInfo};

/// What a person has said of the tasks of a batch so far.
pub(super) struct Steps {
    ask: Arc<dyn Ask>,
    /// By the number of the task.
    said: HashMap<u64, bool>,
    /// Whether nothing is asked any more.
    goes_on: bool,
}

impl Steps {
    /// Asks of every task of a batch.
    pub(super) fn new(ask: Arc<dyn Ask>) -> Self {
        Self { ask, said: HashMap::new(), goes_on: false }
    }

    /// Whether a task is carried out. The first of its hosts decides for all, as in Ansible; only a clear yes is one.
    pub(super) fn wants(&mut self, task: &TaskInfo) -> bool {
        if let Some(said) = self.said.get(&task.id) {
            return *said;
        }
        if self.goes_on {
            return true;
        }
        let question = format!("Perform task: TASK: {} (N)o/(y)es/(c)ontinue:", task.title());
        let answer = self.ask.answer("", &question, true).map(|answer| answer.reveal().trim().to_ascii_lowercase());
        let wants = match answer.as_deref() {
            Some("y" | "yes") => true,
            Some("c" | "continue") => {
                self.goes_on = true;
                true
            }
            _ => false,
        };
        self.said.insert(task.id, wants);
        wants
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Mutex};

    use super::*;
    use crate::controller::connection::Secret;

    struct Script(Mutex<Vec<&'static str>>);

    impl Ask for Script {
        fn passphrase(&self, _: &Path) -> Option<Secret> {
            None
        }

        fn answer(&self, _: &str, question: &str, _: bool) -> Option<Secret> {
            assert!(question.starts_with("Perform task: TASK: web : Install "), "{question}");
            self.0.lock().unwrap().pop().map(|answer| Secret::new(answer.to_owned()))
        }
    }

    #[test]
    fn only_a_clear_yes_is_one_and_continue_ends_the_questions() {
        let task = |id| TaskInfo {
            id,
            name: "Install".to_owned(),
            module: "apt".to_owned(),
            role: Some("web".to_owned()),
            place: "site.yml:1:1".to_owned(),
            handler: false,
        };
        let mut steps = Steps::new(Arc::new(Script(Mutex::new(vec!["c", "maybe", "", "Y"]))));
        let said: Vec<bool> = [1, 1, 2, 3, 4, 5, 2].map(|id| steps.wants(&task(id))).to_vec();
        assert_eq!(said, [true, true, false, false, true, true, false]);
    }
}
