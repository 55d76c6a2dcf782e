use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use leasequery_store::{Key, Revision, Settings, Store, Time, V4Key, V6Key};
use tokio::sync::{Notify, watch};

use crate::age;
use crate::clock::{Clock, wall_clock};
use crate::lifecycle::Running;

/// The store, shared by sources and connections. It is locked for a bite at a time, and never over an await or a system
/// call.
#[derive(Debug)]
pub struct SharedStore<K: Key> {
    store: RwLock<Store<K>>,
    /// The last run may have told of commits that are not in the store.
    unclean: AtomicBool,
    /// The time up to which the last run knew everything, if there was one.
    as_of: Option<Time>,
    on_disk: watch::Sender<OnDisk>,
    /// Something was committed.
    committed: Notify,
    /// Beats for those who tell of every change.
    pulse: watch::Sender<()>,
    /// Beats when a source has to be asked again.
    asked: watch::Sender<()>,
}

impl<K: Key> SharedStore<K> {
    /// Shares a store, and sets its clock.
    pub fn new(mut store: Store<K>) -> Self {
        let before = Clock::of(&store);
        let as_of = Some(store.now()).filter(|now| *now != Time::default());
        store.advance(wall_clock());
        before.tell(Clock::of(&store), K::TOGETHER);
        Self {
            store: RwLock::new(store),
            unclean: AtomicBool::new(false),
            as_of,
            on_disk: watch::Sender::new(OnDisk::default()),
            committed: Notify::new(),
            pulse: watch::Sender::new(()),
            asked: watch::Sender::new(()),
        }
    }

