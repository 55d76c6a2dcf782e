//! Who has asked for what: requestors that are connected, and all that each block of the configuration has been given.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use leasequery_live::SharedStore;
use leasequery_live::registry::{Figure, Kind, Part, Registry, State, Value};
use leasequery_protocol::server::{Connection, Protocol, Scope, Served};
use leasequery_record::Protocol as Which;
use leasequery_store::{Budget, Key, Revision, Store};

/// All requestors, by the names of their blocks: there are no more of those than are configured. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Callers(Arc<Mutex<BTreeMap<String, Arc<Tally>>>>);

/// What the requestors of a block have had, over all of their connections.
#[derive(Debug, Default)]
pub struct Tally {
    connections: AtomicU64,
    queries: AtomicU64,
    refused: AtomicU64,
    bindings: AtomicU64,
    everything: AtomicU64,
    catch_ups: AtomicU64,
    octets: AtomicU64,
}

impl Callers {
    /// That of a block.
    fn tally(&self, name: &str) -> Arc<Tally> {
        let mut tallies = self.tallies();
        if let Some(tally) = tallies.get(name) {
            return Arc::clone(tally);
        }
        Arc::clone(tallies.entry(name.to_owned()).or_default())
    }

    /// What all blocks have had, by their names.
    pub(crate) fn figures(&self) -> Vec<(String, Vec<Figure>)> {
        self.tallies().iter().map(|(name, tally)| (name.clone(), tally.figures())).collect()
    }

    fn tallies(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Tally>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn figures(&self) -> Vec<Figure> {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        vec![
            Figure::new("accepted", "Connections that were accepted", Value::Count(get(&self.connections))),
            Figure::new("queries", "Queries that were begun on connections", Value::Count(get(&self.queries))),
            Figure::new("refused", "Queries that were refused on connections", Value::Count(get(&self.refused))),
            Figure::new("bindings", "Bindings told of in answers to bulk queries", Value::Count(get(&self.bindings))),
            Figure::new("full-answers", "Answers with everything there is", Value::Count(get(&self.everything))),
            Figure::new("catch-ups", "Active queries for what had changed", Value::Count(get(&self.catch_ups))),
            Figure::new("sent", "Octets that were sent", Value::OctetCount(get(&self.octets))),
        ]
    }

    /// Adds what is new.
    fn add(&self, before: Served, now: Served) {
        for (number, before, now) in [
            (&self.queries, before.queries, now.queries),
            (&self.refused, before.refused, now.refused),
            (&self.bindings, before.bindings, now.bindings),
            (&self.everything, before.everything, now.everything),
            (&self.catch_ups, before.catch_ups, now.catch_ups),
        ] {
            number.fetch_add(now - before, Ordering::Relaxed);
        }
    }
}

/// A requestor for as long as it is connected.
#[derive(Debug)]
pub(crate) struct Caller {
    registry: Registry,
    callers: Callers,
    protocol: Which,
    part: Part,
    tally: Arc<Tally>,
    name: String,
    served: Served,
    seen: Arc<Mutex<Seen>>,
}

/// What was last known of a connection.
#[derive(Debug)]
struct Seen {
    address: SocketAddr,
    subject: Option<String>,
    served: Served,
    octets: u64,
    scope: Option<Scope>,
    told: Option<Revision>,
}

impl Caller {
    /// Enters somebody who has connected.
    pub(crate) fn enter<K: Key>(
        registry: &Registry,
        callers: &Callers,
        name: &str,
        address: SocketAddr,
        shared: &Arc<SharedStore<K>>,
    ) -> Self {
        let protocol = if K::TOGETHER { Which::V6 } else { Which::V4 };
        let (part, tally) = (registry.enter(Kind::Requestor, name, Some(protocol)), callers.tally(name));
        tally.connections.fetch_add(1, Ordering::Relaxed);
        part.set(State::Well, "connected");
        let seen = Seen { address, subject: None, served: Served::default(), octets: 0, scope: None, told: None };
        let seen = Arc::new(Mutex::new(seen));
        let (registry, callers, name) = (registry.clone(), callers.clone(), name.to_owned());
        let caller = Self { registry, callers, protocol, part, tally, name, served: Served::default(), seen };
        caller.show(shared);
        caller
    }

