//! The durable copy of a store, in a database of its own.
//!
//! It follows the recency order as an active session does: each [`collect`](Durable::collect) takes the bindings that
//! changed since the last one, so nothing is queued anywhere. Positions of sources are written only once all commits
//! before them are, so a source that is read again from its position repeats changes and misses none.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use thiserror::Error;

use crate::{CorruptRecord, Image, Key, Metadata, Network, Revision, Settings, Store, Time, VpnName};

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
    #[error("the metadata is damaged or of another version")]
    Metadata,
}

/// The database.
pub struct Durable<K> {
    database: Database,
    bindings: Keyspace,
    metadata: Keyspace,
    /// Up to where the bindings have been written.
    revision: Revision,
    written: Option<Metadata<K>>,
}

/// Changes to be written together.
#[derive(Debug)]
pub struct Batch<K> {
    bindings: Vec<(Vec<u8>, Vec<u8>)>,
    revision: Revision,
    /// Present if nothing had changed beyond: only then do the positions in it hold.
    metadata: Option<Metadata<K>>,
}

impl<K> Batch<K> {
    /// Whether this was all there was.
    pub fn is_complete(&self) -> bool {
        self.metadata.is_some()
    }
}

const METADATA: &[u8] = b"metadata";
/// First octet of the metadata, to tell layouts apart.
const LAYOUT: u8 = 1;

impl<K: Key> std::fmt::Debug for Durable<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Durable").field("revision", &self.revision).finish_non_exhaustive()
    }
}

impl<K: Key> Durable<K> {
    /// Opens the database in `directory`, or makes it, and restores the store from it.
    pub fn open(directory: &Path, settings: Settings) -> Result<(Self, Store<K>), DurableError> {
        let database = Database::builder(directory).worker_threads(1).open()?;
        // Whoever writes says when it has to be on disk.
        let options = || KeyspaceCreateOptions::default().manual_journal_persist(true);
        let bindings = database.keyspace("bindings", options)?;
        let metadata = database.keyspace("metadata", options)?;
        let store = match metadata.get(METADATA)? {
            None => Store::new(settings),
            Some(bytes) => {
                let metadata = read_metadata(&bytes).ok_or(DurableError::Metadata)?;
                restore(&bindings, Image::new(settings, metadata))?
            }
        };
        let durable = Self { database, bindings, metadata, revision: store.revision(), written: None };
        Ok((durable, store))
    }

    /// Up to where the bindings have been written.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Takes what has changed since the last batch that was written, `room` bindings at most.
    pub fn collect(&self, store: &Store<K>, room: usize) -> Batch<K> {
        let mut bindings = Vec::new();
        let mut revision = self.revision;
        for binding in store.changes(self.revision).take(room) {
            let (mut key, mut value) = (Vec::with_capacity(8), Vec::with_capacity(160));
            binding.key().write(&mut key);
            binding.to_bytes(&mut value);
            bindings.push((key, value));
            revision = binding.revision();
        }
        let complete = bindings.len() < room;
        Batch { bindings, revision, metadata: complete.then(|| store.metadata()) }
    }

    /// Writes a batch, all of it or nothing, and takes out bindings that were forgotten.
    pub fn write(&mut self, batch: Batch<K>, forgotten: &[K]) -> Result<(), DurableError> {
        let metadata = batch.metadata.filter(|metadata| self.written.as_ref() != Some(metadata));
        if batch.bindings.is_empty() && forgotten.is_empty() && metadata.is_none() {
            return Ok(());
        }
        let mut writes = self.database.batch();
        for key in forgotten {
            let mut bytes = Vec::with_capacity(8);
            key.write(&mut bytes);
            writes.remove(&self.bindings, bytes);
        }
        // An address that was forgotten and is known again since is among the bindings.
        for (key, value) in batch.bindings {
            writes.insert(&self.bindings, key, value);
        }
        if let Some(metadata) = &metadata {
            writes.insert(&self.metadata, METADATA, write_metadata(metadata));
        }
        writes.commit()?;
        self.revision = batch.revision;
        self.written = metadata.or(self.written.take());
        Ok(())
    }

