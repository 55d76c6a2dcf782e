//! The durable copy of a store, in a database of its own.
//!
//! It follows the recency order as an active session does: each [`collect`](Durable::collect) takes the bindings that
//! changed since the last one, so nothing is queued anywhere. Positions of sources are written only once all commits
//! before them are, so a source that is read again from its position repeats changes and misses none.

mod disk;
mod files;
mod memory;
mod metadata;

use std::marker::PhantomData;
use std::path::Path;

use thiserror::Error;

use crate::network::Owned;
use crate::{
    Budget, CorruptRecord, Image, Key, Metadata, Network, Revision, Settings, SourceId, SourceMetadata, Store,
};
use metadata::{CLOSED, METADATA, networks_key, read_metadata, read_networks, write_metadata, write_networks};

pub use disk::{Disk, Table, Write};
pub use files::Files;
pub use memory::Memory;

/// Why the durable copy cannot be used.
#[derive(Debug, Error)]
pub enum DurableError {
    /// The database cannot be read or written.
    #[error("{0}")]
    Database(#[from] fjall::Error),
    /// A binding that is not what was written.
    #[error("{0}")]
    Record(#[from] CorruptRecord),
    /// What belongs to all bindings is not what was written.
    #[error("the metadata is damaged or of another version; if the directory is removed, it begins anew")]
    Metadata,
}

/// The durable copy, and how far it has followed.
pub struct Durable<K, D = Files> {
    disk: D,
    /// Up to where the bindings have been written.
    revision: Revision,
    written: Option<Metadata>,
    /// What is on disk of the sources.
    sources: Vec<SourceMetadata>,
    /// Up to where the networks have been written.
    networks: u64,
    /// Whether the last batch that was written had everything.
    whole: bool,
    was_closed: bool,
    /// Whether the mark of [`close`](Self::close) is there.
    marked: bool,
    key: PhantomData<fn() -> K>,
}

/// Changes to be written together.
#[derive(Debug)]
pub struct Batch<K> {
    bindings: Vec<Write>,
    revision: Revision,
    /// With each batch, because bindings refer to VPNs and sources by their numbers.
    metadata: Metadata,
    /// Present if nothing had changed beyond. Only then does what is new of sources hold, and is in the metadata.
    networks: Option<ChangedNetworks<K>>,
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
        f.debug_struct("Durable").field("revision", &self.revision).finish_non_exhaustive()
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
        let (store, was_closed) = match disk.get(Table::Metadata, METADATA)? {
            None => (Store::new(settings), true),
            Some(bytes) => {
                let metadata = read_metadata(bytes.as_ref()).ok_or(DurableError::Metadata)?;
                let networks = all_networks(&disk, metadata.sources.len())?;
                let mut image = Image::new(settings, metadata);
                image.set_networks(networks);
                (restore(&disk, image)?, marked)
            }
        };
        let (revision, networks) = (store.revision(), store.networks.generation());
        let sources = store.metadata().sources;
        let durable = Self {
            disk,
            revision,
            written: None,
            sources,
            networks,
            whole: true,
            was_closed,
            marked,
            key: PhantomData,
        };
        Ok((durable, store))
    }

    /// Up to where the bindings have been written.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Whether the last run ended with [`close`](Self::close), or this is the first. If not, its last commits may be
    /// missing here.
    pub fn was_closed(&self) -> bool {
        self.was_closed
    }

    /// Takes what has changed since the last batch that was written, as far as the budget goes.
    pub fn collect(&self, store: &Store<K>, budget: &Budget) -> Batch<K> {
        let mut bindings = Vec::new();
        let mut changes = store.changes(self.revision, budget);
        for binding in changes.by_ref() {
            let (mut key, mut value) = (Vec::with_capacity(8), Vec::with_capacity(160));
            binding.key().write(&mut key);
            store.write_binding(&binding, &mut value);
            bindings.push(Write { table: Table::Bindings, key, value: Some(value) });
        }
        let (revision, complete) = (changes.cursor(), changes.is_over());
        let mut metadata = store.metadata();
        if !complete {
            // How far a source was read, and that it was read as a whole, holds with all that it said.
            for (nth, source) in metadata.sources.iter_mut().enumerate() {
                let written = self.sources.get(nth).cloned().unwrap_or_default();
                *source = SourceMetadata { name: std::mem::take(&mut source.name), ..written };
            }
            // What was undone may be among what is not written yet.
            metadata.settled = false;
        }
        let networks = complete.then(|| ChangedNetworks {
            owned: store.networks.changed_since(self.networks).cloned().collect(),
            generation: store.networks.generation(),
        });
        Batch { bindings, revision, metadata, networks }
    }

    /// Writes a batch, all of it or nothing, and takes out bindings that were forgotten.
    pub fn write(&mut self, batch: Batch<K>, forgotten: &[K]) -> Result<(), DurableError> {
        let Batch { bindings, revision, metadata, networks } = batch;
        // While this fails, what is on disk is not everything.
        self.whole = false;
        let mut writes = Vec::with_capacity(forgotten.len() + bindings.len() + 2);
        for key in forgotten {
            let mut bytes = Vec::with_capacity(8);
            key.write(&mut bytes);
            writes.push(Write { table: Table::Bindings, key: bytes, value: None });
        }
        // An address that was forgotten and is known again since is among the bindings.
        writes.extend(bindings);
        let mut put = |key, value| writes.push(Write { table: Table::Metadata, key, value });
        if self.written.as_ref() != Some(&metadata) {
            put(METADATA.to_vec(), Some(write_metadata(&metadata)));
        }
        for Owned { owner, ranges, .. } in networks.iter().flat_map(|networks| &networks.owned) {
            put(networks_key(*owner), (!ranges.is_empty()).then(|| write_networks(ranges)));
        }
        if !writes.is_empty() {
            if self.marked {
                writes.push(Write { table: Table::Metadata, key: CLOSED.to_vec(), value: None });
            }
            self.disk.apply(writes)?;
            self.marked = false;
        }
        self.revision = revision;
        self.sources.clone_from(&metadata.sources);
        self.written = Some(metadata);
        self.whole = networks.is_some();
        if let Some(networks) = networks {
            self.networks = networks.generation;
        }
        Ok(())
    }

    /// Makes sure that what was written survives a power cut.
    pub fn sync(&self) -> Result<(), DurableError> {
        self.disk.sync()
    }

    /// Ends, and marks that everything has been written, for [`was_closed`](Self::was_closed) of the next run. There is
    /// no mark if the last batch was not complete or could not be written.
    pub fn close(self) -> Result<(), DurableError> {
        if self.whole && !self.marked {
            self.disk.apply(vec![Write { table: Table::Metadata, key: CLOSED.to_vec(), value: Some(Vec::new()) }])?;
        }
        self.disk.sync()
    }
}

/// An owner, and what it configured.
type Configured<K> = (Option<SourceId>, Vec<Network<K>>);

/// What each owner configured.
fn all_networks<K: Key>(disk: &impl Disk, sources: usize) -> Result<Vec<Configured<K>>, DurableError> {
    let mut all = Vec::new();
    let sources = (0..=u8::MAX).take(sources).map(SourceId);
    for owner in std::iter::once(None).chain(sources.map(Some)) {
        if let Some(bytes) = disk.get(Table::Metadata, &networks_key(owner))? {
            all.push((owner, read_networks(bytes.as_ref()).ok_or(DurableError::Metadata)?));
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
                image.add(K::read(key.as_ref()).ok_or(CorruptRecord(value.len()))?, value)?;
            }
        }
        Ok(image.finish())
    })
}

#[cfg(test)]
mod tests;
