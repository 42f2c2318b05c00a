//! Where a task or an item stands in a row whose calls go out one behind the other, without waiting for answers.
//!
//! Each waits until the one before it has sent its call. Where a condition depends on a result that is still on its way, the host
//! decides it ([`Claim`]). What depends on one in another way is not sent: it gives up its place, and with it everything behind it; the
//! batch comes to it again in its time.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::oneshot;

use super::reach::Way;
use crate::{
    controller::{
        connection::{Kind, helper::Session},
        state::lock,
        variables::{Layer, Scope, Unknown, Var},
    },
    protocol::{Claim, call::Place},
};

/// Names that show what other tasks or hosts have come to.
const TELLING: &[&str] =
    &["hostvars", "lookup", "query", "q", "ansible_play_hosts", "play_hosts", "ansible_play_batch"];

/// Bursts are numbered through the whole program, so that no helper mixes two up.
static BURSTS: AtomicU64 = AtomicU64::new(1);

/// A place in a row.
pub struct Lane {
    row: Arc<Row>,
    step: u64,
    /// What is not known yet; nothing for who stands first.
    unknown: Option<Arc<Unknown>>,
    before: tokio::sync::Mutex<Option<oneshot::Receiver<bool>>>,
    behind: Mutex<Option<oneshot::Sender<bool>>>,
    /// Whether the host's own word decides if it has failed, so that those behind need not wait for a judgement here.
    plain: bool,
    gave_way: AtomicBool,
    placed: AtomicBool,
    /// It is left to its turn, and what stands behind it need not wait for that.
    in_turn: AtomicBool,
    /// Conditions that the host has to decide.
    conditions: Mutex<Vec<Claim>>,
}

/// What those in a row share.
#[derive(Default)]
struct Row {
    burst: u64,
    /// The session that the calls go to, once the first has gone.
    session: Mutex<Option<(String, Session)>>,
    /// What tasks of the row set that have no values yet, where the host can tell.
    claims: Mutex<HashMap<String, Claim>>,
    /// What tasks of the row have set already.
    known: Mutex<Layer>,
    /// Whether the host is the controller itself, where nothing is gained.
    near: Arc<AtomicBool>,
}

impl Lane {
    /// The first of a row, with nobody behind it yet. `near` is set once the host turns out to be the controller itself.
    #[must_use]
    pub fn first(plain: bool, near: Arc<AtomicBool>) -> Self {
        let row = Arc::new(Row { burst: BURSTS.fetch_add(1, Ordering::Relaxed), near, ..Row::default() });
        Self::at(row, 0, plain, None)
    }

    fn at(row: Arc<Row>, step: u64, plain: bool, before: Option<oneshot::Receiver<bool>>) -> Self {
        Self {
            row,
            step,
            unknown: None,
            before: tokio::sync::Mutex::new(before),
            behind: Mutex::default(),
            plain,
            gave_way: AtomicBool::new(false),
            placed: AtomicBool::new(false),
            in_turn: AtomicBool::new(false),
            conditions: Mutex::default(),
        }
    }

