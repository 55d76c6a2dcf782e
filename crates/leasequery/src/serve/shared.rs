use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use leasequery_store::{Revision, Store, V4Key};
use tokio::sync::watch;

use super::Control;
use crate::requestor::wall_clock;

/// The store, shared by sources and connections. It is locked for a bite at a time, and never over an await or a system
/// call.
#[derive(Debug)]
pub struct SharedStore {
    store: RwLock<Store<V4Key>>,
    /// The latest revision that is on disk; the latest of all if there is no disk.
    durable: watch::Sender<Option<Revision>>,
}

impl SharedStore {
    /// Shares a store, and sets its clock.
    pub fn new(mut store: Store<V4Key>) -> Self {
        store.advance(wall_clock());
        Self { store: RwLock::new(store), durable: watch::Sender::new(None) }
    }

    /// Reads.
    pub fn read<T>(&self, read: impl FnOnce(&Store<V4Key>) -> T) -> T {
        // A panic while the lock was held cannot have left half a change that is worse than no service.
        read(&self.store.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads with the store's clock brought up to date first. What is told now has to carry the base-time of now: a
    /// requestor takes a base-time that lags for a difference between the clocks.
    pub fn read_now<T>(&self, read: impl FnOnce(&Store<V4Key>) -> T) -> T {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        if store.now() >= wall_clock() {
            return read(&store);
        }
        drop(store);
        self.write(|_| ());
        self.read(read)
    }

    /// Changes, with the store's clock brought up to date first.
    pub fn write<T>(&self, write: impl FnOnce(&mut Store<V4Key>) -> T) -> T {
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        store.advance(wall_clock());
        write(&mut store)
    }

    /// Tells that everything up to a revision is on disk.
    pub(super) fn set_durable(&self, revision: Revision) {
        self.durable.send_replace(Some(revision));
    }

    /// Waits until a revision is on disk, if there is a durable copy at all.
    pub async fn until_durable(&self, revision: Revision) {
        let mut durable = self.durable.subscribe();
        // The sender lives as long as this.
        let _ = durable.wait_for(|durable| durable.is_none_or(|durable| durable >= revision)).await;
    }
}

/// Moves the store's clock, so that leases expire and base-times are true, until the daemon ends.
pub async fn keep_time(shared: Arc<SharedStore>, mut control: watch::Receiver<Control>) {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while !control.borrow().shutdown {
        tokio::select! {
            _ = tick.tick() => if shared.read(Store::now) < wall_clock() { shared.write(|_| ()) },
            _ = control.changed() => {}
        }
    }
}
