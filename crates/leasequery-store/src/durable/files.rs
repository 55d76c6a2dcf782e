use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Disk, DurableError, Table, Write};

/// A database in a directory.
pub struct Files {
    database: Database,
    bindings: Keyspace,
    metadata: Keyspace,
}

impl Files {
    /// How many files of tables it keeps open at most.
    pub const OPEN_FILES: usize = 32;

    /// Opens the database in `directory`, or makes it.
    pub fn open(directory: &Path) -> Result<Self, DurableError> {
        let database =
            Database::builder(directory).worker_threads(1).max_cached_files(Some(Self::OPEN_FILES)).open()?;
        // Whoever writes says when it has to be on disk.
        let options = || KeyspaceCreateOptions::default().manual_journal_persist(true);
        let bindings = database.keyspace("bindings", options)?;
        let metadata = database.keyspace("metadata", options)?;
        Ok(Self { database, bindings, metadata })
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        match table {
            Table::Bindings => &self.bindings,
            Table::Metadata => &self.metadata,
        }
    }
}

impl Disk for Files {
    type Bytes = fjall::Slice;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Self::Bytes>, DurableError> {
        Ok(self.keyspace(table).get(key)?)
    }

    fn iterate(&self, table: Table) -> impl Iterator<Item = Result<(Self::Bytes, Self::Bytes), DurableError>> {
        self.keyspace(table).iter().map(|entry| Ok(entry.into_inner()?))
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), DurableError> {
        let mut batch = self.database.batch();
        for Write { table, key, value } in writes {
            match value {
                Some(value) => batch.insert(self.keyspace(table), key, value),
                None => batch.remove(self.keyspace(table), key),
            }
        }
        Ok(batch.commit()?)
    }

    fn sync(&self) -> Result<(), DurableError> {
        Ok(self.database.persist(PersistMode::SyncData)?)
    }
}