    /// Reads.
    pub fn read<T>(&self, read: impl FnOnce(&Store<K>) -> T) -> T {
        // A panic while the lock was held cannot have left half a change that is worse than no service.
        read(&self.store.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads with the store's clock brought up to date first. What is told now has to carry the base-time of now: a
    /// requestor takes a base-time that lags for a difference between the clocks.
    pub fn read_now<T>(&self, read: impl FnOnce(&Store<K>) -> T) -> T {
        loop {
            let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
            if store.wall() == wall_clock() && !store.is_behind() {
                return read(&store);
            }
            drop(store);
            // A bite of what is due: others have the store in between.
            self.write(|_| ());
        }
    }

    /// How many listen to [`changes`](Self::changes).
    pub fn listeners(&self) -> usize {
        self.pulse.receiver_count()
    }

    /// Changes, with the store's clock brought up to date first.
    pub fn write<T>(&self, write: impl FnOnce(&mut Store<K>) -> T) -> T {
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let state = |store: &Store<K>| (store.revision(), store.coverage_generation(), store.is_settled());
        let (before, asks, clock) = (state(&store), store.asks(), Clock::of(&store));
        store.advance(wall_clock());
        let after = Clock::of(&store);
        let result = write(&mut store);
        let (changed, asked) = (state(&store) != before, store.asks() != asks);
        drop(store);
        clock.tell(after, K::TOGETHER);
        if changed {
            self.committed.notify_one();
        }
        if asked {
            self.asked.send_replace(());
        }
        result
    }

    /// Moves its clock and wakes those who tell of changes, until the daemon ends.
    pub fn keep(self: &Arc<Self>, running: &Running) {
        tokio::spawn(keep_time(Arc::clone(self), running.clone()));
        tokio::spawn(keep_pulse(Arc::clone(self), running.clone()));
    }

    /// Beats whenever something has been committed, soon after it.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.pulse.subscribe()
    }

    /// Beats when a source has to be asked again ([`Store::is_asked`]).
    pub fn asked(&self) -> watch::Receiver<()> {
        self.asked.subscribe()
    }

    /// How long ago the last run knew everything, if there was one.
    pub fn as_of(&self) -> Option<Duration> {
        self.as_of.map(|as_of| Duration::from_secs(wall_clock().since(as_of).into()))
    }

    /// What is said of a source of which only that is known.
    pub fn kept(&self) -> String {
        let age = self.as_of().map(|as_of| format!(", as it was {} ago", age(as_of))).unwrap_or_default();
        format!("what the last run knew is served{age}")
    }

    /// Says that the last run ended without writing everything.
    pub fn set_unclean(&self) {
        self.unclean.store(true, Ordering::Relaxed);
    }

    /// Begins the history anew if the last run ended without writing everything: for a source that cannot repeat what it
    /// said then. Says whether it did.
    pub fn lose_unwritten(&self) -> bool {
        let unclean = self.unclean.load(Ordering::Relaxed);
        if unclean {
            self.write(Store::lose_history);
        }
        unclean
    }

    /// Tells that everything up to a revision is on disk.
    pub(crate) fn set_durable(&self, revision: Revision) {
        self.on_disk.send_replace(OnDisk { revision: Some(revision), at: Some(Instant::now()), failing: None });
    }

    /// Tells that nothing more comes to disk for now, and why.
    pub(crate) fn set_failing(&self, reason: &str) {
        self.on_disk.send_modify(|on_disk| on_disk.failing = Some(reason.into()));
    }

    /// How many changes are not on disk, if there is a durable copy at all.
    pub(crate) fn not_on_disk(&self) -> u64 {
        let on_disk = self.on_disk.borrow().revision;
        on_disk.map_or(0, |on_disk| self.read(Store::revision).0.saturating_sub(on_disk.0))
    }

    /// The latest revision that is on disk, and how long ago everything up to it was made durable.
    pub(crate) fn durable(&self) -> (Revision, Duration) {
        let on_disk = self.on_disk.borrow();
        (on_disk.revision.unwrap_or_default(), on_disk.at.map_or(Duration::ZERO, |at| at.elapsed()))
    }

    /// Waits until a revision is on disk, if there is a durable copy at all. Fails at once with the reason while nothing
    /// comes to disk.
    pub async fn until_durable(&self, revision: Revision) -> Result<(), Arc<str>> {
        let mut on_disk = self.on_disk.subscribe();
        let settled = |on_disk: &OnDisk| on_disk.has(revision) || on_disk.failing.is_some();
        match on_disk.wait_for(settled).await {
            Ok(on_disk) if !on_disk.has(revision) => Err(on_disk.failing.clone().unwrap_or_default()),
            // The sender lives as long as this.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// How far the durable copy is.
#[derive(Debug, Default)]
struct OnDisk {
    /// The latest revision that is on disk; `None` if there is no disk.
    revision: Option<Revision>,
    /// When that was found.
    at: Option<Instant>,
    /// Why nothing more comes there.
    failing: Option<Arc<str>>,
}

impl OnDisk {
    fn has(&self, revision: Revision) -> bool {
        self.revision.is_none_or(|on_disk| on_disk >= revision)
    }
}

/// Receivers that are woken for every commit; more of them would be woken for next to nothing each.
const PROMPT: usize = 16;
/// How many receivers make the pulse slower by a millisecond. Waking one costs some microseconds, however little it has
/// to tell then.
const RECEIVERS: usize = 100;

/// Wakes those who tell of changes, until the daemon ends. Whoever commits waits for none of them.
async fn keep_pulse<K: Key>(shared: Arc<SharedStore<K>>, mut running: Running) {
    while !running.is_over() {
        tokio::select! {
            () = shared.committed.notified() => {
                shared.pulse.send_replace(());
                let receivers = shared.pulse.receiver_count();
                if receivers > PROMPT {
                    let pause = u64::try_from(receivers.div_ceil(RECEIVERS)).unwrap_or(u64::MAX);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            }
            () = running.over() => {}
        }
    }
}

/// Moves the store's clock, so that leases expire and base-times are true, until the daemon ends.
pub async fn keep_time<K: Key>(shared: Arc<SharedStore<K>>, mut running: Running) {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while !running.is_over() {
        tokio::select! {
            _ = tick.tick() => {
                let mut due = shared.read(Store::wall) != wall_clock();
                // A bite at a time: after a wrong clock there is much to put right, and very much may end in one second.
                while due || shared.read(Store::is_due) {
                    shared.write(|_| ());
                    due = false;
                    tokio::task::yield_now().await;
                }
            }
            () = running.over() => {}
        }
    }
}

/// The stores of the daemon, one for each protocol.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Of DHCPv4.
    pub v4: Arc<SharedStore<V4Key>>,
    /// Of DHCPv6.
    pub v6: Arc<SharedStore<V6Key>>,
}

impl Stores {
    /// Stores that begin empty.
    pub fn new(settings: Settings) -> Self {
        let v4 = Arc::new(SharedStore::new(Store::new(settings)));
        Self { v4, v6: Arc::new(SharedStore::new(Store::new(settings))) }
    }
}
