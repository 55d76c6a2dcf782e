//! From an identifier (MAC, client-id, remote-id, relay-id) to the records that have it, in key order.

use std::collections::BTreeSet;
use std::collections::btree_set;
use std::hash::BuildHasher;
use std::ops::Bound;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::crowd::{CROWD, Crowd};
use crate::{Key, Time};

/// A value to look up: the type of a hardware address (0 for everything else) and octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identifier<'a> {
    pub(crate) kind: u8,
    pub(crate) bytes: &'a [u8],
}

/// One index. It holds no identifiers: they are read from the records, through the [`Lookup`] that each call is given.
///
/// An entry is a record number, or, marked by the top bit, the number of a group of records with one identifier. A record
/// may have several identifiers: one that is listed by itself is listed by its first.
#[derive(Debug)]
pub(crate) struct Index<K> {
    shards: Box<[HashTable<u32>]>,
    groups: Vec<Group<K>>,
    free: Vec<u32>,
    /// Whether it is asked for the latest of those with one identifier.
    by_time: bool,
    /// Seeded, because clients choose what is hashed.
    hasher: RandomState,
}

/// Growing a table re-reads all its records, so there are many small ones.
const SHARDS: usize = 128;
const GROUP: u32 = 1 << 31;
/// Records that a group holds by their numbers.
pub(crate) const FEW: usize = 3;

/// Records with one identifier. Sixteen octets, because many subscribers have two or three leases.
#[derive(Debug)]
struct Group<K> {
    /// Which identifier of its first record the group stands for.
    nth: u8,
    members: GroupMembers<K>,
}

/// In key order.
#[derive(Debug)]
enum GroupMembers<K> {
    Few {
        length: u8,
        records: [u32; FEW],
    },
    /// Keys only: they are small, and the records are found by them.
    Many(Box<Many<K>>),
}

/// Many records.
#[derive(Debug)]
struct Many<K> {
    keys: BTreeSet<K>,
    /// If they are very many, and it is asked for the latest of them.
    crowd: Option<Crowd<K>>,
}

/// What an index needs to know of the records in it.
pub(crate) trait Lookup<'a, K> {
    /// An identifier of a record.
    fn identifier(&self, record: u32, nth: usize) -> Option<Identifier<'a>>;
    /// The key of a record.
    fn key(&self, record: u32) -> K;
    /// The record of a key.
    fn record(&self, key: K) -> Option<u32>;
    /// When a record was heard of, if it is live.
    fn heard(&self, record: u32) -> Option<Time>;
}

impl<K: Key> GroupMembers<K> {
    /// The first record of the group: it has the identifier that all have.
    fn first<'a>(&self, lookup: &impl Lookup<'a, K>) -> Option<u32> {
        match self {
            Self::Few { records, .. } => Some(records[0]),
            Self::Many(many) => many.keys.first().and_then(|key| lookup.record(*key)),
        }
    }
}

impl<K: Key> Index<K> {
    pub(crate) fn new(by_time: bool) -> Self {
        let shards = (0..SHARDS).map(|_| HashTable::new()).collect();
        Self { shards, groups: Vec::new(), free: Vec::new(), by_time, hasher: RandomState::default() }
    }

    /// Makes room in an empty index.
    pub(crate) fn reserve(&mut self, count: usize) {
        for shard in self.shards.iter_mut().filter(|shard| shard.is_empty()) {
            shard.reserve(count / SHARDS, |_| 0);
        }
    }

