//! From an identifier (MAC, client-id, remote-id, relay-id) to the records that have it, in key order.

use std::collections::BTreeSet;
use std::collections::btree_set;
use std::hash::BuildHasher;
use std::ops::Bound;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::Key;

/// A value to look up: the type of a hardware address (0 for everything else) and octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identifier<'a> {
    pub(crate) kind: u8,
    pub(crate) bytes: &'a [u8],
}

/// One index. It holds no identifiers: they are read from the records, through the [`Lookup`] that each call is given.
///
/// An entry is a record number, or, marked by the top bit, the number of a group of records with one identifier.
#[derive(Debug)]
pub(crate) struct Index<K> {
    shards: Box<[HashTable<u32>]>,
    groups: Vec<Group<K>>,
    free: Vec<u32>,
    /// Seeded, because clients choose what is hashed.
    hasher: RandomState,
}

/// Growing a table re-reads all its records, so there are many small ones.
const SHARDS: usize = 128;
const GROUP: u32 = 1 << 31;
const FEW: usize = 3;

/// Records with one identifier, in key order. Sixteen octets, because many subscribers have two or three leases.
#[derive(Debug)]
enum Group<K> {
    Few {
        records: [u32; FEW],
        length: u8,
    },
    /// Keys only: they are small, and the records are found by them.
    #[allow(clippy::box_collection, reason = "the few are many more than the many")]
    Many(Box<BTreeSet<K>>),
}

/// What an index needs to know of the records in it.
pub(crate) trait Lookup<'a, K> {
    /// The identifier of a record.
    fn identifier(&self, record: u32) -> Option<Identifier<'a>>;
    /// The key of a record.
    fn key(&self, record: u32) -> K;
    /// The record of a key.
    fn record(&self, key: K) -> Option<u32>;
}

impl<K: Key> Group<K> {
    /// Any record of the group: all have the same identifier.
    fn representative<'a>(&self, lookup: &impl Lookup<'a, K>) -> Option<u32> {
        match self {
            Self::Few { records, .. } => Some(records[0]),
            Self::Many(keys) => keys.first().and_then(|key| lookup.record(*key)),
        }
    }
}

impl<K: Key> Index<K> {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| HashTable::new()).collect();
        Self { shards, groups: Vec::new(), free: Vec::new(), hasher: RandomState::default() }
    }

    /// Makes room in an empty index.
    pub(crate) fn reserve(&mut self, count: usize) {
        for shard in self.shards.iter_mut().filter(|shard| shard.is_empty()) {
            shard.reserve(count / SHARDS, |_| 0);
        }
    }

    /// Adds a record.
    pub(crate) fn insert<'a>(&mut self, value: Identifier<'_>, record: u32, lookup: &impl Lookup<'a, K>) {
        let (hash, shard) = self.place(value);
        let groups = &self.groups;
        if let Some(entry) =
            self.shards[shard].find_mut(hash, |entry| stands_for(*entry, groups, lookup) == Some(value))
        {
            let found = *entry;
            if found & GROUP == 0 {
                let mut records = [0; FEW];
                records[0] = found;
                let group = Group::Few { records, length: 1 };
                let number = match self.free.pop() {
                    Some(number) => {
                        self.groups[number as usize] = group;
                        number
                    }
                    None => {
                        self.groups.push(group);
                        #[allow(clippy::cast_possible_truncation, reason = "fewer groups than records, of which 2^31")]
                        {
                            (self.groups.len() - 1) as u32
                        }
                    }
                };
                *entry = number | GROUP;
                join(&mut self.groups[number as usize], record, lookup);
            } else {
                join(&mut self.groups[(found & !GROUP) as usize], record, lookup);
            }
            return;
        }
        let hasher = &self.hasher;
        let rehash = |entry: &u32| stands_for(*entry, groups, lookup).map_or(0, |value| hasher.hash_one(value));
        self.shards[shard].insert_unique(hash, record, rehash);
    }

    /// Takes a record out. Its identifier must still be readable.
    pub(crate) fn remove<'a>(&mut self, value: Identifier<'_>, record: u32, lookup: &impl Lookup<'a, K>) {
        let (hash, shard) = self.place(value);
        let groups = &self.groups;
        let same = |entry: &u32| stands_for(*entry, groups, lookup) == Some(value);
        let Ok(mut found) = self.shards[shard].find_entry(hash, same) else { return };
        let entry = *found.get();
        if entry & GROUP == 0 {
            found.remove();
            return;
        }
        let number = entry & !GROUP;
        if let Some(last) = leave(&mut self.groups[number as usize], record, lookup) {
            *found.get_mut() = last;
            self.groups[number as usize] = Group::Few { records: [0; FEW], length: 0 };
            self.free.push(number);
        }
    }

    /// The records with this identifier, in key order from behind `after`.
    pub(crate) fn members<'s>(
        &'s self,
        value: Identifier<'_>,
        after: Option<K>,
        lookup: &impl Lookup<'s, K>,
    ) -> Members<'s, K> {
        let (hash, shard) = self.place(value);
        let behind = |record: u32| after.is_none_or(|after| lookup.key(record) > after);
        match self.shards[shard].find(hash, |entry| stands_for(*entry, &self.groups, lookup) == Some(value)) {
            None => Members::One(None),
            Some(entry) if entry & GROUP == 0 => Members::One(Some(*entry).filter(|record| behind(*record))),
            Some(entry) => match &self.groups[(entry & !GROUP) as usize] {
                Group::Few { records, length } => {
                    let records = &records[..usize::from(*length)];
                    Members::Few(records[records.partition_point(|record| !behind(*record))..].iter())
                }
                Group::Many(keys) => {
                    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                    Members::Many(keys.range((from, Bound::Unbounded)))
                }
            },
        }
    }

    fn place(&self, value: Identifier<'_>) -> (u64, usize) {
        let hash = self.hasher.hash_one(value);
        // Bits that the table uses neither for the bucket nor for its tags.
        (hash, (hash >> 40) as usize % SHARDS)
    }
}

