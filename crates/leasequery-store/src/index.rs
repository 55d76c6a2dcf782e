//! From an identifier (MAC, client-id, remote-id, relay-id) to the records that have it, in key order.

use std::collections::BTreeMap;
use std::collections::btree_map;
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

/// One index. It holds no identifiers: they are read from the records, through the function that each call is given.
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
const FEW: usize = 5;

#[derive(Debug)]
enum Group<K> {
    Few { records: [u32; FEW], length: u8 },
    Many(BTreeMap<K, u32>),
}

impl<K: Key> Group<K> {
    /// Any record of the group: all have the same identifier.
    fn representative(&self) -> Option<u32> {
        match self {
            Self::Few { records, .. } => Some(records[0]),
            Self::Many(records) => records.first_key_value().map(|(_, record)| *record),
        }
    }
}

impl<K: Key> Index<K> {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| HashTable::new()).collect();
        Self { shards, groups: Vec::new(), free: Vec::new(), hasher: RandomState::default() }
    }

    /// Adds a record. `identifier` tells those of the records that are in the index, and `key` their keys.
    pub(crate) fn insert<'a>(
        &mut self,
        value: Identifier<'_>,
        record: u32,
        identifier: impl Fn(u32) -> Option<Identifier<'a>>,
        key: impl Fn(u32) -> K,
    ) {
        let (hash, shard) = self.place(value);
        let groups = &self.groups;
        let member = |entry: u32| match entry & GROUP {
            0 => Some(entry),
            _ => groups[(entry & !GROUP) as usize].representative(),
        };
        let of_entry = |entry: &u32| member(*entry).and_then(&identifier);
        if let Some(entry) = self.shards[shard].find_mut(hash, |entry| of_entry(entry) == Some(value)) {
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
                self.join(number, record, key);
            } else {
                self.join(found & !GROUP, record, key);
            }
            return;
        }
        let hasher = &self.hasher;
        let rehash = |entry: &u32| of_entry(entry).map_or(0, |value| hasher.hash_one(value));
        self.shards[shard].insert_unique(hash, record, rehash);
    }

    /// Takes a record out. Its identifier must still be readable.
    pub(crate) fn remove<'a>(
        &mut self,
        value: Identifier<'_>,
        record: u32,
        identifier: impl Fn(u32) -> Option<Identifier<'a>>,
        key: impl Fn(u32) -> K,
    ) {
        let (hash, shard) = self.place(value);
        let groups = &self.groups;
        let same = |entry: &u32| {
            let member = match *entry & GROUP {
                0 => Some(*entry),
                _ => groups[(*entry & !GROUP) as usize].representative(),
            };
            member.and_then(&identifier) == Some(value)
        };
        let Ok(mut found) = self.shards[shard].find_entry(hash, same) else { return };
        let entry = *found.get();
        if entry & GROUP == 0 {
            found.remove();
            return;
        }
        let number = entry & !GROUP;
        if let Some(last) = leave(&mut self.groups[number as usize], record, key) {
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
        identifier: impl Fn(u32) -> Option<Identifier<'s>>,
        key: impl Fn(u32) -> K,
    ) -> Members<'s, K> {
        let (hash, shard) = self.place(value);
        let same = |entry: &u32| {
            let member = match *entry & GROUP {
                0 => Some(*entry),
                _ => self.groups[(*entry & !GROUP) as usize].representative(),
            };
            member.and_then(&identifier) == Some(value)
        };
        let behind = |record: u32| after.is_none_or(|after| key(record) > after);
        match self.shards[shard].find(hash, same) {
            None => Members::One(None),
            Some(entry) if entry & GROUP == 0 => Members::One(Some(*entry).filter(|record| behind(*record))),
            Some(entry) => match &self.groups[(entry & !GROUP) as usize] {
                Group::Few { records, length } => {
                    let records = &records[..usize::from(*length)];
                    Members::Few(records[records.partition_point(|record| !behind(*record))..].iter())
                }
                Group::Many(records) => {
                    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                    Members::Many(records.range((from, Bound::Unbounded)))
                }
            },
        }
    }

    fn place(&self, value: Identifier<'_>) -> (u64, usize) {
        let hash = self.hasher.hash_one(value);
        // Bits that the table uses neither for the bucket nor for its tags.
        (hash, (hash >> 40) as usize % SHARDS)
    }

    fn join(&mut self, number: u32, record: u32, key: impl Fn(u32) -> K) {
        let group = &mut self.groups[number as usize];
        match group {
            Group::Few { records, length } if usize::from(*length) < FEW => {
                let used = usize::from(*length);
                let at = records[..used].partition_point(|member| key(*member) < key(record));
                records.copy_within(at..used, at + 1);
                records[at] = record;
                *length += 1;
            }
            Group::Few { records, .. } => {
                let mut many: BTreeMap<K, u32> = records.iter().map(|member| (key(*member), *member)).collect();
                many.insert(key(record), record);
                *group = Group::Many(many);
            }
            Group::Many(records) => {
                records.insert(key(record), record);
            }
        }
    }
}

/// Takes a record out of its group. If only one is left the group is no longer needed, and the one is returned.
fn leave<K: Key>(group: &mut Group<K>, record: u32, key: impl Fn(u32) -> K) -> Option<u32> {
    match group {
        Group::Few { records, length } => {
            let used = usize::from(*length);
            if let Some(at) = records[..used].iter().position(|member| *member == record) {
                records.copy_within(at + 1..used, at);
                *length -= 1;
            }
            (*length == 1).then_some(records[0])
        }
        Group::Many(records) => {
            records.remove(&key(record));
            let only = records.first_key_value().map(|(_, record)| *record);
            only.filter(|_| records.len() == 1)
        }
    }
}

/// The records of one identifier, in key order.
#[derive(Debug)]
pub(crate) enum Members<'s, K> {
    One(Option<u32>),
    Few(std::slice::Iter<'s, u32>),
    Many(btree_map::Range<'s, K, u32>),
}

impl<K> Iterator for Members<'_, K> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self {
            Self::One(record) => record.take(),
            Self::Few(records) => records.next().copied(),
            Self::Many(records) => records.next().map(|(_, record)| *record),
        }
    }
}
