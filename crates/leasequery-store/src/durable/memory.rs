use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DurableError, Table, Write};

/// A database in memory, for tests and simulations. Clones share what is in it, so that it outlives whoever had it open;
/// each of them is it opened anew.
#[derive(Debug, Default)]
pub struct Memory {
    contents: Arc<Mutex<Contents>>,
    /// How often it had failed when it was opened.
    failures: u64,
}

#[derive(Debug, Default)]
struct Contents {
    current: Values,
    /// What a crash leaves.
    synced: Values,
    /// What `current` has and `synced` has not: what was applied together.
    pending: Vec<Vec<Write>>,
    /// How often it has failed.
    failures: u64,
    /// Whether it fails now, opened anew or not.
    failing: bool,
}

type Values = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops what was not synced, as a power cut does. Whoever has it open does not notice, and must not go on with it.
    pub fn crash(&self) {
        self.crash_after(0);
    }

    /// The same, but as many of the batches that were not synced as `survivors` had reached the disk.
    pub fn crash_after(&self, survivors: usize) {
        let mut contents = self.contents();
        for write in std::mem::take(&mut contents.pending).into_iter().take(survivors).flatten() {
            put(&mut contents.synced, write);
        }
        contents.current = contents.synced.clone();
    }

    /// Fails from now on, until it has [recovered](Self::recover) and is opened anew. As many of the batches that were not
    /// synced as `survivors` had reached the disk.
    pub fn fail(&self, survivors: usize) {
        self.crash_after(survivors);
        let mut contents = self.contents();
        contents.failures += 1;
        contents.failing = true;
    }

    /// Can be opened again.
    pub fn recover(&self) {
        self.contents().failing = false;
    }

    /// How many batches have not been synced.
    pub fn unsynced(&self) -> usize {
        self.contents().pending.len()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in it, unless it has failed.
    fn usable(&self) -> Result<MutexGuard<'_, Contents>, DurableError> {
        let contents = self.contents();
        if contents.failing || contents.failures != self.failures {
            return Err(DurableError::System(io::ErrorKind::StorageFull.into()));
        }
        Ok(contents)
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        let failures = self.contents().failures;
        Self { contents: Arc::clone(&self.contents), failures }
    }
}

fn put(values: &mut Values, Write { table, key, value }: Write) {
    match value {
        Some(value) => values.insert((table, key), value),
        None => values.remove(&(table, key)),
    };
}

impl Disk for Memory {
    type Bytes = Vec<u8>;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Self::Bytes>, DurableError> {
        Ok(self.usable()?.current.get(&(table, key.to_vec())).cloned())
    }

    fn iterate(&self, table: Table) -> impl Iterator<Item = Result<(Self::Bytes, Self::Bytes), DurableError>> {
        let entries: Vec<_> = match self.usable() {
            Err(problem) => vec![Err(problem)],
            Ok(contents) => {
                let from = contents.current.range((table, Vec::new())..).take_while(|((of, _), _)| *of == table);
                from.map(|((_, key), value)| Ok((key.clone(), value.clone()))).collect()
            }
        };
        entries.into_iter()
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), DurableError> {
        let mut contents = self.usable()?;
        contents.pending.push(writes.clone());
        for write in writes {
            put(&mut contents.current, write);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), DurableError> {
        let mut contents = self.usable()?;
        for write in std::mem::take(&mut contents.pending).into_iter().flatten() {
            put(&mut contents.synced, write);
        }
        Ok(())
    }
}