    /// Makes sure that what was written survives a power cut.
    pub fn sync(&self) -> Result<(), DurableError> {
        Ok(self.database.persist(PersistMode::SyncData)?)
    }
}

/// Reads all bindings, in a thread of its own, and puts them together here.
fn restore<K: Key>(bindings: &Keyspace, mut image: Image<K>) -> Result<Store<K>, DurableError> {
    const BATCH: usize = 4096;
    std::thread::scope(|scope| {
        let (sender, batches) = std::sync::mpsc::sync_channel(4);
        scope.spawn(move || {
            let mut entries = bindings.iter().map(fjall::Guard::into_inner);
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
                image.add(K::read(&key).ok_or(CorruptRecord(value.len()))?, &value)?;
            }
        }
        Ok(image.finish())
    })
}

fn write_metadata<K: Key>(metadata: &Metadata<K>) -> Vec<u8> {
    let mut out = vec![LAYOUT];
    out.extend_from_slice(&metadata.now.0.to_be_bytes());
    out.extend_from_slice(&metadata.revision.0.to_be_bytes());
    out.extend_from_slice(&metadata.history_floor.0.to_be_bytes());
    out.extend_from_slice(&metadata.bindings.to_be_bytes());
    put_number(&mut out, metadata.vpns.len());
    for vpn in &metadata.vpns {
        match vpn {
            VpnName::Name(name) => {
                out.push(0);
                put_bytes(&mut out, name);
            }
            VpnName::Id(id) => {
                out.push(1);
                put_bytes(&mut out, id);
            }
        }
    }
    put_number(&mut out, metadata.sources.len());
    for (name, position) in &metadata.sources {
        put_bytes(&mut out, name.as_bytes());
        out.push(u8::from(position.is_some()));
        put_bytes(&mut out, position.as_deref().unwrap_or_default());
    }
    put_number(&mut out, metadata.networks.len());
    for network in &metadata.networks {
        for key in [network.first, network.last] {
            let mut bytes = Vec::new();
            key.write(&mut bytes);
            put_bytes(&mut out, &bytes);
        }
        out.extend_from_slice(&network.since.0.to_be_bytes());
    }
    out
}

fn read_metadata<K: Key>(bytes: &[u8]) -> Option<Metadata<K>> {
    let mut rest = bytes;
    if take::<1>(&mut rest)? != [LAYOUT] {
        return None;
    }
    let mut metadata = Metadata {
        now: take_time(&mut rest)?,
        revision: Revision(u64::from_be_bytes(take(&mut rest)?)),
        history_floor: take_time(&mut rest)?,
        bindings: take_number(&mut rest)?,
        vpns: Vec::new(),
        sources: Vec::new(),
        networks: Vec::new(),
    };
    for _ in 0..take_number(&mut rest)? {
        let [kind] = take(&mut rest)?;
        let name = take_bytes(&mut rest)?;
        metadata.vpns.push(match kind {
            0 => VpnName::Name(name.into()),
            1 => VpnName::Id(name.try_into().ok()?),
            _ => return None,
        });
    }
    for _ in 0..take_number(&mut rest)? {
        let name = String::from_utf8(take_bytes(&mut rest)?.to_vec()).ok()?;
        let [present] = take(&mut rest)?;
        let position = take_bytes(&mut rest)?.to_vec();
        metadata.sources.push((name, (present == 1).then_some(position)));
    }
    for _ in 0..take_number(&mut rest)? {
        let first = K::read(take_bytes(&mut rest)?)?;
        let last = K::read(take_bytes(&mut rest)?)?;
        metadata.networks.push(Network { first, last, since: take_time(&mut rest)? });
    }
    rest.is_empty().then_some(metadata)
}

/// A length or count; both are far below 2^32.
fn put_number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

fn take_time(rest: &mut &[u8]) -> Option<Time> {
    take(rest).map(|octets| Time(u32::from_be_bytes(octets)))
}

fn take_number(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_be_bytes)
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_number(rest)?).ok()?;
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

#[cfg(test)]
mod tests;