    fn show<K: Key>(&self, shared: &Arc<SharedStore<K>>) {
        let (seen, shared) = (Arc::clone(&self.seen), Arc::clone(shared));
        self.part.show(move || figures(&lock(&seen), &shared));
    }

    /// Says who it has turned out to be.
    pub(crate) fn identify<K: Key>(&mut self, name: &str, subject: Option<String>, shared: &Arc<SharedStore<K>>) {
        lock(&self.seen).subject = subject;
        if self.name != name {
            name.clone_into(&mut self.name);
            self.tally = self.callers.tally(name);
            self.part = self.registry.enter(Kind::Requestor, name, Some(self.protocol));
            self.part.set(State::Well, "connected");
            self.show(shared);
        }
    }

    /// Says how far a connection has come.
    pub(crate) fn note<P: Protocol>(&mut self, connection: &Connection<P>, written: usize) {
        let served = connection.served();
        self.tally.add(self.served, served);
        self.tally.octets.fetch_add(written as u64, Ordering::Relaxed);
        self.served = served;
        let mut seen = lock(&self.seen);
        seen.octets += written as u64;
        (seen.served, seen.scope, seen.told) = (served, connection.scope(), connection.told_up_to());
    }
}

/// Entries that are looked at to find the oldest change that is untold.
const LOOKS: usize = 1024;

fn figures<K: Key>(seen: &Seen, shared: &SharedStore<K>) -> Vec<Figure> {
    let query = match seen.scope {
        None => "none",
        Some(Scope::Part) => "bulk, some",
        Some(Scope::Everything) => "bulk, everything",
        Some(Scope::Changes) => "active",
        Some(Scope::CatchUp) => "active, from a time on",
    };
    let Served { queries, refused, everything, catch_ups, .. } = seen.served;
    let mut figures = vec![
        Figure::new("address", "Where it is connected from", Value::Text(seen.address.to_string())),
        Figure::new("query", "What it is told", Value::Text(query.to_owned())),
        Figure::new("queries", "Queries that were begun", Value::Count(queries)),
        Figure::new("refused", "Queries that were refused", Value::Count(refused)),
        Figure::new("full-answers", "Answers with everything there is", Value::Count(everything)),
        Figure::new("catch-ups", "Active queries for what had changed", Value::Count(catch_ups)),
        Figure::new("sent", "Octets that were sent", Value::OctetCount(seen.octets)),
    ];
    if let Some(subject) = &seen.subject {
        figures.push(Figure::new("tls-subject", "Names in its certificate", Value::Text(subject.clone())));
    }
    let Some(told) = seen.told else { return figures };
    let (changes, seconds, headroom) = shared.read(|store| behind(store, told));
    figures.extend([
        Figure::new("position", "The change up to which it has been told everything", Value::Level(told.0)),
        Figure::new("behind-changes", "Changes that it has not been told", Value::Level(changes)),
        Figure::new("lag", "How old the oldest change is that it has not been told", Value::Seconds(seconds)),
        Figure::new("headroom", "How far the history reaches behind its position", Value::Seconds(headroom)),
    ]);
    figures
}

/// How far who was told everything up to a change is behind, in changes and in seconds, and from the end of the history.
fn behind<K: Key>(store: &Store<K>, told: Revision) -> (u64, f64, f64) {
    let now = store.now();
    let budget = Budget::new(LOOKS);
    let untold = store.changes(told, &budget).next().map_or(now, |binding| binding.changed());
    let headroom = if store.forgotten_up_to() > told { 0 } else { untold.since(store.history_floor()) };
    (store.revision().0.saturating_sub(told.0), now.since(untold).into(), headroom.into())
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
