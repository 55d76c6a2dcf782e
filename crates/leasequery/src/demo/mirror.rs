//! A requestor that keeps a copy of a server's bindings, and what it can be compared by.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use leasequery_client::{Companion, Upstream, follow};
use leasequery_live::{Running, SharedStore};
use leasequery_protocol::follower::{Event, Follower, Observer, Origin, Settings, Told};
use leasequery_protocol::requestor::v4::V4;
use leasequery_protocol::requestor::v6::V6;
use leasequery_record::Family;
use leasequery_store::{
    Binding, Budget, Entry, Selector, SourceId, State, Store, Time, V4Key, V6Key, VpnIndex, VpnRange,
};
use tokio::task::JoinSet;

/// The copy, and what has been received for it.
#[derive(Debug)]
pub(super) struct Mirror<P: Shown> {
    shared: Arc<SharedStore<P::Key>>,
    tally: Arc<Received>,
}

impl<P: Shown> Clone for Mirror<P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), tally: Arc::clone(&self.tally) }
    }
}

/// A protocol whose copies are compared with what they are copies of.
pub(super) trait Shown: Family {
    /// What a server tells of what it knows about an address, if it does.
    fn known(entry: &Entry<'_, Self::Key>) -> Option<Known>;
}

/// Bindings that were received.
#[derive(Debug, Default)]
struct Received {
    initial: AtomicU64,
    changes: AtomicU64,
}

/// The store has one source.
const SOURCE: SourceId = SourceId(0);

impl<P: Shown> Mirror<P> {
    /// An empty copy.
    pub(super) fn new() -> Self {
        let settings = leasequery_store::Settings { expire: false, ..leasequery_store::Settings::default() };
        let mut store = Store::new(settings);
        store.source("server");
        Self { shared: Arc::new(SharedStore::new(store)), tally: Arc::default() }
    }

    /// Follows a server until the demonstration ends.
    pub(super) fn follow(&self, server: SocketAddr, wanted: P::Wanted, mut running: Running, tasks: &mut JoinSet<()>) {
        let mut copy = self.clone();
        tasks.spawn(async move {
            let mut follower = Follower::<P>::new(wanted, SOURCE, None, Settings::default(), fastrand::u64(..));
            let shared = Arc::clone(&copy.shared);
            // It gives up only with whoever it reports to, which is this.
            let _ =
                follow(&Upstream::plain(server.to_string()), &mut follower, &shared, &mut copy, running.over()).await;
        });
    }

    /// How many bindings it was told of at the beginning, and how many changes since.
    pub(super) fn received(&self) -> (u64, u64) {
        (self.tally.initial.load(Ordering::Relaxed), self.tally.changes.load(Ordering::Relaxed))
    }

    /// How many addresses it knows, and how many of them are leased.
    pub(super) fn counts(&self) -> (usize, usize) {
        let known = self.known();
        let active = known.iter().filter(|(_, known)| known.state == State::Active as u8).count();
        (known.len(), active)
    }

    /// Whether it equals the server's store.
    pub(super) fn equals(&self, store: &Store<P::Key>) -> bool {
        let mine = self.known();
        let theirs = known::<P>(store);
        mine.len() == theirs.len()
            && mine.iter().zip(&theirs).all(|(mine, theirs)| mine.0 == theirs.0 && mine.1.agrees(&theirs.1))
    }

    fn known(&self) -> Vec<(P::Key, Known)> {
        self.shared.read(known::<P>)
    }
}

impl<P: Shown> Observer<P> for Mirror<P> {
    fn record(&mut self, _: &P::Record<'_>, _: Told<P::Key>, origin: Origin) {
        let counter = if origin == Origin::Initial { &self.tally.initial } else { &self.tally.changes };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn gone(&mut self, _: &Binding<'_, P::Key>, _: &Store<P::Key>) {}

    fn event(&mut self, _: &Event) {}
}

impl<P: Shown> Companion<P> for Mirror<P> {
    fn pause(&mut self, _: &Follower<P>) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is known about one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    state: u8,
    hardware: Option<(u8, Vec<u8>)>,
    client_id: Option<Vec<u8>>,
    relay_info: Option<Vec<u8>>,
    /// Start of the state, last transaction and end.
    times: [Option<Time>; 3],
}

/// What a store knows, in the order of the addresses.
fn known<P: Shown>(store: &Store<P::Key>) -> Vec<(P::Key, Known)> {
    let budget = Budget::unlimited();
    let entries = store.scan(Selector::All, VpnRange::One(VpnIndex::DEFAULT), None, &budget);
    entries.filter_map(|entry| Some((entry.key(), P::known(&entry)?))).collect()
}

impl Shown for V4 {
    fn known(entry: &Entry<'_, V4Key>) -> Option<Known> {
        Some(match entry {
            Entry::Bound(binding) => Known {
                state: binding.state() as u8,
                hardware: binding.hardware().map(|hardware| (hardware.htype, hardware.address.to_vec())),
                client_id: binding.client_id().map(<[u8]>::to_vec),
                relay_info: binding.relay_info().map(<[u8]>::to_vec),
                times: [
                    Some(binding.start_of_state()),
                    binding.last_transaction(),
                    // No reply tells when something ended that has ended.
                    binding.expires().filter(|_| !binding.state().is_ended()),
                ],
            },
            Entry::Free { since, .. } => Known {
                state: State::Available as u8,
                hardware: None,
                client_id: None,
                relay_info: None,
                times: [Some(*since), None, None],
            },
        })
    }
}

impl Shown for V6 {
    /// Leases alone; when the client was last heard is told of its link, and not of each of them.
    fn known(entry: &Entry<'_, V6Key>) -> Option<Known> {
        let Entry::Bound(binding) = entry else { return None };
        (binding.state() == State::Active).then(|| Known {
            state: State::Active as u8,
            hardware: None,
            client_id: binding.client_id().map(<[u8]>::to_vec),
            relay_info: binding.relay_info().map(<[u8]>::to_vec),
            times: [binding.renews(), None, binding.expires()],
        })
    }
}

impl Known {
    /// Whether both are the same. Times may differ by a second: they were told in whole seconds before or after a
    /// moment that was itself read from two clocks.
    fn agrees(&self, other: &Self) -> bool {
        let near = |(one, two): (&Option<Time>, &Option<Time>)| match (one, two) {
            (Some(one), Some(two)) => one.0.abs_diff(two.0) <= 1,
            (None, None) => true,
            _ => false,
        };
        let identity =
            |known: &Self| (known.state, known.hardware.clone(), known.client_id.clone(), known.relay_info.clone());
        identity(self) == identity(other) && self.times.iter().zip(&other.times).all(near)
    }
}

#[cfg(test)]
mod tests;