    /// Adds a record, for the `nth` of its identifiers. Gives the records that are among very many now and were not before.
    pub(crate) fn insert<'a>(
        &mut self,
        value: Identifier<'_>,
        record: u32,
        nth: u8,
        lookup: &impl Lookup<'a, K>,
    ) -> Vec<u32> {
        let (hash, shard) = self.place(value);
        let groups = &self.groups;
        if let Some(entry) =
            self.shards[shard].find_mut(hash, |entry| stands_for(*entry, groups, lookup) == Some(value))
        {
            let number = match *entry {
                found if found & GROUP == 0 => {
                    let number = add_group(&mut self.groups, &mut self.free, found, 0);
                    *entry = number | GROUP;
                    number
                }
                found => found & !GROUP,
            };
            let group = &mut self.groups[number as usize];
            join(&mut group.members, record, lookup);
            settle(group, value, lookup);
            return if self.by_time { gather(&mut group.members, record, lookup) } else { Vec::new() };
        }
        let entry = if nth == 0 { record } else { add_group(&mut self.groups, &mut self.free, record, nth) | GROUP };
        let (hasher, groups) = (&self.hasher, &self.groups);
        let rehash = |entry: &u32| stands_for(*entry, groups, lookup).map_or(0, |value| hasher.hash_one(value));
        self.shards[shard].insert_unique(hash, entry, rehash);
        Vec::new()
    }

    /// The order by time of the records with this identifier, if they are very many.
    pub(crate) fn crowd<'a>(&self, value: Identifier<'_>, lookup: &impl Lookup<'a, K>) -> Option<&Crowd<K>> {
        let (hash, shard) = self.place(value);
        let same = |entry: &u32| *entry & GROUP != 0 && stands_for(*entry, &self.groups, lookup) == Some(value);
        let entry = *self.shards[shard].find(hash, same)?;
        match &self.groups[(entry & !GROUP) as usize].members {
            GroupMembers::Many(many) => many.crowd.as_ref(),
            GroupMembers::Few { .. } => None,
        }
    }

    /// Brings that order up to date after a record has changed. Says whether there is such an order.
    pub(crate) fn renew<'a>(&mut self, value: Identifier<'_>, record: u32, lookup: &impl Lookup<'a, K>) -> bool {
        let (hash, shard) = self.place(value);
        let groups = &self.groups;
        let same = |entry: &u32| *entry & GROUP != 0 && stands_for(*entry, groups, lookup) == Some(value);
        let Some(entry) = self.shards[shard].find(hash, same).copied() else { return false };
        match &mut self.groups[(entry & !GROUP) as usize].members {
            GroupMembers::Many(many) => {
                let Some(crowd) = &mut many.crowd else { return false };
                crowd.put(lookup.key(record), lookup.heard(record));
                true
            }
            GroupMembers::Few { .. } => false,
        }
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
        let group = &mut self.groups[number as usize];
        let left = leave(&mut group.members, record, lookup);
        settle(group, value, lookup);
        match left {
            Left::Several => return,
            Left::One(_) if group.nth > 0 => return,
            Left::One(last) => *found.get_mut() = last,
            Left::None => {
                found.remove();
            }
        }
        group.members = GroupMembers::Few { records: [0; FEW], length: 0 };
        self.free.push(number);
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
            Some(entry) => match &self.groups[(entry & !GROUP) as usize].members {
                GroupMembers::Few { records, length } => {
                    let records = &records[..usize::from(*length)];
                    Members::Few(records[records.partition_point(|record| !behind(*record))..].iter())
                }
                GroupMembers::Many(many) => {
                    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                    Members::Many(many.keys.range((from, Bound::Unbounded)))
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
    if entry & GROUP == 0 {
        return lookup.identifier(entry, 0);
    }
    let group = &groups[(entry & !GROUP) as usize];
    lookup.identifier(group.members.first(lookup)?, usize::from(group.nth))
}

/// Makes a group of one record, and gives its number.
fn add_group<K>(groups: &mut Vec<Group<K>>, free: &mut Vec<u32>, record: u32, nth: u8) -> u32 {
    let mut records = [0; FEW];
    records[0] = record;
    let group = Group { nth, members: GroupMembers::Few { records, length: 1 } };
    if let Some(number) = free.pop() {
        groups[number as usize] = group;
        return number;
    }
    groups.push(group);
    #[allow(
        clippy::cast_possible_truncation,
        reason = "fewer groups than identifiers, of which there is memory for 2^31"
    )]
    {
        (groups.len() - 1) as u32
    }
}

