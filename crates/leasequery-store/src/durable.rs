//! The durable copy of a store, in a database of its own.
//!
//! It follows the recency order as an active session does: each [`collect`](Durable::collect) takes the bindings that
//! changed since the last one, so nothing is queued anywhere. Positions of sources are written only once all commits
//! before them are, so a source that is read again from its position repeats changes and misses none.
//!
//! After a failure nobody knows what of the last writes is on disk. The database is given up then, and once it can be
//! [opened anew](Durable::reopen) everything is written again that came after what was synced.

mod disk;
mod error;
mod files;
mod forgotten;
mod memory;
mod metadata;

use std::path::Path;
use std::sync::Arc;

use crate::network::Owned;
use crate::{
    Budget, CorruptRecord, Image, Key, Metadata, Network, Place, Revision, Settings, SourceId, SourceMetadata, Store,
};
use forgotten::Forgotten;
use metadata::{
    CLOSED, LAYOUT, METADATA, VPNS, networks_key, read_metadata, read_networks, read_vpns, write_metadata,
    write_networks, write_vpns,
};

pub use disk::{Disk, Table, Write};
pub use error::DurableError;
pub use files::Files;
pub use memory::Memory;

/// The durable copy, and how far it has followed.
pub struct Durable<K, D = Files> {
    /// `None` from a failure on until it is opened anew.
    disk: Option<D>,
    /// How far it has been written, and how far that survives a crash.
    written: Progress,
    synced: Progress,
    /// What was written last.
    metadata: Option<Metadata>,
    forgotten: Forgotten<Place<K>>,
    was_closed: bool,
    /// Whether the mark of [`close`](Self::close) is there.
    marked: bool,
}

/// How far a store has been written.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// The bindings.
    revision: Revision,
    /// What is known of the sources.
    sources: Vec<SourceMetadata>,
    /// The networks.
    networks: u64,
    /// How many VPNs had been found unused, so that nothing refers to them there.
    vpns: u64,
    /// Whether the last batch had everything.
    whole: bool,
}

/// Changes to be written together.
#[derive(Debug)]
pub struct Batch<K> {
    /// Bindings that are there no longer, and those that are new.
    bindings: Vec<Write>,
    /// How many keys of forgotten ones these include.
    forgotten: usize,
    revision: Revision,
    /// With each batch, because bindings refer to VPNs and sources by their numbers.
    metadata: Metadata,
    /// Present if nothing had changed beyond. Only then does what is new of sources hold, and is in the metadata.
    networks: Option<ChangedNetworks<K>>,
    /// How many VPNs had been found unused, if all that once referred to them is gone with it.
    vpns: Option<u64>,
}

/// The networks that have changed. They are many, and change seldom.
#[derive(Debug)]
struct ChangedNetworks<K> {
    owned: Vec<Owned<K>>,
    generation: u64,
}

impl<K> Batch<K> {
    /// Whether this was all there was.
    pub fn is_complete(&self) -> bool {
        self.networks.is_some()
    }
}

impl<K, D> std::fmt::Debug for Durable<K, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Durable").field("written", &self.written).finish_non_exhaustive()
    }
}

impl<K: Key> Durable<K> {
    /// Opens the database in `directory`, or makes it, and restores the store from it.
    pub fn open(directory: &Path, settings: Settings) -> Result<(Self, Store<K>), DurableError> {
        Self::open_on(Files::open(directory)?, settings)
    }
}

impl<K: Key, D: Disk> Durable<K, D> {
    /// Restores the store from a database, which may be an empty one.
    pub fn open_on(disk: D, settings: Settings) -> Result<(Self, Store<K>), DurableError> {
        let marked = disk.get(Table::Metadata, CLOSED)?.is_some();
        let (store, was_closed) = match metadata_on(&disk)? {
            None => (Store::new(settings), true),
            Some(metadata) => {
                let networks = all_networks(&disk, metadata.sources.len())?;
                let mut image = Image::new(settings, metadata);
                image.set_networks(networks);
                (restore(&disk, image)?, marked)
            }
        };
        let written = Progress {
            revision: store.revision(),
            sources: store.metadata().sources,
            networks: store.networks.generation(),
            vpns: 0,
            whole: true,
        };
        let synced = written.clone();
        let forgotten = Forgotten::default();
        let durable = Self { disk: Some(disk), written, synced, metadata: None, forgotten, was_closed, marked };
        Ok((durable, store))
    }

