//! What a run knows: hosts and what they have said, variables from the command line, where files lie.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use indexmap::IndexMap;

use super::{
    connection::{
        Connection, Connector,
        helper::{Blobs, Session, images::Images},
        plain::Plain,
    },
    event::{Event, Events, Tally},
    inventory::Inventory,
    playbook::{Loader, reading::Reading},
    settings::Settings,
    template::Fetch,
    variables::{Layer, Var, shared::Shared},
};
use crate::protocol::{Change, Json, Outcome, Verdict};

/// One run from its first play to its recap.
pub struct Run {
    /// What the user asked for.
    pub settings: Settings,
    /// Where everything that happens is told.
    pub events: Events,
    /// Hosts and groups; plays may add some.
    pub inventory: RwLock<Inventory>,
    /// Reads what is included while the run goes on.
    pub loader: Loader,
    /// Opens connections.
    pub connector: Connector,
    /// Asks web servers from the controller.
    pub fetch: Fetch,
    /// Content that hosts may ask for.
    pub blobs: Blobs,
    /// Images on their way to hosts.
    pub images: Images,
    /// `-e`.
    pub extra_vars: Arc<Layer>,
    /// Folder of the current playbook.
    pub folder: RwLock<PathBuf>,
    /// Strings that must not be shown, longest first.
    pub secrets: RwLock<Vec<String>>,
    /// `set_stats`.
    pub stats: Mutex<IndexMap<String, Json>>,
    hosts: Mutex<IndexMap<String, Arc<Mutex<HostState>>>>,
    links: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Link>>>>,
    layers: Mutex<HashMap<String, Arc<Layer>>>,
    /// Layers that tasks see alike.
    pub shared: Shared,
    /// Which facts the files of the run name; set before the first play.
    pub reading: OnceLock<Reading>,
    tasks: AtomicU64,
}

/// The facts of a host that was asked for none: an empty `ansible_facts`.
#[must_use]
pub fn no_facts() -> Arc<Layer> {
    let none = super::template::from_json(&Json::Object(serde_json::Map::new()));
    Arc::new(Layer::from_iter([(Arc::from("ansible_facts"), Var::Data(none))]))
}

/// What is known of one host besides the inventory.
#[derive(Debug, Default)]
pub struct HostState {
    /// Facts: `ansible_facts` and their injected names.
    pub facts: Arc<Layer>,
    /// The gathered facts by themselves, without prefix.
    pub gathered: serde_json::Map<String, Json>,
    /// The facts as they are kept for later runs.
    kept: serde_json::Map<String, Json>,
    /// `set_fact` and `register`.
    pub set: Arc<Layer>,
    /// `include_vars`.
    pub included: Arc<Layer>,
    /// Variables of hosts that plays have added, and of `add_host`.
    pub tally: Tally,
    /// Handlers to run at the next flush, by their place in the play.
    pub notified: std::collections::BTreeSet<usize>,
    /// Lost for the rest of the run.
    pub unreachable: bool,
    /// Failed for the rest of the run.
    pub failed: bool,
    /// Whether only those facts were gathered that the files of the run name.
    pub partial_facts: bool,
    /// Whether facts were gathered (for `gathering = smart`).
    pub fresh_facts: bool,
}

/// The connection to one host, with the helpers that run over it.
#[derive(Default)]
pub struct Link {
    /// The one connection.
    pub connection: Option<Connection>,
    /// Helpers by who they run as.
    pub sessions: HashMap<String, Session>,
    /// Users on a host that takes no helper, as plain `sh` shows them.
    pub plain: HashMap<String, Arc<Plain>>,
    /// Hosts that take no helper, by who it would run as, and why.
    pub refused: HashMap<String, String>,
    /// In check mode: predictions so far, and how many of them each session knows.
    pub predicted: Vec<Change>,
    /// How many predictions each session has been told.
    pub told: HashMap<String, usize>,
}

impl HostState {
    /// Takes in facts: under `ansible_facts`, and each under its own name.
    fn learn(&mut self, facts: &serde_json::Map<String, Json>) {
        let mut layer = (*self.facts).clone();
        for (name, value) in facts {
            let plain = name.strip_prefix("ansible_").unwrap_or(name);
            self.gathered.insert(plain.to_owned(), value.clone());
            self.kept.insert(name.clone(), value.clone());
            layer.insert(Arc::from(name.as_str()), Var::Data(super::template::from_json(value)));
        }
        let all = super::template::from_json(&Json::Object(self.gathered.clone()));
        layer.insert(Arc::from("ansible_facts"), Var::Data(all));
        self.facts = Arc::new(layer);
    }
}

impl Run {
    /// A run that has not begun.
    #[must_use]
    pub fn new(
        settings: Settings,
        events: Events,
        inventory: Inventory,
        loader: Loader,
        connector: Connector,
        fetch: Fetch,
        extra_vars: Arc<Layer>,
    ) -> Self {
        Self {
            settings,
            events,
            inventory: RwLock::new(inventory),
            loader,
            connector,
            fetch,
            blobs: Blobs::default(),
            images: Images::default(),
            extra_vars,
            folder: RwLock::default(),
            secrets: RwLock::default(),
            stats: Mutex::default(),
            hosts: Mutex::default(),
            links: Mutex::default(),
            layers: Mutex::default(),
            shared: Shared::default(),
            reading: OnceLock::new(),
            tasks: AtomicU64::new(1),
        }
    }

