use leasequery_store::{Key, Store, V4Key};

use crate::serve::SharedStore;

/// The store that a follower fills while others read it. It is locked for a moment at a time.
pub trait Shared<K: Key>: Send + Sync {
    /// Reads.
    fn read<T>(&self, read: impl FnOnce(&Store<K>) -> T) -> T;
    /// Changes, with the store's clock brought up to date first.
    fn write<T>(&self, write: impl FnOnce(&mut Store<K>) -> T) -> T;
}

impl Shared<V4Key> for SharedStore {
    fn read<T>(&self, read: impl FnOnce(&Store<V4Key>) -> T) -> T {
        self.read(read)
    }

    fn write<T>(&self, write: impl FnOnce(&mut Store<V4Key>) -> T) -> T {
        self.write(write)
    }
}