    /// Opens the database anew after a failure; nothing happens if there was none. Afterwards everything is written again
    /// that came after what was synced, or all there is if the database is an empty one.
    pub fn reopen(&mut self, open: impl FnOnce() -> Result<D, DurableError>) -> Result<(), DurableError> {
        if self.disk.is_some() {
            return Ok(());
        }
        let disk = open()?;
        self.marked = disk.get(Table::Metadata, CLOSED)?.is_some();
        if metadata_on(&disk)?.is_none() {
            self.synced = Progress::default();
        }
        self.forgotten.again(|| keys_on(&disk))?;
        self.written = Progress { whole: false, ..self.synced.clone() };
        self.metadata = None;
        self.disk = Some(disk);
        Ok(())
    }

    /// Writes nothing more to the database as it is open now: it has to be [opened anew](Self::reopen).
    pub fn give_up(&mut self) {
        self.disk = None;
    }

    /// Whether it can be written. If not, it has to be [opened anew](Self::reopen).
    pub fn is_open(&self) -> bool {
        self.disk.is_some()
    }

    /// Up to where the bindings are on disk, whatever happens.
    pub fn synced(&self) -> Revision {
        self.synced.revision
    }

    /// How many of the VPNs that were found unused nothing refers to on disk, whatever happens: for
    /// [`Store::release_vpns`]. Until then a number stays that of the VPN that it has there.
    pub fn released_vpns(&self) -> u64 {
        self.synced.vpns
    }

    /// Up to where the bindings have been written.
    pub fn revision(&self) -> Revision {
        self.written.revision
    }

    /// Whether the last run ended with [`close`](Self::close), or this is the first. If not, its last commits may be
    /// missing here.
    pub fn was_closed(&self) -> bool {
        self.was_closed
    }

    /// Remembers bindings that were forgotten, until they are forgotten here, too.
    pub fn forget(&mut self, keys: Vec<Place<K>>) {
        self.forgotten.add(keys, self.disk.is_some());
    }

    /// Takes what was forgotten and what has changed since the last batch that was written, as far as the budget goes.
    pub fn collect(&self, store: &Store<K>, budget: &Budget) -> Batch<K> {
        let mut bindings = Vec::new();
        let forgotten = self.forgotten.unwritten(budget.left());
        budget.spend(forgotten.len());
        // One that is known again is on disk as it is now, or among the changes.
        for forgotten in forgotten.iter().filter(|forgotten| !store.has(**forgotten)) {
            let mut key = Vec::with_capacity(8);
            forgotten.write(&mut key);
            bindings.push(Write { table: Table::Bindings, key, value: None });
        }
        let mut changes = store.changes(self.written.revision, budget);
        for binding in changes.by_ref() {
            let (mut key, mut value) = (Vec::with_capacity(8), Vec::with_capacity(160));
            binding.place().write(&mut key);
            store.write_binding(&binding, &mut value);
            bindings.push(Write { table: Table::Bindings, key, value: Some(value) });
        }
        let (revision, complete) = (changes.cursor(), changes.is_over());
        let mut metadata = store.metadata();
        if !complete {
            // How far a source was read, and that it was read as a whole, holds with all that it said.
            for (nth, source) in metadata.sources.iter_mut().enumerate() {
                let written = self.written.sources.get(nth).cloned().unwrap_or_default();
                *source = SourceMetadata { name: std::mem::take(&mut source.name), ..written };
            }
            // What was undone may be among what is not written yet.
            metadata.settled = false;
        }
        let networks = complete.then(|| ChangedNetworks {
            owned: store.networks.changed_since(self.written.networks).cloned().collect(),
            generation: store.networks.generation(),
        });
        let all_forgotten = !store.has_forgotten() && self.forgotten.unwritten(usize::MAX).len() == forgotten.len();
        let vpns = (complete && all_forgotten).then(|| store.vpns.retired());
        Batch { bindings, forgotten: forgotten.len(), revision, metadata, networks, vpns }
    }

    /// Writes a batch, all of it or nothing.
    pub fn write(&mut self, batch: Batch<K>) -> Result<(), DurableError> {
        let Batch { bindings: mut writes, forgotten, revision, metadata, networks, vpns } = batch;
        let mut put = |key, value| writes.push(Write { table: Table::Metadata, key, value });
        if self.metadata.as_ref() != Some(&metadata) {
            put(METADATA.to_vec(), Some(write_metadata(&metadata)));
        }
        // Their names come with the first bindings that refer to them.
        if self.metadata.as_ref().is_none_or(|written| !Arc::ptr_eq(&written.vpns, &metadata.vpns)) {
            put(VPNS.to_vec(), Some(write_vpns(&metadata.vpns)));
        }
        for Owned { owner, ranges, .. } in networks.iter().flat_map(|networks| &networks.owned) {
            put(networks_key(*owner), (!ranges.is_empty()).then(|| write_networks(ranges)));
        }
        if !writes.is_empty() {
            if self.marked {
                writes.push(Write { table: Table::Metadata, key: CLOSED.to_vec(), value: None });
            }
            self.on_disk(|disk| disk.apply(writes))?;
            self.marked = false;
        }
        self.forgotten.set_written(forgotten);
        self.written.revision = revision;
        self.written.sources.clone_from(&metadata.sources);
        self.metadata = Some(metadata);
        self.written.whole = networks.is_some();
        self.written.vpns = vpns.unwrap_or(self.written.vpns);
        if let Some(networks) = networks {
            self.written.networks = networks.generation;
        }
        Ok(())
    }