    /// The next of the row; `pending` names what the results of those before it will set.
    #[must_use]
    pub fn next<'n>(&self, plain: bool, pending: impl Iterator<Item = &'n Arc<str>>) -> Self {
        let mut next = self.sibling(self.step + 1, plain);
        let telling = TELLING.iter().map(|name| Arc::from(*name));
        next.unknown = Some(Arc::new(Unknown::new(pending.cloned().chain(telling))));
        next
    }

    /// A row of `count` items in the place of the first. Their failures do not stop each other; `single` says that each makes one
    /// call.
    #[must_use]
    pub fn items(&self, count: usize, single: bool) -> Vec<Self> {
        let mut lanes: Vec<Self> = Vec::with_capacity(count);
        for at in 0..count {
            let plain = if at + 1 < count { single } else { self.plain };
            lanes.push(match lanes.last() {
                Some(before) => before.sibling(self.step, plain),
                None => Self::at(self.row.clone(), self.step, plain, None),
            });
        }
        if let Some(last) = lanes.last() {
            *lock(&last.behind) = lock(&self.behind).take();
        }
        lanes
    }

    fn sibling(&self, step: u64, plain: bool) -> Self {
        let (sender, receiver) = oneshot::channel();
        *lock(&self.behind) = Some(sender);
        Self::at(self.row.clone(), step, plain, Some(receiver))
    }

    /// Whether others before this one may still be on their way.
    #[must_use]
    pub const fn is_ahead(&self) -> bool {
        self.unknown.is_some()
    }

    /// Waits for the one before. `false`: it is not to be followed yet.
    pub async fn turn(&self) -> bool {
        let before = self.before.lock().await.take();
        match before {
            Some(before) => before.await.unwrap_or(false),
            None => true,
        }
    }

    /// What the task sees: what those before it have set already, but for names that something stronger sets, and otherwise what is
    /// known. Asking for something else makes it give way.
    #[must_use]
    pub fn scope(&self, scope: &Scope, stronger: impl Fn(&str) -> bool) -> Scope {
        let Some(unknown) = &self.unknown else { return scope.clone() };
        let mut known = lock(&self.row.known).clone();
        known.retain(|name, _| !stronger(name));
        scope.without(unknown.clone()).over(known)
    }

    /// Whether tasks before it set a variable that has no value yet.
    #[must_use]
    pub fn is_pending(&self, name: &str) -> bool {
        self.unknown.as_ref().is_some_and(|unknown| unknown.holds(name)) && !lock(&self.row.known).contains_key(name)
    }

    /// What the host can tell of such a variable.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<Claim> {
        lock(&self.row.claims).get(name).cloned()
    }

    /// Takes in what the task sets: nothing where neither its value nor how to come to it is known.
    pub(super) fn sets(&self, name: &str, how: Option<Claim>) {
        let (mut claims, mut known) = (lock(&self.row.claims), lock(&self.row.known));
        claims.remove(name);
        known.shift_remove(name);
        match how {
            None => {}
            Some(Claim::Value(value)) => {
                known.insert(Arc::from(name), Var::Data(crate::controller::template::from_json(&value)));
            }
            Some(claim) => drop(claims.insert(name.to_owned(), claim)),
        }
    }

    /// What the host knows of this step's own result, once its call is on its way.
    #[must_use]
    pub(super) fn result(&self) -> Option<Claim> {
        self.plain.then_some(Claim::Result(self.step))
    }

    /// The call's place on the wire, if it may be sent that way now.
    pub(super) fn place(&self, way: &Way, session: &Session, stops: bool) -> Option<Place> {
        if way.target.kind != Kind::Ssh {
            self.row.near.store(true, Ordering::Relaxed);
        }
        let key = format!("{} {}", way.host, way.key());
        let same = lock(&self.row.session).get_or_insert_with(|| (key.clone(), session.clone())).0 == key;
        if self.is_ahead() && (!same || way.target.kind != Kind::Ssh || self.has_asked()) {
            self.give_way();
            return None;
        }
        self.placed.store(true, Ordering::Relaxed);
        Some(Place { burst: self.row.burst, step: self.step, stops: stops && self.plain })
    }

    /// Its only call is on its way: the next may follow where the host itself knows what a failure is.
    pub(super) fn sent(&self, way: &Way) {
        if self.plain && way.target.kind == Kind::Ssh {
            self.pass(true);
        }
    }

    /// Leaves the task to its turn. Those behind it go on where the host finds a claim to be true; `false` if it cannot be asked.
    pub(super) async fn fence(&self, claim: Claim) -> bool {
        let session = lock(&self.row.session).as_ref().map(|(_, session)| session.clone());
        let Some(session) = session.filter(|_| self.plain) else { return false };
        let place = Place { burst: self.row.burst, step: self.step, stops: true };
        if claim != Claim::Value(true.into()) && session.fence(place, claim).await.is_err() {
            return false;
        }
        self.leave_to_turn();
        self.pass(true);
        true
    }

    /// The task is not done now, and those behind it need not wait for it.
    pub(super) fn leave_to_turn(&self) {
        self.in_turn.store(true, Ordering::Relaxed);
    }

    /// Whether the task is left to its turn.
    #[must_use]
    pub fn is_left_to_turn(&self) -> bool {
        self.in_turn.load(Ordering::Relaxed)
    }

    /// Leaves a condition to the host.
    pub(super) fn on_condition(&self, claim: Claim) {
        lock(&self.conditions).push(claim);
    }

    /// The conditions that are left to the host.
    #[must_use]
    pub(super) fn conditions(&self) -> Vec<Claim> {
        lock(&self.conditions).clone()
    }

    /// It has come to its end; those behind may follow if it is one to go on from.
    pub fn end(&self, goes_on: bool) {
        self.pass(goes_on && !self.has_given_way() && !self.row.near.load(Ordering::Relaxed));
    }

    /// It has come to its end before its time: those behind may follow if nothing said here can make a failure of it.
    pub fn end_early(&self, well: bool) {
        self.end(well && self.plain);
    }

    /// Whether its call is on its way, or was.
    #[must_use]
    pub fn has_sent(&self) -> bool {
        self.placed.load(Ordering::Relaxed)
    }

    /// It is not carried out now.
    pub fn give_way(&self) {
        self.gave_way.store(true, Ordering::Relaxed);
        self.pass(false);
    }

    /// Whether it was not carried out.
    #[must_use]
    pub fn has_given_way(&self) -> bool {
        self.gave_way.load(Ordering::Relaxed)
    }

    /// Whether what it has come to since the last question depends on what was not known.
    #[must_use]
    pub(super) fn take_asked(&self) -> bool {
        self.unknown.as_ref().is_some_and(|unknown| unknown.take_asked())
    }

    /// Whether what it has come to so far depends on what was not known.
    #[must_use]
    pub fn has_asked(&self) -> bool {
        self.unknown.as_ref().is_some_and(|unknown| unknown.is_asked())
    }

    fn pass(&self, goes_on: bool) {
        if let Some(behind) = lock(&self.behind).take() {
            // Nobody listens where nobody stands behind.
            let _ = behind.send(goes_on);
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.pass(false);
    }
}