/// The identifier that an entry stands for.
#[inline]
fn stands_for<'a, K: Key>(entry: u32, groups: &[Group<K>], lookup: &impl Lookup<'a, K>) -> Option<Identifier<'a>> {
    let record = match entry & GROUP {
        0 => Some(entry),
        _ => groups[(entry & !GROUP) as usize].representative(lookup),
    };
    record.and_then(|record| lookup.identifier(record))
}

fn join<'a, K: Key>(group: &mut Group<K>, record: u32, lookup: &impl Lookup<'a, K>) {
    let key = lookup.key(record);
    match group {
        Group::Few { records, length } if usize::from(*length) < FEW => {
            let used = usize::from(*length);
            let at = records[..used].partition_point(|member| lookup.key(*member) < key);
            records.copy_within(at..used, at + 1);
            records[at] = record;
            *length += 1;
        }
        Group::Few { records, .. } => {
            let mut many: BTreeSet<K> = records.iter().map(|member| lookup.key(*member)).collect();
            many.insert(key);
            *group = Group::Many(Box::new(many));
        }
        Group::Many(keys) => {
            keys.insert(key);
        }
    }
}

/// Takes a record out of its group. If only one is left the group is no longer needed, and the one is returned.
fn leave<'a, K: Key>(group: &mut Group<K>, record: u32, lookup: &impl Lookup<'a, K>) -> Option<u32> {
    match group {
        Group::Few { records, length } => {
            let used = usize::from(*length);
            if let Some(at) = records[..used].iter().position(|member| *member == record) {
                records.copy_within(at + 1..used, at);
                *length -= 1;
            }
            (*length == 1).then_some(records[0])
        }
        Group::Many(keys) => {
            keys.remove(&lookup.key(record));
            let only = keys.first().copied().filter(|_| keys.len() == 1)?;
            lookup.record(only)
        }
    }
}

/// The records of one identifier, in key order: as numbers, or as keys.
#[derive(Debug)]
pub(crate) enum Members<'s, K> {
    One(Option<u32>),
    Few(std::slice::Iter<'s, u32>),
    Many(btree_set::Range<'s, K>),
}

impl<K: Key> Members<'_, K> {
    pub(crate) fn next(&mut self, record: impl Fn(K) -> Option<u32>) -> Option<u32> {
        match self {
            Self::One(record) => record.take(),
            Self::Few(records) => records.next().copied(),
            Self::Many(keys) => keys.find_map(|key| record(*key)),
        }
    }
}