    /// Makes sure that what was written survives a power cut.
    pub fn sync(&mut self) -> Result<(), DurableError> {
        self.on_disk(D::sync)?;
        self.synced = self.written.clone();
        self.forgotten.set_synced();
        Ok(())
    }

    /// Ends, and marks that everything has been written, for [`was_closed`](Self::was_closed) of the next run. There is
    /// no mark if the last batch was not complete.
    pub fn close(mut self) -> Result<(), DurableError> {
        if self.written.whole && !self.marked {
            let mark = Write { table: Table::Metadata, key: CLOSED.to_vec(), value: Some(Vec::new()) };
            self.on_disk(|disk| disk.apply(vec![mark]))?;
        }
        self.sync()
    }

    /// Does something with the database, which is given up if that fails: what it is like then is found out by opening it
    /// anew.
    fn on_disk(&mut self, work: impl FnOnce(&D) -> Result<(), DurableError>) -> Result<(), DurableError> {
        let disk = self.disk.as_ref().ok_or(DurableError::GivenUp)?;
        work(disk).inspect_err(|_| self.disk = None)
    }
}

/// What belongs to all bindings; `None` in a database that has never been written.
fn metadata_on(disk: &impl Disk) -> Result<Option<Metadata>, DurableError> {
    let Some(bytes) = disk.get(Table::Metadata, METADATA)? else { return Ok(None) };
    match bytes.as_ref() {
        [layout, ..] if *layout != LAYOUT => Err(DurableError::Layout(*layout)),
        bytes => {
            let vpns = disk.get(Table::Metadata, VPNS)?;
            let vpns = vpns.map_or(Some([].into()), |bytes| read_vpns(bytes.as_ref()));
            let (metadata, vpns) = read_metadata(bytes).zip(vpns).ok_or_else(damaged_metadata)?;
            Ok(Some(Metadata { vpns, ..metadata }))
        }
    }
}

fn damaged_metadata() -> DurableError {
    DurableError::Damaged("what belongs to all bindings is not what was written".to_owned())
}

/// The keys of all bindings.
fn keys_on<K: Key>(disk: &impl Disk) -> Result<Vec<Place<K>>, DurableError> {
    let key = |bytes: &[u8]| Place::read(bytes).ok_or_else(|| DurableError::Damaged("a key is none".to_owned()));
    disk.iterate(Table::Bindings).map(|entry| key(entry?.0.as_ref())).collect()
}

/// An owner, and what it configured.
type Configured<K> = (Option<SourceId>, Vec<Network<K>>);

/// What each owner configured.
fn all_networks<K: Key>(disk: &impl Disk, sources: usize) -> Result<Vec<Configured<K>>, DurableError> {
    let mut all = Vec::new();
    let sources = (0..=u8::MAX).take(sources).map(SourceId);
    for owner in std::iter::once(None).chain(sources.map(Some)) {
        if let Some(bytes) = disk.get(Table::Metadata, &networks_key(owner))? {
            all.push((owner, read_networks(bytes.as_ref()).ok_or_else(damaged_metadata)?));
        }
    }
    Ok(all)
}

/// Reads all bindings, in a thread of its own, and puts them together here.
fn restore<K: Key>(disk: &impl Disk, mut image: Image<K>) -> Result<Store<K>, DurableError> {
    const BATCH: usize = 4096;
    std::thread::scope(|scope| {
        let (sender, batches) = std::sync::mpsc::sync_channel(4);
        scope.spawn(move || {
            let mut entries = disk.iterate(Table::Bindings);
            loop {
                let batch: Vec<_> = entries.by_ref().take(BATCH).collect();
                if batch.is_empty() || sender.send(batch).is_err() {
                    return;
                }
            }
        });
        for batch in batches {
            for entry in batch {
                let (key, value) = entry?;
                let value = value.as_ref();
                image.add(Place::read(key.as_ref()).ok_or(CorruptRecord(value.len()))?, value)?;
            }
        }
        Ok(image.finish())
    })
}

#[cfg(test)]
mod tests;
