//! A durable copy that is brought up to date when its owner says so, by whom what is in it was told already.

use std::path::Path;
use std::sync::Arc;

use leasequery_store::durable::{Durable, DurableError};
use leasequery_store::{Budget, Key, Settings, Store};

use super::place::Place;
use crate::SharedStore;

/// The durable copy of a store, as it was at some moment.
#[derive(Debug)]
pub struct Checkpoint<K: Key> {
    durable: Durable<K>,
    name: String,
    /// How many unused VPNs the store has been told of that are not on disk.
    released: u64,
    _place: Arc<Place>,
}

/// Bindings taken at a time.
const BITE: usize = 1024;

impl<K: Key> Checkpoint<K> {
    /// Opens the copy of a protocol in a directory of its own, and the store as it was then. `anew` begins with nothing.
    pub fn open(
        directory: &Path,
        protocol: &str,
        settings: Settings,
        anew: bool,
    ) -> anyhow::Result<(Self, SharedStore<K>)> {
        let place = Place::take(directory)?;
        let (name, path) = (place.name(), place.of(protocol));
        if anew && path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        let settings = Settings { durable: true, ..settings };
        let (durable, store) = super::usable(&name, &path, || Durable::<K>::open(&path, settings))?;
        Ok((Self { durable, name, released: 0, _place: place }, SharedStore::new(store)))
    }

    /// Writes the store as it is now.
    pub fn save(&mut self, shared: &SharedStore<K>) -> Result<(), String> {
        self.write(shared).map_err(|problem| format!("{}: {problem}", self.name))
    }

    fn write(&mut self, shared: &SharedStore<K>) -> Result<(), DurableError> {
        loop {
            if shared.read(Store::has_forgotten) {
                self.durable.forget(shared.write(Store::take_forgotten));
            }
            let batch = shared.read(|store| self.durable.collect(store, &Budget::new(BITE)));
            let complete = batch.is_complete();
            self.durable.write(batch)?;
            if complete {
                break;
            }
        }
        self.durable.sync()?;
        let released = self.durable.released_vpns();
        if released > self.released {
            self.released = released;
            shared.write(|store| store.release_vpns(released));
        }
        Ok(())
    }
}
