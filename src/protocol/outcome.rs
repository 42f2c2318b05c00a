//! How a call ended: a verdict, what the module returns, and what differs.

use serde::{Deserialize, Serialize};

use serde_json::json;

use super::{Change, Json, Map};

/// The end of one call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Changed, unchanged, skipped, failed or not predictable.
    pub verdict: Verdict,
    /// Return values under Ansible's names, without `changed`, `failed` and `diff`.
    pub result: Map,
    /// What differs, where diffs were asked for.
    pub diffs: Vec<Diff>,
    /// Sentences the user should see.
    pub warnings: Vec<String>,
    /// In check mode: the changes that were predicted, for other sessions on the host.
    pub predicted: Vec<Change>,
    /// In check mode: why return values that are missing are not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<String>,
}

/// The one thing everything else depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The host is as described already.
    Unchanged,
    /// The host was changed, or would be (check mode).
    Changed,
    /// Nothing was looked at, and why.
    Skipped(String),
    /// Check mode only: what would happen depends on something that does not exist yet.
    Unknown(String),
    /// It did not work; the return values may say more.
    Failed(Failure),
}

/// Why a host failed, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong, with the object it went wrong on; Ansible's `msg`.
    pub message: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

/// One difference, as `--diff` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// What is compared: a path, a container, a package.
    pub name: String,
    /// Text before; empty when it did not exist.
    pub before: String,
    /// Text after; empty when it is gone.
    pub after: String,
}

impl Outcome {
    /// An outcome with nothing but a verdict.
    #[must_use]
    pub fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            result: Map::new(),
            diffs: Vec::new(),
            warnings: Vec::new(),
            predicted: Vec::new(),
            later: None,
        }
    }

    /// A failure with a message.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Verdict::Failed(Failure::new(message)))
    }

    /// A skip that is explained where Ansible explains it, in `msg` too.
    #[must_use]
    pub fn left_out(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let mut outcome = Self::new(Verdict::Skipped(reason.clone()));
        outcome.result.insert("msg".to_owned(), json!(reason));
        outcome
    }

    /// The result in the form in which Ansible registers it.
    #[must_use]
    pub fn registered(&self) -> Map {
        let mut result = self.result.clone();
        let failed = matches!(self.verdict, Verdict::Failed(_));
        // A failure may have changed something, which only the module knows.
        let partly = failed && result.get("changed").and_then(Json::as_bool).unwrap_or(false);
        result.insert("changed".to_owned(), json!(partly || matches!(self.verdict, Verdict::Changed)));
        result.insert("failed".to_owned(), json!(failed));
        match &self.verdict {
            Verdict::Failed(failure) => {
                result.entry("msg").or_insert_with(|| json!(failure.message));
                if result.get("msg").is_some_and(|msg| msg == "") {
                    result.insert("msg".to_owned(), json!(failure.message));
                }
            }
            Verdict::Skipped(reason) => {
                result.insert("skipped".to_owned(), json!(true));
                result.entry("skip_reason").or_insert_with(|| json!(reason));
            }
            _ => {}
        }
        for stream in ["stdout", "stderr"] {
            if let Some(Json::String(text)) = result.get(stream) {
                let lines: Vec<&str> = text.lines().collect();
                let lines = json!(lines);
                result.entry(format!("{stream}_lines")).or_insert(lines);
            }
        }
        if !self.diffs.is_empty() {
            let diffs: Vec<Json> = self
                .diffs
                .iter()
                .map(|diff| json!({ "before_header": diff.name, "after_header": diff.name, "before": diff.before, "after": diff.after }))
                .collect();
            result.entry("diff").or_insert_with(|| json!(diffs));
        }
        if !self.warnings.is_empty() {
            result.insert("warnings".to_owned(), json!(self.warnings));
        }
        result
    }
}

impl Failure {
    /// A failure that only says what went wrong.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The same failure with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}
