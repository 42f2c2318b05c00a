//! The contract of a module: options plus what is there become a plan, and a plan is data.

use crate::protocol::{Change, Diff, Failure, Map};

use super::{OptionSpec, Options, Probe};

/// Something that brings one aspect of a host to a described state. A module *is* its options.
pub trait Module {
    /// Compares the options with what `probe` shows and says what has to be done.
    ///
    /// # Errors
    /// [`Stop::Failed`] when the state cannot be reached; [`Stop::Unknown`] when check mode cannot know.
    fn plan(&self, probe: &Probe<'_>) -> Planned;

    /// Adds what is only known once the changes are made (a command's output, a container's id).
    /// Not called in check mode. `applied` has one entry per change of the plan.
    ///
    /// # Errors
    /// When what was done did not lead where it should.
    fn report(&self, _plan: &mut Plan, _applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        Ok(())
    }
}

/// What [`Module::plan`] gives.
pub type Planned = Result<Plan, Stop>;

/// What has to be done, and what is known before it is done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In order; none means the host is as described.
    pub changes: Vec<Change>,
    /// Return values under Ansible's names.
    pub result: Map,
    /// What differs, for `--diff`.
    pub diffs: Vec<Diff>,
    /// Sentences the user should see.
    pub warnings: Vec<String>,
    /// Overrules "changed means there are changes", for modules whose changes decide it themselves.
    pub changed: Option<bool>,
    /// Why return values that are missing are only known once the changes are made; for predictions.
    pub later: Option<String>,
    /// Nothing is done, and why; Ansible's `skipped`.
    pub skipped: Option<String>,
}

/// Why a plan could not be made.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The host cannot be brought there; the map holds return values that say more.
    Failed(Failure, Map),
    /// It depends on something that is only known after another change is made.
    Unknown(String),
}

/// What one change gave when it was made.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Exit code of a command, status of an HTTP request, else 0.
    pub code: i32,
    /// Standard output of a command, body of an HTTP answer.
    pub stdout: String,
    /// Standard error of a command.
    pub stderr: String,
    /// When it started and ended, nanoseconds since 1970.
    pub times: (i128, i128),
}

/// A line of the module catalog.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Ansible's short name.
    pub name: &'static str,
    /// The manual page: *What it does*, *Example*, *Returns*.
    pub doc: &'static str,
    /// The options.
    pub spec: fn() -> Vec<OptionSpec>,
    /// Makes the module from coerced options; every problem in one sentence each.
    pub parse: fn(&Map) -> Result<Box<dyn Module>, Vec<String>>,
    /// Whether check mode is predicted; a module without is skipped there, as in Ansible.
    pub check: bool,
    /// Whether it works over a plain POSIX `sh` where no helper can run.
    pub portable: bool,
}

impl Entry {
    /// The catalog line of module `M`.
    #[must_use]
    pub const fn of<M: Module + Options + 'static>(name: &'static str) -> Self {
        Self { name, doc: M::DOC, spec: M::spec, parse: parse::<M>, check: true, portable: false }
    }

    /// The same line for a module that check mode skips.
    #[must_use]
    pub const fn unchecked(mut self) -> Self {
        self.check = false;
        self
    }

    /// The same line for a module that needs no more than `sh`.
    #[must_use]
    pub const fn portable(mut self) -> Self {
        self.portable = true;
        self
    }
}

fn parse<M: Module + Options + 'static>(options: &Map) -> Result<Box<dyn Module>, Vec<String>> {
    M::parse(options).map(|module| Box::new(module) as Box<dyn Module>)
}

impl Plan {
    /// A plan that changes nothing (yet).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a change.
    pub fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Sets a return value.
    pub fn set(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        self.result.insert(name.to_owned(), value.into());
    }

    /// Adds a difference.
    pub fn diff(&mut self, name: impl Into<String>, before: impl Into<String>, after: impl Into<String>) {
        self.diffs.push(Diff { name: name.into(), before: before.into(), after: after.into() });
    }

    /// A plan that does nothing, and why.
    #[must_use]
    pub fn skip(reason: impl Into<String>) -> Self {
        Self { skipped: Some(reason.into()), ..Self::default() }
    }
}

impl Stop {
    /// A failure that only says what went wrong.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(Failure::new(message), Map::new())
    }

    /// The same failure with advice; an unknown stays as it is.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Failed(failure, result) => Self::Failed(failure.hint(hint), result),
            unknown @ Self::Unknown(_) => unknown,
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure, Map::new())
    }
}