    /// Changes the inventory, and what was made of it.
    pub fn change_inventory<T>(&self, change: impl FnOnce(&mut Inventory) -> T) -> T {
        let changed = change(&mut self.inventory.write().unwrap_or_else(PoisonError::into_inner));
        self.shared.forget();
        changed
    }

    /// The state of a host; made when it is first asked for.
    pub fn host(&self, name: &str) -> Arc<Mutex<HostState>> {
        lock(&self.hosts)
            .entry(name.to_owned())
            .or_insert_with(|| {
                let mut state = HostState { facts: no_facts(), ..HostState::default() };
                if let Some(cache) = &self.settings.fact_cache {
                    if self.settings.flush_cache {
                        cache.forget(name);
                    } else if let Some(known) = cache.load(name) {
                        // A name that every gathering gives.
                        state.fresh_facts = known.contains_key("ansible_distribution");
                        state.learn(&known);
                    }
                }
                Arc::new(Mutex::new(state))
            })
            .clone()
    }

    /// Changes the state of a host.
    pub fn with_host<T>(&self, name: &str, change: impl FnOnce(&mut HostState) -> T) -> T {
        change(&mut lock(&self.host(name)))
    }

    /// The way to a host: one for each name, whatever happens on it.
    pub fn link(&self, name: &str) -> Arc<tokio::sync::Mutex<Link>> {
        lock(&self.links).entry(name.to_owned()).or_default().clone()
    }

    /// All ways that were opened.
    pub fn all_links(&self) -> Vec<Arc<tokio::sync::Mutex<Link>>> {
        lock(&self.links).values().cloned().collect()
    }

    /// Sets variables of a host at the level of `set_fact`.
    pub fn set_variables(&self, host: &str, variables: Layer) {
        self.with_host(host, |state| Arc::make_mut(&mut state.set).extend(variables));
    }

    /// Keeps gathered facts of a host: under `ansible_facts`, and each under its own name.
    pub fn add_facts(&self, host: &str, facts: &serde_json::Map<String, Json>) {
        let cache = self.settings.fact_cache.as_ref();
        let kept = self.with_host(host, |state| {
            state.learn(facts);
            cache.is_some().then(|| state.kept.clone())
        });
        if let (Some(cache), Some(kept)) = (cache, kept)
            && let Err(error) = cache.keep(host, &kept)
        {
            self.warn(format!("the facts of {host} cannot be kept in {}: {error}", cache.folder.display()));
        }
    }

    /// Keeps the facts that a module returned, as any module may.
    pub fn keep_facts(&self, host: &str, outcome: &Outcome) {
        if let Some(Json::Object(facts)) = outcome.result.get("ansible_facts")
            && !matches!(outcome.verdict, Verdict::Failed(_))
        {
            self.add_facts(host, facts);
        }
    }

    /// Forgets the facts of a host, those that are kept for later runs included.
    pub fn clear_facts(&self, host: &str) {
        self.with_host(host, |state| {
            state.facts = no_facts();
            state.gathered.clear();
            state.kept.clear();
        });
        if let Some(cache) = &self.settings.fact_cache {
            cache.forget(host);
        }
    }

    /// The tallies of all hosts that came into play.
    pub fn tallies(&self) -> IndexMap<String, Tally> {
        let hosts = lock(&self.hosts);
        hosts
            .iter()
            .map(|(name, state)| (name.clone(), lock(state).tally))
            .filter(|(_, tally)| *tally != Tally::default())
            .collect()
    }

    /// A layer of variables that is read once in a run.
    pub fn cached(&self, key: &str, read: impl FnOnce() -> Layer) -> Arc<Layer> {
        if let Some(known) = lock(&self.layers).get(key) {
            return known.clone();
        }
        let layer = Arc::new(read());
        lock(&self.layers).insert(key.to_owned(), layer.clone());
        layer
    }

    /// A number that no other task of this run has.
    pub fn next_task(&self) -> u64 {
        self.tasks.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells the user something.
    pub fn warn(&self, text: impl Into<String>) {
        self.events.emit(Event::Warning { text: self.mask(&text.into()) });
    }

    /// Notes a string that must not be shown anywhere.
    pub fn keep_secret(&self, text: &str) {
        /// Shorter ones would blank out half of every line.
        const SECRET_CHARS_MIN: usize = 4;
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        if text.chars().count() >= SECRET_CHARS_MIN && !secrets.iter().any(|known| known == text) {
            // The longest first: one that begins another must not leave the other's end to be seen.
            let at = secrets.partition_point(|known| known.len() >= text.len());
            secrets.insert(at, text.to_owned());
        }
    }

    /// A text with everything blanked out that must not be shown, what vaults were opened for so far included.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        self.loader.keyring.take_opened().iter().for_each(|secret| self.keep_secret(secret.expose()));
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), "********") } else { text }
        })
    }
}

/// A lock whose holder cannot have left half a change.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
