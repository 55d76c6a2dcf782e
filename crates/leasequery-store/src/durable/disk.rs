use super::DurableError;

/// What the durable copy needs of a database: tables of octets, changed by batches that are there as a whole or not at
/// all.
pub trait Disk: Sync {
    /// Octets that were read.
    type Bytes: AsRef<[u8]> + Send;

    /// The value of one key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Self::Bytes>, DurableError>;

    /// All keys of a table with their values.
    fn iterate(&self, table: Table) -> impl Iterator<Item = Result<(Self::Bytes, Self::Bytes), DurableError>>;

    /// Makes changes, in order and all of them or none. A crash may take them back, but never without those that came
    /// behind them.
    fn apply(&self, writes: Vec<Write>) -> Result<(), DurableError>;

    /// Makes sure that no crash takes back what was applied.
    fn sync(&self) -> Result<(), DurableError>;
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Bindings by their keys.
    Bindings,
    /// Everything else.
    Metadata,
}

/// A change of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub table: Table,
    /// Whose value.
    pub key: Vec<u8>,
    /// The new value; `None` removes the key.
    pub value: Option<Vec<u8>>,
}