/// Finds out which identifier of its first record a group stands for now.
fn settle<'a, K: Key>(group: &mut Group<K>, value: Identifier<'_>, lookup: &impl Lookup<'a, K>) {
    let Some(first) = group.members.first(lookup) else { return };
    let nth = (0..u8::MAX).find(|nth| lookup.identifier(first, usize::from(*nth)).is_none_or(|found| found == value));
    group.nth = nth.unwrap_or_default();
}

fn join<'a, K: Key>(group: &mut GroupMembers<K>, record: u32, lookup: &impl Lookup<'a, K>) {
    let key = lookup.key(record);
    match group {
        GroupMembers::Few { records, length } if usize::from(*length) < FEW => {
            let used = usize::from(*length);
            let at = records[..used].partition_point(|member| lookup.key(*member) < key);
            records.copy_within(at..used, at + 1);
            records[at] = record;
            *length += 1;
        }
        GroupMembers::Few { records, .. } => {
            let mut keys: BTreeSet<K> = records.iter().map(|member| lookup.key(*member)).collect();
            keys.insert(key);
            *group = GroupMembers::Many(Box::new(Many { keys, crowd: None }));
        }
        GroupMembers::Many(many) => {
            many.keys.insert(key);
        }
    }
}

/// Puts a new record of a group into the order by time, or all of them if it has just come to be needed. Gives those that
/// were put there.
fn gather<'a, K: Key>(group: &mut GroupMembers<K>, record: u32, lookup: &impl Lookup<'a, K>) -> Vec<u32> {
    let GroupMembers::Many(many) = group else { return Vec::new() };
    let Many { keys, crowd } = &mut **many;
    match crowd {
        Some(crowd) => {
            crowd.put(lookup.key(record), lookup.heard(record));
            vec![record]
        }
        None if keys.len() > CROWD => {
            let crowd = crowd.insert(Crowd::new());
            let records: Vec<u32> = keys.iter().filter_map(|key| lookup.record(*key)).collect();
            for record in &records {
                crowd.put(lookup.key(*record), lookup.heard(*record));
            }
            records
        }
        None => Vec::new(),
    }
}

/// What is left of a group.
enum Left {
    None,
    One(u32),
    Several,
}

/// Takes a record out of its group.
fn leave<'a, K: Key>(group: &mut GroupMembers<K>, record: u32, lookup: &impl Lookup<'a, K>) -> Left {
    match group {
        GroupMembers::Few { records, length } => {
            let used = usize::from(*length);
            if let Some(at) = records[..used].iter().position(|member| *member == record) {
                records.copy_within(at + 1..used, at);
                *length -= 1;
            }
            match *length {
                0 => Left::None,
                1 => Left::One(records[0]),
                _ => Left::Several,
            }
        }
        GroupMembers::Many(many) => {
            let Many { keys, crowd } = &mut **many;
            let key = lookup.key(record);
            keys.remove(&key);
            if let Some(crowd) = crowd {
                crowd.put(key, None);
            }
            // Far enough below, so that one that comes and goes does not make it anew each time.
            if keys.len() < CROWD / 2 {
                *crowd = None;
            }
            match (keys.first(), keys.len()) {
                (None, _) => Left::None,
                (Some(only), 1) => lookup.record(*only).map_or(Left::Several, Left::One),
                _ => Left::Several,
            }
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

impl<K> Members<'_, K> {
    /// Whether there is any.
    pub(crate) fn is_some(&self) -> bool {
        match self {
            Self::One(record) => record.is_some(),
            Self::Few(records) => records.len() > 0,
            Self::Many(keys) => keys.clone().next().is_some(),
        }
    }
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
